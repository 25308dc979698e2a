"""What the applications here have in common: what happens in their requests, and how much memory they take."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import ezlogs

SECRET = "tok-5Yd83kPq0ZrW7uLx2Bv9"
"""What nothing that leaves the process may hold."""


def place(order: object) -> None:
    """Do what the application is for."""
    ezlogs.event("order.action", "placed", subject=("order", order))


def begin(order: object) -> None:
    """Begin what is never to end, and let whoever waits for it know."""
    ezlogs.event("order.action", "begun", subject=("order", order))
    Path("begun").write_text(str(os.getpid()))


def hang(order: object) -> None:
    """Never return."""
    begin(order)
    while True:
        time.sleep(1)


def peak() -> int:
    """Return the most memory that the process has taken, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Counted:
    """A body of a request, counted in chunks; and what memory that took."""

    def __init__(self) -> None:
        self._before, self._bytes = peak(), 0

    def add(self, chunk: bytes) -> None:
        self._bytes += len(chunk)

    def __str__(self) -> str:
        return f"{self._bytes} {peak() - self._before}"
