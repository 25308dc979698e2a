"""Dead letters: requests that a collector refused for good, kept for a while so that people can look, and try again.

Beside the homes of processes, in a directory that none of them takes for one: each letter is a file of its own, made
under another name and renamed when it is whole. A file is ::

    magic: 8, version: 2, 2 of zero, check: 4, about size: 4, events: 4, body size: 4 | about, as JSON | body

Numbers are little-endian; the check is the CRC-32 of all that follows it. The name begins with the time, so that the
oldest is the first.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from zlib import crc32

from ezlogs.journal.directory import Directory, UnusableDirectoryError

VERSION: Final = 1
NAME: Final = ".dead"
"""The directory of dead letters, in that of a service and its collector."""

_MAGIC: Final = b"EZLOGSD\n"
_PROLOGUE: Final = struct.Struct("<8sHxxI")
_SIZES: Final = struct.Struct("<III")
_HEAD_SIZE: Final = _PROLOGUE.size + _SIZES.size
_SUFFIX, _UNBORN = ".letter", ".new"
_BIRTH: Final = 600 * 10**9
"""Nanoseconds that a letter may be in the making before it counts as left behind."""
_LONGEST_TEXT: Final = 500
_LARGEST: Final = 256 << 20


class Letter(NamedTuple):
    """A request that was refused."""

    name: str
    """Its own name among the letters of its directory."""
    signal: str
    """``traces`` or ``logs``: what the body is a request of."""
    endpoint: str
    """Who refused it, without credentials."""
    reason: str
    """What the collector said."""
    status: int
    """The HTTP status, or over gRPC the one that stands for its code."""
    events: int
    at: int
    """When: Unix time in nanoseconds."""
    body: bytes
    """The request, encoded and scrubbed, as it was sent."""


class DeadLetters:
    """The dead letters of one service and one collector, of all its processes together.

    Everything here takes time and is for the worker's thread, or for people's commands. Nothing is ever raised, but by
    `letters` and `remove` where the directory is not safe.

    Args:
        directory: From `journal_directory` or `journal_directories`.
        cap: Bytes on disk; the oldest letters go first.
        max_age: Seconds after which a letter goes.

    Example:
        >>> import tempfile
        >>> dead = DeadLetters(Directory(tempfile.mkdtemp(), "shop"))
        >>> dead.put("traces", "https://me:secret@collector:4318", reason="gone", status=404, body=b"body", events=3)
        True
        >>> [letter] = dead.letters()
        >>> letter.endpoint, letter.status, letter.body
        ('https://collector:4318', 404, b'body')
    """

    def __init__(self, directory: Directory, cap: int = 16 << 20, max_age: float = 7 * 86_400.0) -> None:
        self._directory = directory.below(NAME)
        self._cap = cap
        self._max_age = int(max_age * 1e9)
        self.counts: Counter[str] = Counter()
        """Letters ``put``; and the events of those that are no more or never were: ``evicted`` for want of room,
        ``expired``, ``too_large``, ``not_kept`` for trouble with the disk."""
        self.problem: str | None = None
        """What is wrong, for people."""

    def put(
        self,
        signal: str,
        endpoint: str,
        *,
        reason: str,
        status: int,
        body: bytes,
        events: int,
        at: int | None = None,
    ) -> bool:
        """Keep a request; return whether it is on disk. Never raises.

        Args:
            signal: ``traces`` or ``logs``.
            endpoint: Who refused it; credentials in it are left out.
            reason: Why, without secrets; cut where it is long.
            status: The HTTP status, or 0.
            body: The encoded request.
            events: How many events are in it.
            at: Unix time in nanoseconds; now, if left out.
        """
        try:
            at = time.time_ns() if at is None else at
            name = f"{at:016x}-{os.getpid()}-{os.urandom(6).hex()}"
            return self._put(Letter(name, signal, endpoint, reason, status, events, at, body))
        except Exception as problem:
            self.problem = f"{self._directory.path}: {getattr(problem, 'strerror', None) or problem}"
            self.counts["not_kept"] += events
            return False

    def _put(self, letter: Letter) -> bool:
        content = _encoded(letter)
        if len(content) > self._cap:
            self.counts["too_large"] += letter.events
            return False
        unborn = letter.name + _UNBORN
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._directory.opened(create=True) as within:
            self._make_room(within, self._cap - len(content))
            descriptor = os.open(unborn, flags, 0o600, dir_fd=within)
            try:
                try:
                    _write(descriptor, content)
                finally:
                    os.close(descriptor)
                os.rename(unborn, letter.name + _SUFFIX, src_dir_fd=within, dst_dir_fd=within)
            except BaseException:
                with suppress(OSError):
                    os.unlink(unborn, dir_fd=within)
                raise
            self.counts["put"] += 1
            self.problem = None
            self._make_room(within, self._cap)  # another process may have put one at the same time
        return True

    def letters(self, problems: Counter[str] | None = None) -> Iterator[Letter]:
        """Yield the letters, the oldest first, each read when it is its turn.

        Args:
            problems: Counts files that are ``unreadable`` or of a ``newer`` version, and left as they are.

        Raises:
            UnusableDirectoryError: The directory is not safe.
        """
        for _, found in self._found():
            if isinstance(found, Letter):
                yield found
            elif problems is not None:
                problems[found] += 1

    def remove(self, name: str) -> bool:
        """Remove a letter that was delivered, or that nobody wants; return whether this call did it.

        Raises:
            UnusableDirectoryError: The directory is not safe.
        """
        try:
            with self._directory.opened() as within:
                os.unlink(name, dir_fd=within)
        except OSError:
            return False
        return True

    def unreadable(self) -> list[str]:
        """Return the names of what is no letter, and can be removed as such; letters of a later version are not.

        Raises:
            UnusableDirectoryError: The directory is not safe.
        """
        return [name for name, found in self._found() if found == "unreadable"]

    def _found(self) -> Iterator[tuple[str, Letter | str]]:
        """Yield each file's name with the letter in it, or what is wrong with it."""
        for name in self._directory.entries():
            if not name.endswith(_SUFFIX):
                continue
            try:
                with self._directory.opened() as within:
                    content = _read(name, within, _LARGEST)
                yield name, _decoded(name, content)
            except FileNotFoundError:  # removed meanwhile
                continue
            except _NewerError:
                yield name, "newer"
            except (OSError, ValueError, struct.error):
                yield name, "unreadable"

    def size(self) -> tuple[int, int]:
        """Return how many letters there are, and their bytes on disk; nothing where they cannot be seen."""
        try:
            with self._directory.opened() as within:
                sizes = [size for name, size in _files(within) if name.endswith(_SUFFIX)]
        except (OSError, UnusableDirectoryError):
            return 0, 0
        return len(sizes), sum(sizes)

    def health(self) -> dict[str, object]:
        """Return what is there, what became of others, and what is wrong, in plain types."""
        letters, size = self.size()
        return {"letters": letters, "bytes": size, **self.counts, "problem": self.problem}

    def _make_room(self, within: int, allowed: int) -> None:
        """Remove what is too old, and as many of the oldest as exceed some bytes."""
        files = sorted(_files(within))
        total = sum(size for _, size in files)
        now = time.time_ns()
        for name, size in files:
            at = _time_of(name)
            if name.endswith(_UNBORN):
                if now - at < _BIRTH:  # another process is at it
                    continue
                why = None
            elif now - at > self._max_age:
                why = "expired"
            elif total > allowed:
                why = "evicted"
            else:
                continue
            events = _events_in(name, within) if why else 0
            with suppress(FileNotFoundError):  # another process did it, and counted it
                os.unlink(name, dir_fd=within)
                if why:
                    self.counts[why] += events
            total -= size


