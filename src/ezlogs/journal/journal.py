"""The journal of one process: what an application thread hands over is in a file before the call returns."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from time import time_ns
from typing import Final
from zlib import crc32

from ezlogs.journal.directory import Directory
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.process import process_mark
from ezlogs.journal.record import BODY_AT, DONE, STATE_AT, Record, body_of, pack_check_into
from ezlogs.journal.segment import Segment
from ezlogs.journal.shelf import Shelf
from ezlogs.journal.tally import Tally
from ezlogs.journal.verdicts import Verdicts
from ezlogs.priority import Priority

_MOST_DEFERRED: Final = 32 << 20
"""Bytes of records that wait for the worker to journal them."""

_MOST_DRAINED: Final = 64
"""Records that one application thread journals for others."""

_CHUNK: Final = 256
_MOST_READY: Final = 4
_IDLE: Final = 200
_PATIENCE: Final = 100
_STUCK: Final = 5.0
"""Seconds after which a baton that never moved counts as dropped: an exception from a signal handler came between."""

_SCARCE: Final = 1 << 20
"""Bytes of room that a busy process fills before the worker looks again."""

_SOON: Final = 256 << 10
"""Bytes that may be written before the worker looks again, though little was written so far."""

_SETTLED: Final = 0.5
"""Seconds that one thread waits for another to mark what was acknowledged."""

_SERIAL: Final = 32
_OFFSET: Final = (1 << _SERIAL) - 1
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


class Journal:
    """Segments of one process, one after the other.

    ``append`` and ``ack`` are for any thread, at any moment - in a signal handler, in ``__del__``, in a forked child.
    They never wait, never raise, and make no system call where files are mapped - but for the first record of a forked
    child, which has no file yet. Everything else, and all that touches
    the disk, is ``prepare``, for one worker thread to call every few milliseconds.

    Args:
        directory: From `journal_directory`.
        resource: Opaque bytes that come back with each record; a later value holds for later segments.
        segment_size: Bytes of a segment while little is written.
        largest_segment: Bytes of a segment while much is; also of the largest record.
        cap: Bytes in ``directory``, all processes together.
        max_age: Seconds after which a record that nobody acknowledged is given up.
        how: How files are written; by default as the file system allows.

    Example:
        >>> import tempfile
        >>> from ezlogs.journal import Kind
        >>> journal = Journal(Directory(tempfile.mkdtemp(), "shop"), how=Writing.MAPPED)
        >>> journal.prepare()
        >>> receipt = journal.append(Kind.EVENT, b"id", b"payload")
        >>> bool(receipt)
        True
        >>> journal.ack([receipt])
        >>> journal.close()
    """

    def __init__(
        self,
        directory: Directory,
        *,
        resource: bytes = b"",
        segment_size: int = 2 << 20,
        largest_segment: int = 8 << 20,
        cap: int = 256 << 20,
        max_age: float = 7 * 86_400.0,
        how: Writing | None = None,
    ) -> None:
        self._shelf = Shelf(
            directory,
            resource,
            segment_size=segment_size,
            largest_segment=largest_segment,
            cap=cap,
            max_age=max_age,
            how=how,
        )
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
        self._seen = 0
        self._idle = 0
        self._missed: tuple[float, int] | None = None
        self._preparing: list[None] = [None]
        self._tally = Tally()
        self._closed = False
        self._forked = False
        """Whether this is a child that may have room at once, and has none yet."""
        self._mark = process_mark()  # last: until then a fork starts over

    @property
    def resource(self) -> bytes:
        """Opaque bytes that come back with each record."""
        return self._shelf.resource

    @resource.setter
    def resource(self, resource: bytes) -> None:
        self._shelf.resource = resource

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
            return self._defer(body)
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
            if self._deferred:
                self._drain(_MOST_DRAINED)
            return segment.serial << _SERIAL | start
        except Exception:
            self._tally.note("failed")
            return 0
        finally:
            baton.append(None)

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

    def read(self, receipts: Iterable[Receipt]) -> list[Record] | None:
        """Return the records that some receipts stand for, but for those that are done or were given up.

        For a worker's thread; None while another one is at work.

        Raises:
            OSError: A file cannot be read.
        """
        turn = self._preparing
        try:
            turn.pop()
        except IndexError:
            return None
        try:
            positions = (receipt.position if isinstance(receipt, Deferred) else receipt for receipt in receipts)
            return [record for position in positions if (record := self._record_at(position)) is not None]
        finally:
            turn.append(None)

    def _record_at(self, position: int) -> Record | None:
        position = self._shelf.place_of(position)
        segment = self._shelf.segments.get(position >> _SERIAL)
        record = None if segment is None else segment.record_at(position & _OFFSET)
        return None if record is None or record.done else record

    def _is_done(self, receipt: Receipt) -> bool:
        """Return whether a record was acknowledged or given up. For the worker."""
        if isinstance(receipt, Deferred):
            if not receipt:
                return receipt.done
            receipt = receipt.position
        position = self._shelf.place_of(receipt)
        segment = self._shelf.segments.get(position >> _SERIAL)
        return segment is None or segment.is_done(position & _OFFSET)

    def forget(self) -> None:
        """In a forked child: leave everything to the parent, and begin anew."""
        may_write = self._may_write()  # as in the parent: where files are on a network, the worker does it all
        self._shelf.forget()
        self._begin()
        self._forked = may_write

    def prepare(self) -> None:
        """Have room ready, journal what was deferred, mark what was acknowledged, and remove what is done with.

        For the worker, never for the application's threads. Never raises.
        """
        if not self._mark[0]:
            self.forget()
        turn = self._preparing
        try:
            turn.pop()
        except IndexError:  # one worker at a time
            return
        try:
            if self._closed:
                return
            if self._shelf.lost_home():
                self._move_out()
            self._make_ready()
            self._drain_all()
            self._mark_acks()
            if self._verdicts and (settled := self._verdicts.settled(self._is_done)):
                self._acks.append(settled)
                self._mark_acks()
            self._shelf.tidy()
        except Exception as problem:
            self._shelf.has_problem(problem)
        finally:
            turn.append(None)

    def is_roomy(self) -> bool:
        """Return whether no record is in danger of being given up."""
        return self._shelf.is_roomy()

    def is_short_of_room(self) -> bool:
        """Return whether `prepare` is to come soon: records wait for room, or would in a moment."""
        segment = self._segment
        left = sum(ready.size for ready in tuple(self._ready)) + (segment.size - segment.position if segment else 0)
        return bool(self._deferred) or left < _SCARCE

    def settle(self) -> None:
        """Mark what was acknowledged, now, and not in the next turn of a worker that is at work. For another thread."""
        deadline = time.monotonic() + _SETTLED
        self.prepare()
        while self._acks and not self._closed and time.monotonic() < deadline:
            time.sleep(0.001)
            self.prepare()

    def close(self) -> None:
        """Mark what was acknowledged and end; what was not stays on disk for another process to adopt."""
        if self._closed or not self._mark[0]:
            return
        self.prepare()
        self._closed = True
        try:
            self._preparing.pop()  # for ever
            if not self._take_baton():
                raise IndexError
        except IndexError:  # a thread is at work and stays so; what it holds is adopted like a dead process's
            return
        self._segment = None
        self._ready.clear()
        try:
            self._shelf.close()
        except Exception as problem:
            self._shelf.has_problem(problem)

    def health(self) -> dict[str, object]:
        """Return counts and state, in plain types."""
        return {
            "directory": self._shelf.path,
            "writing": self._shelf.how.value if self._shelf.how else None,
            "problem": self._shelf.problem,
            "waiting": self._shelf.waiting(),
            "deferred": len(self._deferred),
            "bytes": self._shelf.total_seen,
            "not_journaled": self._tally.counts(),
            "evicted": self._shelf.evicted.counts(),
            "expired": self._shelf.expired,
        }

    def _settle(self) -> None:
        """Have room at once, in a forked child: it may end right after its first record, before a worker has run."""
        self._forked = False
        turn = self._preparing
        try:
            turn.pop()
        except IndexError:  # the worker is at it
            return
        try:
            self._make_ready()
        except Exception as problem:
            self._shelf.has_problem(problem)
        finally:
            turn.append(None)

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
            if not self._ready or not self._ready[0].fits(size):
                return None
            if segment is not None:
                self._passed += segment.position
                self._shelf.seal(segment)
            segment = self._segment = self._ready.popleft()
        return segment

    def _write(self, body: bytes) -> int:
        """Append a record; return its position, or 0 where it has no room. The caller has the baton."""
        segment = self._room_for(len(body))
        if segment is None:
            return 0
        try:
            return segment.serial << _SERIAL | segment.write(body)
        except OSError as problem:
            self._shelf.has_problem(problem)
            return 0

    def _take_baton(self) -> bool:
        """Take the baton for the worker, which may yield to who has it; return False if it did not come."""
        baton = self._baton
        for _ in range(_PATIENCE):
            try:
                baton.pop()
            except IndexError:
                time.sleep(0)  # by its module's name: gevent may take its place after this file was imported
                continue
            self._missed = None
            return True
        now, progress = time.monotonic(), self._progress()
        if self._missed is None or self._missed[1] != progress:
            self._missed = now, progress
        elif now - self._missed[0] > _STUCK:
            # Who has it may go on yet, and writes where it was: nobody else may write there any more.
            segment, self._segment = self._segment, None
            if segment is not None:
                self._passed += segment.position
                self._shelf.seal(segment)
            self._baton, self._missed = [None], None
            self._tally.note("baton_replaced")
        return False

    def _progress(self) -> int:
        """Return how many bytes were written so far."""
        segment = self._segment
        return self._passed + (segment.position if segment else 0)

    def _make_ready(self) -> None:
        """Have as much room ready as was written since the last time, and some more, and room for what is deferred."""
        progress = self._progress()
        flow, self._seen = max(0, progress - self._seen), progress
        self._populate(_SOON + 2 * flow)
        first = self._first_deferred()
        wanted = max(1, 4 * flow + max(0, self._deferred_bytes))
        if first and self._ready and not self._has_room_for(first):
            self._shelf.discard(self._ready.popleft())
        while len(self._ready) < _MOST_READY and (
            sum(segment.size for segment in tuple(self._ready)) < wanted or self._shelf.stranded
        ):
            fresh = self._shelf.fresh(max(wanted, first + BODY_AT))
            if fresh is None:
                return
            self._ready.append(fresh)
        self._idle = self._idle + 1 if not flow and len(self._ready) > 1 else 0
        if self._idle > _IDLE:
            self._shelf.discard(self._ready.pop())

    def _populate(self, soon: int) -> None:
        for segment in (self._segment, *self._ready):
            if segment is not None and soon:
                soon = segment.populate(soon)

    def _first_deferred(self) -> int:
        """Return the size of the first deferred body."""
        try:
            return len(self._deferred[0].body)
        except IndexError:
            return 0

    def _has_room_for(self, size: int) -> bool:
        segment, ready = self._segment, self._ready
        return (segment is not None and segment.fits(size)) or (bool(ready) and ready[0].fits(size))

    def _drain_all(self) -> None:
        """Journal what was deferred until now, making room as it goes."""
        for _ in range(len(self._deferred)):
            if not self._has_room_for(self._first_deferred()):
                self._make_ready()
            if not self._take_baton():
                return
            try:
                number = self._journal_deferred(_CHUNK)
            finally:
                self._baton.append(None)
            if not number or not self._deferred:
                return

    def _mark_acks(self) -> None:
        """Mark acknowledged records, in the order in which they were acknowledged."""
        moved, segments = self._shelf.moved, self._shelf.segments
        latest, segment = 0, None
        while self._acks:
            receipts = iter(self._acks.popleft())
            for receipt in receipts:
                if type(receipt) is int:
                    if receipt in moved:
                        receipt = self._shelf.now_at(receipt)  # noqa: PLW2901  # the same, where it is now
                    serial = receipt >> _SERIAL
                    if serial != latest:
                        latest, segment = serial, segments.get(serial)
                    if segment is None:
                        continue
                    memory = segment.memory
                    if memory is None or segment.classes is not None:
                        segment.finish(receipt & _OFFSET)
                        continue
                    # What follows is `Segment.finish`, here because a call costs as much again.
                    at = (receipt & _OFFSET) + STATE_AT
                    if memory[at] != DONE:
                        memory[at] = DONE
                        segment.done += 1
                elif not isinstance(receipt, Deferred):
                    continue  # of what never was in the journal
                elif receipt.position:
                    self._mark_done(receipt.position)
                elif self._take_baton():
                    receipt.done = True  # it need not be journaled any more
                    self._baton.append(None)
                else:
                    self._acks.appendleft([receipt, *receipts])
                    return
                if type(receipt) is Deferred and receipt.position:
                    self._mark_done(receipt.position)

    def _mark_done(self, position: int) -> None:
        if position in self._shelf.moved:
            position = self._shelf.now_at(position)
        serial, offset = position >> _SERIAL, position & _OFFSET
        segment = self._shelf.segments.get(serial)
        if segment is not None:
            segment.finish(offset)

    def _move_out(self) -> None:
        """Leave a home that was lost: its lock closed, its directory removed."""
        if self._take_baton():
            self._ready.clear()
            self._segment = None
            self._baton.append(None)
            self._shelf.move_out()
