"""The pipeline: decides how each event leaves - on the current span, on a carrier span, or with a foreign exporter."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from ezlogs import otel_compat
from ezlogs.delivery.batch import Encoder, EndedSpan, LooseEvent
from ezlogs.delivery.processor import EzlogsSpanProcessor
from ezlogs.delivery.riders import Riders, RidingEvent
from ezlogs.delivery.worker import Worker
from ezlogs.ids import new_trace_id
from ezlogs.otlp import HttpTransport
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Emitted, Ledger
from ezlogs.settings import Settings


class Pipeline:
    """ezlogs' carrier in production.

    *Owned*: ezlogs' processor is the provider's only exporter; events ride on the current span. *Attached*: another
    pipeline exports the spans, so ezlogs exports none of them, and events go on carrier spans - or, when nobody
    gave ezlogs an endpoint, on the current span, with whatever guarantees the other pipeline has.
    """

    def __init__(self, settings: Settings, ledger: Ledger, scrubber: Scrubber, *, endpoint_given: bool) -> None:
        self._settings = settings
        self._ledger = ledger
        self._endpoint_given = endpoint_given
        self.processor = EzlogsSpanProcessor(self)
        self._worker = Worker(
            HttpTransport(
                settings.endpoint,
                headers=settings.headers,
                timeout=settings.timeout,
                compression=settings.compression,
                certificate_file=settings.certificate,
                client_certificate_file=settings.client_certificate,
                client_key_file=settings.client_key,
            ),
            Encoder(scrubber),
            self._resource,
            ledger,
            flush_interval=settings.flush_interval,
            max_batch_size=settings.max_batch_size,
            max_queue_size=settings.max_queue_size,
        )
        self._seen: object = self
        self._owned = False
        self._own_resource: Resource | None = None

    def meet(self, provider: TracerProvider) -> None:
        """Put a span processor on a provider, or take over the one that an earlier pipeline put there."""
        for processor in otel_compat.span_processors(provider) or ():
            if isinstance(processor, EzlogsSpanProcessor):
                self.processor, processor.destination = processor, self
                return
        provider.add_span_processor(self.processor)

    def carry(self, emitted: Emitted, ctx: Context | None) -> None:
        """Take one event; see the class."""
        span = trace.get_current_span(ctx)
        if self.owned():
            riders = self.processor.riders(span)
            if (
                riders is not None
                and isinstance(span, ReadableSpan)
                and otel_compat.append_event(span, RidingEvent(emitted))  # type: ignore[arg-type]  # an SDK span: it is in the register
                and riders.add(emitted)
            ):
                return
        elif not self._endpoint_given:
            self._hand_over(span, emitted)
            return
        span_context = span.get_span_context()
        if span_context.is_valid:
            self._worker.put(LooseEvent(emitted, span_context.trace_id, span_context.span_id))
        else:
            self._worker.put(LooseEvent(emitted, _trace_id_of(emitted), 0))

    def owned(self) -> bool:
        """Return whether ezlogs' processor is the current provider's only exporter; cheap while nothing changes."""
        if self._settings.pipeline != "auto":
            return self._settings.pipeline == "owned"
        provider = trace.get_tracer_provider()
        processors = otel_compat.span_processors(provider) if isinstance(provider, TracerProvider) else None
        if processors is not self._seen:
            self._seen = processors
            self._owned = (
                processors is not None
                and self.processor in processors
                and not any(exports(processor) for processor in processors if processor is not self.processor)
            )
        return self._owned

    def flush(self, timeout: float) -> bool:
        """Deliver what was handed over within ``timeout`` seconds; return whether all of it went out."""
        return self._worker.flush(timeout)

    def drain(self) -> None:
        """Deliver what can be delivered before the process ends."""
        self._worker.drain(self._settings.shutdown_timeout)

    def shutdown(self, timeout: float) -> None:
        """Deliver what can be delivered within ``timeout`` seconds, and end."""
        self._worker.shutdown(timeout)

    def forget(self) -> None:
        """In a forked child: leave everything under way to the parent."""
        self.processor.forget()
        self._worker.forget()

    def health(self) -> dict[str, object]:
        """Return the pipeline's mode and the queue's state."""
        mode = "owned" if self.owned() else "attached" if self._endpoint_given else "attached without an endpoint"
        return {"pipeline": mode, "endpoint": self._settings.endpoint, **self._worker.health()}

    def ended(self, span: ReadableSpan, riders: Riders) -> None:
        """Take a sampled span that ended, and what rode on it."""
        events = riders.close()
        if self.owned():
            self._worker.put(EndedSpan(span, events))
            return
        for emitted in events:  # another exporter came while the span was open: it has the span, we have the events
            self._worker.put(LooseEvent(emitted, span.context.trace_id, span.context.span_id))

    def _hand_over(self, span: trace.Span, emitted: Emitted) -> None:
        if span.is_recording():
            span.add_event(emitted.event.event_type, emitted.attributes, emitted.event.timestamp)  # type: ignore[arg-type]  # wire values
            self._ledger.note("handed_over")
        else:
            self._ledger.note("lost.no_recording_span")

    def _resource(self) -> Resource:
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            return provider.resource
        if self._own_resource is None:
            name = self._settings.service_name
            self._own_resource = Resource.create({"service.name": name} if name else {})
        return self._own_resource


def exports(part: object, depth: int = 3) -> bool:
    """Return whether a foreign span processor exports spans, itself or through what it holds."""
    if isinstance(part, (BatchSpanProcessor, SimpleSpanProcessor, SpanExporter)):
        return True
    if depth == 0 or not isinstance(part, SpanProcessor):
        return False
    held = [item for value in vars(part).values() for item in (value if isinstance(value, (list, tuple)) else (value,))]
    return any(exports(item, depth - 1) for item in held)


def _trace_id_of(emitted: Emitted) -> int:
    """Return the trace id that a story outside any trace is known by."""
    correlation_id = emitted.event.correlation.correlation_id
    try:
        trace_id = int(correlation_id, 16) if len(correlation_id) == 32 else 0
    except ValueError:
        trace_id = 0
    return trace_id or new_trace_id()
