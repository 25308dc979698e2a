"""Riders: the events that travel on spans the application opened, kept beside the span until it ends."""

from __future__ import annotations

from opentelemetry.sdk.trace import Event
from opentelemetry.util.types import Attributes

from ezlogs.runtime import Emitted

MAX_RIDERS = 128
"""Events a span takes, as many as the OpenTelemetry SDK keeps; further ones go on a carrier span."""


class Riders:
    """The events of one open span, in order. Adding and closing take no lock and never lose or double an event."""

    __slots__ = ("_items",)

    _END = object()

    def __init__(self) -> None:
        self._items: list[object] = []

    def add(self, emitted: Emitted) -> bool:
        """Add an event; return False when the span is full or was closed first, and so will not deliver it."""
        items = self._items
        if len(items) >= MAX_RIDERS:
            return False
        items.append(emitted)
        return self._END not in items or items.index(emitted) < items.index(self._END)

    def close(self) -> list[Emitted]:
        """Return the events that came before the end. List appends have one order, which decides who was in time."""
        self._items.append(self._END)
        return self._items[: self._items.index(self._END)]  # type: ignore[return-value]  # only events stand before the end


class RidingEvent(Event):
    """An ezlogs event as other span processors see it: its attributes are made and scrubbed when one reads them."""

    def __init__(self, emitted: Emitted) -> None:
        super().__init__(emitted.event.event_type, None, emitted.event.timestamp)
        self._emitted = emitted

    @property
    def attributes(self) -> Attributes:
        """The event's scrubbed attributes."""
        return self._emitted.attributes  # type: ignore[return-value]  # scalars and homogeneous tuples by construction
