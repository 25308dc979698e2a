"""The bridges between log-based events and span events, each rule of the specification one test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from opentelemetry import context, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from ezlogs.bridge import EventToSpanEventBridge, SpanEventToEventBridge


class Telemetry(NamedTuple):
    """A tracer provider and a logger provider of one application, and the log records that came out."""

    traces: TracerProvider
    logs: LoggerProvider
    exporter: InMemoryLogRecordExporter

    def span(self, name: str = "POST /orders") -> Any:
        """Start a span, and make it current for a ``with`` block."""
        return self.traces.get_tracer("shop", "1.0").start_as_current_span(name)

    def emit(self, event_name: str | None = "order.placed", **fields: Any) -> None:
        """Emit a log-based event."""
        self.logs.get_logger("shop").emit(event_name=event_name, **fields)

    @property
    def records(self) -> list[ReadableLogRecord]:
        """The log records that were exported."""
        return list(self.exporter.get_finished_logs())


def told(span: ReadableSpan) -> list[tuple[str, int, dict[str, Any]]]:
    """Return (name, timestamp, attributes) of each event of a span."""
    return [(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events]


@pytest.fixture
def make() -> Iterator[Callable[..., Telemetry]]:
    """Make the telemetry of an application, without any bridge."""
    made: list[Telemetry] = []

    def telemetry(**options: Any) -> Telemetry:
        resource = Resource({"service.name": "shop"})
        traces = TracerProvider(resource=resource, shutdown_on_exit=False, **options)
        logs, exporter = LoggerProvider(resource, shutdown_on_exit=False), InMemoryLogRecordExporter()
        made.append(Telemetry(traces, logs, exporter))
        return made[-1]

    yield telemetry
    for one in made:
        one.traces.shutdown()
        one.logs.shutdown()


@pytest.fixture
def forward(make: Callable[..., Telemetry]) -> Telemetry:
    """An application whose log-based events become span events, and then go on to an exporter."""
    telemetry = make()
    telemetry.logs.add_log_record_processor(EventToSpanEventBridge())
    telemetry.logs.add_log_record_processor(SimpleLogRecordProcessor(telemetry.exporter))
    return telemetry


@pytest.fixture
def reverse(make: Callable[..., Telemetry]) -> Telemetry:
    """An application whose span events become log-based events."""
    telemetry = make()
    telemetry.logs.add_log_record_processor(SimpleLogRecordProcessor(telemetry.exporter))
    telemetry.traces.add_span_processor(SpanEventToEventBridge(telemetry.logs))
    return telemetry


def test_an_event_in_a_recording_span_becomes_one_span_event(forward: Telemetry) -> None:
    """Its name is the event name, its timestamp the record's, and all attributes are copied; nothing else is."""
    with forward.span() as span:
        attributes = {"order.id": 42, "lines": ["a", "b"], "customer": {"tier": "gold"}, "note": None}
        forward.emit(timestamp=5, observed_timestamp=9, attributes=attributes, body="text", severity_text="INFO")
    ((name, timestamp, copied),) = told(span)
    assert (name, timestamp) == ("order.placed", 5)
    assert copied == {"order.id": 42, "lines": ("a", "b"), "customer": {"tier": "gold"}, "note": None}


def test_without_a_timestamp_the_observed_one_is_taken(forward: Telemetry) -> None:
    """As the specification says."""
    with forward.span() as span:
        forward.emit(observed_timestamp=9)
    assert told(span) == [("order.placed", 9, {})]


def test_without_any_timestamp_it_happened_now(forward: Telemetry) -> None:
    """A record that another processor has robbed of both still becomes a span event."""
    record = LogRecord(event_name="order.placed")
    with forward.span() as span:
        record = LogRecord(event_name="order.placed")
        record.observed_timestamp = None
        forward.logs.get_logger("shop").emit(record)
    assert told(span)[0][1] > 10**18


def test_the_log_record_goes_on_unchanged(forward: Telemetry) -> None:
    """Bridging neither takes the record out of the pipeline nor touches it."""
    with forward.span() as span:
        forward.emit(timestamp=5, attributes={"a": 1}, body="text", severity_number=SeverityNumber.WARN)
        span.events[0].attributes  # noqa: B018  # reading the copy must not touch the record either
    (readable,) = forward.records
    record = readable.log_record
    assert (record.event_name, record.timestamp, dict(record.attributes or {}), record.body) == (
        "order.placed",
        5,
        {"a": 1},
        "text",
    )
    assert record.severity_number is SeverityNumber.WARN
    assert type(record.event_name) is str


@pytest.mark.parametrize("name", [None, ""])
def test_a_record_without_an_event_name_is_not_bridged(forward: Telemetry, name: str | None) -> None:
    """It is a message, not an event."""
    with forward.span() as span:
        forward.emit(name, body="text")
    assert told(span) == []
    assert len(forward.records) == 1


def test_outside_any_span_nothing_is_bridged(forward: Telemetry) -> None:
    """The record has no trace id, and goes on."""
    forward.emit()
    assert len(forward.records) == 1


