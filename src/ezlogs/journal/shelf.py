"""The shelf: a process's full segments, the room it has for more, and which of them goes when there is none."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from time import time_ns
from typing import Final

from ezlogs.journal.directory import Directory, UnusableDirectoryError
from ezlogs.journal.filesystems import Writing, writing
from ezlogs.journal.leftovers import Leftovers
from ezlogs.journal.liveness import Home, found_home, homes, tidy
from ezlogs.journal.record import BODY_AT, MOVED, VERDICTS, Record, body_of
from ezlogs.journal.segment import PAGE, Segment, header_size, segment_name
from ezlogs.journal.tally import Tally
from ezlogs.priority import Priority

_SERIAL: Final = 32
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_COMPACT_FROM: Final = 4
_HIGHEST: Final = 255
_SPARES: Final = 2
_MOST_EVICTED: Final = 4
"""Segments freed at once, to let the worker do its other duties."""


class Shelf:
    """What the worker does with files; see `Journal` for the arguments."""

    def __init__(
        self,
        directory: Directory,
        resource: bytes,
        *,
        segment_size: int,
        largest_segment: int,
        cap: int,
        max_age: float,
        how: Writing | None,
    ) -> None:
        self.directory = directory
        self.resource = resource
        self.largest_record = largest_segment
        self._segment_size = segment_size
        self._cap = cap
        self._max_age = int(max_age * 1e9)
        self._how = how
        self._serial = 0
        self.forget()

    def forget(self) -> None:
        """Begin with nothing. Serial numbers go on, so that no receipt of before fits a record of later."""
        home: Home | None = getattr(self, "_home", None)
        if home is not None:
            home.release()
        self._home: Home | None = None
        self._gone = False
        self._started, self._started_by = time_ns(), time.monotonic_ns()
        self.segments: dict[int, Segment] = {}
        """All there are, by number: full ones, the one that is written, those that are ready."""
        self._spares: list[Segment] = []
        self.stranded: list[Segment] = []
        """Full ones whose files somebody removed: what waits in them goes into the next that is made."""
        self.moved: dict[int, int] = {}
        """Where records are now, by where they were."""
        self._failures = 0
        self._retry_at = 0.0
        self._leftovers = Leftovers(self.directory)
        self.how = self._how
        self.problem: str | None = None
        """What is wrong now, for people."""
        self.why_not: str | None = None
        """Why there is no room, as a reason to count by."""
        self.total_seen = 0
        self.evicted = Tally()
        self.expired = 0

    @property
    def path(self) -> str:
        """Where the segments are."""
        return self._home.directory.path if self._home else self.directory.path

    def waiting(self) -> int:
        """Return how many records are not acknowledged."""
        return sum(segment.waiting for segment in tuple(self.segments.values()))

    def seal(self, segment: Segment) -> None:
        """Take a full segment. In the thread that filled it: it costs no more than a note."""
        segment.sealed_at = time_ns()

    def place_of(self, position: int) -> int:
        """Return where the record is that was at a position."""
        while position in self.moved:
            position = self.moved[position]
        return position

    def now_at(self, position: int) -> int:
        """Return the same, and forget it: nobody asks again."""
        while position in self.moved:
            position = self.moved.pop(position)
        return position

    def is_roomy(self) -> bool:
        """Return whether less than half of what is allowed is taken, and nothing is wrong."""
        return self.problem is None and not self._gone and self.total_seen < self._cap // 2

    def lost_home(self) -> bool:
        """Return whether the home is no longer this process's: its lock was closed, or its directory removed."""
        return self._home is not None and (self._gone or not self._home.held())

    def move_out(self) -> None:
        """Leave a home that was lost: its files to whoever adopts them, but not what was in files that are gone."""
        stranded, moved = self._fileless(), self.moved
        self.forget()
        for segment in stranded:
            self.seal(segment)
            self.segments[segment.serial] = segment
        self.stranded, self.moved = stranded, moved if stranded else {}

    def _fileless(self) -> list[Segment]:
        waiting = [segment for segment in self.segments.values() if segment.waiting]
        if self._home is None or not waiting:
            return []
        try:
            with self._home.opened() as within:
                files = set(os.listdir(within))
        except FileNotFoundError:
            files = set()
        except (OSError, UnusableDirectoryError):
            return []
        return [segment for segment in waiting if segment_name(segment.serial) not in files]

    def has_problem(self, problem: Exception) -> None:
        """Remember what went wrong, and wait a while before the next try."""
        number = problem.errno if isinstance(problem, OSError) else None
        self.why_not = errno.errorcode.get(number or 0, type(problem).__name__)
        self.problem = str(problem)
        self._failures += 1
        self._retry_at = time.monotonic() + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 10))

    def fresh(self, wanted: int) -> Segment | None:
        """Make a segment, or return None where that cannot be, now.

        It may hold records already: what is worth keeping of older segments that had to go.

        Args:
            wanted: Bytes that it should have room for; less than a segment's are made more, too much is made less.
        """
        if time.monotonic() < self._retry_at:
            return None
        try:
            most = max([wanted, *(segment.position for segment in self.stranded)])
            segment = self._made(self._home or self._move_in(), self._size(most))
            if segment is None:
                self.why_not = "full"
                self.problem = f"{self.directory.path} holds {self.total_seen} bytes, {self._cap} are allowed"
                return None
            self.segments[segment.serial] = segment
        except FileNotFoundError as problem:
            self._gone = True
            self.has_problem(problem)
        except (OSError, UnusableDirectoryError) as problem:
            self.has_problem(problem)
        else:
            self.problem = self.why_not = None
            self._failures = 0
            try:
                self._gather(segment)
            except OSError as problem:  # what was not moved stays where it is
                self.has_problem(problem)
            return segment
        return None

    def _made(self, home: Home, size: int) -> Segment | None:
        """Return a segment that is new, or used again; None where none is allowed."""
        serial, now = self._serial + 1, time_ns()
        spare = next((old for old in self._spares if old.size >= size), None)
        if spare is not None:
            self._spares.remove(spare)
            with home.opened() as within:
                spare.reuse(within, serial, started=self._started, created=now, resource=self.resource)
            self._serial = serial
            return spare
        size = self._allowed(size)
        if not size:
            return None
        self._serial = serial
        with home.opened() as within:
            segment = Segment(
                within,
                serial,
                size,
                started=self._started,
                created=now,
                resource=self.resource,
                how=self.how or Writing.WRITTEN,
            )
        self.total_seen += size
        return segment

    def discard(self, segment: Segment) -> None:
        """Take back a segment that was ready."""
        if segment.waiting:
            self.seal(segment)
        else:
            self._remove(segment)

    def tidy(self) -> None:
        """Remove what is done with and what is too old."""
        oldest = self._oldest()
        for segment in (*self._sealed(), *self.stranded):
            if not segment.waiting:
                self._finish(segment)
            elif segment.sealed_at < oldest:
                self.expired += segment.waiting
                self._remove(segment)
            else:
                segment.let_go_of_pages()

    def _oldest(self) -> int:
        """Return the Unix time in nanoseconds before which a record is too old: a clock set forward ages nothing."""
        return min(time_ns(), self._started + time.monotonic_ns() - self._started_by) - self._max_age

    def _finish(self, segment: Segment) -> None:
        """Keep a segment that is done with to be used again, if it is mapped and there are not enough of those."""
        if segment.memory is not None and len(self._spares) < _SPARES and segment not in self.stranded:
            del self.segments[segment.serial]  # for who adopts it, it is a segment in which nothing waits
            self._spares.append(segment)
        else:
            self._remove(segment)

    def close(self) -> None:
        """Leave what waits to whoever adopts it, and nothing else."""
        home = self._home
        if home is None:
            return
        for segment in (*self.segments.values(), *self._spares):
            if segment.waiting:
                with suppress(OSError), home.opened() as within:
                    segment.leave(within)
            else:
                self._remove(segment)
        home.remove()  # releases it, also where segments are left

    def _sealed(self) -> list[Segment]:
        return [segment for segment in self.segments.values() if segment.sealed_at and segment not in self.stranded]

    def _size(self, wanted: int) -> int:
        """Return the size of a segment: more where more is wanted, up to what the largest record needs."""
        beside = header_size(self.resource) + BODY_AT
        size = self._segment_size
        while size < wanted + beside:
            size *= 2
        return -(-min(size, self.largest_record + beside) // PAGE) * PAGE

    def _move_in(self) -> Home:
        tidy(self.directory)
        self._home = found_home(self.directory)
        self._gone = False
        if self.how is None:
            self.how = writing(self._home.directory.path)
        return self._home

    def _remove(self, segment: Segment) -> None:
        home = self._home or self._move_in()
        with home.opened() as within:
            segment.remove(within)
        self.segments.pop(segment.serial, None)
        if segment in self.stranded:
            self.stranded.remove(segment)

    def _total(self) -> int:
        total = 0
        for home in homes(self.directory):
            try:
                with home.opened() as within:
                    total += sum(
                        os.stat(name, dir_fd=within, follow_symlinks=False).st_size for name in os.listdir(within)
                    )
            except (OSError, UnusableDirectoryError):  # removed meanwhile, or nobody's home
                continue
        return total

    def _allowed(self, size: int) -> int:
        """Return the size that one more segment may have, after making room for it where needed; 0 for none.

        The last segment below the cap is for what is gathered from those that have to go.
        """
        while self._spares:  # they are too small
            self._remove(self._spares.pop())
        self.total_seen = self._total()
        least = self._size(0)
        for _ in range(_MOST_EVICTED):
            if self.total_seen + size <= self._cap - least:
                return size
            if not self._leftovers.trim() and not self._leftovers.evict(self._lowest(), self._note_evicted):
                break
            self.total_seen = self._total()
        while self.total_seen + least > self._cap and (full := self._sealed()):  # others were faster
            lowest = self._lowest()
            self._free(next((old for old in full if old.lowest() == lowest), full[0]), None, below=_HIGHEST)
        return least if self.total_seen + least <= self._cap else 0

    def _gather(self, fresh: Segment) -> None:
        """Move what is worth keeping into a fresh segment: of files that are gone, of mostly empty ones, for room."""
        for old in tuple(self.stranded):
            if self._free(old, fresh, below=-1):
                self.total_seen += old.size  # which no disk had
        sealed = self._sealed()
        if len(sealed) >= _COMPACT_FROM and 2 * sum(old.waiting for old in sealed) < sum(
            old.appended for old in sealed
        ):
            self._free(sealed[0], fresh, below=-1)
        least = self._size(0)
        for _ in range(_MOST_EVICTED):
            if self.total_seen + least <= self._cap - least or (lowest := self._lowest()) is None:
                return
            candidates = [old for old in self._sealed() if old.lowest() == lowest]
            if not any(self._free(old, fresh, below=lowest) for old in candidates):
                self._free(candidates[0], fresh, below=_HIGHEST)

    def _lowest(self) -> int | None:
        """Return the lowest priority of a record that waits in a full segment."""
        return min((low for low in (old.lowest() for old in self._sealed()) if low is not None), default=None)

    def _free(self, segment: Segment, fresh: Segment | None, *, below: int) -> bool:
        """Give up records up to a priority, move the others, and remove their segment; False where they don't fit."""
        oldest = self._oldest()
        live = list(segment.live())
        moved = [record for record in live if record.priority > below and record.timestamp >= oldest]
        if fresh is not None and moved:
            if sum(record.end - record.offset for record in moved) > fresh.size - fresh.position:
                return False
            fresh.mark_moved()
        for record in live:
            if record.timestamp < oldest:
                self.expired += 1
            elif fresh is None or record.priority <= below:
                if record.kind not in VERDICTS:  # nobody was to get one
                    self._note_evicted(record.priority)
            else:
                self._move(segment, record, fresh)
            segment.finish(record.offset)
        self._remove(segment)
        self.total_seen -= segment.size
        return True

    def _move(self, segment: Segment, record: Record, fresh: Segment) -> None:
        body = body_of(
            record.kind | MOVED,
            record.item_id,
            record.payload,
            record.priority,
            owner=record.owner,
            timestamp=record.timestamp,
        )
        self.moved[segment.serial << _SERIAL | record.offset] = fresh.serial << _SERIAL | fresh.write(body)

    def _note_evicted(self, priority: int) -> None:
        known = priority in Priority.__members__.values()
        self.evicted.note(Priority(priority).name.lower() if known else "unknown")
