"""A thousand saves in a transaction, measured: CPU time of the whole process a row, delivery included."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from statistics import median
from time import process_time_ns
from typing import Any

ROWS, _TURNS = 1000, 9

Save = Callable[[], object]
"""Saves a thousand rows in a transaction of its own."""


def order(number: int) -> dict[str, Any]:
    """Return the columns of a new order."""
    return {
        "customer": f"Customer {number % 50}",
        "state": "new",
        "quantity": number % 7,
        "total": Decimal(number) / 4,
        "is_gift": number % 3 == 0,
        "placed_at": datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(seconds=number),
        "note": None,
    }


def changed(order: Any) -> None:
    """Change two columns of an order."""
    order.state = "paid" if order.state == "new" else "sent"
    order.quantity += 1


def measured(
    sides: Mapping[str, Callable[[], Save]],
    deliver: Callable[[], object] = int,
    within: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> dict[str, float]:
    """Return nanoseconds a row by what is done: the median of the turns, the first of which is not counted.

    On a shared machine some turn is always somebody else's, and each begins without the garbage of the one before.

    Args:
        sides: Makes what is measured, outside of the time.
        deliver: Delivers all that is left.
        within: Makes what the saves belong to, as to a request.
    """
    taken: dict[str, list[float]] = {}
    for turn in range(_TURNS):
        for name, prepared in sides.items():
            save = prepared()
            deliver()
            gc.collect()
            begin = process_time_ns()
            with within():
                save()
            deliver()
            if turn:
                taken.setdefault(name, []).append((process_time_ns() - begin) / ROWS)
    return {name: median(turns) for name, turns in taken.items()}


class Ezlogs:
    """Ezlogs as people configure it, with a collector that takes all.

    Args:
        endpoint: The collector's.
    """

    def __init__(self, endpoint: str) -> None:
        import ezlogs

        ezlogs.configure(service_name="bench", endpoint=endpoint)
        self._flush, self._health = ezlogs.flush, ezlogs.health

    def within(self) -> AbstractContextManager[object]:
        """Return the story of a transaction, as that of a request or of a job would be."""
        from ezlogs.scope import CorrelationManager

        return CorrelationManager.start_flow_context("checkout", 42)

    def deliver(self) -> None:
        """Deliver all that is left."""
        assert self._flush(60), self._health()

    def delivered(self) -> Any:
        """Return how many events the collector took."""
        return self._health()["delivered"]
