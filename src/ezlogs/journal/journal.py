"""The journal of one process: what an application thread hands over is in a file before the call returns."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from ezlogs.journal.directory import Directory
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.record import BODY_AT, DONE, STATE_AT, Record
from ezlogs.journal.segment import Segment
from ezlogs.journal.shelf import Shelf
from ezlogs.journal.writer import SERIAL, Deferred, Receipt, Writer

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

_WORTHWHILE: Final = 256 << 10
"""Bytes of a segment that are to be written before it is left for the next one."""

_SETTLED: Final = 0.5
"""Seconds that one thread waits for another to mark what was acknowledged."""

_OFFSET: Final = (1 << SERIAL) - 1


class Journal(Writer):
    """Segments of one process, one after the other.

    ``append`` and ``ack`` are for any thread, at any moment - in a signal handler, in ``__del__``, in a forked child.
    They never wait, never raise, and make no system call where files are mapped - but for the first record of a forked
    child, which has no file yet: see `Writer`. Everything else, and all that touches the disk, is ``prepare``, for one
    worker thread to call every few milliseconds.

    Args:
        directory: From `journal_directory`.
        resource: Opaque bytes that come back with each record; a later value holds for later segments.
        segment_size: Bytes of a segment while little is written.
        largest_segment: Bytes of a segment while much is; also of the largest record.
        cap: Bytes in ``directory``, all processes together.
        max_age: Seconds after which a record that nobody acknowledged is given up.
        how: How files are written; by default as the file system allows.
        look: Seconds between two looks at whether the files are still there. Each has the worker let go of the
            interpreter, for which it then waits with all others.

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
        look: float = 0.25,
    ) -> None:
        self._look = look
        super().__init__(
            Shelf(
                directory,
                resource,
                segment_size=segment_size,
                largest_segment=largest_segment,
                cap=cap,
                max_age=max_age,
                how=how,
            )
        )

    def _begin(self) -> None:
        """Begin with nothing, as a new process does."""
        self._seen = 0
        self._idle = 0
        self._looked_at = -self._look
        self._missed: tuple[float, int] | None = None
        self._preparing: list[None] = [None]
        super()._begin()

    @property
    def resource(self) -> bytes:
        """Opaque bytes that come back with each record."""
        return self._shelf.resource

    @resource.setter
    def resource(self, resource: bytes) -> None:
        self._shelf.resource = resource

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
        segment = self._shelf.segments.get(position >> SERIAL)
        record = None if segment is None else segment.record_at(position & _OFFSET)
        return None if record is None or record.done else record

    def _is_done(self, receipt: Receipt) -> bool:
        """Return whether a record was acknowledged or given up. For the worker."""
        if isinstance(receipt, Deferred):
            if not receipt:
                return receipt.done
            receipt = receipt.position
        position = self._shelf.place_of(receipt)
        segment = self._shelf.segments.get(position >> SERIAL)
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
            if self._looks_at_home() and self._shelf.lost_home():
                self._move_out()
            self._make_ready()
            self._drain_all()
            self._mark_acks()
            if self._verdicts and (settled := self._verdicts.settled(self._is_done)):
                self._acks.append(settled)
                self._mark_acks()
            left = self._left_early()
            self._shelf.tidy()
            if left:
                self._make_ready()
        except Exception as problem:
            self._shelf.has_problem(problem)
        finally:
            turn.append(None)

    def _looks_at_home(self) -> bool:
        """Return whether it is time to look whether the files are there: that asks the system, with others waiting."""
        now = time.monotonic()
        if now < self._looked_at + self._look:
            return False
        self._looked_at = now
        return True

    def is_roomy(self) -> bool:
        """Return whether no record is in danger of being given up."""
        return self._shelf.is_roomy()

    def trouble(self) -> str | None:
        """Return what is wrong with the disk, if records wait because of it."""
        return self._shelf.problem if self._deferred else None

    def is_short_of_room(self) -> bool:
        """Return whether `prepare` is to come soon: records wait for room, or would in a moment."""
        segment = self._segment
        left = sum(ready.size for ready in tuple(self._ready)) + (segment.size - segment.position if segment else 0)
        return bool(self._deferred) or left < _SCARCE

    def is_written_later(self) -> bool:
        """Return whether `prepare` alone writes."""
        return not self._may_write()

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
                self._leave(segment)
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

    def _left_early(self) -> bool:
        """Go on to the next segment if all is done with in the present one, whose pages are there; return whether.

        It is used again after that. To have it filled first would take a page of memory more for each page written.
        """
        if self._spent() is None or not self._take_baton():
            return False
        try:
            segment = self._spent()
            if segment is None:  # somebody wrote meanwhile
                return False
            self._leave(segment)
            self._segment = self._ready.popleft()
            return True
        finally:
            self._baton.append(None)

    def _spent(self) -> Segment | None:
        """Return the present segment if it can be left early: only what is mapped is used again."""
        segment = self._segment
        if segment is None or segment.memory is None or segment.waiting or segment.position < _WORTHWHILE:
            return None
        return segment if self._ready and not self._deferred else None

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
                    serial = receipt >> SERIAL
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
        serial, offset = position >> SERIAL, position & _OFFSET
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
