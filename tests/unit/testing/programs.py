"""What child processes of the tests do: at the top of a module, since it is imported there."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import ezlogs
from ezlogs.emit import guarded


def place(number: int) -> None:
    """Emit one event."""
    ezlogs.event("order.action", "placed", subject=("order", number), metadata={"total": 99.9, "items": [1, 2]})


def place_in_child(number: int) -> None:
    """Emit one event in a child of this process."""
    if hasattr(os, "fork"):
        pid = os.fork()
        if not pid:
            place(number)
            os._exit(0)
        os.waitpid(pid, 0)


def die() -> None:
    """Emit something in a command, and be killed in the middle of it."""
    with ezlogs.command("nightly"):
        place(1)
        os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """Run into an error of ezlogs', and swallow it."""

    @guarded
    def hook() -> None:
        raise KeyError("bug")

    with suppress(KeyError):
        hook()
