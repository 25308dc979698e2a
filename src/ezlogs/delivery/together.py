"""Events that are told together, such as the rows of a transaction: on carrier spans, not on the current one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

MOST_TOGETHER: Final = 100
"""Events on one span: fewer than the OpenTelemetry SDK keeps of one."""

TOGETHER: Final = context.create_key("ezlogs-together")
"""The context key of the `Together` that an event is one of."""


class Together:
    """Many events at once: on the span that they happen under they would leave no room for others, or each other.

    Where ezlogs delivers events itself, they go on carrier spans. Where only another pipeline delivers, it gets spans
    for them from its own provider, under the span that they happen under.
    """

    def __init__(self) -> None:
        self._span: Span | None = None
        self._under: Span | None = None
        self._room = 0
        self._closed = False
        self._contexts: tuple[Context, Context] | None = None

    def within(self, ctx: Context) -> Context:
        """Return a context in which an event is one of these; most have the same."""
        if self._contexts is None or self._contexts[0] is not ctx:
            self._contexts = ctx, context.set_value(TOGETHER, self, ctx)
        return self._contexts[1]

    def span_for(self, under: Span, timestamp: int) -> Span:
        """Return the span of another pipeline for the next event; the one it happens under once all were told.

        Args:
            under: The span that the event happens under.
            timestamp: When it happened: nanoseconds since 1970.
        """
        if self._closed or not under.is_recording():
            return under
        if self._span is None or self._room == 0 or self._under is not under:
            self._end()
            tracer = trace.get_tracer("ezlogs")
            self._under, self._room = under, MOST_TOGETHER
            self._span = tracer.start_span(
                "ezlogs.events",
                trace.set_span_in_context(under, Context()),
                attributes={"ezlogs.carrier": True},
                start_time=timestamp,
            )
        self._room -= 1
        return self._span

    def _end(self) -> None:
        if self._span is not None:
            self._span.end()
            self._span = None

    def close(self) -> None:
        """End the last span: all were told."""
        self._closed = True
        self._end()


@contextmanager
def together() -> Iterator[Together]:
    """Tell many events at once.

    Example:
        >>> from ezlogs.emit import record
        >>> from ezlogs.testing import capture
        >>> with capture() as captured, together() as events:
        ...     for number in range(3):
        ...         _ = record("order.action", "placed", ctx=events.within(context.get_current()))
        >>> len(captured.events)
        3
    """
    events = Together()
    try:
        yield events
    finally:
        events.close()
