"""Liveness: each process journals in a home of its own, which one other adopts when it is dead, and none before.

Not the process id says who lives - every container has a process 1 - but a lock that the process holds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ezlogs.journal.directory import Directory, UnusableDirectoryError
from ezlogs.journal.lock import Lock, take

_ALIVE = "alive"
_UNBORN = ".new-"
_BIRTH = 600.0
"""Seconds that a home may be in the making before it counts as left behind."""


class Home:
    """A directory of segments that this process, and no other, may change: its own or one that it adopted."""

    def __init__(self, directory: Directory, lock: Lock) -> None:
        self.directory = directory
        self._lock = lock

    @property
    def name(self) -> str:
        """The name of the directory: the process id of who made it, and a random end."""
        return self.directory.names[-1]

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Open the directory for a moment.

        Raises:
            UnusableDirectoryError: It is not safe.
            OSError: It is gone.
        """
        with self.directory.opened() as descriptor:
            yield descriptor

    def held(self) -> bool:
        """Return whether it is still this process's."""
        return self._lock.holds()

    def release(self) -> None:
        """Leave it as it is, to whoever adopts it."""
        self._lock.release()

    def remove(self) -> bool:
        """Remove it and release it; return False where segments are left in it, which stay."""
        try:
            with self.opened() as descriptor:
                if any(is_segment(name) for name in os.listdir(descriptor)):
                    return False
                for name in os.listdir(descriptor):
                    os.unlink(name, dir_fd=descriptor)
            with Directory(self.directory.base, *self.directory.names[:-1]).opened() as parent:
                os.rmdir(self.name, dir_fd=parent)
            return True
        except OSError:  # gone already, or not empty: the next one to come removes it
            return False
        finally:
            self.release()


def is_segment(name: str) -> bool:
    """Return whether a file holds records."""
    return name.endswith(".journal")


def found_home(directory: Directory) -> Home:
    """Make a home for this process: it is locked before anybody can see it.

    Raises:
        UnusableDirectoryError: The directory is not safe, or has no locks.
        OSError: It cannot be made.
    """
    unique = os.urandom(6).hex()
    unborn, name = _UNBORN + unique, f"{os.getpid()}-{unique}"
    with directory.opened(create=True) as parent:
        with directory.below(unborn).opened(create=True) as descriptor:
            try:
                lock = take(_ALIVE, within=descriptor, create=True)
            except OSError as problem:
                raise UnusableDirectoryError(f"{directory.path} has no locks: {problem.strerror}") from problem
            if lock is None:
                raise UnusableDirectoryError(f"{directory.path} has locks that do not work")
        try:
            os.rename(unborn, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            lock.release()
            raise
    return Home(directory.below(name), lock)


def homes(directory: Directory) -> list[Directory]:
    """Return the homes of all processes, living and dead."""
    return [directory.below(name) for name in directory.entries() if not name.startswith(".")]


def adopt_home(home: Directory) -> Home | None:
    """Make a dead process's home this one's; None where its process, or another adopter, lives.

    Of any number of processes exactly one gets it; if that one dies too, the next.
    """
    try:
        with home.opened() as descriptor:
            lock = take(_ALIVE, within=descriptor)
    except (OSError, UnusableDirectoryError):
        return None
    return Home(home, lock) if lock else None


def tidy(directory: Directory) -> None:
    """Remove homes that a process was making when it died."""
    for name in directory.entries():
        if name.startswith(_UNBORN):
            home = directory.below(name)
            try:
                with directory.opened() as parent:
                    age = time.time() - os.stat(name, dir_fd=parent, follow_symlinks=False).st_mtime
                    if age > _BIRTH:
                        if (left := adopt_home(home)) is not None:
                            left.remove()
                        else:
                            os.rmdir(name, dir_fd=parent)  # not even locked yet
            except (OSError, UnusableDirectoryError):
                continue
