"""What was received as spans: events that name no cause have it from the spans around them."""

from __future__ import annotations

from typing import Any

from ezlogs import Correlation, UniversalEvent
from ezlogs.dev.decode import ReceivedEvent, ReceivedLog, ReceivedSpan
from ezlogs.story import render_text, stories, told
from ezlogs.wire import attributes


def span(span_id: str, above: str, *events: UniversalEvent, service: str = "web", **more: Any) -> ReceivedSpan:
    """Return a span with events."""
    return ReceivedSpan(
        resource={"service.name": service}, scope_name="", scope_version="", trace_id="1" * 32, span_id=span_id,
        parent_span_id=above, name="", kind="server", start_time=0, end_time=1, attributes=more,
        events=[ReceivedEvent(event.event_type, event.timestamp, attributes(event)) for event in events], links=[],
        status="unset", status_message="",
    )  # fmt: skip


def event(event_type: str, action: str, cause: str | None = None) -> UniversalEvent:
    """Return an event of the one story."""
    return UniversalEvent.create(
        event_type, action, event_id=f"{event_type} {action}", timestamp=10**18,
        correlation=Correlation(correlation_id="s", parent_event_id=cause),
    )  # fmt: skip


def causes(*received: ReceivedSpan | ReceivedLog) -> dict[str, str | None]:
    """Return the cause of each event, by their ids."""
    return {one.event.event_id: one.cause for one in told(received)}


def test_a_service_that_got_no_baggage_is_below_the_one_that_asked() -> None:
    """Over the span of the call between them, which holds no event; its own events name their causes."""
    asked, answered = event("http.request", "GET /"), event("http.request", "GET /stock")
    placed = event("order.action", "placed", answered.event_id)
    received = (
        span("c", "b", answered, placed, service="stock"), span("b", "a"), span("a", "", asked),
    )  # fmt: skip
    assert causes(*received) == {asked.event_id: None, answered.event_id: asked.event_id, placed.event_id: None}
    (story,) = stories(told(received))
    assert len(story.roots) == 1
    assert "beginnings" not in render_text(story)


def test_an_event_is_below_the_request_on_its_own_span_or_carried_beside_it() -> None:
    """Carrier spans only carry: what is on them happened in the span above."""
    asked, placed, logged = event("http.request", "GET /"), event("order.action", "placed"), event("a.b", "logged")
    log = ReceivedLog({}, "", "", "1" * 32, "a", logged.event_type, 10**18, 0, 0, "", None, attributes(logged))
    carried = {"ezlogs.carrier": True}
    found = causes(span("x", "a", asked, **carried), span("y", "a", placed, **carried), span("a", ""), log)
    assert found == {asked.event_id: None, placed.event_id: asked.event_id, logged.event_id: asked.event_id}


def test_spans_in_a_circle_and_without_an_id_end_nothing() -> None:
    """Others may make them."""
    placed = event("order.action", "placed")
    assert causes(span("a", "b", placed), span("b", "a")) == {placed.event_id: None}
    assert causes(span("", "", placed)) == {placed.event_id: None}
