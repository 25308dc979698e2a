"""Arrivals: the same request, whichever protocol describes it."""

from __future__ import annotations

from typing import Any

import pytest

from ezlogs.trackers.http import Arrival, AsgiArrival, CgiArrival, PlainArrival
from ezlogs.trackers.http.arrival import HEADERS

CGI: dict[str, Any] = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "/shop",
    "PATH_INFO": "/orders",
    "QUERY_STRING": "page=2",
    "REMOTE_ADDR": "203.0.113.9",
    "wsgi.url_scheme": "https",
    "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": "12",
    "HTTP_HOST": "shop.example.com",
    "HTTP_X_REQUEST_ID": "r-1",
}
SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/shop/orders",
    "root_path": "/shop",
    "query_string": b"page=2",
    "client": ("203.0.113.9", 51234),
    "scheme": "https",
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", b"12"),
        (b"Host", b"shop.example.com"),
        (b"x-request-id", b"r-1"),
    ],
}


@pytest.mark.parametrize("arrival", [CgiArrival(dict(CGI)), AsgiArrival(dict(SCOPE))], ids=["cgi", "asgi"])
def test_either_protocol_says_the_same(arrival: Arrival) -> None:
    """Method, path, query, client and headers."""
    assert (arrival.method, arrival.path, arrival.query()) == ("POST", "/shop/orders", "page=2")
    assert arrival.peer() == "203.0.113.9"
    assert arrival.url() == "https://shop.example.com/shop/orders?page=2"
    assert arrival.header("content-type") == "application/json"
    assert arrival.header("content-length") == "12"
    assert arrival.header("x-request-id") == "r-1"
    assert arrival.header("x-forwarded-for") is None
    assert set(HEADERS.keys(arrival)) >= {"host", "x-request-id"}


def test_lines_of_a_header_are_told_apart_where_the_server_does() -> None:
    """Propagators and proxies read all of them."""
    arrival = AsgiArrival({"type": "http", "headers": [(b"baggage", b"a=1"), (b"Baggage", b"b=2")]})
    assert HEADERS.get(arrival, "Baggage") == ["a=1", "b=2"]
    assert arrival.header("baggage") == "a=1, b=2"
    assert PlainArrival("GET", "/", {"baggage": ["a=1", "b=2"]}).header("baggage") == "a=1, b=2"


@pytest.mark.parametrize(
    "arrival",
    [CgiArrival({}), AsgiArrival({"type": "websocket"}), AsgiArrival({"client": None, "headers": []})],
)
def test_what_a_server_leaves_out_is_not_there(arrival: Arrival) -> None:
    """Test clients and lesser servers say little."""
    assert arrival.peer() is None
    assert arrival.query() == ""
    assert arrival.header("host") is None
    assert arrival.url().endswith("://")


def test_a_root_path_that_an_old_server_left_out_of_the_path_is_added() -> None:
    """The ASGI specification came to say that the path has it."""
    assert AsgiArrival({"path": "/orders", "root_path": "/shop"}).path == "/shop/orders"


def test_headers_that_are_no_text_are_read_as_latin_1() -> None:
    """They may hold any byte."""
    assert AsgiArrival({"headers": [(b"x-name", b"J\xf6rg")]}).header("x-name") == "Jörg"


def test_variables_of_other_kinds_are_no_headers() -> None:
    """Servers put objects of their own into the environment, and empty texts."""
    arrival = CgiArrival({"HTTP_X_ODD": object(), "CONTENT_TYPE": ""})
    assert arrival.header("x-odd") is None
    assert arrival.header("content-type") is None
