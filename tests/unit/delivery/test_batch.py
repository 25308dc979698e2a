"""Batches hold spans and events of any resource and scope; one that cannot be encoded costs only itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, StatusCode

from ezlogs.delivery.batch import Batch, SpanEncoder
from ezlogs.delivery.items import EndedSpan
from ezlogs.delivery.logs import LogEncoder
from ezlogs.delivery.processor import EzlogsSpanProcessor
from ezlogs.privacy import Scrubber

from .test_riders import emitted

RESOURCE = Resource({"service.name": "shop", "process.command_args": ["--password=hunter2"]})


def span_of(resource: Resource = RESOURCE, scope: str = "app") -> ReadableSpan:
    """Return an ended span."""
    span = TracerProvider(resource=resource, shutdown_on_exit=False).get_tracer(scope).start_span("work")
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


def parsed(batch: Batch) -> ExportTraceServiceRequest:
    """Return a batch as the official protobuf reads it."""
    return ExportTraceServiceRequest.FromString(batch.body)


def test_a_span_that_cannot_be_encoded_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Its events are counted as lost; the others go out."""
    broken = ReadableSpan("broken", resource=RESOURCE)
    batch = SpanEncoder(Scrubber()).batch([EndedSpan(broken, [emitted()]), EndedSpan(span_of(), [emitted()])], RESOURCE)
    assert (batch.events, batch.broken) == (1, 1)
    assert [span.name for span in parsed(batch).resource_spans[0].scope_spans[0].spans] == ["work"]
    assert "could not be encoded" in caplog.text


def test_spans_are_grouped_by_resource_and_scope() -> None:
    """Whatever their number: what is remembered of them is bounded."""
    encoder = SpanEncoder(Scrubber())
    resources = [Resource({"service.name": f"service-{number}"}) for number in range(70)]
    for resource in resources:
        encoder.batch([EndedSpan(span_of(resource), [])], resource)
    items = [EndedSpan(span_of(scope=f"scope-{number}"), []) for number in range(1100)]
    (group,) = parsed(encoder.batch(items, RESOURCE)).resource_spans
    assert len(group.scope_spans) == 1100


def test_a_span_without_a_scope_is_encoded() -> None:
    """The SDK allows it."""
    span = span_of()
    bare = ReadableSpan("bare", context=span.context, resource=RESOURCE, start_time=1, end_time=2)
    assert parsed(SpanEncoder(Scrubber()).batch([EndedSpan(bare, [])], RESOURCE)).resource_spans[0].scope_spans[0].spans


def test_the_resource_is_scrubbed() -> None:
    """Command lines hold passwords."""
    body = SpanEncoder(Scrubber()).batch([(emitted(), INVALID_SPAN_CONTEXT)], RESOURCE).body
    assert b"hunter2" not in body
    assert b"shop" in body
    assert InstrumentationScope("ezlogs").name.encode() in body


class Sink:
    """Takes what a processor hands over."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self.drained = self.abandoned = 0

    def ended(self, span: ReadableSpan, riders: object) -> None:
        """Take a span."""
        self.spans.append(span.name)

    def flush(self, timeout: float) -> bool:
        """Say how it went."""
        return timeout == 1.5

    def abandon(self, riders: object) -> None:
        """Count."""
        self.abandoned += 1

    def drain(self) -> None:
        """Count."""
        self.drained += 1


def test_spans_that_never_end_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The register is bounded; the oldest leaves it, and its later events go on carrier spans."""
    monkeypatch.setattr("ezlogs.delivery.processor._MAX_OPEN", 2)
    sink = Sink()
    processor = EzlogsSpanProcessor(sink)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    spans = [provider.get_tracer("app").start_span(name) for name in ("one", "two", "three")]
    assert [processor.riders(span) is not None for span in spans] == [False, True, True]
    for span in spans:
        span.end()
    assert (sink.spans, sink.abandoned) == (["two", "three"], 1)
    assert processor.force_flush(1500)
    provider.shutdown()
    assert sink.drained == 1


