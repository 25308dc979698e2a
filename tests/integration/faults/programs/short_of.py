"""A program that emits where the system gives it little, and says each event and, at last, its health.

Usage: ``short_of.py WHAT``; what there is little of, or what else is odd, is a function here. Each event that was
emitted is in the file REPORT.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable

import ezlogs

REPORT = os.open(os.environ["REPORT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def emit(number: int, action: str = "placed") -> None:
    """Emit events, and say so."""
    for _ in range(number):
        event = ezlogs.event("order.action", action, metadata={"text": "words of a text " * 10})
        assert event is not None
        os.write(REPORT, f"{event.event_id}\n".encode())


def say() -> None:
    """Print the health."""
    print(json.dumps(ezlogs.health()), flush=True)


def open_all() -> list[int]:
    """Open as many files as may be."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    found = []
    try:
        while True:
            found.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return found


def files_at_the_start() -> None:
    """No file can be opened when ezlogs starts, and later some can."""
    ezlogs.configure()  # what is loaded once
    ezlogs.shutdown()
    files = open_all()
    ezlogs.configure(flush_interval=0.05)
    emit(200)
    say()
    for file in files:
        os.close(file)
    assert ezlogs.flush(10)
    say()


def files_for_a_while() -> None:
    """No file can be opened for a while, as a server with too many connections knows it."""
    ezlogs.configure()
    files = open_all()
    emit(3000)
    assert not ezlogs.flush(0.5)
    say()
    for file in files:
        os.close(file)
    assert ezlogs.flush(20)
    say()


def files() -> None:
    """No file can be opened any more."""
    ezlogs.configure()
    open_all()
    emit(200)
    say()


def threads() -> None:
    """No thread can be started, from the beginning on."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threading.Thread.start = refuse  # type: ignore[method-assign]  # as a limit of processes does
    ezlogs.configure()
    emit(300)
    assert ezlogs.flush(10)
    say()


def threads_for_a_while() -> None:
    """No thread can be started, and later some can."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threading.Thread.start = refuse  # type: ignore[method-assign]  # as a limit of processes does
    ezlogs.configure(flush_interval=0.05)
    emit(300)
    threading.Thread.start = start  # type: ignore[method-assign]  # and back
    emit(1)
    end = time.monotonic() + 10
    while ezlogs.health()["pending"] and time.monotonic() < end:
        time.sleep(0.01)
    say()


def memory() -> None:
    """Hardly any more memory may be had, for a while."""
    ezlogs.configure()
    emit(10)
    ezlogs.flush()
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (16 << 20), resource.RLIM_INFINITY))
    emit(10_000)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert ezlogs.flush(20)
    say()


def closed() -> None:
    """Somebody closes all files, as who becomes a daemon does."""
    ezlogs.configure(flush_interval=0.05)
    emit(20)
    ezlogs.flush()
    for file in range(3, 256):
        if file != REPORT:
            try:
                os.close(file)
            except OSError:
                continue
    emit(20)
    assert ezlogs.flush(10)
    say()


def exits() -> None:
    """Functions at exit exit, and raise."""
    atexit.register(sys.exit, 5)
    ezlogs.configure()
    atexit.register(sys.exit, 3)
    atexit.register(lambda: 1 / 0)
    emit(20)


def term() -> None:
    """The application's own handler of SIGTERM exits."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
    ezlogs.configure()
    emit(20)
    os.kill(os.getpid(), signal.SIGTERM)


def term_at_once() -> None:
    """The application's own handler of SIGTERM ends the process on the spot."""
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))
    ezlogs.configure()
    emit(20)
    os.kill(os.getpid(), signal.SIGTERM)


def shut_down_by_a_signal() -> None:
    """A handler of a signal shuts ezlogs down, in the middle of emitting."""

    def handle(number: int, frame: object) -> None:
        ezlogs.shutdown()
        os.close(REPORT)
        sys.exit(4)

    signal.signal(signal.SIGALRM, handle)
    ezlogs.configure()
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    while True:
        emit(1)


def signals() -> None:
    """Signals come without end, and each emits."""
    signal.signal(signal.SIGALRM, lambda number, frame: emit(1, "interrupted"))
    ezlogs.configure()
    emit(1)
    ezlogs.flush()  # what is loaded with the first event is there: a handler cannot go on in the middle of an import
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        emit(1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert ezlogs.flush(20)
    say()


def forks() -> None:
    """Children are forked as fast as may be, while threads emit; a third of them ends on the spot."""
    ezlogs.configure()
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.002):
            emit(1, "in a thread")

    for _ in range(2):
        threading.Thread(target=work).start()
    children = set()
    for number in range(60):
        if (child := os.fork()) == 0:
            emit(2, "in a child")
            os._exit(0) if number % 3 == 0 else sys.exit(0)
        children.add(child)
        if len(children) >= 10:
            children.discard(os.wait()[0])
    over.set()
    while children:
        children.discard(os.wait()[0])


SITUATIONS: dict[str, Callable[[], None]] = {
    name: value for name, value in list(globals().items()) if callable(value) and value.__module__ == __name__
}

if __name__ == "__main__":
    SITUATIONS[sys.argv[1]]()
