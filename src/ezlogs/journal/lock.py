"""Locks of living processes: POSIX record locks, which end with their process however it ends.

No fork inherits such a lock, and it is lost as soon as its process closes *any* descriptor of the same file. So nothing
else opens a lock file, and this module never opens one that this process holds.
"""

from __future__ import annotations

import os
import threading

try:
    import fcntl
except ImportError:  # Windows: `supported` says so before anything here is called
    fcntl = None  # type: ignore[assignment]  # never used then

_Key = tuple[int, int]


class Lock:
    """A lock that this process holds on a file. Of no use to a forked child, which holds nothing."""

    def __init__(self, descriptor: int, key: _Key) -> None:
        self._descriptor = descriptor
        self._key = key
        self._pid = os.getpid()

    def holds(self) -> bool:
        """Return whether the lock is still held: a process that becomes a daemon closes files that it did not open."""
        return self._pid == os.getpid() and _key_of_open(self._descriptor) == self._key

    def release(self) -> None:
        """Let go. In a forked child it closes the child's copy, and the parent's lock stays."""
        if self._pid != os.getpid():  # whoever held the guard at the fork holds it for ever
            self._close()
            return
        with _held.guard:
            self._close()
            _held.keys.discard(self._key)

    def _close(self) -> None:
        if _key_of_open(self._descriptor) == self._key:
            os.close(self._descriptor)


class _Held:
    """What this process holds. It is another one, and empty, after a fork."""

    def __init__(self) -> None:
        self.keys: set[_Key] = set()
        self.guard = threading.Lock()
        self.pid = os.getpid()


_held = _Held()


def take(name: str, *, within: int, create: bool = False) -> Lock | None:
    """Take the lock on a file, without waiting; None when a living process has it, this one included.

    Args:
        name: The file, never a link.
        within: The descriptor of its directory.
        create: Whether to make the file.

    Raises:
        OSError: The file is not there, or the file system has no locks.
    """
    global _held  # noqa: PLW0603  # it is what a process holds: there is one
    if _held.pid != os.getpid():  # forked, be it by C code that runs no hooks
        _held = _Held()
    with _held.guard:
        if not create and _key(os.stat(name, dir_fd=within, follow_symlinks=False)) in _held.keys:
            return None
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
        descriptor = os.open(name, flags, 0o600, dir_fd=within)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            key = _key(os.fstat(descriptor))
            if _key(os.stat(name, dir_fd=within, follow_symlinks=False)) != key:
                raise FileNotFoundError(name)  # who held it before has removed it
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        _held.keys.add(key)
        return Lock(descriptor, key)


def _key(status: os.stat_result) -> _Key:
    return status.st_dev, status.st_ino


def _key_of_open(descriptor: int) -> _Key | None:
    try:
        return _key(os.fstat(descriptor))
    except OSError:
        return None
