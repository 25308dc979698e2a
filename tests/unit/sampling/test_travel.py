"""How sampling travels: by baggage, by ezlogs' header, to jobs and to other processes - with what is known by then."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context

import ezlogs
from ezlogs.correlation import Correlation, current, placed, valid_id
from ezlogs.handover import for_program, packed, unpacked
from ezlogs.propagation.egress import departing
from ezlogs.propagation.header import HEADER
from ezlogs.propagation.header import read as read_header
from ezlogs.propagation.inbound import extract
from ezlogs.propagation.propagator import EzlogsPropagator
from ezlogs.sampling.rates import Rates
from ezlogs.sampling.travel import Known, read, written
from ezlogs.scope import Scope
from ezlogs.testing import capture
from ezlogs.trackers.http import HttpTracker, PlainArrival
from ezlogs.trackers.job import Job, enqueued, perform, started

LEFT_OUT = "0" * 31 + "1"
SHARES = st.floats(0, 1)


@pytest.fixture(autouse=True)
def _baggage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagate, "propagator", W3CBaggagePropagator())


def in_story(**fields: Any) -> Scope:
    """Enter a story that rates below 1 leave out."""
    return Scope(placed(Correlation(correlation_id=LEFT_OUT, **fields)))


def sent() -> str | None:
    """Return what a request to a near host says of sampling."""
    headers = dict(departing([], "orders.internal") or [])
    assert str(headers["baggage"]).count("ezlogs.correlation_id") == 1
    found = [
        part.partition("=")[2] for part in str(headers["baggage"]).split(",") if part.startswith("ezlogs.sampling=")
    ]
    assert len(found) <= 1
    return unquote(found[0]) if found else None


@given(st.builds(Known, st.none() | SHARES, st.booleans()), st.integers(0, 2**56 - 1).map("{:032x}".format))
def test_every_service_finds_the_rate_again(known: Known, story: str) -> None:
    """To the last bit: none keeps a story that another one leaves out."""
    text = written(known)
    if text is None:
        assert known == Known()
        return
    assert valid_id(text) == text
    again = read(text)
    assert (again.kept, again.rate is None) == (known.kept, known.rate is None)
    assert written(again) == text
    if known.rate is not None:
        first, second = Rates(known.rate), Rates(0.5)
        assert (
            first.judge("order.action", "success", story).kept
            is second.judge("order.action", "success", story, inherited=again.rate).kept
        )


@pytest.mark.parametrize("damaged", ["c:gone", "c:", "zz", "zz:kept", "c" * 15, ":"])
def test_of_what_is_damaged_nothing_is_believed(damaged: str) -> None:
    """Neither a rate nor that something is kept."""
    assert read(damaged) == Known()


@given(st.text(max_size=20))
def test_anything_from_outside_is_read(text: str) -> None:
    """Without an error, and never as a rate that is none."""
    rate = read(text).rate
    assert rate is None or 0 <= rate <= 1


def test_who_keeps_everything_says_nothing() -> None:
    """The next service decides by itself, and what came before goes on unchanged."""
    with capture(), in_story():
        assert sent() is None
    with capture(never_events="debug.*"), in_story():
        assert sent() is None
    for settings in ({}, {"sample_rate": 0.5}):
        with capture(**settings), in_story(sampling="c"):
            assert sent() == "c"


def test_requests_say_the_rate_and_whether_the_story_is_kept_by_now() -> None:
    """Not only what their scope was told when it began."""
    with capture(sample_rate=0.25), in_story(), ezlogs.command("import", nested=True):
        assert sent() == "c"
        ezlogs.event("order.action", "placed", outcome="failure")
        assert sent() == "c:kept"
        with Scope(placed(Correlation(correlation_id=LEFT_OUT, sampling="8"))):
            assert sent() == "8:kept"
    with capture(sample_rate=0.25, keep_slow=0), in_story(), ezlogs.command("import", nested=True):
        assert sent() == "c:kept"
    with capture(sample_rate=0.25), in_story():
        assert sent() == "c"


def test_the_rate_is_that_of_the_route() -> None:
    """Which is said once it is known."""
    with capture(sample_routes={"GET /heartbeat": 0, "GET /orders": 0.25}), in_story():
        tracked = HttpTracker("example").begin(PlainArrival("GET", "/orders", {}))
        assert tracked is not None
        assert sent() is None
        tracked.matched("/orders")
        assert sent() == "c"
        tracked.finish(200, route="/orders")
        tracked = HttpTracker("example").begin(PlainArrival("GET", "/heartbeat", {}))
        assert tracked is not None
        ezlogs.event("order.action", "placed", outcome="failure")
        assert sent() == ":kept"
        tracked.matched("/heartbeat")
        assert sent() == "none:kept"
        tracked.finish(200, route="/heartbeat")


def test_a_far_host_learns_nothing() -> None:
    """Nor does one that ezlogs' own header goes to change it."""
    with capture(sample_rate=0.25), in_story(sampling="c"):
        baggage = [("baggage", "tenant=7,ezlogs.correlation_id=4bf92f,ezlogs.sampling=c")]
        assert departing(baggage, "api.example.com") == [("baggage", "tenant=7")]
        own = [(HEADER, '{"v":1,"correlation_id":"story-1"}'), ("baggage", "tenant=7")]
        assert departing(own, "orders.internal", injecting=False) is None


