"""Prepared events: in the journal before their transaction is committed, delivered afterwards if it was.

Each is journaled once. Until there is word of the transaction's end it is an event of which nobody knows whether it
holds: if the process ends there, the next one delivers it as such.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from ezlogs.delivery.keeping import Keeper
from ezlogs.delivery.sealed import SealedEvent
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.event import UniversalEvent
from ezlogs.ids import event_id, new_span_id
from ezlogs.runtime import Ledger

if TYPE_CHECKING:
    from ezlogs.delivery.batch import SpanEncoder
    from ezlogs.delivery.row_encoder import EncodedRows, RowEncoder


class Way(NamedTuple):
    """One way by which events leave: which journal they are in, and how they go on from there."""

    keeper: Keeper
    under: Callable[[Context], SpanContext | None]
    """Returns the span that an event will happen under, which is about to have one."""
    deliver: Callable[[UniversalEvent, SealedEvent, Context], object]
    """Takes an event that is journaled already."""
    carry: Callable[[UniversalEvent, Context], object]
    """Takes one that could not be."""
    encoder: SpanEncoder | None = None
    """Encodes rows that are alike; None where they are told one by one."""
    deliver_rows: Callable[[SealedRows, Context], bool] = lambda rows, ctx: False
    """Takes rows that are journaled already; returns False where they have to be told one by one."""


class Preparation:
    """The events of a transaction that is about to be committed. Nothing here waits; for the transaction's own thread.

    An event has its number from the beginning, but does not count as emitted before its transaction is committed.

    Args:
        ways: By which its events will leave.
        ledger: Where events are counted.
    """

    def __init__(self, ways: Sequence[Way], ledger: Ledger) -> None:
        self._transaction = new_span_id().to_bytes(8, "big")  # not the transaction's own: it may be prepared again
        self._ways = ways
        self._ledger = ledger
        self._process = os.getpid()
        self._events: list[tuple[UniversalEvent, Context]] = []
        self._counted = 0
        """How many of them the ledger knows of."""
        self._sealed: list[list[SealedEvent | None]] = [[] for _ in ways]
        """For each way what was journaled of each event; None where it could not be sealed."""
        self._rows: list[SealedRows] = []
        self._number = 0
        """How many events there are, those of rows included."""
        self._ctx: Context | None = None
        self._under: list[SpanContext | None] = []

    def take(self, event: UniversalEvent, ctx: Context) -> int:
        """Journal an event that holds if the transaction is committed; return its number here."""
        self._enter(ctx)
        for way, under, sealed in zip(self._ways, self._under, self._sealed):  # noqa: B905  # one of each
            sealed.append(way.keeper.prepared(event, under, self._transaction))
        self._events.append((event, ctx))
        self._number += 1
        return len(self._events) - 1

    def encoder(self) -> RowEncoder | None:
        """Return what encodes rows that are alike; None where they are to be told one by one."""
        encoder = self._ways[0].encoder
        return None if encoder is None or len(self._ways) > 1 else encoder.rows

    def take_rows(self, encoded: EncodedRows) -> SealedRows:
        """Journal rows that hold if the transaction is committed.

        Args:
            encoded: What the `encoder` made of them.
        """
        (way,), rows = self._ways, encoded.rows
        self._enter(rows[0].alike.at.context)
        sealed = way.encoder.seal_rows(encoded.body, rows, self._under[0])  # type: ignore[union-attr]  # as `encoder` says
        way.keeper.prepared_rows(sealed, event_id(rows[0].timestamp, encoded.tails[0]), self._transaction)
        self._rows.append(sealed)
        self._number += len(rows)
        return sealed

    def _enter(self, ctx: Context) -> None:
        if ctx is not self._ctx:  # most happen in the same
            self._under = [way.under(ctx) for way in self._ways]
            self._ctx = ctx

    def taken(self) -> None:
        """Take note that that was all for now; let a thread go on that is in the journal's way."""
        self._ledger.note("not_made", self._number - self._counted)
        self._counted = self._number
        if self._rows:
            self._ways[0].keeper.wait_for(self._rows[-1].receipt)
        for way, sealed in zip(self._ways, self._sealed, strict=True):
            if sealed and (last := sealed[-1]) is not None:
                way.keeper.wait_for(last.receipt)

    def is_ours(self) -> bool:
        """Return whether this process prepared it: in a fork all of it is the parent's to deliver."""
        return os.getpid() == self._process

    def event_id(self, number: int) -> str:
        """Return the id of an event."""
        return self._events[number][0].event_id

    def commit(self) -> None:
        """Journal that the transaction was committed; its events are to be released next, or replaced."""
        for way, receipts in self._receipts():
            way.keeper.commit(self._transaction, receipts)

    def releasing(self) -> None:
        """Count the events from now on: they are about to be released."""
        self._ledger.note("not_made", -self._counted)

    def release(self, number: int) -> None:
        """Deliver an event of the transaction, which was committed."""
        event, ctx = self._events[number]
        for way, sealed in zip(self._ways, self._sealed):  # noqa: B905  # one of each
            kept = sealed[number]
            if kept is None or kept.receipt == 0:
                way.carry(event, ctx)
            else:
                way.deliver(event, kept, ctx)

    def release_rows(self, rows: SealedRows, ctx: Context) -> bool:
        """Deliver rows of the transaction, which was committed; return False where they are to be told one by one."""
        return rows.receipt != 0 and self._ways[0].deliver_rows(rows, ctx)

    def withdraw(self) -> None:
        """Take all of it back: the transaction was rolled back, or goes on."""
        for way, receipts in self._receipts():
            way.keeper.roll_back(self._transaction, receipts)

    def replaced(self) -> None:
        """Take note that others have taken the place of all its events, and are journaled under the same ids."""
        for way, receipts in self._receipts():
            way.keeper.done(receipts)

    def _receipts(self) -> list[tuple[Way, list[Any]]]:
        """Return the receipts of what is in each journal, where anything is."""
        found = []
        for way, sealed in zip(self._ways, self._sealed, strict=True):
            receipts = [kept.receipt for kept in sealed if kept is not None and kept.receipt != 0]
            if way is self._ways[0]:
                receipts += [rows.receipt for rows in self._rows if rows.receipt != 0]
            if receipts:
                found.append((way, receipts))
        return found
