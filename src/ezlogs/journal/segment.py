"""Segments: files of records, of a fixed size that is theirs from the start, written from the front to the back.

A file is ::

    magic: 8, version: 2, moved: 1, 1 of zero, process: 4, started: 8, created: 8, salt: 4, resource size: 4, check: 4
    the resource | records, the first at a multiple of eight | zeros
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple
from zlib import crc32

from ezlogs.journal.filesystems import Writing
from ezlogs.journal.record import (
    BODY_AT,
    DONE,
    SMALLEST,
    STATE_AT,
    Record,
    check_of,
    pack_check_into,
    read_record,
    read_records,
    record_of,
    size_at,
)

VERSION: Final = 1
_MAGIC: Final = b"EZLOGSJ\n"
_HEADER: Final = struct.Struct("<8sHxxIqqIII")
_MOVED_AT: Final = 10
_LARGEST_FILE: Final = 256 << 20
PAGE: Final = 4096
_DONT_NEED: Final[int | None] = getattr(mmap, "MADV_DONTNEED", None)
_POPULATE_WRITE: Final = 23
"""``MADV_POPULATE_WRITE`` of Linux, which Python has no name for yet."""
_AT_ONCE: Final = 1 << 16
"""Bytes whose pages are made in one go."""
_DONE: Final = bytes((DONE,))
_NOTHING: Final = bytes(1 << 16)


class NewerVersionError(Exception):
    """A segment was written by a later version of ezlogs, and is left to it."""


class Header(NamedTuple):
    """What a segment says of itself."""

    pid: int
    started: int
    """When the process began to journal: Unix time in nanoseconds."""
    created: int
    """When the segment was made: Unix time in nanoseconds."""
    salt: int
    resource: bytes
    records_at: int
    has_moved: bool
    """Whether it has copies that were moved out of older segments."""


def encode_header(pid: int, started: int, created: int, salt: int, resource: bytes) -> bytes:
    """Return what a segment begins with, up to its first record."""
    fields = (_MAGIC, VERSION, pid, started, created, salt, len(resource))
    check = crc32(resource, crc32(_HEADER.pack(*fields, 0)))
    header = _HEADER.pack(*fields, check) + resource
    return header + bytes(-len(header) % 8)


def header_size(resource: bytes) -> int:
    """Return how many bytes a segment begins with."""
    return _HEADER.size + len(resource) + 7 & ~7


def read_header(data: bytes) -> Header | None:
    """Return a segment's header; None if it has none or a damaged one.

    Raises:
        NewerVersionError: It has one of a later version.
    """
    if len(data) < _HEADER.size or data[:8] != _MAGIC:
        return None
    magic, version, pid, started, created, salt, size, check = _HEADER.unpack_from(data)
    if version > VERSION:
        raise NewerVersionError(f"version {version}")
    end = _HEADER.size + size
    resource = data[_HEADER.size : end]
    if len(resource) != size or check != crc32(
        resource, crc32(_HEADER.pack(magic, version, pid, started, created, salt, size, 0))
    ):
        return None
    return Header(pid, started, created, salt, resource, end + -end % 8, bool(data[_MOVED_AT]))


def segment_name(serial: int) -> str:
    """Return the name of the file of a segment."""
    return f"{serial:08x}.journal"


def _unborn_name(serial: int) -> str:
    return f"{serial:08x}.new"


class Segment:
    """A segment of this process, which it writes; see `Journal` for who calls what, and in which thread."""

    def __init__(
        self, within: int, serial: int, size: int, *, started: int, created: int, resource: bytes, how: Writing
    ) -> None:
        """Make the file, with all its room.

        Args:
            within: The descriptor of its directory.
            serial: Its number, from 1.
            size: Bytes of the file, a multiple of `PAGE`; see `header_size` for what is not for records.
            started: When the process began to journal.
            created: Now. Both are Unix time in nanoseconds.
            resource: Opaque bytes that belong to each of its records.
            how: How it is written.

        Raises:
            OSError: There is no room, or no permission; nothing is left behind.
        """
        self.size = size
        self.memory: mmap.mmap | None = None
        self._populated = 0
        """Bytes whose pages are there."""
        self._descriptor = -1
        header = self._begin(serial, started, created, resource)
        unborn = _unborn_name(serial)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(unborn, flags, 0o600, dir_fd=within)
        try:
            _write(descriptor, header, 0)
            if how is Writing.MAPPED:
                os.posix_fallocate(descriptor, 0, self.size)
                self.memory = _mapped(descriptor, self.size)
                self._populate(_AT_ONCE)
            else:
                os.ftruncate(descriptor, size)  # so that each process sees how much there will be
                self._descriptor = os.dup(descriptor)
            os.rename(unborn, segment_name(serial), src_dir_fd=within, dst_dir_fd=within)
        except BaseException:
            self.close()
            os.unlink(unborn, dir_fd=within)
            raise
        finally:
            os.close(descriptor)

    def _begin(self, serial: int, started: int, created: int, resource: bytes) -> bytes:
        """Begin with no record; return the header."""
        self.serial = serial
        self.salt = int.from_bytes(os.urandom(4), "little")
        header = encode_header(os.getpid(), started, created, self.salt, resource)
        self.start = self.position = len(header)
        self.appended = 0
        self.done = 0
        self._pages_held = True
        self.sealed_at = 0
        """When it was left for the next one: Unix time in nanoseconds."""
        self.classes: dict[int, int] | None = None
        """How many records wait, by priority; counted when it is first asked for."""
        return header

    def reuse(self, within: int, serial: int, *, started: int, created: int, resource: bytes) -> None:
        """Become another segment, where all records are done: its pages are there already, which is most of the work.

        Args:
            within: As for a new one, with the others.
            serial: Its new number.
            started: When the process began to journal.
            created: Now.
            resource: Opaque bytes that belong to each of its records.

        Raises:
            OSError: It could not be renamed.
        """
        memory, unborn = self.memory, _unborn_name(serial)
        if memory is None:
            raise OSError("only what is mapped can be used again")
        os.rename(segment_name(self.serial), unborn, src_dir_fd=within, dst_dir_fd=within)
        for start in range(0, self.position, len(_NOTHING)):  # not all at once: other threads would wait for it
            end = min(self.position, start + len(_NOTHING))
            memory[start:end] = _NOTHING[: end - start]
        header = self._begin(serial, started, created, resource)
        memory[: len(header)] = header
        os.rename(unborn, segment_name(serial), src_dir_fd=within, dst_dir_fd=within)

    @property
    def waiting(self) -> int:
        """How many records are not acknowledged."""
        return self.appended - self.done

    def write(self, body: bytes) -> int:
        """Append a record; return where it begins. There must be room: see `fits`.

        Raises:
            OSError: The file could not be written; the next record takes the same place.
        """
        start = self.position
        memory = self.memory
        if memory is None:
            _write(self._descriptor, record_of(body, self.salt), start)
        else:
            memory[start + BODY_AT : start + BODY_AT + len(body)] = body
            pack_check_into(memory, start, check_of(body, self.salt))
        self.position = start + BODY_AT + len(body)
        self.appended += 1
        return start

    def fits(self, body_size: int) -> bool:
        """Return whether a record has room."""
        return self.position + BODY_AT + body_size <= self.size

    def finish(self, offset: int) -> bool:
        """Mark the record at an offset as done; return False if it was.

        Raises:
            OSError: The file could not be written.
        """
        memory, at = self.memory, offset + STATE_AT
        if memory is None:
            if os.pread(self._descriptor, 1, at) == _DONE:
                return False
            _write(self._descriptor, _DONE, at)
        else:
            if memory[at] == DONE:
                return False
            memory[at] = DONE
        self.done += 1
        if self.classes is not None:
            priority = self._at(offset + BODY_AT + 5)
            self.classes[priority] = self.classes.get(priority, 0) - 1
        return True

    def is_done(self, offset: int) -> bool:
        """Return whether the record at an offset is done.

        Raises:
            OSError: The file cannot be read.
        """
        return self._at(offset + STATE_AT) == DONE

    def mark_moved(self) -> None:
        """Say, before the first one comes, that there are copies of older records here."""
        if self.memory is None:
            _write(self._descriptor, b"\x01", _MOVED_AT)
        else:
            self.memory[_MOVED_AT] = 1

    def live(self) -> Iterator[Record]:
        """Yield the records that wait, of a segment that nobody appends to any more."""
        memory = self.memory
        data = os.pread(self._descriptor, self.position, 0) if memory is None else memory[: self.position]
        return (record for record in read_records(data, self.start, self.salt) if not record.done)

    def record_at(self, offset: int) -> Record | None:
        """Return the record that begins at an offset; None if none does.

        Raises:
            OSError: The file cannot be read.
        """
        if not self.start <= offset < self.position:
            return None
        size = size_at(self._bytes(offset, SMALLEST))
        return read_record(self._bytes(offset, size), 0, self.salt)

    def _bytes(self, offset: int, size: int) -> bytes:
        memory = self.memory
        return os.pread(self._descriptor, size, offset) if memory is None else memory[offset : offset + size]

    def lowest(self) -> int | None:
        """Return the lowest priority of the records that wait, or None where none does."""
        if self.classes is None:
            self.classes = {}
            for record in self.live():
                self.classes[record.priority] = self.classes.get(record.priority, 0) + 1
        return min((priority for priority, number in self.classes.items() if number > 0), default=None)

    def populate(self, size: int) -> int:
        """Have the pages there that are written next: who writes them should not wait for them. For the worker.

        Args:
            size: Bytes that will be written soon.

        Returns:
            How many of them have no room here.
        """
        wanted = self.position + size
        while self.memory is not None and self._populated < min(wanted, self.size):
            self._populate(_AT_ONCE)
        return max(0, wanted - self.size)

    def _populate(self, size: int) -> None:
        memory, start = self.memory, self._populated
        if memory is not None:
            self._populated = min(self.size, start + size)
            populate(memory, start, self._populated)

    def let_go_of_pages(self) -> None:
        """Leave what was written to the system's cache, once: nobody writes here any more, and few look."""
        if self._pages_held and self.memory is not None and _DONT_NEED is not None:
            self._pages_held = False
            self.memory.madvise(_DONT_NEED)

    def close(self) -> None:
        """Let go of the file, which stays."""
        if self.memory is not None:
            self.memory.close()
        elif self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def leave(self, within: int) -> None:
        """Let go of the file, and give back the room that nothing was written to: it waits for who knows how long.

        Raises:
            OSError: It is not there any more.
        """
        self.close()
        descriptor = os.open(segment_name(self.serial), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
        try:
            os.ftruncate(descriptor, self.position)
        finally:
            os.close(descriptor)

    def remove(self, within: int) -> None:
        """Let go of the file and remove it."""
        self.close()
        with suppress(FileNotFoundError):  # somebody emptied the directory
            os.unlink(segment_name(self.serial), dir_fd=within)

    def _at(self, offset: int) -> int:
        return self.memory[offset] if self.memory is not None else os.pread(self._descriptor, 1, offset)[0]


def read_file(descriptor: int) -> bytes:
    """Return what is in a segment's file, read and not mapped: a damaged disk must end no process.

    Raises:
        OSError: It cannot be read, or is larger than any segment.
    """
    size = os.fstat(descriptor).st_size
    if size > _LARGEST_FILE:
        raise OSError(f"{size} bytes are more than a segment has")
    pieces, offset = [], 0
    while piece := os.pread(descriptor, size - offset, offset):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


def _mapped(descriptor: int, size: int) -> mmap.mmap:
    options: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
    return mmap.mmap(descriptor, size, **options)


def populate(memory: mmap.mmap, start: int, end: int) -> None:
    """Have the pages of mapped memory there, whoever writes to it meanwhile.

    Args:
        memory: The memory.
        start: Where the first page begins.
        end: Where the last one ends.
    """
    try:
        memory.madvise(_POPULATE_WRITE, start, end - start)
    except OSError:  # not Linux, or one before 5.14: then half of the work is left to who writes
        for page in range(start, end, PAGE):
            memory[page]


def _write(descriptor: int, data: bytes, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError("the file took only a part")
