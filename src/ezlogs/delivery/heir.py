"""The heir: what dead processes of the service left on disk is adopted and delivered, as long as this one lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ezlogs.delivery.sealed import EncodedResource, SealedEvent, SealedSpan
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.journal import Directory
from ezlogs.otlp.loading import held_off

if TYPE_CHECKING:
    from ezlogs.journal import Abandoned, Found

_LOOKED_FOR: Final = 10.0
"""Seconds between two looks for what dead processes left."""

_LARGE: Final = 1 << 20
"""Bytes from which on what was read is enough: of rows that belong together one record holds many."""


class Left(NamedTuple):
    """What is left on disk, of this process or of a dead one, and what it is acknowledged by."""

    items: Sequence[SealedEvent | SealedRows | SealedSpan]
    resource: EncodedResource
    receipts: Sequence[int]


class Heir:
    """Takes over what dead processes left in one place, one process at a time. For the worker's thread; never raises.

    Args:
        directory: Where.
        max_age: Seconds after which what nobody could deliver is given up.
        complain: Told of what cannot be delivered.
    """

    def __init__(self, directory: Directory, max_age: float, complain: Callable[[Exception], object]) -> None:
        self._directory = directory
        self._max_age = max_age
        self._complain = complain
        self._abandoned: Abandoned | None = None
        self._found: Iterator[Found] = iter(())
        self._look_at = 0.0

    def due(self) -> bool:
        """Return whether to look for what dead processes left."""
        return self._abandoned is not None or monotonic() >= self._look_at

    def next(self, most: int) -> Left | None:
        """Return the next events that a dead process left, if it is time to look.

        Args:
            most: Events at most.
        """
        try:
            return self._next(most)
        except Exception as problem:
            self._give_up(problem)
            return None

    def done(self, receipts: Sequence[Any]) -> None:
        """Take note that events were delivered, or never will be.

        Args:
            receipts: Those of `Left`.
        """
        if self._abandoned is not None:
            try:
                self._abandoned.ack(receipts)
            except Exception as problem:
                self._give_up(problem)

    def let_go(self) -> None:
        """Leave what a dead process left to whoever looks next."""
        abandoned, self._abandoned = self._abandoned, None
        self._found = iter(())
        if abandoned is not None:
            with suppress(Exception):
                abandoned.close()

    def _give_up(self, problem: Exception) -> None:
        """Let go of what others left, for it was changed or damaged by somebody."""
        self._complain(problem)
        self.let_go()

    def _next(self, most: int) -> Left | None:
        while self._adopts():
            with held_off():
                from ezlogs.delivery.restored import item_of
            found = list(self._alike(most))
            if not found:
                self.let_go()
                self._look_at = 0.0  # there may be another
                continue
            resource = EncodedResource.read(found[0].resource)
            items: list[SealedEvent | SealedRows | SealedSpan] = []
            receipts: list[int] = []
            for one in found:
                with suppress(Exception):  # of a kind that this version does not journal
                    items.append(item_of(one, resource))
                receipts += one.receipts
            if items:
                return Left(items, resource, receipts)
            self.done(receipts)
        return None

    def _adopts(self) -> bool:
        """Adopt what a dead process left, unless something is adopted, if it is time to look; return whether it is."""
        if self._abandoned is None and monotonic() >= self._look_at:
            self._look_at = monotonic() + _LOOKED_FOR
            with held_off():
                from ezlogs.journal.recovery import adopt
            self._abandoned = adopt(self._directory, self._max_age)
            if self._abandoned is not None:
                self._found = self._abandoned.found()
        return self._abandoned is not None

    def _alike(self, most: int) -> Iterator[Found]:
        """Yield what is found next, as long as it has the same resource."""
        first: Found | None = None
        size = 0
        for number, found in enumerate(self._found, start=1):
            if first is not None and found.resource != first.resource:
                self._found = chain((found,), self._found)
                return
            first = first or found
            yield found
            size += len(found.payload)
            if number >= most or size >= _LARGE:
                return
