"""How much memory this process has: what the kernel says in ``/proc/self``, so on Linux only.

Nothing is traced, so nothing is slowed down. Pages of files count too: a journal's, of which the kernel may take any
back, and those of libraries.
"""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def own() -> int:
    """Return the bytes of it that are no file's."""
    _, all_pages, of_files, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (all_pages - of_files) * _PAGE


def forget_peak() -> int:
    """Have `peak` tell of what comes from now on; return what this process has now."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident()


def peak() -> int:
    """Return the most bytes that this process ever had, or since `forget_peak`."""
    found = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(found["VmHWM"].split()[0]) << 10
