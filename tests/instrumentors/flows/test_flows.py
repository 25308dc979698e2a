"""Whole flows on real servers, with zero configuration: alone, and beside OpenTelemetry's own instrumentors."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from .serving import Site, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the servers need POSIX")

SECRET = "tok-5Yd83kPq0ZrW7uLx2Bv9"
LARGE = 64 * 2**20


def large():
    """Make a large body bit by bit."""
    for _ in range(LARGE // 65536):
        yield b"x" * 65536


JUNK = (
    b"BREW /orders/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    b"GET /%ff%fe/%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    b"GET /\xff\xe9 HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    b"GET /nowhere HTTP/1.1\r\nHost: \xff\xe9..:99999\r\nUser-Agent: \xe9\xff\r\nX-Request-ID: \xe9 \r\n",
    b"GET /nowhere HTTP/1.1\r\nHost: a, b\r\nReferer: http://[x\r\nX-Forwarded-For: ,,;=\r\nForwarded: for=\r\n",
    b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nTraceparent: 00-x\r\nBaggage: =,;=\r\nTracestate: \xff\r\n",
    b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: abc\r\n",
    b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: " + b"x" * 7000 + b"\r\n",
)
"""What no decent client sends; servers answer some of it by themselves."""


def test_a_flow_is_told_once_with_its_route_and_its_actor(site: Site) -> None:
    """Each request is one event on one server span, and the parent of what happened in it."""
    site.start()
    _, _, cookie = site.ask("POST", "/login", content_length="0")
    assert site.ask("POST", "/orders/42?card=4111", Cookie=cookie, content_length="0")[:2] == (200, "ok")
    assert site.ask("GET", f"/nowhere/9?key={SECRET}")[0] == 404
    assert site.ask("GET", f"/reset/{SECRET}?key={SECRET}")[0] == 200
    assert site.ask("GET", f"/fails/9?key={SECRET}", user_agent="\xe9\xff")[0] == 500
    for request in JUNK:
        site.send(request + b"Connection: close\r\n\r\n")
    sent, took = map(int, site.ask("POST", "/uploads/large", large(), content_length=str(LARGE))[1].split())
    site.stop()

    order = site.one("http.request", "POST /orders/{order}")
    placed = site.one("order.action", "placed")
    assert (order["ezlogs.actor.type"], order["ezlogs.actor.id"]) == ("user", "7")
    assert (order["ezlogs.subject.type"], order["ezlogs.subject.id"]) == ("order", "42")
    assert (placed["ezlogs.actor.type"], placed["ezlogs.actor.id"]) == ("user", "7")
    assert placed["ezlogs.parent_event.id"] == order["ezlogs.event.id"]
    assert placed["ezlogs.correlation.id"] == order["ezlogs.correlation.id"]
    failed = site.one("http.request", "GET /fails/{name}")
    assert (failed["ezlogs.outcome"], failed["error.type"]) == ("failure", "ValueError")
    upload = site.one("http.request", "POST /uploads/{name}")
    assert sent == upload["ezlogs.metadata.request_bytes"] == LARGE
    assert took < LARGE / 4, "the body was kept"

    actions = {
        "POST /login", "POST /orders/{order}", "GET (unmatched)", "GET /reset/{token}", "GET /fails/{name}",
        "POST /uploads/{name}",
    }  # fmt: skip
    told = Counter(event["ezlogs.action"] for event in site.told())
    junk = told - Counter(actions)
    assert set(told) - set(junk) <= actions <= set(told)
    assert set(junk) <= {"_OTHER (unmatched)", "_OTHER /orders/{order}", "GET (unmatched)", "POST (unmatched)"}, junk
    assert len(junk) > 1
    assert all(len(str(value)) <= 512 for event in site.told() for value in event.values())
    # of another exporter's, where there is one
    until(lambda: len(site.hops()) >= sum(told.values()), lambda: f"{told} {site.hops()}{site.log()}")
    hops = {span.span_id: span for span in site.hops()}
    requests = [span for span in site.receiver.spans if any(event.name == "http.request" for event in span.events)]
    assert {span.span_id if span.kind == "server" else span.parent_span_id for span in requests} == {*hops}
    assert len(hops) == sum(told.values())
    assert all(not span.parent_span_id for span in hops.values())
    own = [span for span in site.receiver.spans if span.scope_name.startswith("ezlogs")]
    assert [span for span in own if SECRET in repr(span)] == []


def test_what_never_returns_is_told_by_the_next_process(site: Site) -> None:
    """By its route, as the parent of what has happened in it."""
    site.start()
    site.hangs("/hang/42")
    site.start()
    hung = site.one("http.request", "GET /hang/{order}")
    begun = site.one("order.action", "begun")
    assert (hung["ezlogs.outcome"], hung["ezlogs.metadata.reason"]) == ("unknown", "interrupted")
    assert begun["ezlogs.parent_event.id"] == hung["ezlogs.event.id"]
    site.stop()
    assert Counter(event["ezlogs.action"] for event in site.told()) == {"GET /hang/{order}": 1}
