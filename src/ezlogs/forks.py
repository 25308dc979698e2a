"""Locks that a fork waits for: no child is born while a module is half loaded."""

from __future__ import annotations

import os
import threading
from typing import Final

will_be_by_c = False
"""Whether C code will fork this process, which knows nothing of threads: until then none is started."""

_locks: Final[list[threading.RLock]] = []


def free_locks() -> None:
    """In a child that C code has forked, which waits for no lock: free those that threads of the parent held."""
    for lock in _locks:
        begin_anew = getattr(lock, "_at_fork_reinit", None)  # what threading calls where Python forks
        if begin_anew is not None:
            begin_anew()


def lock_for_loading() -> threading.RLock:
    """Return a lock to hold while modules are loaded late, in whichever thread needs them first.

    A module that is half loaded when its process forks stays locked in the child, where no one goes on loading it:
    whoever imports it there, and be it the application, waits for ever. So a fork waits until the lock is free. A
    module that forks while it is loaded may: it is the same thread.
    """
    lock = threading.RLock()
    _locks.append(lock)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


OWN_LOADING: Final = lock_for_loading()
"""For modules of ezlogs' own and of the standard library: while it is held no code of anybody else's runs."""
