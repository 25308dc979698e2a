"""What is told of a request beside its route and its end."""

from __future__ import annotations

from typing import Any

import pytest

import ezlogs
from ezlogs.correlation import current
from ezlogs.testing import capture
from ezlogs.trackers.http import HttpRequest, HttpTracker, PlainArrival
from ezlogs.trackers.http.details import query_parameters, selected, session_digest

tracker = HttpTracker("test")


def begin(
    headers: dict[str, str | list[str]] | None = None, *, method: str = "GET", path: str = "/orders", **options: Any
) -> HttpRequest:
    """Begin a request that is no part of another."""
    request = tracker.begin(PlainArrival(method, path, headers or {}, **options))
    assert isinstance(request, HttpRequest)
    return request


def metadata(request: HttpRequest, **end: Any) -> dict[str, Any]:
    """Finish a request; return what its event tells beside method, route and status."""
    with capture() as captured:
        request.finish(**{"status": 200, "route": "/orders", **end})
    return {k: v for k, v in captured.events[0].metadata.items() if k not in ("method", "route", "status")}


@pytest.mark.usefixtures("captured")
@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"user-agent": "curl/8.5.0"}, {"user_agent": "curl/8.5.0"}),
        ({"user-agent": "x" * 1000}, {"user_agent": "x" * 256}),
        ({"referer": "https://ada:pw@shop.example.com/orders?token=1"}, {"referrer_host": "shop.example.com"}),
        ({"referer": "http://[broken"}, {}),
        ({"referer": "/orders"}, {}),
        ({"api-version": "2024-06-01"}, {"api_version": "2024-06-01"}),
        ({"x-api-version": "3"}, {"api_version": "3"}),
        ({"accept": "application/vnd.shop.v2+json"}, {"api_version": "v2"}),
        ({"accept": "application/json; version=1.2, text/html"}, {"api_version": "1.2"}),
        ({"accept": "text/html,application/xml;q=0.9"}, {}),
        ({"content-type": "application/JSON; charset=utf-8"}, {"request_content_type": "application/json"}),
        ({"content-length": "12"}, {"request_bytes": 12}),
        ({"content-length": "-1"}, {}),
        ({"content-length": "٣"}, {}),
        ({"cookie": "sessionid=secret", "authorization": "Bearer secret"}, {}),
    ],
)
def test_headers_are_told_one_by_one(headers: dict[str, str | list[str]], told: dict[str, object]) -> None:
    """Only these, bounded, and never what lets somebody in."""
    assert metadata(begin(headers)) == told


@pytest.mark.usefixtures("captured")
def test_the_version_of_an_api_may_be_in_its_route() -> None:
    """A header has the last word."""
    assert metadata(begin(), route="/api/v2/orders") == {"api_version": "v2"}
    assert metadata(begin({"api-version": "3"}), route="/api/v2/orders") == {"api_version": "3"}


@pytest.mark.usefixtures("captured")
def test_a_response_is_measured_or_as_it_says() -> None:
    """Bytes are counted where they are seen, else as declared, else left out."""
    request = begin()
    request.responds(200, {"content-type": "text/html; charset=utf-8", "content-length": "5000"}.get)
    assert metadata(request) == {"response_content_type": "text/html", "response_bytes": 5000}
    request = begin()
    request.responds(200, {"content-length": "5000"}.get)
    request.sends(100)
    request.sends(23)
    told = metadata(request)
    assert told.pop("time_to_first_byte") > 0
    assert told == {"response_bytes": 123}
    request = begin()
    request.sends(0)
    assert metadata(request) == {"response_bytes": 0}
    request = begin()
    request.sends(7, first=False)
    assert metadata(request) == {"response_bytes": 7}


@pytest.mark.usefixtures("captured")
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_what_has_no_body_has_no_bytes(method: str, status: int) -> None:
    """Whatever its headers say of the body that another request would get."""
    request = begin(method=method)
    request.responds(status, {"content-length": "5000"}.get)
    assert metadata(request, status=None) == {}


def test_the_address_is_that_of_the_client() -> None:
    """By the connection, or by proxies that are trusted."""
    headers: dict[str, str | list[str]] = {"x-forwarded-for": "203.0.113.9"}
    with capture() as captured:
        begin(headers, peer="10.0.0.1").finish(200)
    with capture(trusted_proxies="10.0.0.0/8") as proxied:
        begin(headers, peer="10.0.0.1").finish(200)
    assert captured.events[0].metadata["client_address"] == "10.0.0.1"
    assert proxied.events[0].metadata["client_address"] == "203.0.113.0"


def test_parameters_and_fields_are_told_by_name() -> None:
    """None by default; of those that are asked for scalars and lists of them."""
    query, body = "page=2&page=3&token=x", {"quantity": 3, "card": "4111", "lines": [1, {"a": 1}], "deep": {"a": 1}}

    def told() -> dict[str, object]:
        request = begin(query=query)
        request.parsed(body)
        request.parsed(["not", "fields"])
        request.finish(200, route="/orders/{id}", parameters={"id": 42})
        return dict(captured.events[-1].metadata)

    with capture() as captured:
        assert not told().keys() & {"parameters", "body"}
    with capture(request_parameters="page,id", request_fields="quantity,lines,d*") as captured:
        facts = told()
    assert facts["parameters"] == {"page": ("2", "3"), "id": 42}
    assert facts["body"] == {"quantity": 3, "lines": (1,)}


def test_hostile_queries_cost_little() -> None:
    """A thousand parameters are enough, and so are sixty-four that are told."""
    assert query_parameters("a=1&" * 5000) == {}
    assert len(query_parameters("&".join(f"a{n}=1" for n in range(900)))) == 900
    assert len(selected({f"a{n}": n for n in range(900)}, ("*",))) == 64
    assert query_parameters("a=%ff&b") == {"a": "\ufffd", "b": ""}


def test_a_session_is_told_by_a_digest(captured) -> None:
    """From when it is known on, in the request's event too; the key itself would let anybody in."""
    request = begin()
    outside = current()
    ezlogs.event("order.action", "seen")
    request.in_session("k2j8f0d9s8f7a6s5")
    request.in_session("k2j8f0d9s8f7a6s5")
    ezlogs.event("order.action", "seen")
    inside = current()
    request.finish(200)
    before, after, event = captured.events
    digest = session_digest("k2j8f0d9s8f7a6s5")
    assert digest is not None
    assert "k2j8" not in digest
    assert before.correlation.session_id is None
    assert after.correlation.session_id == event.correlation.session_id == digest
    assert after.correlation.parent_event_id == event.event_id
    assert outside is not None
    assert inside is not None
    assert inside == outside.replace(session_id=digest)
    assert current() is None


@pytest.mark.parametrize("key", [None, "", 7, object()])
def test_what_is_no_key_is_no_session(captured, key: object) -> None:
    """Sessions that nobody has saved yet have none."""
    request = begin()
    request.in_session(key)
    request.finish(200)
    assert captured.events[0].correlation.session_id is None


def test_frameworks_add_what_only_they_know(captured) -> None:
    """Under names of their own."""
    request = begin()
    request.told("messages_sent", 3)
    request.finish(200)
    assert captured.events[0].metadata["messages_sent"] == 3
