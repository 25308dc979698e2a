"""Where a request enters: the story that it brings along goes on, or is linked; who acts is never believed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import ezlogs
from ezlogs.actor import current_actor
from ezlogs.correlation import Correlation, current, placed
from ezlogs.event import UniversalEvent
from ezlogs.party import Actor
from ezlogs.propagation.egress import departing
from ezlogs.propagation.inbound import claimed_actor, extract
from ezlogs.scope import Scope
from ezlogs.testing import Captured, capture
from ezlogs.trackers.http import HttpTracker, PlainArrival
from ezlogs.trackers.job import Job, perform

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
HEADERS = {
    "traceparent": f"00-{TRACE}-{SPAN}-01",
    "baggage": "tenant=acme,ezlogs.correlation_id=story-1,ezlogs.flow_id=f:1,ezlogs.parent_event_id=evt_1,"
    "ezlogs.session_id=s-1,ezlogs.actor=user:7",
}

tracker = HttpTracker("test")


@pytest.fixture
def linking() -> Iterator[Captured]:
    """A service at the edge: stories from outside do not go on in it."""
    with capture(trust_inbound="link") as captured:
        yield captured


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """A provider of this test's own."""
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield provider
    provider.shutdown()


@pytest.fixture
def spans(provider: TracerProvider) -> InMemorySpanExporter:
    """The spans that are finished."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def answer(captured: Captured, headers: dict[str, str]) -> UniversalEvent:
    """Handle a request, and return its event."""
    request = tracker.begin(PlainArrival("GET", "/", headers))
    assert request is not None
    request.finish(200, route="/")
    return captured.of("http.request")[-1]


def test_a_story_goes_on_unless_told_otherwise(captured: Captured) -> None:
    """Story, flow, session and cause are those of the caller."""
    assert answer(captured, HEADERS).correlation == Correlation(
        correlation_id="story-1", flow_type="f", flow_id="f:1", parent_event_id="evt_1", session_id="s-1"
    )


def test_at_the_edge_a_request_begins_its_own_trace_and_story(linking: Captured, spans: InMemorySpanExporter) -> None:
    """Nothing of the inbound ids is taken over; they are linked, as a story and as a span."""
    event = answer(linking, HEADERS)
    (span,) = spans.get_finished_spans()
    assert span.parent is None
    assert event.correlation == Correlation(
        correlation_id=f"{span.context.trace_id:032x}", linked_correlation_id="story-1"
    )
    assert event.correlation.correlation_id != TRACE
    (link,) = span.links
    assert (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") == (TRACE, SPAN)


def test_at_the_edge_the_applications_baggage_comes_in_and_our_own_story_goes_out(linking: Captured) -> None:
    """What leaves from inside is the request's own story."""
    request = tracker.begin(PlainArrival("GET", "/", HEADERS))
    assert request is not None
    sent: dict[str, str] = {}
    inject(sent)
    story = current()
    request.finish(200)
    assert story is not None
    assert sent["baggage"].split(",") == [
        "tenant=acme",
        f"ezlogs.correlation_id={story.correlation_id}",
        f"ezlogs.parent_event_id={linking.events[0].event_id}",
    ]


@pytest.mark.parametrize(
    ("headers", "linked"),
    [({"traceparent": HEADERS["traceparent"]}, TRACE), ({"baggage": HEADERS["baggage"]}, "story-1"), ({}, None)],
)
def test_at_the_edge_without_an_sdk_stories_are_linked_too(
    linking: Captured, headers: dict[str, str], linked: str | None
) -> None:
    """A story is a new one each time, and linked with whatever came."""
    first, second = answer(linking, headers), answer(linking, headers)
    assert first.correlation.linked_correlation_id == linked
    assert len({first.correlation.correlation_id, second.correlation.correlation_id, TRACE, "story-1"}) == 4


def test_at_the_edge_the_scope_around_a_server_is_not_its_requests(linking: Captured) -> None:
    """A server that was started inside a scope does not put all its requests into one story."""
    with Scope(placed(Correlation(correlation_id="around"))):
        event = answer(linking, HEADERS)
    assert event.correlation.linked_correlation_id == "story-1"
    assert event.correlation.correlation_id not in ("around", "story-1")


def test_a_span_that_others_opened_keeps_its_trace_and_the_story_is_new(
    linking: Captured, provider: TracerProvider
) -> None:
    """The trace cannot be changed any more; the story does not go on all the same."""
    with provider.get_tracer("other").start_as_current_span("GET", extract(HEADERS, Context())):
        arrived = baggage.set_baggage("ezlogs.correlation_id", "story-1")
        with Scope(arrived):
            event = answer(linking, {})
        traced = answer(linking, {})
    assert event.correlation.linked_correlation_id == "story-1"
    assert traced.correlation.linked_correlation_id == TRACE
    assert len({event.correlation.correlation_id, traced.correlation.correlation_id, TRACE, "story-1"}) == 4


