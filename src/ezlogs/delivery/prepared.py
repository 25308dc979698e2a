"""Prepared events: in the journal before their transaction is committed, delivered afterwards if it was.

Each is journaled once. Until there is word of the transaction's end it is an event of which nobody knows whether it
holds: if the process ends there, the next one delivers it as such.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from ezlogs.delivery.keeping import Keeper
from ezlogs.delivery.sealed import SealedEvent
from ezlogs.event import UniversalEvent
from ezlogs.runtime import Ledger

_numbers: Final = count(1)


class Way(NamedTuple):
    """One way by which events leave: which journal they are in, and how they go on from there."""

    keeper: Keeper
    under: Callable[[Context], SpanContext | None]
    """Returns the span that an event will happen under, which is about to have one."""
    deliver: Callable[[UniversalEvent, SealedEvent, Context], object]
    """Takes an event that is journaled already."""
    carry: Callable[[UniversalEvent, Context], object]
    """Takes one that could not be."""


class PreparedEvent(NamedTuple):
    """An event that waits for its transaction to end."""

    event: UniversalEvent
    ctx: Context
    sealed: Sequence[SealedEvent | None]
    """What was journaled of it, for each way; None where it could not be sealed."""


class Preparation:
    """The events of one transaction. Nothing here waits; for the thread that the transaction is in.

    An event has its number from the beginning, but does not count as emitted before it is released.

    Args:
        transaction: Its id.
        ways: By which its events will leave.
        ledger: Where events are counted.
    """

    def __init__(self, transaction: str, ways: Sequence[Way], ledger: Ledger) -> None:
        self._transaction = f"{transaction}.{next(_numbers)}".encode()  # it may be prepared again
        self._ways = ways
        self._ledger = ledger
        self._process = os.getpid()
        self._receipts: list[list[Any]] = [[] for _ in ways]

    def take(self, event: UniversalEvent, ctx: Context) -> PreparedEvent:
        """Journal an event that holds if the transaction is committed."""
        sealed: list[SealedEvent | None] = []
        for way, receipts in zip(self._ways, self._receipts, strict=True):
            kept = way.keeper.prepared(event, way.under(ctx), self._transaction)
            sealed.append(kept)
            if kept is not None and kept.receipt != 0:
                receipts.append(kept.receipt)
        self._ledger.note("not_made")
        return PreparedEvent(event, ctx, sealed)

    def settle(self) -> None:
        """Give a thread that is in the way of the journal the time to get out of it, which is next to none."""
        for way, receipts in zip(self._ways, self._receipts, strict=True):
            if receipts:
                way.keeper.wait_for(receipts[-1])

    def is_ours(self) -> bool:
        """Return whether this process prepared it: in a fork all of it is the parent's to deliver."""
        return os.getpid() == self._process

    def commit(self) -> None:
        """Journal that the transaction was committed; its events are to be released next, or replaced."""
        for way, receipts in zip(self._ways, self._receipts, strict=True):
            if receipts:
                way.keeper.commit(self._transaction, receipts)

    def release(self, prepared: PreparedEvent) -> None:
        """Deliver an event of the transaction, which was committed."""
        event, ctx, sealed = prepared
        self._ledger.note("not_made", -1)
        for way, kept in zip(self._ways, sealed, strict=True):
            if kept is None or kept.receipt == 0:
                way.carry(event, ctx)
            else:
                way.deliver(event, kept, ctx)

    def withdraw(self) -> None:
        """Take all of it back: the transaction was rolled back, or goes on."""
        for way, receipts in zip(self._ways, self._receipts, strict=True):
            if receipts:
                way.keeper.roll_back(self._transaction, receipts)

    def replaced(self) -> None:
        """Take note that others have taken the place of all its events, and are journaled under the same ids."""
        for way, receipts in zip(self._ways, self._receipts, strict=True):
            way.keeper.done(receipts)
