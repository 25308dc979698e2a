"""Journaling: events of this process are on disk before the application goes on, those of dead processes are delivered.

Between the worker and `ezlogs.journal`, which knows bytes only.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from time import monotonic, sleep
from typing import Any, Final, NamedTuple

from ezlogs.delivery.sealed import EncodedResource, SealedEvent, opened
from ezlogs.event import UniversalEvent
from ezlogs.journal import Abandoned, Directory, Found, Journal, Kind, Priority, adopt
from ezlogs.runtime import log

_ITEM_ID: Final = struct.Struct(">QQ").pack
"""Makes what tells an event from all others, of its time and its tail: what its id is made of."""

_TURNS: Final = 100
"""How often other threads get their turn, a microsecond each, for one of them to finish what it writes."""

_LOOKED_FOR: Final = 10.0
"""Seconds between two looks for what dead processes left."""


class Left(NamedTuple):
    """Some events that a dead process left, and what they are acknowledged by."""

    events: Sequence[SealedEvent]
    resource: EncodedResource
    receipts: Sequence[int]


class Journaling:
    """The journal of one worker.

    Args:
        directory: From `ezlogs.journal.journal_directory`.
        resource: What the events of this process belong to.
        cap: Bytes on disk, all processes of this service together.
        max_age: Seconds after which what nobody could deliver is given up.
    """

    def __init__(self, directory: Directory, resource: EncodedResource, *, cap: int, max_age: float) -> None:
        self._directory = directory
        self._max_age = max_age
        self._journal = Journal(directory, resource=resource.written(), cap=cap, max_age=max_age)
        self._journal.prepare()
        self._begin()

    def _begin(self) -> None:
        self._abandoned: Abandoned | None = None
        self._found: Iterator[Found] = iter(())
        self._look_at = 0.0
        self._complained = False

    def has_neighbours(self) -> bool:
        """Tell whether other processes have journals in the same place, dead ones or living ones."""
        with suppress(Exception):
            return len(self._directory.entries()) > 1
        return False

    def keep(self, sealed: SealedEvent, event: UniversalEvent) -> None:
        """Journal an event. Never raises, waits for no lock; what could not be journaled is in memory all the same."""
        tail = event.said_tail
        item_id = event.event_id.encode() if tail is None or event.said_id else _ITEM_ID(sealed.timestamp, tail)
        receipt = sealed.receipt = self._journal.append(Kind.EVENT, item_id, sealed.payload(), _priority(event))
        turns = 0
        while not receipt and receipt != 0 and turns < _TURNS:
            sleep(0)  # another thread was writing, and journals this one too as soon as it runs again
            turns += 1

    def done(self, receipts: Sequence[Any], *, adopted: bool = False) -> None:
        """Take note that events were delivered, or never will be.

        Args:
            receipts: Of this process's own events, or those of `Left`.
            adopted: Whether they are the latter.
        """
        if not adopted:
            self._journal.ack(receipts)
        elif self._abandoned is not None:
            try:
                self._abandoned.ack(receipts)
            except Exception as problem:
                self._give_up(problem)

    def turn(self) -> None:
        """Do what takes time. For the worker's thread; never raises."""
        self._journal.prepare()

    def left(self, most: int) -> Left | None:
        """Return the next events that a dead process left, if it is time to look; for the worker's thread.

        Args:
            most: Events at most.
        """
        try:
            return self._left(most)
        except Exception as problem:
            self._give_up(problem)
            return None

    def _give_up(self, problem: Exception) -> None:
        """Let go of what others left, for it was changed or damaged by somebody, and say so once."""
        if not self._complained:
            self._complained = True
            log.warning("ezlogs: what another process left on disk cannot be delivered: %s", problem)
        with suppress(Exception):
            self.let_go()

    def _left(self, most: int) -> Left | None:
        if self._abandoned is None:
            if monotonic() < self._look_at:
                return None
            self._look_at = monotonic() + _LOOKED_FOR
            self._abandoned = adopt(self._directory, self._max_age)
            if self._abandoned is None:
                return None
            self._found = self._abandoned.found()
        found = list(self._alike(most))
        if not found:
            self.let_go()
            self._look_at = 0.0  # there may be another
            return None
        events: list[SealedEvent] = []
        receipts: list[int] = []
        for one in found:
            with suppress(Exception):  # of a kind that this version does not journal
                if one.kind == Kind.EVENT:
                    events.append(opened(one.payload))
            receipts += one.receipts
        if not events:
            self.done(receipts, adopted=True)
            return None
        return Left(events, EncodedResource.read(found[0].resource), receipts)

    def _alike(self, most: int) -> Iterator[Found]:
        """Yield what is found next, as long as it has the same resource."""
        first: Found | None = None
        for number, found in enumerate(self._found, start=1):
            if first is not None and found.resource != first.resource:
                self._found = chain((found,), self._found)
                return
            first = first or found
            yield found
            if number >= most:
                return

    def let_go(self) -> None:
        """Leave what a dead process left to whoever looks next."""
        abandoned, self._abandoned = self._abandoned, None
        self._found = iter(())
        if abandoned is not None:
            abandoned.close()

    def close(self) -> None:
        """End; what was not acknowledged stays for another process."""
        with suppress(Exception):
            self.let_go()
        self._journal.close()

    def forget(self) -> None:
        """In a forked child: leave all of it to the parent, and begin anew."""
        self._journal.forget()
        self._begin()

    def health(self) -> dict[str, object]:
        """Return what is waiting, where, and what went wrong."""
        return self._journal.health()


def _priority(event: UniversalEvent) -> int:
    bad = event.error is not None or event.said_severity in ("error", "fatal") or event.said_outcome != "success"
    return Priority.ERROR if bad else Priority.NORMAL


def journaling(
    directory: Callable[[], Directory], resource: EncodedResource, *, cap: int, max_age: float
) -> Journaling | None:
    """Return the journal of a worker, or None where there can be none; why is logged once.

    Args:
        directory: Returns where; see `ezlogs.journal.journal_directory`.
        resource: What the events of this process belong to.
        cap: Bytes on disk.
        max_age: Seconds.
    """
    try:
        return Journaling(directory(), resource, cap=cap, max_age=max_age)
    except Exception as problem:
        log.warning("ezlogs: events wait in memory only, and are lost if the process is killed: %s", problem)
        return None
