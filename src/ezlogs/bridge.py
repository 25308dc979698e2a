"""Bridges between OpenTelemetry's two forms of an event: the log record with an event name, and the span event.

Both are ordinary processors of the OpenTelemetry SDK. They work in any application, for events of any make, with
``ezlogs.configure()`` or without it.
"""

from __future__ import annotations

import logging

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from ezlogs.logged import LoggedName
from ezlogs.otel_logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord, get_logger_provider

log = logging.getLogger(__name__)


class EventToSpanEventBridge(LogRecordProcessor):
    """Puts log-based events on the span that they happen in: for back ends that show a span's events only.

    A log record becomes a span event if, and only if, it has an event name, a valid trace id and span id, its context
    has a current span that is recording, and its ids are that span's. The span event has the record's event name as
    its name, the record's timestamp or else its observed timestamp, and all its attributes; body and severity have
    no counterpart. The record itself is left as it is and goes on to the processors after this one.

    It never raises: what goes wrong is logged, the first time.

    Source: OpenTelemetry specification, "Logs SDK", section "Event to span event bridge".

    Example:
        >>> from opentelemetry.sdk._logs import LoggerProvider
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> provider = LoggerProvider()
        >>> provider.add_log_record_processor(EventToSpanEventBridge())
        >>> with TracerProvider().get_tracer("shop").start_as_current_span("POST /orders") as span:
        ...     provider.get_logger("shop").emit(event_name="order.placed", attributes={"order.id": 42})
        >>> [(event.name, dict(event.attributes)) for event in span.events]
        [('order.placed', {'order.id': 42})]
    """

    def __init__(self) -> None:
        self._shut_down = False
        self._trouble = _Trouble(self)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Add the span event, if the record is one to bridge."""
        try:
            if not self._shut_down:
                self._bridge(log_record)
        except Exception as problem:  # neither the application nor the processors after this one may see it
            self._trouble.tell(problem)

    def _bridge(self, log_record: ReadWriteLogRecord) -> None:
        record = log_record.log_record
        if not record.event_name:
            return
        span = trace.get_current_span(record.context)
        span_context = span.get_span_context()
        if (
            span_context.is_valid
            and span.is_recording()
            and (record.trace_id, record.span_id) == (span_context.trace_id, span_context.span_id)
        ):
            timestamp = record.observed_timestamp if record.timestamp is None else record.timestamp
            span.add_event(LoggedName(record.event_name), dict(record.attributes or {}), timestamp)

    def shutdown(self) -> None:
        """Bridge nothing any more."""
        self._shut_down = True

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: an event is on its span as soon as it is emitted."""
        return True


class SpanEventToEventBridge(SpanProcessor):
    """Emits a span's events as log-based events when the span ends: for back ends that look for events in logs.

    A span event becomes a log record with its name as the event name, its timestamp and attributes, under the trace and
    span that it happened in, and with the span's instrumentation scope. The span keeps it.

    Span events that are log records as well are not emitted again: those that `EventToSpanEventBridge` has put on the
    span, so that the two can stand in one process, and those of ezlogs with the setting ``carrier="both"``. Nothing is
    emitted where instrumentation is suppressed, as it is while an exporter works: one that makes spans of its own would
    never come to rest. It never raises: what goes wrong is logged, the first time.

    Args:
        logger_provider: Where to emit; the global logger provider at the time when a span ends, when left out.

    Example:
        >>> from opentelemetry.sdk._logs import LoggerProvider
        >>> from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> logs, exporter = LoggerProvider(), InMemoryLogRecordExporter()
        >>> logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        >>> traces = TracerProvider()
        >>> traces.add_span_processor(SpanEventToEventBridge(logs))
        >>> with traces.get_tracer("shop").start_as_current_span("POST /orders") as span:
        ...     span.add_event("order.placed", {"order.id": 42})
        >>> [record.log_record.event_name for record in exporter.get_finished_logs()]
        ['order.placed']
    """

    def __init__(self, logger_provider: LoggerProvider | None = None) -> None:
        self._logger_provider = logger_provider
        self._shut_down = False
        self._trouble = _Trouble(self)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: events are emitted when the span ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Emit the span's events."""
        if self._shut_down or not span.events or not is_instrumentation_enabled():
            return
        try:
            self._bridge(span)
        except Exception as problem:  # ending a span must not fail
            self._trouble.tell(problem)

    def _bridge(self, span: ReadableSpan) -> None:
        provider = self._logger_provider or get_logger_provider()
        scope = span.instrumentation_scope
        logger = (
            provider.get_logger(scope.name, scope.version, scope.schema_url, scope.attributes or None)
            if scope
            else provider.get_logger("")
        )
        # The span is handed on by its ids only: it has ended, and a span that records would invite the other bridge.
        under = trace.set_span_in_context(trace.NonRecordingSpan(span.context), Context())
        for event in span.events:
            name = event.name
            if type(name) is not LoggedName:
                logger.emit(
                    timestamp=event.timestamp,
                    context=under,
                    attributes=dict(event.attributes or {}),
                    event_name=name,
                )

    def shutdown(self) -> None:
        """Emit nothing any more."""
        self._shut_down = True

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: a span's events have been emitted when it has ended."""
        return True


class _Trouble:
    """Says once what went wrong in a bridge."""

    def __init__(self, bridge: object) -> None:
        self._bridge = type(bridge).__name__
        self._told = False

    def tell(self, problem: Exception) -> None:
        """Log the first problem; its text stays out of the log, since it may quote what the event holds."""
        if not self._told:
            self._told = True
            log.warning("ezlogs: %s failed and will not say so again: %s", self._bridge, type(problem).__qualname__)
