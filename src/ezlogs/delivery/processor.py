"""The span processor: knows which spans are open in this process, and hands ended ones on with their riders."""

from __future__ import annotations

from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import Span as ApiSpan

from ezlogs.delivery.riders import Riders

_MAX_OPEN = 100_000


class Destination(Protocol):
    """What takes ended spans."""

    def ended(self, span: ReadableSpan, riders: Riders) -> None:
        """Take a sampled span that ended, and what rode on it. Never blocks."""

    def abandon(self, riders: Riders) -> None:
        """Take the events of a span whose end nobody waits for any more. Never blocks."""

    def flush(self, timeout: float) -> bool:
        """Deliver what was handed over within ``timeout`` seconds; return whether all of it went out."""

    def drain(self) -> None:
        """Deliver what can be delivered before the process ends."""


class EzlogsSpanProcessor(SpanProcessor):
    """Never blocks, never raises. An event may ride on a span only while the span is in this processor's register:
    spans that are sampled out, ended, foreign, or were opened before a fork are not in it, without a check of each.
    """

    is_ezlogs_own = True
    """It takes spans as `ezlogs.light_span` makes them."""

    def __init__(self, destination: Destination) -> None:
        self._open: dict[int, Riders] = {}
        self.destination = destination
        """Where ended spans go; another one takes over when ezlogs is configured anew."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Register a sampled span."""
        span_context = span.get_span_context()
        if span_context.trace_flags.sampled:
            if len(self._open) >= _MAX_OPEN:  # spans that never end: their later events go on carrier spans
                oldest = self._open.pop(next(iter(self._open), 0), None)
                if oldest is not None:
                    self.destination.abandon(oldest)
            self._open[span_context.span_id] = Riders(span_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Hand over a sampled span and the events that rode on it."""
        span_context = span.context
        riders = self._open.pop(span_context.span_id, None) if span_context else None
        if riders is not None:
            self.destination.ended(span, riders)

    def riders(self, span: ApiSpan) -> Riders | None:
        """Return where to put an event that rides on a span, or None when it cannot."""
        return self._open.get(span.get_span_context().span_id)

    def unfinished(self) -> list[Riders]:
        """Return what rides on spans that have not ended."""
        return list(self._open.copy().values())

    def forget(self) -> None:
        """Leave the spans that a parent process opened to the parent."""
        self._open = {}

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Deliver what was handed over; return whether all of it went out in time."""
        return self.destination.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Deliver what is left. The pipeline ends with ezlogs' own ``shutdown()``, which later events still need."""
        self.destination.drain()