def test_more_resources_than_are_remembered_fit_in_one_batch() -> None:
    """As in a process that hosts many tenants, each with a resource of its own."""
    items = [EndedSpan(span_of(Resource({"service.name": f"service-{number}"})), []) for number in range(70)]
    assert len(parsed(SpanEncoder(Scrubber()).batch(items, RESOURCE)).resource_spans) == 70


@pytest.mark.parametrize("encoder", [SpanEncoder, LogEncoder])
def test_others_have_their_turn_after_a_hundred_events(encoder: Callable[[Scrubber], Any]) -> None:
    """Whatever the events are on; what they become does not depend on it."""
    calls: list[int] = []
    items = [(emitted(number), INVALID_SPAN_CONTEXT) for number in range(250)]
    batch = encoder(Scrubber()).batch(items, RESOURCE, lambda: calls.append(1))
    assert batch.events == 250
    assert len(calls) >= 2


def test_others_have_their_turn_after_few_spans() -> None:
    """Spans are dearer than events, and whoever waits for the interpreter shall not wait as long as it would allow."""
    turns: list[None] = []
    SpanEncoder(Scrubber()).batch([EndedSpan(span_of(), ()) for _ in range(35)], RESOURCE, lambda: turns.append(None))
    assert len(turns) == 3
    encoder = SpanEncoder(Scrubber())
    sealed = [encoder.seal_span(span_of(), [encoder.seal(emitted(n), None)]) for n in range(100)]
    turns.clear()
    encoder.batch(sealed, RESOURCE, lambda: turns.append(None))
    assert len(turns) == 3, "these are cheap, and each change of threads costs the application"


def test_a_span_that_is_open_is_sealed_by_what_is_known_to_hold_nothing() -> None:
    """What was never looked at is told when it ends: a path may hold anything until its route is known."""
    attributes = {"http.request.method": "POST", "url.path": "/reset/5Yd83kPq0ZrW", "note": "for ada@example.com"}
    span = TracerProvider().get_tracer("shop").start_span("POST ada@example.com", attributes=attributes)
    sealed, _ = SpanEncoder(Scrubber()).seal_open(span)  # type: ignore[arg-type]  # an SDK span
    assert b"http.request.method" in sealed.body
    assert b"5Yd83kPq0ZrW" not in sealed.body
    assert b"ada@example.com" not in sealed.body
    assert span.get_span_context().span_id.to_bytes(8, "big") in sealed.body


_KEYS = ("http.request.method", "url.path", "note", "password", "app.count")
_VALUES = st.one_of(st.sampled_from(["GET", "/orders", "for ada@example.com"]), st.integers(0, 3), st.booleans())
_ATTRIBUTES = st.dictionaries(st.sampled_from(_KEYS), _VALUES)


@given(_ATTRIBUTES, _ATTRIBUTES, st.sampled_from(["work", "other work", "mail ada@example.com"]), st.integers(0, 3))
def test_what_was_encoded_of_an_open_span_is_right_at_its_end(
    first: dict[str, Any], later: dict[str, Any], name: str, deeds: int
) -> None:
    """Whatever becomes of the span meanwhile: it is sent as one of which nothing was encoded before."""
    encoder, scope = (
        SpanEncoder(Scrubber()),
        TracerProvider(resource=RESOURCE, shutdown_on_exit=False).get_tracer("app"),
    )
    with scope.start_as_current_span("before") as parent:
        span: Any = scope.start_span("work", attributes=first)
    _, begun = encoder.seal_open(span)
    span.set_attributes(later)
    span.update_name(name)
    if deeds & 1:
        span.set_status(StatusCode.ERROR)
    if deeds & 2:
        span.add_event("seen")
    span.end()

    again, anew = (Span.FromString(encoder.seal_span(span, (), known).body) for known in (begun, None))
    assert again.parent_span_id == parent.get_span_context().span_id.to_bytes(8, "big")
    for sent in (again, anew):
        sent.attributes.sort(key=lambda attribute: attribute.key)
    assert again == anew
