"""The oldest event of some items, from which on its delivery took its time."""

from __future__ import annotations

from collections.abc import Iterable

from ezlogs.delivery.items import Item, events_of, is_loose
from ezlogs.delivery.sealed import SealedEvent
from ezlogs.delivery.sealed_rows import SealedRows


def oldest(items: Iterable[Item]) -> int:
    """Return the time of the oldest event: nanoseconds since 1970, or 0 where there is none.

    Events that came alone are in the order of their time; those on spans waited for the span to end.

    Args:
        items: As a worker takes them, in the order in which it did.
    """
    times, loose = [], False
    for item in items:
        if loose and (type(item) is SealedEvent or is_loose(item)):
            continue
        loose = loose or is_loose(item)
        times += [event.timestamp for event in ((item,) if type(item) is SealedRows else events_of(item)[:1])]
    return min(times, default=0)
