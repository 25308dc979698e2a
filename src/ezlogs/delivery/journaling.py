"""Journaling: events of this process are on disk before the application goes on, those of dead processes are delivered.

Between the worker and `ezlogs.journal`, which knows bytes only.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, sleep, time_ns
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanContext

from ezlogs.delivery.batch import Batch
from ezlogs.delivery.carriers import place_under
from ezlogs.delivery.heir import Heir, Left
from ezlogs.delivery.sealed import HEAD as SEALED_HEAD
from ezlogs.delivery.sealed import EncodedResource, SealedEvent, SealedSpan
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.event import UniversalEvent
from ezlogs.journal import Directory, Journal, Kind, Receipt
from ezlogs.journal.liveness import homes
from ezlogs.journal.record import HEAD as RECORD_HEAD
from ezlogs.journal.record import HEAD_SIZE, pack_head, whole
from ezlogs.otlp.loading import held_off
from ezlogs.priority import Priority
from ezlogs.runtime import log
from ezlogs.settings import OtlpSignal

if TYPE_CHECKING:
    from ezlogs.journal.dead import DeadLetters

_ITEM_ID: Final = struct.Struct("<QQ").pack
"""Makes what tells an event from all others, of its time and its tail: what its id is made of."""
_ITEM_ID_SIZE: Final = 16

_LOOSE_EVENT: Final = struct.Struct(f"{RECORD_HEAD}QQ{SEALED_HEAD}")
_LOOSE, _LOOSE_SIZE = _LOOSE_EVENT.pack, _LOOSE_EVENT.size
"""Makes what is in front of the body of an event that rides on no span."""

_PREPARED_EVENT: Final = struct.Struct(f"{RECORD_HEAD}QQ8s{SEALED_HEAD}")
_PREPARED_HEAD, _PREPARED_SIZE = _PREPARED_EVENT.pack, _PREPARED_EVENT.size
_TRANSACTION_SIZE: Final = 8
"""Makes the same of an event that holds if a transaction is committed, with what that is known by in between."""

_EVENT, _PREPARED = int(Kind.EVENT), int(Kind.PREPARED)

_VERDICT: Final = int(Priority.AUDIT)
"""The priority of word of a transaction's end: it goes after all that it is about."""

_SEGMENT: Final = 2 << 20
"""Bytes of a file of the journal, where it may have many."""

_IN_MEMORY: Final = "ezlogs: events wait in memory only, and are lost if the process is killed: %s"
_SILENCE: Final = 60.0
"""Seconds between two lines in the log about a disk that takes nothing."""

_APPEND: Final = Journal.append_body.__code__

_TURNS: Final = 100
"""How often other threads get their turn, a microsecond each, for one of them to finish what it writes."""