class _NewerError(Exception):
    """A letter of a later version of ezlogs."""


def without_credentials(endpoint: str) -> str:
    """Return an address without user, password, query and fragment.

    >>> without_credentials("https://me:secret@collector:4318/v1/traces?key=secret")
    'https://collector:4318/v1/traces'
    >>> without_credentials("me:secret@collector:4317"), without_credentials("unix:/run/collector.sock")
    ('collector:4317', 'unix:/run/collector.sock')
    """
    plain = endpoint.partition("?")[0].partition("#")[0]
    try:
        netloc = urlsplit(plain).netloc
    except ValueError:  # nonsense: what cannot be taken apart is not told at all
        return ""
    if netloc:
        return plain.replace(netloc, netloc.rpartition("@")[2], 1)
    return plain.rpartition("@")[2]


def _encoded(letter: Letter) -> bytes:
    told: dict[str, object] = {
        "signal": letter.signal,
        "endpoint": without_credentials(letter.endpoint)[:_LONGEST_TEXT],
        "reason": letter.reason[:_LONGEST_TEXT],
        "status": letter.status,
        "at": letter.at,
    }
    about = json.dumps(told, separators=(",", ":")).encode()
    rest = b"".join((_SIZES.pack(len(about), letter.events, len(letter.body)), about, letter.body))
    return _PROLOGUE.pack(_MAGIC, VERSION, crc32(rest)) + rest


def _decoded(name: str, content: bytes) -> Letter:
    magic, version, check = _PROLOGUE.unpack_from(content)
    if magic != _MAGIC:
        raise ValueError("no letter")
    if version > VERSION:
        raise _NewerError(version)
    about_size, events, size = _SIZES.unpack_from(content, _PROLOGUE.size)
    body_at = _HEAD_SIZE + about_size
    if len(content) != body_at + size or crc32(content[_PROLOGUE.size :]) != check:
        raise ValueError("a damaged letter")
    told: Any = json.loads(content[_HEAD_SIZE:body_at])
    if not isinstance(told, dict):
        raise ValueError("a letter about nothing")
    return Letter(
        name,
        str(told.get("signal", "")),
        str(told.get("endpoint", "")),
        str(told.get("reason", "")),
        _integer(told.get("status")),
        events,
        _integer(told.get("at")),
        content[body_at:],
    )


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _files(within: int) -> list[tuple[str, int]]:
    """Return what is in the directory that is ours, with its size; a link by its own."""
    found = []
    for name in os.listdir(within):
        if name.endswith((_SUFFIX, _UNBORN)):
            with suppress(FileNotFoundError):
                found.append((name, os.stat(name, dir_fd=within, follow_symlinks=False).st_size))
    return found


def _time_of(name: str) -> int:
    """Return when a letter was put, as its name says; 0, which is very old, where it does not."""
    try:
        return int(name.partition("-")[0], 16)
    except ValueError:
        return 0


def _events_in(name: str, within: int) -> int:
    """Return how many events are in a letter, as far as it says."""
    try:
        head = _read(name, within, _HEAD_SIZE)
        events: int = _SIZES.unpack_from(head, _PROLOGUE.size)[1]
        magic, version, _ = _PROLOGUE.unpack_from(head)
    except (OSError, struct.error):
        return 0
    return events if magic == _MAGIC and version <= VERSION else 0


def _read(name: str, within: int, most: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # not for ever, where somebody put a pipe
    descriptor = os.open(name, flags, dir_fd=within)
    try:
        content = bytearray()
        while len(content) < most and (chunk := os.read(descriptor, min(1 << 20, most - len(content)))):
            content += chunk
        return bytes(content)
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
