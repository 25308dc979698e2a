"""A program that emits where little works any more: in finalizers, handlers of signals and exits, and threads.

Usage: ``ending.py STATUS``. It says each event that was emitted in the file REPORT.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from opentelemetry import trace

import ezlogs

REPORT = os.open(os.environ["REPORT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def emit(action: str, write: Callable[[int, bytes], int] = os.write, report: int = REPORT) -> None:
    """Emit one event, and say so; what it needs is held to the very end."""
    event = ezlogs.event("order.action", action)
    if event is not None:
        write(report, f"{event.event_id}\n".encode())


class Finalized:
    """Emits when it goes, and is part of a circle."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        emit("finalized")


def handle(number: int, frame: FrameType | None) -> None:
    """Emit in the middle of whatever the main thread does, perhaps emitting."""
    emit("interrupted")


def work() -> None:
    """Emit until the process is no more."""
    while True:
        with trace.get_tracer("app").start_as_current_span("work"):
            emit("in a thread")
        time.sleep(0.001)


atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)  # last: soon nothing handles the signal any more
atexit.register(emit, "at exit, after ezlogs")
ezlogs.configure()
atexit.register(emit, "at exit, before ezlogs")
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
gc.set_threshold(50)
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
kept = Finalized()  # until the modules go
for _ in range(400):
    Finalized()
    emit("in the main thread")
sys.exit(int(sys.argv[1]))
