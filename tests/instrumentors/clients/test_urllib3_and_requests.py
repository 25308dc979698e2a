"""urllib3 and requests: one hook for both, and for what is below and above a pool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
import urllib3
from urllib3.connection import HTTPConnection

from ezlogs.testing import Captured
from ezlogs_instrumentors.requests import RequestsInstrumentor
from ezlogs_instrumentors.urllib3 import Urllib3Instrumentor

from .conftest import FAR, MEMBER, NEAR, Server, story

TOLD = f"{MEMBER},tenant=7"


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Instrument urllib3."""
    Urllib3Instrumentor().instrument()
    yield
    Urllib3Instrumentor().uninstrument()


def test_one_hook_serves_both_until_neither_needs_it(captured: Captured, server: Server) -> None:
    """In whichever order they are instrumented and let go."""
    plain = HTTPConnection.request
    RequestsInstrumentor().instrument()
    hooked = HTTPConnection.request
    Urllib3Instrumentor().instrument()
    assert HTTPConnection.request is hooked is not plain
    RequestsInstrumentor().uninstrument()
    with story():
        requests.get(server.url(NEAR))
    Urllib3Instrumentor().uninstrument()
    assert HTTPConnection.request is plain
    assert server.sent("baggage") == [TOLD]


@pytest.mark.usefixtures("instrumented")
def test_each_retry_is_told_once(captured: Captured, server: Server) -> None:
    """With the same story and the same body."""
    retries = urllib3.Retry(2, status_forcelist=[503], backoff_factor=0, allowed_methods=None)
    with story(), urllib3.PoolManager() as manager:
        answer = manager.request("POST", server.url(NEAR, "/?fail=2"), body=b"order", retries=retries)

    assert answer.data == b"order"
    assert server.sent("baggage") == [TOLD] * 3


@pytest.mark.usefixtures("instrumented")
def test_headers_of_a_pool_and_a_session_are_not_changed(captured: Captured, server: Server) -> None:
    """They serve other requests too."""
    given = urllib3.HTTPHeaderDict({"X-Mine": "1"})
    given.add("X-Mine", "2")
    with story(), urllib3.PoolManager(headers=given) as manager, requests.Session() as session:
        manager.request("GET", server.url(NEAR))
        session.headers["X-Mine"] = b"1, 2"
        answer = session.get(server.url(NEAR))

    assert list(given.items()) == [("X-Mine", "1"), ("X-Mine", "2")]
    assert "baggage" not in session.headers
    assert "baggage" not in answer.request.headers
    assert [message.get_all("X-Mine") for _, message in server.received] == [["1", "2"], ["1, 2"]]
    assert server.sent("baggage") == [TOLD] * 2


@pytest.mark.usefixtures("instrumented")
def test_the_far_end_of_a_tunnel_counts(captured: Captured, server: Server) -> None:
    """A connection to a proxy on this machine is one to what lies behind it."""
    for host in (NEAR, FAR):
        connection = HTTPConnection("127.0.0.1", server.port)
        connection.set_tunnel(host, 80)
        with story():
            connection.request("GET", "/", None, {"baggage": f"a=1,{MEMBER}"})
        assert connection.getresponse().status == 200
        connection.close()

    assert server.sent("baggage") == [None, f"a=1,{MEMBER}", None, "a=1"]


@pytest.mark.usefixtures("instrumented")
def test_a_streamed_body_is_streamed(captured: Captured, server: Server) -> None:
    """It is read once the headers are under way."""

    def body() -> Iterator[bytes]:
        assert server.arrived.wait(10)
        yield b"order"

    with story(), urllib3.PoolManager() as manager:
        answer = manager.request("POST", server.url(NEAR), body=body(), headers={"Content-Length": "5"})

    assert answer.data == b"order"
    assert server.sent("baggage") == [TOLD]


@pytest.mark.usefixtures("instrumented")
def test_a_wrong_call_raises_what_it_always_raised(captured: Captured, server: Server) -> None:
    """Arguments and headers that urllib3 cannot take are the caller's error, not ours."""
    connection = HTTPConnection("127.0.0.1", server.port)
    with story():
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'url'"):
            connection.request("GET")  # type: ignore[call-arg]  # the point of the test
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            connection.request("GET", "/", colour="red")  # type: ignore[call-arg]  # the point of the test
    connection.close()
