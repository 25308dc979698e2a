"""A hurry: what is pending is sent at once, because somebody waits for it, or because the process ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ezlogs.delivery.worker import Worker

_LOOK = 0.005
"""Seconds between two looks at whether all has gone out, by who waits for it."""


class Hurry(NamedTuple):
    """What is to be sent at once."""

    items: int
    """How many there were, ever."""
    failures: int
    """How often sending had failed, ever."""


def flush(workers: Sequence[Worker], timeout: float, *, ending: bool = False) -> bool:
    """Have workers send what is pending now, all at the same time; return whether all of it went out.

    Args:
        workers: Each has its own collector to wait for; one that is away does not cost the others their time.
        timeout: Seconds to wait at most.
        ending: Whether the process ends: then a collector that never answered is not waited for, nor one that hangs
            a second time.
    """
    deadline = monotonic() + timeout
    hurried = [(worker, worker.hurry(ending=ending)) for worker in workers]
    for _ in range(int(timeout / _LOOK) + 1):  # also where somebody has stopped the clock, as tests do
        for worker in workers:
            worker.help()
        hopeful = [worker for worker, hurry in hurried if worker.hopeful(hurry, ending=ending)]
        if not hopeful or monotonic() >= deadline:
            break
        time.sleep(_LOOK)
    done = [worker.relax(hurry, ending=ending) for worker, hurry in hurried]
    return all(done)
