"""Items: what is handed over to be sent - spans with the events that rode on them, and events without a span."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeGuard

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from ezlogs.delivery.sealed import SealedEvent, SealedSpan
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.event import UniversalEvent


class EndedSpan(NamedTuple):
    """A span of the application and the ezlogs events that rode on it."""

    span: ReadableSpan
    events: Sequence[Carried]


LooseEvent = UniversalEvent | tuple[UniversalEvent, SpanContext] | SealedEvent | SealedRows
"""An event without a span to ride on, with the span it happened under if there was one; or several at once."""

Rider = UniversalEvent | SealedEvent
"""An event that rides on a span."""

Carried = Rider | SealedRows
"""An event on a span, or several."""

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


def number_of(riders: Sequence[Carried]) -> int:
    """Return how many events there are."""
    return len(riders) + sum(rider.number - 1 for rider in riders if type(rider) is SealedRows)


def count_of(items: Iterable[Item]) -> int:
    """Return how many events some items are of."""
    return sum(item.number if type(item) is SealedRows else len(events_of(item)) for item in items)


def events_of(item: Item) -> Sequence[UniversalEvent | SealedEvent]:
    """Return the events that an item is of."""
    if type(item) is SealedRows:
        return item.events()
    if isinstance(item, (EndedSpan, SealedSpan)):
        return item.events  # type: ignore[return-value]  # rows ride on carriers only, which are made of items
    return (item,) if isinstance(item, (UniversalEvent, SealedEvent)) else item[:1]  # type: ignore[index]  # a pair


def receipts_of(item: Item) -> list[Any]:
    """Return what an item is acknowledged by in the journal: first the events on a span, then the span itself."""
    if type(item) is SealedRows:
        return [item.receipt]
    riders = item.events if isinstance(item, (EndedSpan, SealedSpan)) else events_of(item)
    receipts = [rider.receipt for rider in riders if type(rider) is SealedEvent or type(rider) is SealedRows]
    return [*receipts, *item.receipts] if isinstance(item, SealedSpan) else receipts