def test_what_a_service_is_told_it_knows() -> None:
    """From baggage and from the header alike, and it passes it on."""
    headers: dict[str, str] = {}
    EzlogsPropagator().inject(headers, placed(Correlation(correlation_id=LEFT_OUT, sampling="c:kept"), Context()))
    baggage = {"baggage": f"ezlogs.correlation_id={LEFT_OUT},ezlogs.sampling=c%3Akept"}
    for ctx in (EzlogsPropagator().extract(headers, Context()), extract(baggage, Context())):
        story = current(ctx)
        assert story is not None
        assert story.sampling == "c:kept"
        with capture(sample_rate=0) as captured, Scope(ctx):
            ezlogs.event("order.action", "placed")
            assert sent() == "c:kept"
        assert [event.sampling is not None and event.sampling.added for event in captured.events] == [True]


def test_the_header_says_what_is_known_when_it_is_written() -> None:
    """As requests do."""
    with capture(sample_rate=0.25), in_story(), ezlogs.command("import", nested=True):
        ezlogs.event("order.action", "placed", outcome="failure")
        headers: dict[str, str] = {}
        EzlogsPropagator().inject(headers)
        header = read_header(headers[HEADER])
        assert header is not None
        assert header.sampling == "c:kept"


def test_jobs_are_told_too() -> None:
    """Those that are enqueued after something failed, and the next attempt of one that failed."""
    with capture(sample_rate=0.25) as captured, in_story(), ezlogs.command("import", nested=True):
        before = enqueued(Job("send", "j-1"), traced=True)
        ezlogs.event("order.action", "placed", outcome="failure")
        after = enqueued(Job("send", "j-2"), traced=True)
    for headers, sampling in ((before, "c"), (after, "c:kept")):
        header = read_header(headers[HEADER])
        assert header is not None
        assert header.sampling == sampling
    with capture(sample_rate=0.5) as captured:
        for headers in (before, after):
            with perform(Job("send", "j-1", system="own"), headers=headers):
                ezlogs.event("mail.sent", "sent")
        assert len(captured.of("mail.sent")) == 1
        attempt = started(Job("send", "j-1"), headers=before)
        assert attempt is not None
        attempt.retried(ValueError("no"))
        again = read_header(attempt.requeued(traced=True)[HEADER])
        attempt.close()
    assert again is not None
    assert again.sampling == "c:kept"


def test_other_processes_are_told_too() -> None:
    """Of the same application, and programs that it starts."""
    with capture(sample_rate=0.25), in_story(), ezlogs.command("import", nested=True):
        ezlogs.event("order.action", "placed", outcome="failure")
        ctx = context.get_current()
        story = current(unpacked(packed(ctx)))
        environ = for_program({}, ctx)
    assert story is not None
    assert story.sampling == "c:kept"
    assert environ is not None
    assert "ezlogs.sampling=c%3Akept" in environ["BAGGAGE"]


def test_another_story_knows_nothing_of_it() -> None:
    """A scope of its own begins anew."""
    with capture(sample_rate=0.25), in_story(sampling="c:kept"), ezlogs.CorrelationManager.start_schedule_context():
        story = current()
        assert story is not None
        assert story.sampling is None
        assert sent() == "c"
