"""http.client, used directly."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPMessage

import pytest

from ezlogs.testing import Captured
from ezlogs_instrumentors.urllib import UrllibInstrumentor

from .conftest import FAR, MEMBER, NEAR, Server, story

TOLD = f"{MEMBER},tenant=7"


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument the standard library."""
    UrllibInstrumentor().instrument()
    yield
    UrllibInstrumentor().uninstrument()


def test_a_connection_is_told_the_story(captured: Captured, server: Server) -> None:
    """With headers by position, by name and without any; what was given stays as it was."""
    given = {"X-Mine": "1"}
    with story():
        for call in ({}, {"headers": given}):
            connection = HTTPConnection(NEAR, server.port)
            connection.request("GET", "/", **call)
            connection.getresponse().read()
            connection.request("GET", "/", None, given)
            connection.getresponse().read()
            connection.close()

    assert given == {"X-Mine": "1"}
    assert server.sent("baggage") == [TOLD] * 4
    assert server.sent("x-mine") == [None, "1", "1", "1"]


def test_headers_of_one_name_stay_apart(captured: Captured, server: Server) -> None:
    """A message can hold a name more than once."""
    given = HTTPMessage()
    for value in (f"a=1,{MEMBER}", "b=2"):
        given["baggage"] = value
    connection = HTTPConnection(FAR, server.port)
    with story():
        connection.request("GET", "/", headers=given)
    connection.getresponse().read()
    connection.close()

    assert given.get_all("baggage") == [f"a=1,{MEMBER}", "b=2"]
    assert server.received[0][1].get_all("baggage") == ["a=1", "b=2"]


def test_the_far_end_of_a_tunnel_counts(captured: Captured, server: Server) -> None:
    """A connection to a proxy on this machine is one to what lies behind it."""
    connection = HTTPConnection("127.0.0.1", server.port)
    connection.set_tunnel(FAR, 80)
    with story():
        connection.request("GET", "/", headers={"baggage": f"a=1,{MEMBER}"})
    connection.getresponse().read()
    connection.close()

    assert server.sent("baggage") == [None, "a=1"]
