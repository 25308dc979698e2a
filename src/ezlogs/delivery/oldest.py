"""The oldest event of some items, from which on its delivery took its time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ezlogs.delivery.batch import EndedSpan


def oldest(items: Iterable[Any]) -> int:
    """Return the time of the oldest event: nanoseconds since 1970, or 0 where there is none.

    Events that came alone are in the order of their time; those on spans waited for the span to end.

    Args:
        items: As a worker takes them, in the order in which it did.
    """
    times, loose = [], False
    for item in items:
        if type(item) is EndedSpan:
            if item.events:
                times.append(item.events[0].timestamp)
        elif not loose:
            loose = True
            times.append((item[0] if type(item) is tuple else item).timestamp)
    return min(times, default=0)
