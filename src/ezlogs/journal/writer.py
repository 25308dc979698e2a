"""The writer: application threads append and acknowledge records, one at a time; none waits for another, nor a disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from time import time_ns
from typing import Final
from zlib import crc32

from ezlogs.journal.filesystems import Writing
from ezlogs.journal.process import process_mark
from ezlogs.journal.record import BODY_AT, body_of, pack_check_into
from ezlogs.journal.segment import Segment
from ezlogs.journal.shelf import Shelf
from ezlogs.journal.tally import Tally
from ezlogs.journal.verdicts import Verdicts
from ezlogs.priority import Priority

_MOST_DEFERRED: Final = 32 << 20
"""Bytes of records that wait for the worker to journal them."""

_MOST_DRAINED: Final = 64
"""Records that one application thread journals for others."""

SERIAL: Final = 32
"""Bits of a position below the number of its segment: where a record begins in it."""

_NORMAL: Final = int(Priority.NORMAL)


class Deferred:
    """The receipt of a record that is not journaled yet; true once it is."""

    __slots__ = ("body", "done", "position")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.position = 0
        self.done = False

    def __bool__(self) -> bool:
        return self.position != 0


Receipt = int | Deferred
"""What `Journal.append` gives and `Journal.ack` takes: true when the record survives the process."""


class Writer(ABC):
    """What is for any thread, at any moment - in a signal handler, in ``__del__``, in a forked child.

    Who has the baton writes, to the segment that a worker has made ready; the others leave their records to it.

    Args:
        shelf: Where full segments go, and what is known of the disk.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.call_worker: Callable[[], object] = int
        """Is called, by any thread and at any moment, where `Journal.prepare` is to come at once."""
        self._begin()

    def _begin(self) -> None:
        """Begin with nothing, as a new process does."""
        self._baton: list[None] = [None]
        """Who takes it out writes; the others do not wait for it."""
        self._segment: Segment | None = None
        self._ready: deque[Segment] = deque()
        self._deferred: deque[Deferred] = deque()
        self._deferred_bytes = 0
        self._acks: deque[Iterable[Receipt]] = deque()
        self._verdicts: Verdicts[Receipt] = Verdicts()
        self._passed = 0
        """Bytes that were written to segments before the present one."""
        self._tally = Tally()
        self._closed = False
        self._forked = False
        """Whether this is a child that may have room at once, and has none yet."""
        self._mark = process_mark()  # last: until then a fork starts over

    @abstractmethod
    def forget(self) -> None:
        """In a forked child: leave everything to the parent, and begin anew."""

    @abstractmethod
    def _settle(self) -> None:
        """Have room at once, in a forked child: it may end right after its first record, before a worker has run."""

    def append(
        self,
        kind: int,
        item_id: bytes,
        payload: bytes,
        priority: int = _NORMAL,
        *,
        owner: bytes = b"",
        timestamp: int = 0,
    ) -> Receipt:
        """Journal one record.

        Args:
            kind: A `Kind`.
            item_id: What it is about; 255 bytes at most.
            payload: Anything; at most what a largest segment holds.
            priority: A `Priority`.
            owner: The span that an event rides on, or the transaction that a prepared event belongs to.
            timestamp: Unix time in nanoseconds; now, if left out.

        Returns:
            A receipt to acknowledge it by. It is true when the record survives the process from now on. When it is not,
            the worker may journal the record yet, or the record is not journaled, and counted.
        """
        try:
            body = body_of(kind, item_id, payload, priority, owner=owner, timestamp=timestamp or time_ns())
        except Exception:
            self._tally.note("invalid")
            return 0
        return self.append_body(body)

    def append_body(self, body: bytes) -> Receipt:
        """Journal one record that is put together already; otherwise as `append`.

        Args:
            body: What `ezlogs.journal.record.body_of` returns, or the same made at once.
        """
        if not self._mark[0]:
            self.forget()
        size = len(body)
        baton = self._baton
        try:
            baton.pop()
        except IndexError:  # another thread has it, or this one does: in a signal handler, in __del__
            receipt = self._defer(body)
            self._catch_up()  # the other one may have looked before
            return receipt
        try:
            if self._deferred and not self._drain(_MOST_DRAINED):
                return self._defer(body)
            segment = self._segment
            if segment is None or segment.memory is None or segment.position + BODY_AT + size > segment.size:
                if segment is None and self._forked:
                    self._settle()
                return (self._may_write() and self._write(body)) or self._defer(body)
            # What follows is `Segment.write`, here because a call costs a tenth of it.
            memory, start = segment.memory, segment.position
            begin = start + BODY_AT
            end = begin + size
            memory[begin:end] = body
            pack_check_into(memory, start, crc32(body, segment.salt) or 1)
            segment.position = end
            segment.appended += 1
            return segment.serial << SERIAL | start
        except Exception:
            self._tally.note("failed")
            return 0
        finally:
            baton.append(None)
            if self._deferred:
                self._catch_up()

    def ack(self, receipts: Iterable[Receipt]) -> None:
        """Acknowledge records: they were delivered, or overtaken by others. ``prepare`` marks them, in this order.

        A span's opening is acknowledged when its end is journaled, a scope's opening when its event is; for the verdict
        over a transaction see `ack_after`.
        """
        if not self._mark[0]:  # the parent's receipts, in a fork
            self.forget()
        else:
            self._acks.append(receipts)

    def ack_after(self, verdict: Receipt, receipts: Iterable[Receipt]) -> None:
        """Acknowledge the verdict over a transaction once the events that were prepared in it are done with.

        Args:
            verdict: What `append` returned of it.
            receipts: The same of the events.
        """
        if verdict != 0 and self._mark[0]:
            self._verdicts.add(verdict, receipts)

    def _defer(self, body: bytes) -> Receipt:
        """Leave a record to whoever writes next, or to the worker, if it can wait."""
        size = len(body)
        if self._closed:
            self._tally.note("closed")
        elif size > self._shelf.largest_record:
            self._tally.note("too_large")
        elif self._deferred_bytes + size > _MOST_DEFERRED:
            self._tally.note(self._shelf.why_not or "behind")
        else:
            self._deferred_bytes += size  # about: two threads may add at once; it is set right whenever none waits
            deferred = Deferred(body)
            self._deferred.append(deferred)
            return deferred
        return 0

    def _catch_up(self) -> None:
        """Journal what others deferred meanwhile, unless another one has the baton: who gives it back looks again."""
        while self._deferred:
            try:
                self._baton.pop()
            except IndexError:
                return
            try:
                drained = self._drain(_MOST_DRAINED)
            except Exception:
                self._tally.note("failed")
                return
            finally:
                self._baton.append(None)
            if not drained:
                if self._may_write():
                    self.call_worker()
                return

    def _drain(self, most: int) -> bool:
        """Journal deferred records, in their order; return whether none is left. The caller has the baton."""
        if self._may_write():
            self._journal_deferred(most)
        return not self._deferred

    def _may_write(self) -> bool:
        """Return whether application threads may write: not where a call may wait for the network."""
        return self._shelf.how is not Writing.LATER

    def _journal_deferred(self, most: int) -> int:
        """Journal deferred records while there is room; return how many are dealt with. The caller has the baton."""
        deferred, number = self._deferred, 0
        while deferred and number < most:
            first = deferred[0]
            if not first.done:
                position = self._write(first.body)
                if not position:
                    return number
                first.position = position
            number += 1
            deferred.popleft()
            self._deferred_bytes -= len(first.body)
            first.body = b""
        if not deferred:
            self._deferred_bytes = 0
        return number

    def _room_for(self, size: int) -> Segment | None:
        """Return the segment that a body goes to, the next one if need be. The caller has the baton."""
        segment = self._segment
        if segment is None or not segment.fits(size):
            self.call_worker()
            if not self._ready or not self._ready[0].fits(size):
                return None
            if segment is not None:
                self._leave(segment)
            segment = self._segment = self._ready.popleft()
        return segment

    def _leave(self, segment: Segment) -> None:
        """Go on to another segment. The caller has the baton."""
        self._passed += segment.position
        self._shelf.seal(segment)

    def _write(self, body: bytes) -> int:
        """Append a record; return its position, or 0 where it has no room. The caller has the baton."""
        segment = self._room_for(len(body))
        if segment is None:
            return 0
        try:
            return segment.serial << SERIAL | segment.write(body)
        except OSError as problem:
            self._shelf.has_problem(problem)
            return 0