def test_a_root_span_that_others_opened_names_the_story(linking: Captured, provider: TracerProvider) -> None:
    """Its trace begins here: there is nothing to link, unless baggage came without a trace."""
    with provider.get_tracer("other").start_as_current_span("GET") as span:
        own = f"{span.get_span_context().trace_id:032x}"
        with Scope(baggage.set_baggage("ezlogs.session_id", "s-1")):
            alone = answer(linking, {})
        with Scope(baggage.set_baggage("ezlogs.correlation_id", "story-1")):
            with_baggage = answer(linking, {})
    assert alone.correlation == Correlation(correlation_id=own)
    assert with_baggage.correlation == Correlation(correlation_id=own, linked_correlation_id="story-1")


def test_an_unsampled_span_does_not_say_where_its_trace_began(linking: Captured) -> None:
    """It could be anybody's."""
    provider = TracerProvider(sampler=ALWAYS_OFF)
    with provider.get_tracer("other").start_as_current_span("GET", extract(HEADERS, Context())):
        event = answer(linking, {})
    assert event.correlation.linked_correlation_id == TRACE
    assert event.correlation.correlation_id != TRACE


@pytest.mark.usefixtures("spans")
def test_a_request_inside_a_request_does_not_come_from_outside(linking: Captured) -> None:
    """What an application asks another one in its process is part of the story."""
    outer = tracker.begin(PlainArrival("GET", "/outer", HEADERS))
    assert outer is not None
    inner = answer(linking, HEADERS)
    outer.finish(200)
    assert inner.correlation.correlation_id == linking.events[-1].correlation.correlation_id
    assert inner.correlation.parent_event_id == linking.events[-1].event_id


def test_who_acts_in_the_callers_words_is_told_and_not_believed(captured: Captured) -> None:
    """The request's event says who was claimed; the actor is whom the application knows."""
    request = tracker.begin(PlainArrival("GET", "/", HEADERS), peek=lambda: None)
    assert request is not None
    assert claimed_actor() == Actor("user", "7")
    assert current_actor().type == "unknown"
    assert "ezlogs.actor" not in baggage.get_all()
    ezlogs.event("order.action", "seen")
    with ezlogs.actor(claimed_actor()):
        ezlogs.event("order.action", "seen")
    request.finish(200)
    unproved, believed, event = captured.events
    assert (unproved.actor.type, believed.actor, event.actor.type) == ("unknown", Actor("user", "7"), "unknown")
    assert event.metadata == {"method": "GET", "status": 200, "claimed_actor": "user:7"}


def test_the_claim_is_read_where_others_opened_the_span(captured: Captured, provider: TracerProvider) -> None:
    """It is kept apart and travels no further."""
    ctx = baggage.set_baggage("ezlogs.actor", "service;of=others")
    with Scope(ctx), provider.get_tracer("other").start_as_current_span("GET"):
        request = tracker.begin(PlainArrival("GET", "/", {}))
        assert request is not None
        assert "ezlogs.actor" not in baggage.get_all()
        request.finish(200)
    assert captured.events[0].metadata["claimed_actor"] == "service"


def test_at_the_edge_nobody_is_claimed(linking: Captured, provider: TracerProvider) -> None:
    """Neither from headers nor from what others read."""
    assert "claimed_actor" not in answer(linking, HEADERS).metadata
    with Scope(baggage.set_baggage("ezlogs.actor", "user:7")), provider.get_tracer("o").start_as_current_span("GET"):
        assert "claimed_actor" not in answer(linking, {}).metadata


def test_a_claim_is_one_requests(captured: Captured) -> None:
    """Neither the next request nor one inside it has it."""
    outer = tracker.begin(PlainArrival("GET", "/outer", HEADERS))
    assert outer is not None
    assert "claimed_actor" not in answer(captured, {}).metadata
    outer.finish(200)
    assert claimed_actor() is None
    assert "claimed_actor" not in answer(captured, {"baggage": "ezlogs.actor=user:%0d%0a"}).metadata


def test_the_baggage_of_a_job_does_not_say_who_acts(captured: Captured) -> None:
    """Only the header that the application's own queue carries does."""
    with perform(Job("resize", "j-1"), headers=HEADERS):
        assert current_actor().type == "system"
        assert "ezlogs.actor" not in baggage.get_all(context.get_current())
    assert captured.events[0].actor.type == "system"


def test_who_acts_here_is_a_claim_there() -> None:
    """What is sent to a host that may know who acts arrives in the next service's event, and nowhere else."""
    with (
        capture(propagate_actor_to=("audit.example",)),
        Scope(placed(Correlation(correlation_id="story-1"))),
        ezlogs.actor("user", "7@acme", "Ada"),
    ):
        sent = departing([], "audit.example")
        assert sent is not None
    with capture() as captured:
        event = answer(captured, {str(name): str(value) for name, value in sent})
    assert (event.metadata["claimed_actor"], event.actor.type) == ("user:7@acme", "unknown")
    assert event.correlation == Correlation(correlation_id="story-1")
