"""The shelf: a process's full segments, the room it has for more, and which of them goes when there is none."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Sequence
from time import time_ns
from typing import Final

from ezlogs.journal.directory import Directory, UnusableDirectoryError
from ezlogs.journal.filesystems import Writing, writing
from ezlogs.journal.leftovers import Leftovers
from ezlogs.journal.liveness import Home, found_home, homes, tidy
from ezlogs.journal.record import MOVED, Priority, Record, body_of
from ezlogs.journal.segment import Segment
from ezlogs.journal.tally import Tally

Copy = Callable[[bytes], int]
"""Appends the body of a record to the current segment; returns its position, or 0 where it has no room."""

_SERIAL: Final = 32
_HEADROOM: Final = 16_384
"""Bytes of a segment that are not for one record: the header, with its resource."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_COMPACT_FROM: Final = 4
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
        self._started = time_ns()
        self._sealed: dict[int, Segment] = {}
        self._moved: dict[int, int] = {}
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
        """Return how many records in full segments are not acknowledged."""
        return sum(segment.waiting for segment in tuple(self._sealed.values()))

    def seal(self, segment: Segment) -> None:
        """Take a full segment. In the thread that filled it: it costs no more than a note."""
        segment.sealed_at = time_ns()
        self._sealed[segment.serial] = segment

    def sealed_one(self, serial: int) -> Segment | None:
        """Return a full segment by its number, if it is still there."""
        return self._sealed.get(serial)

    def now_at(self, position: int) -> int:
        """Return where the record is that was at a position."""
        while position in self._moved:
            position = self._moved.pop(position)
        return position

    def lost_home(self) -> bool:
        """Return whether the home is no longer this process's: its lock was closed, or its directory removed."""
        return self._home is not None and (self._gone or not self._home.held())

    def has_problem(self, problem: Exception) -> None:
        """Remember what went wrong, and wait a while before the next try."""
        number = problem.errno if isinstance(problem, OSError) else None
        self.why_not = errno.errorcode.get(number or 0, type(problem).__name__)
        self.problem = str(problem)
        self._failures += 1
        self._retry_at = time.monotonic() + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 10))

    def fresh(self, wanted: int, copy: Copy) -> Segment | None:
        """Make a segment, or return None where that cannot be, now.

        Args:
            wanted: Bytes that it should have room for; less than a segment's are made more, too much is made less.
            copy: Where to save what is more important, should less important records have to go.
        """
        if time.monotonic() < self._retry_at:
            return None
        try:
            home = self._home or self._move_in()
            size = self._segment_size
            while size < wanted and size < self.largest_record:
                size *= 2
            size = min(size, self.largest_record) + (_HEADROOM if size >= self.largest_record else 0)
            if not self._has_room(size, copy):
                self.why_not = "full"
                self.problem = (
                    f"{self.directory.path} holds {self.total_seen} bytes of telemetry, {self._cap} are allowed"
                )
                return None
            self._serial += 1
            with home.opened() as within:
                segment = Segment(
                    within,
                    self._serial,
                    size,
                    started=self._started,
                    created=time_ns(),
                    resource=self.resource,
                    how=self.how or Writing.WRITTEN,
                )
        except FileNotFoundError as problem:
            self._gone = True
            self.has_problem(problem)
        except (OSError, UnusableDirectoryError) as problem:
            self.has_problem(problem)
        else:
            self.problem = self.why_not = None
            self._failures = 0
            return segment
        return None

    def discard(self, segment: Segment) -> None:
        """Remove a segment that nothing was written to."""
        if self._home is not None:
            with self._home.opened() as within:
                segment.remove(within)

    def tidy(self, copy: Copy) -> None:
        """Remove what is done with and what is too old; move the rest together where there is more gap than record."""
        sealed = tuple(self._sealed.values())
        oldest = time_ns() - self._max_age
        for segment in sealed:
            if segment.waiting and segment.sealed_at < oldest:
                self.expired += segment.waiting
                self._remove(segment)
            elif not segment.waiting:
                self._remove(segment)
        sealed = tuple(self._sealed.values())
        if len(sealed) >= _COMPACT_FROM and 2 * self.waiting() < sum(segment.appended for segment in sealed):
            self._free(sealed[0], copy, below=-1)

    def close(self, further: Sequence[Segment]) -> None:
        """Leave what waits to whoever adopts it, and nothing else."""
        home = self._home
        if home is None:
            return
        for segment in (*self._sealed.values(), *further):
            if segment.waiting:
                segment.close()
            else:
                with home.opened() as within:
                    segment.remove(within)
        self._sealed.clear()
        home.remove()  # releases it, also where segments are left

    def _move_in(self) -> Home:
        tidy(self.directory)
        self._home = found_home(self.directory)
        self._gone = False
        if self.how is None:
            self.how = writing(self._home.directory.path)
        return self._home

    def _remove(self, segment: Segment) -> None:
        if self._home is not None:
            with self._home.opened() as within:
                segment.remove(within)
        self._sealed.pop(segment.serial, None)

    def _total(self) -> int:
        total = 0
        for home in homes(self.directory):
            try:
                with home.opened() as within:
                    total += sum(
                        os.stat(name, dir_fd=within, follow_symlinks=False).st_size for name in os.listdir(within)
                    )
            except OSError:  # removed meanwhile
                continue
        return total

    def _has_room(self, size: int, copy: Copy) -> bool:
        """Return whether one more segment is allowed, after making room for it and for one more where needed."""
        total = self._total()
        for _ in range(_MOST_EVICTED):
            if total + 2 * size <= self._cap or not self._evict(copy):
                break
            total = self._total()
        self.total_seen = total
        return total + size <= self._cap

    def _evict(self, copy: Copy) -> bool:
        """Give up the oldest of the least important records; return whether that freed any room."""
        sealed = tuple(self._sealed.values())
        lowest = min((low for low in (segment.lowest() for segment in sealed) if low is not None), default=None)
        if self._leftovers.evict(lowest, self._note_evicted):
            return True
        if lowest is None:
            return False
        oldest = next(segment for segment in sealed if segment.lowest() == lowest)
        return self._free(oldest, copy, below=lowest)

    def _free(self, segment: Segment, copy: Copy, *, below: int) -> bool:
        """Give up records of a segment up to a priority, move the others to the current one, and remove it."""
        oldest = time_ns() - self._max_age
        for record in segment.live():
            if record.timestamp < oldest:
                self.expired += 1
            elif record.priority <= below:
                self._note_evicted(record.priority)
            elif not self._move(segment, record, copy):
                return False
            segment.finish(record.offset)
        self._remove(segment)
        return True

    def _move(self, segment: Segment, record: Record, copy: Copy) -> bool:
        position = copy(
            body_of(
                record.kind | MOVED,
                record.item_id,
                record.payload,
                record.priority,
                owner=record.owner,
                timestamp=record.timestamp,
            )
        )
        if position:
            self._moved[segment.serial << _SERIAL | record.offset] = position
        return position != 0

    def _note_evicted(self, priority: int) -> None:
        known = priority in Priority.__members__.values()
        self.evicted.note(Priority(priority).name.lower() if known else "unknown")
