"""Items: what is handed over to be sent - spans with the events that rode on them, and events without a span."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeGuard

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from ezlogs.delivery.sealed import SealedEvent, SealedSpan
from ezlogs.event import UniversalEvent


class EndedSpan(NamedTuple):
    """A span of the application and the ezlogs events that rode on it."""

    span: ReadableSpan
    events: Sequence[UniversalEvent | SealedEvent]


LooseEvent = UniversalEvent | tuple[UniversalEvent, SpanContext] | SealedEvent
"""An event without a span to ride on, with the span it happened under if there was one."""

Rider = UniversalEvent | SealedEvent
"""An event that rides on a span."""

Item = EndedSpan | SealedSpan | LooseEvent
"""What is handed over to be sent."""


def parted(items: Iterable[Item]) -> tuple[list[EndedSpan | SealedSpan], list[LooseEvent]]:
    """Return the spans among some items, and the events that ride on none."""
    spans: list[EndedSpan | SealedSpan] = []
    loose: list[LooseEvent] = []
    for item in items:
        if type(item) is SealedEvent or is_loose(item):
            loose.append(item)
        else:
            spans.append(item)  # type: ignore[arg-type]  # it is no loose event
    return spans, loose


def is_loose(item: Item) -> TypeGuard[LooseEvent]:
    """Tell whether an item is an event without a span to ride on."""
    return not isinstance(item, (EndedSpan, SealedSpan))


def events_of(item: Item) -> Sequence[Rider]:
    """Return the events that an item is of."""
    if isinstance(item, (EndedSpan, SealedSpan)):
        return item.events
    return (item,) if isinstance(item, (UniversalEvent, SealedEvent)) else item[:1]


def receipts_of(item: Item) -> list[Any]:
    """Return what an item is acknowledged by in the journal: first the events on a span, then the span itself."""
    receipts = [event.receipt for event in events_of(item) if type(event) is SealedEvent]
    return [*receipts, *item.receipts] if isinstance(item, SealedSpan) else receipts
