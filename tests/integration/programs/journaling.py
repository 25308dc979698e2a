"""Processes that journal, and are killed, forked, spawned or starved of disk; prints as JSON what was left of them.

Usage: journaling.py WHAT STATE_DIRECTORY [ROUNDS]
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ezlogs.journal import Directory, Found, Journal, Kind, adopt, journal_directory
from ezlogs.journal.filesystems import Writing

COUNT, ACKNOWLEDGED, BUSY = 0, 8, 16


def directory() -> Directory:
    """Return where this program journals."""
    return journal_directory("shop", "http://collector:4318", {"EZLOGS_STATE_DIR": sys.argv[2]})


def payload(index: int) -> bytes:
    """Return what a record holds, which nothing else does, of many sizes."""
    return index.to_bytes(4, "big") * (index * 7 % 97)


def number(index: int) -> bytes:
    """Return an item id."""
    return index.to_bytes(16, "big")


def left() -> list[Found]:
    """Adopt all that is left, acknowledge it, and return it."""
    found: list[Found] = []
    while (abandoned := adopt(directory())) is not None:
        for item in abandoned.found():
            found.append(item)
            abandoned.ack(item.receipts)
        abandoned.close()
    return found


def ended(child: Callable[[], object]) -> int:
    """Run something in a fork, and return how that ended."""
    if not (pid := os.fork()):
        status = 1
        signal.alarm(50)  # one that waits for ever ends
        try:
            child()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def worker_of(journal: Journal) -> None:
    """Start what a delivery worker does, much more often."""

    def run() -> None:
        while True:
            journal.prepare()
            time.sleep(0.001)

    threading.Thread(target=run, daemon=True).start()


def journal_until_killed(told: mmap.mmap, how: Writing) -> None:
    """Append flat out, and tell in memory that survives this process how far it came."""
    journal = Journal(directory(), how=how, segment_size=65_536, largest_segment=1 << 20)
    journal.prepare()
    worker_of(journal)
    receipts = []
    for index in range(1, 1 << 31):
        receipt = journal.append(Kind.EVENT, number(index), payload(index))
        while not receipt:
            time.sleep(0.0001)
        told[COUNT : COUNT + 8] = index.to_bytes(8, "little")
        receipts.append(receipt)
        if index % 100 == 0:
            told[ACKNOWLEDGED : ACKNOWLEDGED + 8] = (index - 50).to_bytes(8, "little")
            journal.ack(receipts[:50])
            del receipts[:50]


def kills(how: Writing) -> dict[str, int]:
    """Kill a process that journals at a random moment, again and again; count what is not as it should be."""
    seen = {"records": 0, "lost": 0, "changed": 0, "never_appended": 0, "twice": 0, "without_any": 0}
    for _ in range(int(sys.argv[3])):
        told = mmap.mmap(-1, mmap.PAGESIZE)
        if not (pid := os.fork()):
            signal.alarm(50)
            journal_until_killed(told, how)
        while not int.from_bytes(told[COUNT : COUNT + 8], "little"):
            time.sleep(0)
        time.sleep(random.random() * 0.05)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        count = int.from_bytes(told[COUNT : COUNT + 8], "little")
        delivered = int.from_bytes(told[ACKNOWLEDGED : ACKNOWLEDGED + 8], "little")
        found = {}
        for item in left():
            index = int.from_bytes(item.item_id, "big")
            seen["twice"] += index in found
            seen["changed"] += item.payload != payload(index)
            found[index] = item
        seen["records"] += count
        seen["without_any"] += not found
        seen["lost"] += sum(index not in found for index in range(delivered + 1, count + 1))
        seen["never_appended"] += sum(index > count + 1 for index in found)
    return seen


def forks() -> dict[str, Any]:
    """Fork while threads append: parent and children each journal their own."""
    journal = Journal(directory(), segment_size=65_536, largest_segment=1 << 20)
    journal.prepare()
    home = journal.health()["directory"]
    stop = threading.Event()
    appended = []

    def hammer(first: int) -> None:
        index = first
        while not stop.is_set():
            receipt = journal.append(Kind.EVENT, number(index), b"parent")
            appended.append((index, receipt))
            index += 1
            if index % 100 == 0:
                time.sleep(0.001)

    def prepare() -> None:
        while not stop.is_set():
            journal.prepare()
            time.sleep(0.001)

    threads = [threading.Thread(target=hammer, args=(1 << 40 | thread << 32,)) for thread in range(3)]
    threads.append(threading.Thread(target=prepare))
    for thread in threads:
        thread.start()

    def child(identity: int) -> None:
        inherited = [receipt for _, receipt in appended[:100]]
        journal.ack(inherited)
        first = journal.append(Kind.EVENT, number(identity << 8), b"child")
        assert first, "a child may end right after"
        journal.ack(inherited)
        journal.prepare()
        second = journal.append(Kind.EVENT, number(identity << 8 | 1), b"child")
        assert second
        assert journal.health()["directory"] != home
        grandchild = ended(lambda: (journal.append(Kind.EVENT, number(identity << 8 | 2), b"child"), journal.prepare()))
        assert not grandchild

    statuses = []
    for identity in range(1, 11):
        statuses.append(ended(lambda identity=identity: child(identity)))  # type: ignore[misc]
    from_children = sorted(int.from_bytes(item.item_id, "big") for item in left())
    stop.set()
    for thread in threads:
        thread.join()
    journal.prepare()
    journal.prepare()
    complete = all(receipt for _, receipt in appended)
    mine = ended(lambda: None)  # a fork that never uses the journal leaves no trace
    journal._shelf._home.release()  # type: ignore[union-attr]
    from_parent = sorted(int.from_bytes(item.item_id, "big") for item in left())
    return {
        "statuses": [*statuses, mine],
        "children": from_children == sorted(i << 8 | j for i in range(1, 11) for j in range(3)),
        "parent": from_parent == sorted(index for index, _ in appended),
        "complete": complete,
    }


def in_a_child(identity: int) -> None:
    """Journal as the child of another process, which ends without a word."""
    journal = Journal(directory())
    journal.prepare()
    for index in range(100):
        assert journal.append(Kind.EVENT, number(identity << 8 | index), b"")


def children() -> dict[str, bool]:
    """Start children in each way; all that they journaled is left of them."""
    result = {}
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        processes = [context.Process(target=in_a_child, args=(identity,)) for identity in range(2)]  # type: ignore[attr-defined]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        found = sorted(int.from_bytes(item.item_id, "big") for item in left())
        result[method] = found == [identity << 8 | index for identity in range(2) for index in range(100)]
    return result


def races() -> dict[str, int]:
    """Let many processes adopt what one left, some of which die over it."""
    seen = {"records": 0, "adopted_at_once": 0, "lost": 0, "twice": 0}
    for _ in range(int(sys.argv[3])):
        ended(lambda: in_a_child(0))
        start, delivered = mmap.mmap(-1, mmap.PAGESIZE), mmap.mmap(-1, mmap.PAGESIZE)
        adopters = []
        for adopter in range(6):
            if not (pid := os.fork()):
                signal.alarm(50)
                adopt_and_deliver(start, delivered, adopter)
                os._exit(0)
            adopters.append(pid)
        while start[1:7] != b"\1" * 6:
            time.sleep(0)
        start[0] = 1
        for pid in adopters:
            os.waitpid(pid, 0)
        counts = delivered[:100]
        seen["records"] += 100
        seen["adopted_at_once"] = max(seen["adopted_at_once"], start[8])
        seen["lost"] += counts.count(0)
        seen["twice"] += sum(count > 1 for count in counts)
    return seen


def adopt_and_deliver(start: mmap.mmap, delivered: mmap.mmap, adopter: int) -> None:
    """Adopt as soon as all may; the first few die in the middle of it, right after an acknowledgement."""
    start[1 + adopter] = 1
    while not start[0]:
        pass
    deadline = time.monotonic() + 20
    while directory().entries() and time.monotonic() < deadline:
        abandoned = adopt(directory())
        if abandoned is None:
            continue
        start[7] += 1  # only one process is here
        start[8] = max(start[8], start[7])
        for done, item in enumerate(abandoned.found()):
            delivered[int.from_bytes(item.item_id, "big")] += 1
            abandoned.ack(item.receipts)
            if done == 10 and adopter < 4:
                start[7] -= 1
                os.kill(os.getpid(), signal.SIGKILL)
        start[7] -= 1
        abandoned.close()


def starved() -> dict[str, Any]:
    """Journal until files may not grow any more, or until the disk is full."""
    journal = Journal(directory(), segment_size=65_536, largest_segment=1 << 20)
    journal.prepare()
    receipts = []
    for index in range(60_000):
        receipts.append(journal.append(Kind.EVENT, number(index), bytes(1000)))
        if index == 1000 and sys.argv[3] == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        if index % 50 == 0:
            journal.prepare()
            journal._shelf._retry_at = 0.0  # as if it were a while later
    health = journal.health()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    durable = {number(index) for index, receipt in enumerate(receipts) if receipt}
    journal._shelf._home.release()  # type: ignore[union-attr]
    return {
        "durable": len(durable),
        "all_durable_found": durable <= {item.item_id for item in left()},
        "not_journaled": health["not_journaled"],
        "refused": receipts.count(0),
        "problem": health["problem"],
    }


def dead_and_reborn() -> dict[str, Any]:
    """Replace this process by another program with the same process id: its journal is the one of a dead process."""
    if len(sys.argv) > 3:
        return {"found": [item.item_id.decode() for item in left()]}
    journal = Journal(directory())
    journal.prepare()
    journal.append(Kind.EVENT, b"before", b"")
    return os.execv(sys.executable, [sys.executable, *sys.argv, "again"])


if __name__ == "__main__":
    what = {
        "kills-mapped": lambda: kills(Writing.MAPPED),
        "kills-written": lambda: kills(Writing.WRITTEN),
        "forks": forks,
        "children": children,
        "races": races,
        "starved": starved,
        "reborn": dead_and_reborn,
    }[sys.argv[1]]
    print(json.dumps(what()))
