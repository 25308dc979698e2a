"""Events as log records: encoded and delivered by ezlogs itself, or handed to the application's own logs pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from ezlogs import otel_compat
from ezlogs.delivery.batch import Batch, Sources, Tally, request_of
from ezlogs.delivery.carriers import MAX_CARRIED, SCOPE
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.delivery.foreign import exports
from ezlogs.delivery.items import events_of, receipts_of
from ezlogs.delivery.packing import packed
from ezlogs.delivery.sealed import AnyResource, EncodedResource, Form, SealedEvent
from ezlogs.event import UniversalEvent
from ezlogs.otel_logs import (
    BatchLogRecordProcessor,
    Logger,
    LoggerProvider,
    LogRecordExporter,
    LogRecordProcessor,
    SdkLoggerProvider,
    SeverityNumber,
    SimpleLogRecordProcessor,
    get_logger_provider,
)
from ezlogs.otlp import LOG_RECORD_HEADS, encode_log_record
from ezlogs.priority import Priorities
from ezlogs.privacy import Scrubber
from ezlogs.runtime import log
from ezlogs.wire import scrubbed_attributes

SEVERITY_NUMBERS = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warn": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "fatal": SeverityNumber.FATAL,
}

_EXPORTERS = (BatchLogRecordProcessor, SimpleLogRecordProcessor, LogRecordExporter)


class LogEncoder:
    """Turns events into batches of log records, with the name and the attributes that span events have.

    A log record is under the span that its event was emitted in, has no body, and was observed when it happened: ezlogs
    itself made it.
    """

    def __init__(self, scrubber: Scrubber, priorities: Priorities | None = None) -> None:
        self._priorities = priorities or Priorities()
        self._sources = Sources(scrubber)
        self._events = EventEncoder(scrubber, LOG_RECORD_HEADS)

    def batch(self, items: Sequence[Any], resource: AnyResource, between: Callable[[], object] = int) -> Batch:
        """Return the OTLP request of some events, each with the context of the span that it happened under.

        Args:
            items: The events.
            resource: What they belong to.
            between: Called after each hundred of them.
        """
        records: list[bytes | Sequence[bytes]] = []
        tally = Tally()
        for number, item in enumerate(items, start=1):
            if number % MAX_CARRIED == 0:
                between()
            tally.receipts += receipts_of(item)
            try:
                body, rules = self._encode(*item) if type(item) is not SealedEvent else self._of_sealed(item)
            except Exception:  # one event that cannot be encoded must not cost the others
                log.exception("ezlogs: an event could not be encoded")
                tally.broken += 1
                continue
            records.append(body)
            tally.take(events_of(item), rules, self.priority(item))
        groups = {self._sources.resource(resource): {self._sources.scope(SCOPE): records}}
        return tally.batch(request_of(groups))

    def seal(self, event: UniversalEvent, under: SpanContext | None) -> SealedEvent:
        """Return an event as it will be sent, scrubbed and encoded."""
        under = under or trace.INVALID_SPAN_CONTEXT
        plain = packed(event) if self._events.is_plain(event) else None
        body, rules = (plain, ()) if plain is not None else self._encode(event, under)
        return SealedEvent(
            body,
            event.timestamp,
            under.trace_id.to_bytes(16, "big"),
            under.span_id,
            rules,
            event.event_type,
            self._priorities.of(event),
            under.trace_flags,
            None if plain is None else event,
            Form.ENCODED_FOR_LOGS if plain is None else Form.PACKED_FOR_LOGS,
        )

    def _of_sealed(self, sealed: SealedEvent) -> tuple[bytes, Sequence[str]]:
        if sealed.plain is None:
            return sealed.body, sealed.rules
        return self._encode(sealed.plain, sealed.under())

    def encoded(self, resource: AnyResource) -> EncodedResource:
        """Return a resource as it is sent."""
        return self._sources.resource(resource)

    def priority(self, item: Any) -> int:
        """Return whether an item goes before others, where not all can be kept."""
        return item.priority if type(item) is SealedEvent else self._priorities.of(item[0])

    def _encode(self, event: UniversalEvent, under: SpanContext) -> tuple[bytes, Sequence[str]]:
        """Return an encoded event, and the rules by which privacy kept something back."""
        attributes: list[bytes] = []
        redacted = self._events.append(attributes, event)
        severity, timestamp = event.severity, event.timestamp
        encoded = encode_log_record(
            timestamp,
            severity_number=SEVERITY_NUMBERS[severity].value,
            severity_text=severity.upper(),
            flags=under.trace_flags,
            trace_id=under.trace_id,
            span_id=under.span_id,
            observed_time_unix_nano=timestamp,
            event_name=event.event_type,
            more=attributes,
        )
        return encoded, redacted


class ForeignLogs:
    """The application's own logs pipeline, if it has one that exports: found when first asked for, and looked at again
    when its processors change.
    """

    def __init__(self) -> None:
        self._watch = otel_compat.LogProcessorWatch(None)
        self._logger: Logger | None = None

    def logger(self) -> Logger | None:
        """Return where to emit log records so that they are exported, or None where nobody would."""
        provider = get_logger_provider()
        if not self._watch.unchanged(provider):
            self._watch = otel_compat.LogProcessorWatch(provider)
            self._logger = provider.get_logger(SCOPE.name, SCOPE.version) if self._exported(provider) else None
        return self._logger

    def _exported(self, provider: LoggerProvider) -> bool:
        """Where the SDK does not show its processors the application has set it up for something."""
        processors = self._watch.processors
        return isinstance(provider, SdkLoggerProvider) and (
            processors is None or any(exports(processor, _EXPORTERS, LogRecordProcessor) for processor in processors)
        )


def hand_over(logger: Logger, event: UniversalEvent, ctx: Context, scrubber: Scrubber) -> None:
    """Emit an event as a log record of the application's own pipeline, under the span that it happened in."""
    logger.emit(
        timestamp=event.timestamp,
        observed_timestamp=event.timestamp,
        context=ctx,
        severity_number=SEVERITY_NUMBERS[event.severity],
        severity_text=event.severity.upper(),
        attributes=scrubbed_attributes(event, scrubber),
        event_name=event.event_type,
    )


def span_context(ctx: Context) -> SpanContext:
    """Return the context of the span that is current, an invalid one where none is."""
    span = otel_compat.current_span(ctx)
    return trace.INVALID_SPAN_CONTEXT if span is None else span.get_span_context()
