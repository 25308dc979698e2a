"""Leftovers: segments of dead processes that take room, as far as a living one must know to make some."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

from ezlogs.journal.directory import Directory, UnusableDirectoryError
from ezlogs.journal.liveness import adopt_home, homes, is_segment
from ezlogs.journal.record import read_records
from ezlogs.journal.segment import NewerVersionError, read_file, read_header

_HIGHEST: Final = 255


class _Leftover(NamedTuple):
    """What one segment is worth."""

    priority: int
    """The highest of a record that waits in it; -1 if none does."""
    created: int
    priorities: list[int]


class Leftovers:
    """The segments of dead processes in a directory. They are read once: nobody appends to them any more."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: dict[tuple[str, str], _Leftover] = {}
        self._trimmed: set[tuple[str, str]] = set()

    def trim(self) -> bool:
        """Give back the room that was reserved and never written to; return False where there is none.

        A killed process leaves a whole segment for one record: a hundred of them would leave no room for anything.
        """
        freed = 0
        for home in homes(self._directory):
            if (adopted := adopt_home(home)) is not None:
                try:
                    with adopted.opened() as within:
                        for name in os.listdir(within):
                            key = (home.names[-1], name)
                            if is_segment(name) and key not in self._trimmed:
                                self._trimmed.add(key)
                                freed += _trim(name, within)
                except (OSError, UnusableDirectoryError):
                    continue
                finally:
                    adopted.release()
        return freed > 0

    def evict(self, priority: int | None, lost: Callable[[int], None]) -> bool:
        """Remove the least important, and of those the oldest, segment; return False where none is to be removed.

        Args:
            priority: The highest that a record may have to be given up; None for any.
            lost: Told the priority of each record that is.
        """
        found: list[tuple[_Leftover, Directory, str]] = []
        for home in homes(self._directory):
            if (adopted := adopt_home(home)) is not None:
                try:
                    with adopted.opened() as within:
                        names = [name for name in os.listdir(within) if is_segment(name)]
                        found += [(self._of(home, name, within), home, name) for name in names]
                except (OSError, UnusableDirectoryError):
                    continue
                finally:
                    adopted.release()
        limit = _HIGHEST - 1 if priority is None else priority
        candidates = [leftover for leftover in found if leftover[0].priority <= limit]
        if not candidates:
            return False
        worth, home, name = min(candidates, key=lambda leftover: leftover[0][:2])
        if (adopted := adopt_home(home)) is None:
            return False
        try:
            with adopted.opened() as within:
                os.unlink(name, dir_fd=within)
        except (OSError, UnusableDirectoryError):
            return False
        finally:
            adopted.release()
        del self._known[home.names[-1], name]
        for waiting in worth.priorities:
            lost(waiting)
        return True

    def _of(self, home: Directory, name: str, within: int) -> _Leftover:
        key = (home.names[-1], name)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _read(name, within)
        return known


def _read(name: str, within: int) -> _Leftover:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        data = read_file(descriptor)
        header = read_header(data)
    except NewerVersionError:
        return _Leftover(_HIGHEST, 0, [])  # not ours to remove
    finally:
        os.close(descriptor)
    if header is None:
        return _Leftover(-1, 0, [])
    waiting = [record.priority for record in read_records(data, header.records_at, header.salt) if not record.done]
    return _Leftover(max(waiting, default=-1), header.created, waiting)


def _trim(name: str, within: int) -> int:
    """Cut off the zeros at the end of a segment; return how many bytes that frees."""
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        data = read_file(descriptor)
        header = read_header(data)
        if header is None:
            return 0
        end = max((record.end for record in read_records(data, header.records_at, header.salt)), default=0)
        end = max(end, header.records_at, len(data.rstrip(b"\0")))  # a torn record stays, to be counted
        os.ftruncate(descriptor, end)
        return len(data) - end
    except NewerVersionError:
        return 0  # not ours to change
    finally:
        os.close(descriptor)