def test_a_span_that_does_not_record_gets_nothing(make: Callable[..., Telemetry]) -> None:
    """Neither one that was sampled out, nor one that has ended, nor one of another process."""
    telemetry = make(sampler=ALWAYS_OFF)
    telemetry.logs.add_log_record_processor(EventToSpanEventBridge())
    with telemetry.span() as unsampled:
        telemetry.emit()
    assert isinstance(unsampled, NonRecordingSpan)
    sampled = make()
    ended = sampled.traces.get_tracer("shop").start_span("ended")
    ended.end()
    assert isinstance(ended, Span)
    for span in (ended, NonRecordingSpan(SpanContext(1, 2, is_remote=True))):
        telemetry.emit(context=trace.set_span_in_context(span))
    assert told(ended) == []


class Recorder(NonRecordingSpan):
    """A span of another make that records, whatever its ids are."""

    def __init__(self, trace_id: int, span_id: int) -> None:
        super().__init__(SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(1)))
        self.names: list[str] = []

    def is_recording(self) -> bool:
        """Return True."""
        return True

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Take an event."""
        self.names.append(name)


@pytest.mark.parametrize(("trace_id", "span_id"), [(0, 2), (1, 0)])
def test_without_a_valid_trace_id_and_span_id_nothing_is_bridged(
    forward: Telemetry, trace_id: int, span_id: int
) -> None:
    """Both are needed, though the span records."""
    span = Recorder(trace_id, span_id)
    forward.emit(context=trace.set_span_in_context(span))
    assert span.names == []


@pytest.mark.parametrize(("trace_id", "span_id"), [(7, None), (None, 7)])
@pytest.mark.filterwarnings("ignore:LogRecord init with `trace_id`")
def test_a_record_that_belongs_to_another_span_is_not_bridged(
    forward: Telemetry, trace_id: int | None, span_id: int | None
) -> None:
    """Its trace id and its span id must both be those of its context's span."""
    with forward.span() as span:
        record = LogRecord(context=context.get_current(), trace_id=trace_id, span_id=span_id, event_name="order.placed")  # type: ignore[call-overload]  # both ways of saying where it belongs, at odds
        forward.logs.get_logger("shop").emit(record)
    assert told(span) == []
    assert len(forward.records) == 1


def test_the_span_of_the_records_own_context_counts(forward: Telemetry) -> None:
    """An event that is emitted elsewhere, about an open span, is put on that one."""
    order = forward.traces.get_tracer("shop").start_span("order")
    with forward.span() as current:
        forward.emit(context=trace.set_span_in_context(order))
    assert isinstance(order, Span)
    assert (told(current), [name for name, *_ in told(order)]) == ([], ["order.placed"])


def test_a_record_without_a_context_is_bridged_to_the_current_span(forward: Telemetry) -> None:
    """A record that another processor made from scratch."""
    with forward.span() as span:
        record = LogRecord(event_name="order.placed", timestamp=5)
        record.context = None
        forward.logs.get_logger("shop").emit(record)
    assert told(span) == [("order.placed", 5, {})]


def test_after_its_shutdown_it_bridges_nothing(forward: Telemetry) -> None:
    """Events that come later are ignored, not refused."""
    bridge = EventToSpanEventBridge()
    forward.logs.add_log_record_processor(bridge)
    assert bridge.force_flush()
    bridge.shutdown()
    with forward.span() as span:
        forward.emit()
    assert len(told(span)) == 1


class Broken(Recorder):
    """A span that fails when it is told anything."""

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Fail."""
        raise RuntimeError("secret")


def test_a_span_that_fails_costs_a_log_line_once(forward: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the application nor the exporter behind the bridge notices; what the error says is not repeated."""
    for _ in range(3):
        forward.emit(context=trace.set_span_in_context(Broken(1, 2)))
    assert len(forward.records) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "ezlogs: EventToSpanEventBridge failed and will not say so again: RuntimeError"
    ]


def test_span_events_become_log_based_events_when_the_span_ends(reverse: Telemetry) -> None:
    """Name, timestamp, attributes, trace, span, flags, scope and resource are those of the span."""
    with reverse.span() as span:
        span.add_event("order.placed", {"order.id": 42}, 5)
        span.add_event("order.paid", timestamp=6)
        assert reverse.records == []
    first, second = reverse.records
    record, span_context = first.log_record, span.get_span_context()
    assert (record.event_name, record.timestamp, dict(record.attributes or {})) == ("order.placed", 5, {"order.id": 42})
    assert (record.trace_id, record.span_id, record.trace_flags) == (
        span_context.trace_id,
        span_context.span_id,
        span_context.trace_flags,
    )
    assert (record.body, record.severity_number) == (None, None)
    assert first.resource.attributes["service.name"] == "shop"
    scope = first.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version) == ("shop", "1.0")
    assert second.log_record.event_name == "order.paid"
    assert len(span.events) == 2


