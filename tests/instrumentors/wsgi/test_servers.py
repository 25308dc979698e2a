"""The WSGI middleware on real servers: wsgiref's, Werkzeug's with threads, and gunicorn's workers of three kinds."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from ezlogs.testing import Captured

from ..flows.serving import gunicorn_options
from . import served

DEADLINE = 30.0


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No request may find what another one left in its thread."""
    served.LEAKED.clear()
    yield
    assert served.LEAKED == []


def get(connection: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask for a path."""
    connection.request(method, path)
    response = connection.getresponse()
    try:
        return response.status, response.read()
    except http.client.IncompleteRead as broken:
        connection.close()
        return response.status, broken.partial


def until(ready: Callable[[], Any]) -> Any:
    """Return what is there as soon as it is."""
    deadline = monotonic() + DEADLINE
    while not (found := ready()):
        assert monotonic() < deadline
        sleep(0.01)
    return found


def test_requests_one_after_the_other_are_each_their_own(serve: Any, captured: Captured) -> None:
    """One after the other, in the server's one thread or each in its own; each is a request of its own."""
    connection = http.client.HTTPConnection(serve(served.looked_at), timeout=DEADLINE)
    answers = [get(connection, path) for path in ("/write", "/stream", "/unchanged", "/stream")]
    head = get(connection, "/write", "HEAD")
    connection.close()
    assert answers == [(200, b"onetwo"), (200, b"onetwo"), (304, b""), (200, b"onetwo")]
    assert head[0] == 200
    requests = until(lambda: len(captured.of("http.request")) == 5 and captured.of("http.request"))
    actions = ["GET /stream", "GET /stream", "GET /unchanged", "GET /write", "HEAD /write"]
    assert sorted(event.action for event in requests) == actions
    assert {event.outcome for event in requests} == {"success"}
    assert len({event.correlation.correlation_id for event in requests}) == 5
    streams = {event.event_id for event in requests if event.action == "GET /stream"}
    assert {part.correlation.parent_event_id for part in captured.of("order.part")} == streams


def test_a_file_is_sent_as_it_is(serve: Any, captured: Captured) -> None:
    """By the server's own wrapper, where it has one."""
    connection = http.client.HTTPConnection(serve(served.looked_at), timeout=DEADLINE)
    connection.request("GET", "/file")
    assert connection.getresponse().read(5) == Path(served.__file__).read_bytes()[:5]
    connection.close()
    (request,) = until(lambda: captured.of("http.request"))
    assert request.metadata["response_bytes"] >= 5


@pytest.mark.parametrize("path", ["/raise", "/breaks"])
def test_what_breaks_is_a_failure(serve: Any, captured: Captured, path: str) -> None:
    """Before the response and in the middle of it; the server does what it does."""
    connection = http.client.HTTPConnection(serve(served.looked_at), timeout=DEADLINE)
    try:
        get(connection, path)
    except (http.client.HTTPException, ConnectionError):
        pass
    finally:
        connection.close()
    (request,) = until(lambda: captured.of("http.request"))
    assert (request.outcome, request.error.type) == ("failure", "ZeroDivisionError")


def test_a_client_that_goes_away_leaves_the_outcome_unknown(serve: Any, captured: Captured) -> None:
    """In the middle of a stream that would never end."""
    connection = http.client.HTTPConnection(serve(served.looked_at), timeout=DEADLINE)
    connection.request("GET", "/endless")
    connection.getresponse().read(10)
    connection.close()
    (request,) = until(lambda: captured.of("http.request"))
    assert (request.outcome, request.metadata["reason"]) == ("unknown", "disconnected")


@pytest.fixture(params=["sync", "gthread", "gevent"])
def gunicorn(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """gunicorn with one worker; its host and port."""
    log = tmp_path / "log"
    command = [sys.executable, "-m", "gunicorn", "served:make_kept()", "--bind", "127.0.0.1:0"]
    options = ["--worker-class", request.param, "--pythonpath", str(Path(__file__).parent), *gunicorn_options()]
    with log.open("w") as output:
        process = subprocess.Popen([*command, *options], stdout=output, stderr=output, cwd=tmp_path)
    try:
        yield until(lambda: re.search(r"Listening at: http://(\S+)", log.read_text()))[1]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DEADLINE)
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn forks")
def test_gunicorn_s_workers_tell_all_of_them(gunicorn: str, request: pytest.FixtureRequest) -> None:
    """What is whole, what streams, what breaks, and what nobody waits for the end of; on one connection and on several.

    Workers other than sync ones keep it.
    """
    connection = http.client.HTTPConnection(gunicorn, timeout=DEADLINE)
    assert get(connection, "/write") == (200, b"onetwo")
    kept_connection = connection.sock
    assert (kept_connection is None) == (request.node.callspec.params["gunicorn"] == "sync")
    assert get(connection, "/stream") == (200, b"onetwo")
    assert get(connection, "/unchanged") == (304, b"")
    assert connection.sock is kept_connection
    assert get(connection, "/file")[1][:5] == Path(served.__file__).read_bytes()[:5]
    connection.close()
    assert get(http.client.HTTPConnection(gunicorn, timeout=DEADLINE), "/raise")[0] == 500
    assert get(http.client.HTTPConnection(gunicorn, timeout=DEADLINE), "/breaks")[1] == b"one"
    connection = http.client.HTTPConnection(gunicorn, timeout=DEADLINE)
    connection.request("GET", "/endless")
    connection.getresponse().read(10)
    connection.close()

    def kept() -> Any:
        asked = http.client.HTTPConnection(gunicorn, timeout=DEADLINE)
        try:
            found = json.loads(get(asked, "/kept")[1])
        finally:
            asked.close()
        return len(found["told"]) == 7 and found

    found = until(kept)
    assert found["leaked"] == 0
    assert sorted(map(tuple, found["told"])) == [
        ("GET /breaks", "failure", None),
        ("GET /endless", "unknown", "disconnected"),
        ("GET /file", "success", None),
        ("GET /raise", "failure", None),
        ("GET /stream", "success", None),
        ("GET /unchanged", "success", None),
        ("GET /write", "success", None),
    ]