class Journaling:
    """The journal of one worker.

    Args:
        directory: From `ezlogs.journal.journal_directory`.
        resource: What the events of this process belong to.
        cap: Bytes on disk, all processes of this service together.
        max_age: Seconds after which what nobody could deliver is given up.
        signal: What the worker sends.
        endpoint: Where to. Both are told of what is refused there.
    """

    def __init__(  # by name, from one place
        self,
        directory: Directory,
        resource: EncodedResource,
        *,
        cap: int,
        max_age: float,
        signal: OtlpSignal = "traces",
        endpoint: str = "",
    ) -> None:
        self._directory = directory
        self._resource = resource
        self._signal: OtlpSignal = signal
        self._endpoint = endpoint
        self._max_age = max_age
        self._journal = Journal(
            directory,
            resource=resource.written(),
            segment_size=min(_SEGMENT, cap // 8),  # so that there is always room for some
            cap=cap,
            max_age=max_age,
        )
        self._journal.prepare()
        self._begin()

    def _begin(self) -> None:
        self._dead: DeadLetters | None = None
        self._complained = False
        self._told_at = -_SILENCE
        self._heir = Heir(self._directory, self._max_age, self._complain)

    def have_called(self, worker: Callable[[], object]) -> None:
        """Have a worker called, by any thread and at any moment, when the next `turn` is to come at once."""
        self._journal.call_worker = worker

    def has_neighbours(self) -> bool:
        """Tell whether other processes have journals in the same place, dead ones or living ones."""
        with suppress(Exception):
            return len(homes(self._directory)) > 1
        return False

    def keep(self, sealed: SealedEvent, event: UniversalEvent, *, on_span: bool = False) -> None:
        """Journal an event. Never raises, waits for no lock; what could not be journaled is in memory all the same.

        Args:
            sealed: The event as it is sent.
            event: The same.
            on_span: Whether it is to be delivered with the span that it happened under.
        """
        tail, body, at = event.said_tail, sealed.body, sealed.timestamp
        if on_span or tail is None or event.said_id:
            item_id = event.event_id.encode() if tail is None or event.said_id else _ITEM_ID(at, tail)
            owner = sealed.trace_id + sealed.span_id.to_bytes(8, "big") if on_span else b""
            receipt = self._journal.append(_EVENT, item_id, sealed.head() + body, sealed.priority, owner=owner)
        else:  # the same, packed at once: most events are such
            head = _LOOSE(
                _LOOSE_SIZE + len(body),
                _EVENT,
                sealed.priority,
                _ITEM_ID_SIZE,
                0,
                time_ns(),
                at,
                tail,
                sealed.form,
                sealed.flags,
                sealed.trace_id,
                sealed.span_id,
                at,
            )
            receipt = self._journal.append_body(head + body)
        sealed.receipt = receipt
        if not receipt and receipt != 0:
            self.wait_for(receipt)
        if sealed.plain is not None:
            sealed.body = b""  # it is made again from the event

    def prepare(self, sealed: SealedEvent, event: UniversalEvent, transaction: bytes) -> None:
        """Journal an event that holds only if a transaction is committed; otherwise as `keep`, but waits for nobody.

        Args:
            sealed: The event as it is sent then.
            event: The same.
            transaction: The transaction's id, in 8 bytes.
        """
        tail, body, at = event.said_tail, sealed.body, sealed.timestamp
        if tail is None or event.said_id:
            item_id = event.event_id.encode()
            receipt = self._journal.append(_PREPARED, item_id, sealed.head() + body, sealed.priority, owner=transaction)
        else:  # the same, packed at once
            head = _PREPARED_HEAD(
                _PREPARED_SIZE + len(body),
                _PREPARED,
                sealed.priority,
                _ITEM_ID_SIZE,
                _TRANSACTION_SIZE,
                time_ns(),
                at,
                tail,
                transaction,
                sealed.form,
                sealed.flags,
                sealed.trace_id,
                sealed.span_id,
                at,
            )
            receipt = self._journal.append_body(head + body)
        sealed.receipt = receipt
        if sealed.plain is not None:
            sealed.body = b""

    def prepare_rows(self, rows: SealedRows, item_id: bytes, transaction: bytes) -> None:
        """Journal rows that hold only if a transaction is committed, as one record; otherwise as `prepare`.

        Args:
            rows: The rows as they are sent then.
            item_id: The id of the first one's event.
            transaction: The transaction's id, in 8 bytes.
        """
        head = rows.head()
        size = HEAD_SIZE + len(item_id) + len(transaction) + len(head) + len(rows.body)
        record = pack_head(size, _PREPARED, rows.priority, len(item_id), len(transaction), time_ns())
        rows.receipt = self._journal.append_body(b"".join((record, item_id, transaction, head, rows.body)))

    def commit(self, transaction: bytes, receipts: Sequence[Any]) -> None:
        """Journal that a transaction was committed.

        Args:
            transaction: Its id.
            receipts: Of the events that were prepared in it.
        """
        self._journal.ack_after(self._append(Kind.COMMITTED, transaction, b"", _VERDICT), receipts)

    def roll_back(self, transaction: bytes, receipts: Sequence[Any]) -> None:
        """Journal that a transaction was rolled back, and acknowledge the events that were prepared in it.

        Args:
            transaction: Its id.
            receipts: Of those events.
        """
        verdict = self._append(Kind.ROLLED_BACK, transaction, b"", _VERDICT)
        self._journal.ack([*receipts, verdict])

    def open_span(self, sealed: SealedSpan, under: SpanContext) -> object:
        """Journal that a span has begun; return a receipt, to be given to `keep_span`.

        Args:
            sealed: The span as it is now.
            under: The same.
        """
        return self._append(Kind.SPAN_OPEN, _key(under), self._payload(sealed), sealed.priority)

    def keep_span(self, sealed: SealedSpan, under: SpanContext, openings: Sequence[object]) -> None:
        """Journal a span that ended. Never raises, waits for no lock.

        Args:
            sealed: The span as it is sent.
            under: The same.
            openings: What `open_span` returned of it.
        """
        receipt = self._append(Kind.SPAN_CLOSE, _key(under), self._payload(sealed), sealed.priority)
        sealed.receipts = (receipt, *(opening for opening in openings if opening != 0))

    def open_scope(self, sealed: SealedEvent, event_id: str) -> object:
        """Journal what is to be delivered of a scope if this process does not get to the event that it ends with.

        Args:
            sealed: That event, as it would be sent then.
            event_id: Its id, which is the later one's too.
        """
        return self._append(Kind.SCOPE_OPEN, event_id.encode(), sealed.head() + sealed.body, sealed.priority)

    def open_work(self, sealed: SealedSpan, under: SpanContext, note: SealedEvent, event_id: str) -> object:
        """Journal at once what `open_span` and `open_scope` do; return a receipt, to be given to `keep_span`.

        Args:
            sealed: The span as it is now.
            under: The same.
            note: What the scope ends with that has the span, as it would be sent if that were never told.
            event_id: Its id, which is the later one's too.
        """
        payload = whole(self._payload(sealed), note.head() + note.body)
        priority = max(sealed.priority, note.priority)
        return self._append(Kind.WORK_OPEN, _key(under), payload, priority, owner=event_id.encode())

    def _payload(self, sealed: SealedSpan) -> bytes:
        own = sealed.resource
        written = own.written() if isinstance(own, EncodedResource) and own != self._resource else b""
        return sealed.payload(written)

    def _append(self, kind: int, item_id: bytes, payload: bytes, priority: int, *, owner: bytes = b"") -> Receipt:
        receipt = self._journal.append(kind, item_id, payload, priority, owner=owner)
        if not receipt and receipt != 0:
            self.wait_for(receipt)
        return receipt

    def wait_for(self, receipt: object) -> None:
        """Let another thread go on that was writing, and journals this record too as soon as it does."""
        if receipt or _is_interrupting():
            return
        for _ in range(_TURNS):
            if receipt:
                return
            sleep(0)

    def done(self, receipts: Sequence[Any], *, adopted: bool = False) -> None:
        """Take note that events were delivered, or never will be.

        Args:
            receipts: Of this process's own events, or those of `Left`.
            adopted: Whether they are the latter.
        """
        if adopted:
            self._heir.done(receipts)
        else:
            self._journal.ack(receipts)

    def settle(self) -> None:
        """Have it on disk what was told by `done`; never raises."""
        self._journal.settle()

    def bury(self, batch: Batch, reason: str, status: int) -> bool:
        """Keep what a collector refused for good, for people; return whether it is on disk. Never raises.

        Args:
            batch: What it was.
            reason: What the collector said.
            status: As a number.
        """
        return self._dead_letters().put(
            self._signal, self._endpoint, reason=reason, status=status, body=batch.body, events=batch.events
        )

    def is_roomy(self) -> bool:
        """Return whether what is here may safely be here alone: nothing is wrong, and nothing will be given up soon."""
        return self._journal.is_roomy()

    def is_short_of_room(self) -> bool:
        """Return whether the next `turn` is to come soon."""
        return self._journal.is_short_of_room()

    def is_written_later(self) -> bool:
        """Return whether nothing is journaled but by `turn`, since a file may be on a network."""
        return self._journal.is_written_later()

    def turn(self) -> None:
        """Do what takes time. For the worker's thread; never raises."""
        self._journal.prepare()
        trouble = self._journal.trouble()
        if trouble is not None and monotonic() >= self._told_at + _SILENCE:
            self._told_at = monotonic()
            log.warning(_IN_MEMORY, trouble)

    def read_again(self, receipts: Sequence[Any]) -> Left | None:
        """Return what some receipts of this process stand for, without what was given up; None if not to be had now."""
        try:
            records = self._journal.read(receipts)
        except Exception as problem:
            self._complain(problem)
            return None
        if records is None:
            return None
        with held_off():
            from ezlogs.delivery.restored import put_together
        return Left(tuple(put_together(records, self._resource)), self._resource, receipts)

    def due(self) -> bool:
        """Return whether to look for what dead processes left."""
        return self._heir.due()

    def left(self, most: int) -> Left | None:
        """Return the next events that a dead process left, if it is time to look; for the worker's thread.

        Args:
            most: Events at most.
        """
        return self._heir.next(most)

    def _complain(self, problem: Exception) -> None:
        if not self._complained:
            self._complained = True
            log.warning("ezlogs: what was left on disk cannot be delivered: %s", problem)

    def close(self) -> None:
        """End; what was not acknowledged stays for another process."""
        self._heir.let_go()
        self._journal.close()

    def forget(self) -> None:
        """In a forked child: leave all of it to the parent, and begin anew."""
        self._journal.forget()
        self._begin()

    def health(self) -> dict[str, object]:
        """Return what is waiting, where, and what went wrong."""
        try:
            dead = self._dead_letters().health()
        except Exception as problem:  # what knows of them cannot be loaded: no file can be opened, or no memory is left
            dead = {"problem": str(problem)}
        return {**self._journal.health(), "dead_letters": dead}

    def _dead_letters(self) -> DeadLetters:
        if self._dead is None:
            with held_off():
                from ezlogs.journal.dead import DeadLetters

                self._dead = DeadLetters(self._directory, max_age=self._max_age)
        return self._dead


def _is_interrupting() -> bool:
    """Return whether this thread itself is in the middle of writing: in a signal handler, or in ``__del__``."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is _APPEND:
            return True
        frame = frame.f_back
    return False


def _key(span: SpanContext) -> bytes:
    """Return what a span is known by in the journal."""
    trace_id, span_id = place_under(span) or (bytes(16), 0)
    return trace_id + span_id.to_bytes(8, "big")


def journaling(
    directory: Callable[[], Directory],
    make: Callable[[Directory], Journaling],
    on_problem: Callable[[str], object] = bool,
) -> Journaling | None:
    """Return the journal of a worker, or None where there can be none; why is logged once.

    Args:
        directory: Returns where; see `ezlogs.journal.journal_directory`.
        make: Makes it there.
        on_problem: Is told why there is none.
    """
    try:
        return make(directory())
    except Exception as problem:
        log.warning(_IN_MEMORY, problem)
        on_problem(str(problem))
        return None
