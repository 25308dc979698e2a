"""Scrubbed spans: every surface of a span is covered, and the span itself is never touched."""

from __future__ import annotations

from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Link, SpanContext, Status, StatusCode

from ezlogs.privacy import Scrubber, scrub_span
from ezlogs.privacy.span import ScrubbedSpan

EMAIL, CARD = "ada@example.com", "4111 1111 1111 1111"
LINKED = SpanContext(trace_id=1, span_id=2, is_remote=True)


def ended_span(name: str = "GET /", attributes: Any = None, link: Any = None, description: str | None = None) -> Any:
    """A span of the SDK with two events and a link, ended."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop", "1.0")
    span = tracer.start_span(name, attributes=attributes, links=[Link(LINKED, link), Link(LINKED, {"n": 1})])
    span.add_event("order.placed", {"n": 1})
    span.set_status(Status(StatusCode.ERROR, description))
    return span


def test_a_clean_span_is_the_same_object() -> None:
    """No finding, no copy."""
    span = ended_span(attributes={"http.route": "/reset/{token}"}, description="not found")
    span.end()
    assert scrub_span(span, Scrubber()) is span


def test_a_span_without_attributes_or_description_is_the_same_object() -> None:
    """What a span does not have is not looked for."""
    span = ReadableSpan("GET /")
    assert scrub_span(span, Scrubber()) is span


def test_every_surface_of_a_span_is_scrubbed_and_the_span_is_not_changed() -> None:
    """Name, attributes, event names and attributes, links and the status description."""
    span = ended_span(f"GET /users/{EMAIL}", {"card": CARD, "n": 1}, {"to": EMAIL}, f"no mail to {EMAIL}")
    span.add_event(f"mailed {EMAIL}")
    try:
        raise ValueError(f"Key (email)=({EMAIL}) already exists; password=hunter2")
    except ValueError as error:
        span.record_exception(error)
    span.end()
    before = span.to_json()
    clean = scrub_span(span, Scrubber())
    assert span.to_json() == before
    assert clean.name == "GET /users/[redacted]"
    assert clean.status.status_code is StatusCode.ERROR
    assert clean.status.description == "no mail to [redacted]"
    assert [event.name for event in clean.events] == ["order.placed", "mailed [redacted]", "exception"]
    assert clean.links[0].attributes == {"to": "[redacted]"}
    assert clean.events[0] is span.events[0]
    assert clean.links[1] is span.links[1]
    assert clean.attributes is not None
    assert clean.attributes["n"] == 1
    assert set(clean.attributes["ezlogs.redacted"]) >= {
        "name: email",
        "attributes.card: card",
        "events[1].name: email",
        "events[2].exception.message: email",
        "events[2].exception.message: key",
        "events[2].exception.stacktrace: key",
        "links[0].to: email",
        "status.description: email",
    }


def test_what_leaves_by_the_official_encoder_holds_no_secret() -> None:
    """A scrubbed span has all that OpenTelemetry's exporters ask of a span, and equals it but for the findings."""
    span = ended_span(f"GET /users/{EMAIL}", {"card": CARD}, {"to": EMAIL}, EMAIL)
    span.end()
    clean = scrub_span(span, Scrubber())
    body = encode_spans([clean]).SerializeToString()  # type: ignore[list-item]  # the same public names
    assert EMAIL.encode() not in body
    assert CARD.encode() not in body
    assert clean.dropped_attributes == clean.dropped_events == clean.dropped_links == 0
    assert (clean.context, clean.parent, clean.kind) == (span.context, span.parent, span.kind)
    assert (clean.start_time, clean.end_time) == (span.start_time, span.end_time)
    assert (clean.resource, clean.instrumentation_scope) == (span.resource, span.instrumentation_scope)


def test_the_list_of_redactions_is_bounded_and_keeps_earlier_ones() -> None:
    """At most 32 are listed; those that ezlogs' own events brought come first."""
    attributes = {f"a{number}": EMAIL for number in range(60)} | {"ezlogs.redacted": ("metadata.pin: key",)}
    span = ended_span(attributes=attributes)
    span.end()
    clean = scrub_span(span, Scrubber())
    assert clean.attributes is not None
    listed = clean.attributes["ezlogs.redacted"]
    assert len(listed) == 32
    assert listed[:2] == ("metadata.pin: key", "attributes.a0: email")


def test_a_foreign_value_under_our_name_is_replaced() -> None:
    """``ezlogs.redacted`` is a list of entries, whatever somebody else wrote there."""
    span = ended_span(attributes={"ezlogs.redacted": "yes", "a": EMAIL})
    span.end()
    clean = scrub_span(span, Scrubber())
    assert clean.attributes is not None
    assert clean.attributes["ezlogs.redacted"] == ("attributes.a: email",)


def test_a_scrubbed_span_can_be_scrubbed_again() -> None:
    """It is a span like any other, and a clean one."""
    span = ended_span(attributes={"a": EMAIL})
    span.end()
    clean = scrub_span(span, Scrubber())
    assert isinstance(clean, ScrubbedSpan)
    assert scrub_span(clean, Scrubber()) is clean
