"""Spans that ezlogs opens itself: nobody can tell them from those that the SDK's tracer opens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from ezlogs.delivery.processor import EzlogsSpanProcessor
from ezlogs.own_spans import SpanSource, put, span_source

FACTS: dict[str, str | int] = {"http.request.method": "POST", "url.path": "/orders", "server.port": 443}
LATER: dict[str, str | int] = {"http.route": "/orders", "url.path": "/orders/2", "http.response.status_code": 201}


class Kept:
    """What takes spans in ezlogs' place."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def ended(self, span: ReadableSpan, _riders: object) -> None:
        """Keep a span."""
        self.spans.append(span)

    abandon = flush = drain = print


class Looking(SpanProcessor):
    """Another's processor."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Keep what is seen of a span that starts."""
        self.seen.append(dict(span.attributes or {}))


class ByPath(Sampler):
    """A sampler that looks at attributes."""

    def should_sample(self, *args: Any, **named: Any) -> SamplingResult:
        """Sample one path only."""
        attributes = named.get("attributes") or args[4] or {}
        sampler = ALWAYS_ON if attributes.get("url.path") == "/orders" else ALWAYS_OFF
        return sampler.should_sample(*args, **named)

    def get_description(self) -> str:
        """Say what it is."""
        return "ByPath"


def provided(monkeypatch: pytest.MonkeyPatch, *also: SpanProcessor, **options: Any) -> Kept:
    """Have a provider with ezlogs' processor, and others."""
    kept = Kept()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    for processor in (EzlogsSpanProcessor(kept), *also):  # type: ignore[arg-type]  # what is called of it, it has
        provider.add_span_processor(processor)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return kept


def both(kept: Kept, ctx: Context | None = None) -> Sequence[dict[str, Any]]:
    """Return a span of ezlogs' own and one of the tracer's as dictionaries, without what differs in any two."""
    ctx = Context() if ctx is None else ctx
    span = SpanSource("ezlogs.test").start("POST", ctx, SpanKind.SERVER, FACTS)
    put(span, LATER)
    span.end()
    span = trace.get_tracer("ezlogs.test").start_span("POST", ctx, SpanKind.SERVER, FACTS)
    span.set_attributes(LATER)
    span.end()
    return [
        {
            "name": one.name,
            "kind": one.kind,
            "attributes": dict(one.attributes or {}),
            "dropped": one.dropped_attributes,
            "parent": one.parent,
            "resource": one.resource,
            "scope": one.instrumentation_scope.name if one.instrumentation_scope else None,
        }
        for one in kept.spans
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sampler": ALWAYS_ON},
        {"sampler": ParentBased(TraceIdRatioBased(1.0))},
        {"sampler": ByPath()},
        {"sampler": ParentBased(ByPath())},
        {"span_limits": SpanLimits(max_span_attributes=2)},
        {"span_limits": SpanLimits(max_span_attributes=4)},
        {"span_limits": SpanLimits(max_span_attribute_length=5)},
    ],
)
def test_they_are_like_the_tracers(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    """With every sampler and every limit."""
    own, tracers = both(provided(monkeypatch, **options))
    assert own == tracers


def test_they_have_the_parent_of_their_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remote ones too."""
    parent = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1))
    own, tracers = both(provided(monkeypatch), trace.set_span_in_context(NonRecordingSpan(parent)))
    assert own == tracers
    assert own["parent"] == parent


def test_what_is_sampled_out_is_no_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes no attributes."""
    kept = provided(monkeypatch, sampler=ALWAYS_OFF)
    assert not both(kept)
    span = SpanSource("ezlogs.test").start("POST", Context(), SpanKind.SERVER, FACTS)
    assert not span.is_recording()


def test_others_see_attributes_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor of somebody else's finds them where the tracer puts them, also one that came late."""
    kept, looking = provided(monkeypatch), Looking()
    source = SpanSource("ezlogs.test")
    source.start("POST", Context(), SpanKind.SERVER, FACTS).end()
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(looking)
    source.start("POST", Context(), SpanKind.SERVER, FACTS).end()
    assert looking.seen == [FACTS]
    assert [dict(span.attributes or {}) for span in kept.spans] == [FACTS, FACTS]


def test_a_span_that_ended_takes_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """As the SDK says."""
    kept = provided(monkeypatch)
    span = SpanSource("ezlogs.test").start("POST", Context(), SpanKind.SERVER, FACTS)
    span.end()
    put(span, LATER)
    assert dict(kept.spans[0].attributes or {}) == FACTS
    assert "ended span" in caplog.text


def test_what_is_no_text_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever passes it."""
    kept = provided(monkeypatch)
    span = SpanSource("ezlogs.test").start("POST", Context(), SpanKind.SERVER, {"given": ["a"]})  # type: ignore[dict-item]
    span.end()
    assert dict(kept.spans[0].attributes or {}) == {"given": ("a",)}


def test_a_source_is_there_once() -> None:
    """By its scope."""
    assert span_source("ezlogs.test") is span_source("ezlogs.test")
    assert span_source("ezlogs.test") is not span_source("ezlogs.other")
