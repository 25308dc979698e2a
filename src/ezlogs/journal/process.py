"""The process: whether this is still the one that began, or a fork of it, found out without a system call."""

from __future__ import annotations

import mmap
import os
from typing import Final

_WIPE_ON_FORK: Final = 18
"""MADV_WIPEONFORK of Linux 4.14: the kernel hands a forked child zeros, also where C code forks and runs no hooks."""


class _ByProcessId:
    """Where memory cannot be wiped: compares process ids."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, index: int) -> int:
        return int(os.getpid() == self._pid)

    def __setitem__(self, index: int, value: int) -> None:
        self._pid = os.getpid()


Mark = mmap.mmap | _ByProcessId
"""Something whose item 0 is 1 in the process that made it, and 0 in a fork of it."""


def process_mark() -> Mark:
    """Return a mark of this process.

    Example:
        >>> process_mark()[0]
        1
    """
    try:
        mark: Mark = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        mark.madvise(_WIPE_ON_FORK)  # type: ignore[union-attr]  # the lines above and below are of one mmap
    except (AttributeError, OSError, ValueError):
        mark = _ByProcessId()
    mark[0] = 1
    return mark
