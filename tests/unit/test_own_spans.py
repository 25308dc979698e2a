"""Spans that ezlogs opens itself: nobody can tell them from those that the SDK's tracer opens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from ezlogs import light_span
from ezlogs.delivery.batch import SpanEncoder
from ezlogs.delivery.processor import EzlogsSpanProcessor
from ezlogs.otel_compat import append_event
from ezlogs.own_spans import SpanSource, put, span_source
from ezlogs.privacy import Scrubber
from ezlogs.version import __version__

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


@pytest.mark.parametrize(
    "sampler", [ALWAYS_ON, ALWAYS_OFF, ParentBased(ALWAYS_ON), ParentBased(ALWAYS_OFF), TraceIdRatioBased(0.5)]
)
def test_a_sampler_is_asked_wherever_its_verdict_is_not_always_the_same(
    monkeypatch: pytest.MonkeyPatch, sampler: Sampler
) -> None:
    """Each trace has its own, and a parent decides for its children."""
    provided(monkeypatch, sampler=sampler)
    for flags in (None, 0, 1):
        parent = SpanContext(2, 8, is_remote=True, trace_flags=TraceFlags(flags or 0))
        ctx = Context() if flags is None else trace.set_span_in_context(NonRecordingSpan(parent), Context())
        for _ in range(20):
            known_by = SpanSource("ezlogs.test").start("POST", ctx, SpanKind.SERVER, FACTS).get_span_context()
            verdict = sampler.should_sample(ctx, known_by.trace_id, "POST", SpanKind.SERVER, FACTS)
            assert known_by.trace_flags.sampled == verdict.decision.is_sampled()
            assert known_by.trace_state == (verdict.trace_state or {})


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


def _noted(kept: Kept) -> list[dict[str, Any]]:
    """Return spans as JSON, without what differs in any two."""
    found = []
    for span in kept.spans:
        told = json.loads(span.to_json())
        for name in ("start_time", "end_time"):
            del told[name]
        told["context"].pop("span_id")
        for event in told["events"]:
            event.pop("timestamp")
            event["attributes"].pop("exception.stacktrace", None)
        found.append(
            {
                **told,
                "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
                "scope": span.instrumentation_scope,
                "status": (span.status.status_code, span.status.description),
                "attributes_now": dict(span.attributes or {}),
                "flags": span.context.trace_flags,
                "recorded": span.end_time is not None,
                "in time": (span.end_time or 0) >= (span.start_time or 0),
            }
        )
    return found


LINKED = SpanContext(5, 6, is_remote=False)
DEEDS: dict[str, Callable[[Any], object]] = {
    "name": lambda span: span.update_name("POST /orders"),
    "facts": lambda span: put(span, LATER),
    "attribute": lambda span: span.set_attribute("user.id", 7),
    "odd attribute": lambda span: span.set_attribute("odd", [1, None, {"a": set()}]),
    "no key": lambda span: span.set_attribute("", 1),
    "attributes": lambda span: span.set_attributes({"a": 1.5, "url.path": "/"}),
    "event": lambda span: span.add_event("seen", {"a": 1}),
    "link": lambda span: span.add_link(LINKED, {"a": 1}),
    "ok": lambda span: span.set_status(StatusCode.OK),
    "error": lambda span: span.set_status(Status(StatusCode.ERROR, "why")),
    "exception": lambda span: span.record_exception(ValueError("why")),
    "read": lambda span: (
        span.name,
        dict(span.attributes),
        [event.name for event in span.events],
        [link.context for link in span.links],
        (span.status.status_code, span.status.description),
        repr(span)[:6],
    ),
    "start": lambda span: span.start(),
    "end": lambda span: span.end(),
}


@given(st.lists(st.sampled_from(sorted(DEEDS)), max_size=7), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_done_with_them_they_are_like_the_tracers(
    caplog: pytest.LogCaptureFixture, deeds: list[str], raises: bool
) -> None:
    """Seen from outside and when they are handed over; the SDK warns of the same."""
    warned, told = [], []
    with pytest.MonkeyPatch.context() as monkeypatch:
        kept = provided(monkeypatch)
        parent = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1))
        ctx = trace.set_span_in_context(NonRecordingSpan(parent))
        source: Any = SpanSource("ezlogs.test")
        sides = (source.start, trace.get_tracer("ezlogs.test", __version__).start_span)
        for start in sides:
            caplog.clear()
            span: Any = start("POST", ctx, SpanKind.SERVER, FACTS)
            assert isinstance(span, Span)
            seen = []
            with suppress(KeyError), trace.use_span(span, end_on_exit=False), span:
                for deed in deeds:
                    found = DEEDS[deed](span)
                    seen.append((found, span.is_recording()) if deed == "read" else span.is_recording())
                if raises:
                    raise KeyError("why")
            warned.append([record.getMessage() for record in caplog.records])
            told.append(seen)
        assert type(source.start("POST", ctx)).__name__ == "LightSpan"
    own, tracers = _noted(kept)[:2]
    assert own == tracers
    assert warned[0] == warned[1]
    assert told[0] == told[1]


def test_events_are_on_them_for_who_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there was nobody but ezlogs when they began."""
    kept = provided(monkeypatch)
    span: Any = SpanSource("ezlogs.test").start("POST", Context(), SpanKind.SERVER, FACTS)
    append_event(span, Event("order.action", {"ezlogs.event.id": "evt_1"}, 7))
    ended: list[ReadableSpan] = []

    class Late(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            ended.append(span)

    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(Late())
    span.set_attribute("late", True)
    span.end()
    for found in (ended[0], kept.spans[0]):
        assert [(event.name, event.timestamp) for event in found.events] == [("order.action", 7)]
        assert (found.attributes or {})["late"] is True


def test_private_fields_are_there_for_who_looks_at_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As others' instrumentation does, which knows the SDK's spans only."""
    kept = provided(monkeypatch)
    span: Any = SpanSource("ezlogs.test").start("POST", Context(), SpanKind.SERVER, FACTS)
    assert dict(span._attributes) == FACTS
    assert (span._start_time, span._name, hasattr(span, "_nobody_has_it")) == (span.start_time, "POST", False)
    span._attributes["late"] = True
    span.end()
    assert (kept.spans[0].attributes or {})["late"] is True


def test_what_was_kept_back_on_them_is_counted_as_on_the_tracers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where somebody has said so himself, once a span of the SDK's has taken over."""
    kept = provided(monkeypatch)
    source = SpanSource("ezlogs.test")
    for start in (source.start, trace.get_tracer("ezlogs.test").start_span):
        span: Any = start("POST", Context(), SpanKind.SERVER, FACTS)
        span.set_attribute("ezlogs.redacted", ("attributes.note: email",))
        span.end()
    own, tracers = (SpanEncoder(Scrubber()).seal_span(span, ()) for span in kept.spans)
    assert list(own.rules) == list(tracers.rules) == ["email"]


def test_whoever_counts_spans_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's metrics of its own spans, where they are switched on."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    provided(monkeypatch, meter_provider=MeterProvider([reader]))
    SpanSource("ezlogs.test").start("POST", Context(), SpanKind.SERVER, FACTS).end()
    assert "otel.sdk.span.started" in str(reader.get_metrics_data())


def test_all_that_the_sdks_spans_can_do_is_known() -> None:
    """Else ezlogs would leave spans to the SDK, and be slower for it."""
    assert light_span.IS_WHOLE


def test_several_threads_agree_on_the_span_that_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What each of them sets is there."""
    kept = provided(monkeypatch)
    for _ in range(50):
        span = SpanSource("ezlogs.test").start("POST", Context(), SpanKind.SERVER, FACTS)
        together = Barrier(4)

        def work(number: int, span: Any = span, together: Barrier = together) -> None:
            together.wait()
            span.set_attribute(f"thread.{number}", number)

        threads = [Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        span.end()
        assert {f"thread.{number}": number for number in range(4)}.items() <= dict(
            kept.spans[-1].attributes or {}
        ).items()
