"""A program that forks while its threads emit, and says which sockets and files each process has.

Usage: ``forks.py apart``, ``forks.py storm NUMBER`` or ``forks.py brief NUMBER``.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from reporting import emit, say, work

import ezlogs

PORT = urlsplit(os.environ["EZLOGS_ENDPOINT"]).port or 0


def connections() -> list[str]:
    """The sockets of this process that are connected with the collector."""
    known = {}
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        known[f"socket:[{fields[9]}]"] = int(fields[2].rpartition(":")[2], 16)
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the descriptor of the directory itself
            continue
        if known.get(target) == PORT:
            found.append(target)
    return found


def segments() -> list[str]:
    """The segments that are mapped in this process, with the inodes of their files."""
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    return sorted(f"{fields[4]} {fields[5]}" for fields in maps if fields[-1].endswith((".journal", ".new")))


def state() -> str:
    """What this process has, as JSON."""
    return json.dumps({"pid": os.getpid(), "connections": connections(), "segments": segments()})


def apart() -> None:
    """Fork when a connection is open and a segment mapped; both go on, and so do the children's children."""
    work()
    ezlogs.flush()
    say(f"state {state()}")
    for _ in range(2):
        if not os.fork():
            work()
            ezlogs.flush()
            say(f"state {state()}")
            if not os.fork():
                work()
                ezlogs.flush()
                say(f"state {state()}")
            else:
                os.wait()
            break
        work()
        os.wait()
    else:
        ezlogs.flush()
        say(f"state {state()}")


def storm(number: int) -> None:
    """Fork again and again, whatever threads and the worker are doing; children end in either way."""
    over = threading.Event()

    def emit_until_then() -> None:
        while not over.is_set():
            work(1)
            over.wait(0.01)

    threads = [threading.Thread(target=emit_until_then) for _ in range(4)]
    for thread in threads:
        thread.start()
    children: list[int] = []
    for turn in range(number):
        child = os.fork()
        if not child:
            faulthandler.dump_traceback_later(20, exit=True)
            for _ in range(5):
                emit("forked")
            if turn % 4:
                sys.exit(0)
            os._exit(0)
        children.append(child)
        while len(children) > (8 if turn < number - 1 else 0):
            say(f"status {os.waitstatus_to_exitcode(os.waitpid(children.pop(0), 0)[1])}")
    over.set()
    for thread in threads:
        thread.join()


def brief(number: int) -> None:
    """Fork children that emit one event each, and end without a word."""
    for _ in range(number):
        child = os.fork()
        if not child:
            emit("forked")
            os._exit(0)
        os.waitpid(child, 0)


ezlogs.configure()
match sys.argv[1]:
    case "apart":
        apart()
    case "storm":
        storm(int(sys.argv[2]))
    case "brief":
        brief(int(sys.argv[2]))
