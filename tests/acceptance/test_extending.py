"""The example of an instrumentor: it is short, it is what the documentation shows, and it works on a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server

import bottle
import pytest
from examples.bottle_instrumentor import BottleInstrumentor

import ezlogs
from ezlogs.testing import Captured

ROOT = Path(__file__).parents[2]


@pytest.fixture
def instrumented() -> Iterator[BottleInstrumentor]:
    """The instrumentor at work."""
    instrumentor = BottleInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def address() -> Iterator[str]:
    """A server of a shop."""
    shop = bottle.Bottle()

    @shop.get("/orders/<number:int>")
    def order(number: int) -> str:
        ezlogs.event("order.action", "viewed", subject=("order", number))
        return "an order"

    @shop.get("/broken")
    def broken() -> str:
        raise LookupError("no such order")

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with make_server("127.0.0.1", 0, shop, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def get(url: str) -> int:
    """Ask; return the status."""
    try:
        with urlopen(url, timeout=30) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code


def test_the_example_tells_requests(instrumented: BottleInstrumentor, captured: Captured, address: str) -> None:
    """By route, with what happened in them, and with what Bottle made a page of."""
    assert [get(address + path) for path in ("/orders/42", "/broken", "/nowhere")] == [200, 500, 404]
    viewed, order, broken, nowhere = captured.events
    assert (order.action, order.subject) == ("GET /orders/{number}", ezlogs.Subject("order", "42"))
    assert viewed.correlation.parent_event_id == order.event_id
    assert (broken.action, broken.outcome, broken.error and broken.error.type) == (
        "GET /broken",
        "failure",
        "LookupError",
    )
    assert (nowhere.action, nowhere.outcome) == ("GET (unmatched)", "success")
    instrumented.uninstrument()
    assert get(address + "/orders/43") == 200
    assert len(captured.of("http.request")) == 3


def test_the_documentation_shows_it_as_it_is_and_it_is_short() -> None:
    """What adding a framework takes is at most 150 lines."""
    text = (ROOT / "examples/bottle_instrumentor.py").read_text()
    assert f"```text\n{text}```" in (ROOT / "docs/extending.md").read_text()
    assert len(text.splitlines()) < 150
