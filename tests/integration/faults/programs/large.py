"""A program that emits large events, all different, and tells how much memory that took and what became of them.

Usage: ``large.py EVENTS BYTES``.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

import ezlogs
from ezlogs.launch.health import balance

EVENTS, SIZE = map(int, sys.argv[1:3])
WORDS = [f"{word}{number}" for number in range(999) for word in ("order", "line", "customer", "ship")]


def resident() -> int:
    """The bytes of memory that this process has now, files not counted: a journal's pages are the system's to drop."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))


def emit(number: int) -> None:
    """Emit one event, with a text that is like no other."""
    text = " ".join(random.choices(WORDS, k=SIZE // 5))
    parts = {f"part_{at}": text[at : at + 1000] for at in range(0, SIZE, 1000)}
    ezlogs.event("order.action", "placed", subject=("order", number), metadata=parts)


ezlogs.configure()
for number in range(20):
    emit(number)
time.sleep(0.3)  # what all of them need, such as threads and connections, is there
before = most = resident()
for number in range(20, EVENTS):
    emit(number)
    if number % 20 == 0:
        most = max(most, resident())
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    told = ezlogs.health()
    place = told["logs"] if os.environ["EZLOGS_CARRIER"] == "log" else told
    most = max(most, resident())
    if balance(told) == 0 and place["pending_bytes"] <= int(os.environ["EZLOGS_MAX_QUEUE_BYTES"]):
        break
    time.sleep(0.02)
seen = {name: told[name] for name in ("lost", "pending")} | {"pending_bytes": place["pending_bytes"]}
print(json.dumps({**seen, "balance": balance(told), "growth": max(most, resident()) - before, "told": told}))
