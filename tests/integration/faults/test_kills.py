"""Killed at any moment, while the collector is there, away, hanging or restarting: all events arrive."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.integration.orders import eventually
from tests.unit.otlp.collectors import break_off

from .faulty import Faulty, program

KILLS, THREADS = 5, 4


def nothing(collector: Faulty, over: threading.Event) -> None:
    """Let it be."""


def away(collector: Faulty, over: threading.Event) -> None:
    """Take nothing."""
    collector.fail(trouble=break_off)


def hanging(collector: Faulty, over: threading.Event) -> None:
    """Answer nothing."""
    collector.fail(trouble=collector.hang)


def restarting(collector: Faulty, over: threading.Event) -> None:
    """Be there for a moment, and away for another."""
    while not over.wait(random.uniform(0.02, 0.2)):
        collector.fail(trouble=break_off)
        over.wait(random.uniform(0.02, 0.2))
        collector.heal()


def words(text: str) -> list[str]:
    """The ids in all whole lines."""
    whole = text[: text.rfind("\n") + 1]
    return whole.split()


def killed(process: subprocess.Popen[str]) -> list[str]:
    """Kill a process some time after its first events; return the ids of those that it said it had emitted."""
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        said: list[str] = []
        reading = threading.Thread(target=lambda: said.append(process.stdout.read()))  # type: ignore[union-attr]  # asserted
        reading.start()
        time.sleep(random.uniform(0, 0.6))
        process.kill()
        reading.join(20)
        assert first, process.stderr.read() if process.stderr else ""
    return words(first + said[0])


@pytest.mark.parametrize("carrier", ["span", "log"])
@pytest.mark.parametrize("what", [nothing, away, hanging, restarting])
def test_no_event_is_lost_however_its_process_is_killed(
    collector: Faulty, state: Path, what: Callable[[Faulty, threading.Event], None], carrier: str
) -> None:
    """Of those whose call has returned, with a span and without; the next process delivers what was left."""
    settings = {"endpoint": collector.url, "carrier": carrier, "flush_interval": 0.05, "timeout": 5}
    over = threading.Event()
    happening = threading.Thread(target=what, args=(collector, over))
    happening.start()
    try:
        emitted = {
            event
            for _ in range(KILLS if carrier == "span" else 1)
            for event in killed(program("emitting", THREADS, state=state, **settings))
        }
    finally:
        over.set()
        happening.join(10)
        collector.heal()
    assert len(emitted) > THREADS
    with program("emitting", 0, state=state, **settings) as process:
        with suppress(AssertionError):
            eventually(lambda: emitted <= collector.arrived().keys() and waiting(state) <= 1, 30)
        missing = emitted - collector.arrived().keys()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    assert not missing, f"{len(missing)} of {len(emitted)} are lost"


def waiting(state: Path) -> int:
    """In how many places events wait on disk."""
    return sum(any(name.endswith(".journal") for name in names) for _, _, names in os.walk(state))
