"""A bell: lets a thread rest until its time has come, or somebody rings, who never waits."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Final

_INTERPRETERS_OWN: Final = "_thread"
"""The module of locks that whole threads wait for; gevent and eventlet put locks of greenlets in their place."""

_BETWEEN_GREENLETS: Final = 0.1
"""Seconds that a greenlet rests at most. Nobody rings for it: who does may be in a thread that it cannot be woken from,
and where all take turns in one thread, looking around makes nobody wait for the interpreter."""


def _lock_of_threads() -> threading.Lock | None:
    """Return a lock that is taken; None where it would be one of greenlets."""
    lock = threading.Lock()  # by its module's name: gevent may take its place after this file was imported
    if type(lock).__module__ != _INTERPRETERS_OWN:
        return None
    lock.acquire()
    return lock


class Bell:
    """What one thread rests at. Anybody may ring, in a signal handler, in ``__del__``, in another thread.

    Who rings while that thread does something spares it its next rest.

    Example:
        >>> bell = Bell()
        >>> bell.rest(0.001)
        >>> bell.ring()
        >>> bell.rest(3600)
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked child: it is another thread that rests here."""
        self._lock: threading.Lock | None = None
        self._rung_early = False

    def rest(self, seconds: float) -> None:
        """Wait until the time is up, or somebody rings. For one thread."""
        if self._lock is None:
            with suppress(Exception):  # no memory, say: then it is tried again the next time
                self._lock = _lock_of_threads()
            if self._rung_early and self._lock is not None:
                return
        lock = self._lock
        if lock is None:
            time.sleep(min(seconds, _BETWEEN_GREENLETS))
        else:
            lock.acquire(timeout=seconds)

    def ring(self) -> None:
        """End the rest."""
        if self._lock is None:
            self._rung_early = True
        lock = self._lock  # once more: it may have come meanwhile
        if lock is not None and lock.locked():
            with suppress(RuntimeError):  # somebody else has rung meanwhile
                lock.release()
