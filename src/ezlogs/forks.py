"""Locks that a fork waits for: no child is born while a module is half loaded."""

from __future__ import annotations

import os
import threading
from typing import Final


def lock_for_loading() -> threading.RLock:
    """Return a lock to hold while modules are loaded late, in whichever thread needs them first.

    A module that is half loaded when its process forks stays locked in the child, where no one goes on loading it:
    whoever imports it there, and be it the application, waits for ever. So a fork waits until the lock is free. A
    module that forks while it is loaded may: it is the same thread.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


OWN_LOADING: Final = lock_for_loading()
"""For modules of ezlogs' own and of the standard library: while it is held no code of anybody else's runs."""
