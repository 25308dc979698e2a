"""Capture: a runtime whose carrier is a list, in place of the process's own for the length of a ``with`` block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.context import Context

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.event import UniversalEvent
from ezlogs.otlp import EVENT_HEADS, event_parts
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Runtime, install
from ezlogs.settings import load
from ezlogs.testing.absence import assert_absent
from ezlogs.wire import scrubbed_attributes


class Captured:
    """What was emitted, in order."""

    processor = None
    """No tracer provider takes part."""

    def __init__(self, scrubber: Scrubber | None = None) -> None:
        self._events: list[UniversalEvent] = []
        self._scrubber = scrubber or Scrubber()

    @property
    def events(self) -> list[UniversalEvent]:
        """The events as their trackers made them."""
        return self._events.copy()

    @property
    def exported(self) -> list[dict[str, object]]:
        """The events as attributes, scrubbed as they would leave the process."""
        return [scrubbed_attributes(event, self._scrubber) for event in self._events]

    def of(self, event_type: str) -> list[UniversalEvent]:
        """Return the events of one type."""
        return [event for event in self.events if event.event_type == event_type]

    def assert_absent(self, secret: str) -> None:
        """Fail if a text is in what would be sent, in any of its usual disguises; see `assert_absent`."""
        encoder = EventEncoder(self._scrubber, EVENT_HEADS)
        for event in self._events:
            parts = event_parts(event.event_type, event.timestamp)
            encoder.append(parts, event)
            assert_absent(secret, b"".join(parts))

    def clear(self) -> None:
        """Forget what was captured so far."""
        self._events.clear()

    def meet(self, provider: TracerProvider) -> None:
        """Leave the provider alone."""

    notes_openings = False
    """Nothing here outlives the process."""

    def opened(self, note: UniversalEvent, ctx: Context, *, with_span: bool = False) -> None:
        """Do nothing."""

    def closed(self, event_id: str) -> None:
        """Do nothing."""

    def preparing(self) -> None:
        """Return None: what is committed is all that is seen."""

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Keep an event."""
        self._events.append(event)

    def flush(self, timeout: float) -> bool:
        """Return True: nothing is ever under way."""
        return True

    def shutdown(self, timeout: float) -> None:
        """Keep what was captured."""

    def forget(self) -> None:
        """Keep, in a forked child, what was captured before the fork."""

    def health(self) -> dict[str, object]:
        """Return how many events were captured."""
        return {"captured": len(self._events)}


@contextmanager
def capture(**settings: object) -> Iterator[Captured]:
    """Capture every event that is emitted in this process, in any thread; nothing is sent anywhere.

    Invalid events and ezlogs' internal errors are raised, as ``strict`` does. Captures nest; the runtime that was
    there before comes back.

    Args:
        **settings: Settings to try, such as ``changes="full"``.

    Example:
        >>> import ezlogs
        >>> with capture() as captured:
        ...     _ = ezlogs.event("order.action", "placed", subject=("order", 42))
        >>> captured.events[0].action
        'placed'
    """
    runtime = Runtime(load({}, {"strict": True, **settings}).settings)
    runtime.carrier = captured = Captured(runtime.scrubber)
    before = install(runtime)
    try:
        yield captured
    finally:
        install(before)
