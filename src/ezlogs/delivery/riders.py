"""Riders: the events that travel on spans the application opened, kept beside the span until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import SpanContext
from opentelemetry.util.types import Attributes

from ezlogs.delivery.sealed import SealedEvent
from ezlogs.event import UniversalEvent
from ezlogs.logged import LoggedName
from ezlogs.privacy import Scrubber
from ezlogs.wire import scrubbed_attributes

if TYPE_CHECKING:
    from ezlogs.delivery.batch import Begun

MAX_RIDERS = 128
"""Events a span takes, as many as the OpenTelemetry SDK keeps; further ones go on a carrier span."""


class _End:
    """Stands in a list of riders where it was closed."""


class Riders:
    """The events of one open span, in order. Adding and closing take no lock and never lose or double an event.

    Args:
        under: The span.
    """

    __slots__ = ("_closed", "_items", "begun", "note", "openings", "under")

    def __init__(self, under: SpanContext | None = None) -> None:
        self.under = under
        self.openings: list[object] = []
        """What the journal gave for word of the span's beginning; it is told with its first event."""
        self.note: UniversalEvent | None = None
        """What was told with it of an event that will be the span's."""
        self.begun: Begun | None = None
        """What was encoded of the span then."""
        self._items: list[object] = []
        self._closed = False

    def __len__(self) -> int:
        """Return how many events ride on the span."""
        return 0 if self._closed else len(self._items)

    def add(self, event: UniversalEvent | SealedEvent) -> bool:
        """Add an event; return False when the span is full or was closed first, and so will not deliver it."""
        items = self._items
        if len(items) >= MAX_RIDERS:
            return False
        items.append(event)
        if not self._closed:  # set before the end is: the event stands before it
            return True
        return next(item for item in items if item is event or type(item) is _End) is event

    def close(self) -> list[UniversalEvent | SealedEvent]:
        """Return the events that came before the end, the first time that it is called.

        List appends have one order, which decides who was in time.
        """
        own = _End()
        self._closed = True
        self._items.append(own)
        position, first = next((at, item) for at, item in enumerate(self._items) if type(item) is _End)
        return self._items[:position] if first is own else []  # type: ignore[return-value]  # only events stand before


class RidingEvent(Event):
    """An ezlogs event as other span processors see it: its attributes are made and scrubbed when one reads them."""

    def __init__(self, event: UniversalEvent, scrubber: Scrubber) -> None:  # what the base class keeps, is read here
        self._event = event
        self._scrubber = scrubber

    @staticmethod
    def name_of(event: UniversalEvent) -> str:
        """Return what an event is called on a span: its type."""
        return event.event_type

    @property
    def name(self) -> str:
        """The event's type."""
        return self.name_of(self._event)

    @property
    def timestamp(self) -> int:
        """Nanoseconds since 1970."""
        return self._event.timestamp

    @property
    def attributes(self) -> Attributes:
        """The event's scrubbed attributes."""
        return scrubbed_attributes(self._event, self._scrubber)

    @property
    def dropped_attributes(self) -> int:
        """None are: wire attributes are bounded by the event itself."""
        return 0


class LoggedRidingEvent(RidingEvent):
    """An event that is also a log record, and says so to who would make one of it."""

    @staticmethod
    def name_of(event: UniversalEvent) -> str:
        """Return the event's type, marked."""
        return LoggedName(event.event_type)
