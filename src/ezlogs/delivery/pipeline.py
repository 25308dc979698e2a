"""The pipeline: decides how each event leaves - on the current span, on a carrier span, or with a foreign exporter."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from ezlogs import otel_compat
from ezlogs.delivery.batch import Encoder, EndedSpan
from ezlogs.delivery.processor import EzlogsSpanProcessor
from ezlogs.delivery.riders import Riders, RidingEvent
from ezlogs.delivery.worker import Worker
from ezlogs.event import UniversalEvent
from ezlogs.otlp import HttpTransport
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger
from ezlogs.settings import Settings
from ezlogs.wire import scrubbed_attributes


class Pipeline:
    """ezlogs' carrier in production.

    *Owned*: ezlogs' processor is the provider's only exporter; events ride on the current span. *Attached*: another
    pipeline exports the spans, so ezlogs exports none of them, and events go on carrier spans - or, when nobody
    gave ezlogs an endpoint, on the current span, with whatever guarantees the other pipeline has.
    """

    def __init__(self, settings: Settings, ledger: Ledger, scrubber: Scrubber, *, endpoint_given: bool) -> None:
        self._settings = settings
        self._ledger = ledger
        self._scrubber = scrubber
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
        self._watch = otel_compat.ProcessorWatch(None)
        self._owned = False
        self._own_resource: Resource | None = None

    def meet(self, provider: TracerProvider) -> None:
        """Put a span processor on a provider, or take over the one that an earlier pipeline put there."""
        for processor in otel_compat.span_processors(provider) or ():
            if isinstance(processor, EzlogsSpanProcessor):
                self.processor, processor.destination = processor, self
                return
        provider.add_span_processor(self.processor)

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Take one event; see the class."""
        span = otel_compat.current_span(ctx)
        if span is None:
            if self._endpoint_given or self.owned():
                self._worker.put((event, trace.INVALID_SPAN_CONTEXT))
            else:
                self._ledger.note("lost.no_recording_span")
        elif self.owned():
            riders = self.processor.riders(span)
            if riders is None or not self._ride(event, span, riders):
                self._worker.put((event, span.get_span_context()))
        elif self._endpoint_given:
            self._worker.put((event, span.get_span_context()))
        else:
            self._hand_over(event, span)

    def _ride(self, event: UniversalEvent, span: trace.Span, riders: Riders) -> bool:
        """Put an event on a span, to be delivered with it; return whether it will be."""
        return (
            isinstance(span, ReadableSpan)
            and otel_compat.append_event(span, RidingEvent(event, self._scrubber))  # type: ignore[arg-type]  # an SDK span: it is in the register
            and riders.add(event)
        )

    def owned(self) -> bool:
        """Return whether ezlogs' processor is the current provider's only exporter; cheap while nothing changes."""
        if self._settings.pipeline != "auto":
            return self._settings.pipeline == "owned"
        provider = trace.get_tracer_provider()
        if not self._watch.unchanged(provider):
            self._watch = otel_compat.ProcessorWatch(provider)
            processors = self._watch.processors
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
        for event in events:  # another exporter came while the span was open: it has the span, we have the events
            self._worker.put((event, span.context))

    def _hand_over(self, event: UniversalEvent, span: trace.Span) -> None:
        if span.is_recording():
            attributes = scrubbed_attributes(event, self._scrubber)
            span.add_event(event.event_type, attributes, event.timestamp)
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