def test_an_exception_is_a_log_based_event_too(reverse: Telemetry) -> None:
    """What the SDK records on a span when an exception leaves it."""
    with pytest.raises(ValueError, match="no stock"), reverse.span():
        raise ValueError("no stock")
    (record,) = reverse.records
    assert record.log_record.event_name == "exception"
    assert (record.log_record.attributes or {})["exception.message"] == "no stock"


def test_a_scope_with_attributes_keeps_them(reverse: Telemetry) -> None:
    """Scopes that differ in their attributes only are told apart."""
    tracer = reverse.traces.get_tracer("shop", attributes={"team": "orders"})
    with tracer.start_as_current_span("work") as span:
        span.add_event("order.placed")
    scope = reverse.records[0].instrumentation_scope
    assert scope is not None
    assert dict(scope.attributes or {}) == {"team": "orders"}


def test_a_span_without_a_scope_or_an_event_is_no_trouble(reverse: Telemetry) -> None:
    """As a processor may see them that is not called by the SDK."""
    bridge = SpanEventToEventBridge(reverse.logs)
    span = reverse.traces.get_tracer("shop").start_span("work")
    span.end()
    bridge.on_end(ReadableSpan("s", SpanContext(1, 2, is_remote=False), events=()))
    span_event = trace_event("order.placed")
    bridge.on_end(ReadableSpan("s", SpanContext(1, 2, is_remote=False), events=[span_event]))
    assert [record.log_record.event_name for record in reverse.records] == ["order.placed"]


def trace_event(name: str) -> Any:
    """Return a span event."""
    from opentelemetry.sdk.trace import Event

    return Event(name, {}, 5)


def test_where_instrumentation_is_suppressed_nothing_is_sent_back(reverse: Telemetry) -> None:
    """An exporter that makes spans of its own would otherwise never come to rest."""
    with suppress_instrumentation(), reverse.span() as span:
        span.add_event("request.sent")
    assert reverse.records == []


def test_the_global_logger_provider_is_looked_up_when_a_span_ends(
    make: Callable[..., Telemetry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application may set it up after the bridge."""
    telemetry = make()
    telemetry.traces.add_span_processor(SpanEventToEventBridge())
    telemetry.logs.add_log_record_processor(SimpleLogRecordProcessor(telemetry.exporter))
    monkeypatch.setattr("ezlogs.bridge.get_logger_provider", lambda: telemetry.logs)
    with telemetry.span() as span:
        span.add_event("order.placed")
    assert len(telemetry.records) == 1


def test_after_its_shutdown_nothing_is_sent_back(reverse: Telemetry) -> None:
    """A span that ends later is left alone."""
    with reverse.span() as span:
        span.add_event("order.placed")
        assert reverse.traces.force_flush()
        reverse.traces.shutdown()
    assert reverse.records == []


def test_a_logger_that_fails_costs_a_log_line_once(
    make: Callable[..., Telemetry], caplog: pytest.LogCaptureFixture
) -> None:
    """Ending a span does not fail."""

    class Failing(LoggerProvider):
        def get_logger(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("secret")

    telemetry = make()
    telemetry.traces.add_span_processor(SpanEventToEventBridge(Failing(shutdown_on_exit=False)))
    for _ in range(3):
        with telemetry.span() as span:
            span.add_event("order.placed")
    assert [record.getMessage() for record in caplog.records] == [
        "ezlogs: SpanEventToEventBridge failed and will not say so again: RuntimeError"
    ]


def test_both_in_one_process_send_nothing_back_and_forth(forward: Telemetry) -> None:
    """Each event is one span event and one log record, whichever it was first."""
    forward.traces.add_span_processor(SpanEventToEventBridge(forward.logs))
    with forward.span() as span:
        forward.emit("order.placed")
        span.add_event("order.paid")
    assert [name for name, *_ in told(span)] == ["order.placed", "order.paid"]
    assert [record.log_record.event_name for record in forward.records] == ["order.placed", "order.paid"]


def test_the_context_of_a_bridged_event_is_only_its_span(reverse: Telemetry) -> None:
    """What else is current when a span ends has nothing to do with the event."""
    token = context.attach(context.set_value("other", 1, Context()))
    try:
        with reverse.span() as span:
            span.add_event("order.placed")
    finally:
        context.detach(token)
    assert list(reverse.records[0].log_record.context or {}) == list(trace.set_span_in_context(span, Context()))


def test_the_bridges_need_no_ezlogs_to_run() -> None:
    """A program that imports one of them alone starts nothing of ezlogs."""
    program = """
from ezlogs.bridge import EventToSpanEventBridge
from ezlogs.runtime import current_runtime
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider

logs = LoggerProvider()
logs.add_log_record_processor(EventToSpanEventBridge())
with TracerProvider().get_tracer("app").start_as_current_span("work") as span:
    logs.get_logger("app").emit(event_name="order.placed")
assert [event.name for event in span.events] == ["order.placed"]
assert current_runtime() is None
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
