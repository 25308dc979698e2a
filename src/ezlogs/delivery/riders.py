"""Riders: the events that travel on spans the application opened, kept beside the span until it ends."""

from __future__ import annotations

from opentelemetry.sdk.trace import Event
from opentelemetry.util.types import Attributes

from ezlogs.delivery.sealed import SealedEvent
from ezlogs.event import UniversalEvent
from ezlogs.logged import LoggedName
from ezlogs.privacy import Scrubber
from ezlogs.wire import scrubbed_attributes

MAX_RIDERS = 128
"""Events a span takes, as many as the OpenTelemetry SDK keeps; further ones go on a carrier span."""


class Riders:
    """The events of one open span, in order. Adding and closing take no lock and never lose or double an event."""

    __slots__ = ("_closed", "_items")

    _END = object()

    def __init__(self) -> None:
        self._items: list[object] = []
        self._closed = False

    def add(self, event: UniversalEvent | SealedEvent) -> bool:
        """Add an event; return False when the span is full or was closed first, and so will not deliver it."""
        items = self._items
        if len(items) >= MAX_RIDERS:
            return False
        items.append(event)
        if not self._closed:  # set before the end is: the event stands before it
            return True
        return next(item for item in items if item is event or item is self._END) is event

    def close(self) -> list[UniversalEvent | SealedEvent]:
        """Return the events that came before the end. List appends have one order, which decides who was in time."""
        self._closed = True
        self._items.append(self._END)
        position = next(position for position, item in enumerate(self._items) if item is self._END)
        return self._items[:position]  # type: ignore[return-value]  # only events stand before the end


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
