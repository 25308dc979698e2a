"""Files: the segments in the home of a process that does not write them any more, read one at a time."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Final

from ezlogs.journal.directory import Directory
from ezlogs.journal.liveness import is_segment
from ezlogs.journal.record import BODY_AT, DONE, SMALLEST, STATE_AT, VERDICTS, Kind, Record, read_record, read_records
from ezlogs.journal.segment import Header, NewerVersionError, read_file, read_header, segment_name

_SERIAL: Final = 32
_OFFSET: Final = (1 << _SERIAL) - 1
_LENGTH: Final = struct.Struct("<I")
_KINDS: Final = frozenset(Kind)


class Segments:
    """The segments of one home, as `story` reads them.

    Args:
        home: Where they are.
        oldest: Unix time in nanoseconds; records from before it are given up.
        writable: Whether what becomes of records is written down: only by who holds the home's lock.
    """

    def __init__(self, home: Directory, *, oldest: int, writable: bool) -> None:
        self._home = home
        self._oldest = oldest
        self._writable = writable
        self._serials = serials_of(home)
        self._waiting: Counter[int] = Counter()
        self._read: set[int] = set()
        self._headers: dict[int, Header] = {}
        self._unmarked: set[int] = set()
        self.newer: set[str] = set()
        """The names of segments of a later version."""
        self.counts: Counter[str] = Counter()
        """What could not be delivered: records ``expired`` or of an ``unknown`` kind; segments that were ``torn``,
        ``unreadable`` or of a ``newer`` version. And records ``unmarked``, which come again if this process dies."""

    def records(self) -> Iterator[tuple[int, Record, bytes]]:
        """Yield each record with its position and its resource."""
        for serial in tuple(self._serials):
            data, header = self._load(serial)
            if header is None:
                continue
            expired, end = [], header.records_at
            for record in read_records(data, header.records_at, header.salt):
                position, end = serial << _SERIAL | record.offset, record.end
                known = record
                if not record.done and record.kind not in VERDICTS:
                    self._waiting[serial] += 1
                    if record.timestamp < self._oldest or record.kind not in _KINDS:
                        self.counts["expired" if record.kind in _KINDS else "unknown"] += 1
                        expired.append(position)
                        known = record._replace(done=True)
                yield position, known, header.resource
            if data[end:].strip(b"\0"):
                self.counts["torn"] += 1
            self._read.add(serial)
            self.finish(expired)

    def moved(self) -> Iterator[Record]:
        """Yield each waiting record that is a copy of an older one."""
        for serial in tuple(self._serials):
            header = self._header(serial)
            if header is not None and header.has_moved:
                data, _ = self._load(serial)
                for record in read_records(data, header.records_at, header.salt):
                    if record.moved and not record.done:
                        yield record

    def at(self, positions: Sequence[int]) -> Iterator[tuple[int, Record, bytes]]:
        """Yield the records at some positions; none where one is not readable any more."""
        for serial, group in groupby(positions, lambda position: position >> _SERIAL):
            header = self._headers[serial]
            try:
                with self._opened(serial, os.O_RDONLY) as descriptor:
                    for position in group:
                        offset = position & _OFFSET
                        head = os.pread(descriptor, SMALLEST, offset)
                        (length,) = _LENGTH.unpack_from(head, BODY_AT)
                        record = read_record(os.pread(descriptor, BODY_AT + length, offset), 0, header.salt)
                        if record is not None:
                            yield position, record, header.resource
            except (OSError, struct.error):
                self.counts["unreadable"] += 1

    def overtaken(self, position: int) -> None:
        """Take note that a record need not be delivered."""
        self.finish([position])

    def finish(self, positions: Iterable[int]) -> None:
        """Mark records as done, and remove the segments that are done with, from the oldest on."""
        if not self._writable:
            return
        for serial, group in groupby(positions, lambda position: position >> _SERIAL):
            if serial in self._serials:
                with self._opened(serial, os.O_RDWR) as descriptor:
                    for position in group:
                        self._waiting[serial] -= self._mark(descriptor, position)
        while self._serials and self._serials[0] in self._read and self._waiting[self._serials[0]] <= 0:
            with self._home.opened() as within:
                os.unlink(segment_name(self._serials.pop(0)), dir_fd=within)

    def _mark(self, descriptor: int, position: int) -> bool:
        """Mark a record as done; return False if it was. One that cannot be marked goes with its segment."""
        state_at = (position & _OFFSET) + STATE_AT
        if position in self._unmarked or os.pread(descriptor, 1, state_at) == bytes((DONE,)):
            return False
        try:
            os.pwrite(descriptor, bytes((DONE,)), state_at)
        except OSError:  # the disk takes nothing any more
            self._unmarked.add(position)
            self.counts["unmarked"] += 1
        return True

    def headers(self) -> dict[int, Header]:
        """Return what each readable segment says of itself, by its number."""
        for serial in tuple(self._serials):
            self._header(serial)
        return self._headers

    def discard_unreadable(self) -> None:
        """Remove the segments that have no header, or a damaged one: nothing can be read from them, ever."""
        for serial in tuple(self._serials):
            if self._header(serial) is None and serial in self._serials:
                self._serials.remove(serial)
                self.counts["unreadable"] += 1
                with self._home.opened() as within:
                    os.unlink(segment_name(serial), dir_fd=within)

    def _header(self, serial: int) -> Header | None:
        if serial not in self._headers:
            self._load(serial)
        return self._headers.get(serial)

    def _load(self, serial: int) -> tuple[bytes, Header | None]:
        try:
            with self._opened(serial, os.O_RDONLY) as descriptor:
                data = read_file(descriptor)
            header = read_header(data)
        except NewerVersionError:
            self._serials.remove(serial)  # as if it were not there
            self.newer.add(segment_name(serial))
            self.counts["newer"] += 1
            return b"", None
        except OSError:
            return b"", None
        if header is not None:
            self._headers[serial] = header
        return data, header

    @contextmanager
    def _opened(self, serial: int, flags: int) -> Iterator[int]:
        with self._home.opened() as within:
            descriptor = os.open(segment_name(serial), flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def serials_of(home: Directory) -> list[int]:
    """Return the numbers of a home's segments, in their order."""
    serials = []
    for name in home.entries():
        stem = name.partition(".")[0]
        if is_segment(name) and len(stem) == 8 and not stem.strip("0123456789abcdef"):
            serials.append(int(stem, 16))
    return sorted(serials)
