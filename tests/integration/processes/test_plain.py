"""Processes without a server: however they are made, and however they end, each event that was emitted arrives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from ezlogs.dev.receiver import Receiver

from .running import DEADLINE, Hung, Service

MakeService = Callable[..., Service]

GRACEFUL = {"return": 0, "atexit": 0, "exit": 3, "error": 1, "handled": 7, "int": -2}
"""How a process ends by itself, and the status that it has without ezlogs, too."""
ABRUPT = {"_exit": 4, "kill": -9, "term": -15}
"""How it ends without a chance to do anything."""
ALONE = ["plain", "threads", "asyncio", "gevent", "pool", "executor"]
"""What ends is the process that was started."""
CHILDREN = ["os-fork", "fork", "spawn", "forkserver"]
"""What ends are two children of it; the last three are multiprocessing's."""


class Run:
    """A program, run once for each end or some of them, at the same time.

    Args:
        service: Whose processes these are.
        how: How they are made.
        ends: How they end, and with which status.
        *names: Which of these, but for ``plain``, which ends in all ways.
    """

    def __init__(self, service: Service, how: str, ends: dict[str, int], *names: str) -> None:
        self.service = service
        self._alone = how in ALONE
        self._chosen = {end: ends[end] for end in (ends if how == "plain" else names)}
        environ = {"UNENDED": "1"} if ends is ABRUPT else {}  # leave spans open that cannot be closed any more
        self._processes = [service.start("plain.py", how, end, environ=environ) for end in self._chosen]

    def ended(self) -> None:
        """Wait until they have ended, each as it would without ezlogs."""
        statuses = [process.wait(DEADLINE) for process in self._processes]
        expected = list(self._chosen.values())
        assert statuses == (expected if self._alone else [0] * len(expected)), self.service.log()
        assert self._alone or self.service.statuses() == Counter(expected * 2), self.service.log()
        assert len(self.service.emitted()) >= 2 * len(expected)


def run(service: Service, how: str, ends: dict[str, int], *names: str) -> None:
    """Run a program and wait until it has ended; see `Run`."""
    Run(service, how, ends, *names).ended()


@pytest.mark.parametrize("how", ALONE + CHILDREN)
def test_each_event_arrives_once(make_service: MakeService, receiver: Receiver, how: str) -> None:
    """From a process that ends by itself, before it has ended; and the next process has nothing to deliver."""
    service = make_service(receiver)
    run(service, how, GRACEFUL, "return", "error")
    assert not service.missing(), service.described()
    assert set(service.settle().values()) == {1}


@pytest.mark.parametrize("how", ALONE + CHILDREN)
def test_a_process_that_ends_by_itself_needs_no_disk(make_service: MakeService, receiver: Receiver, how: str) -> None:
    """It waits for its events to be delivered."""
    service = make_service(receiver, durability="memory")
    run(service, how, GRACEFUL, "return", "error")
    assert not service.missing(), service.described()
    assert set(service.arrived().values()) == {1}


@pytest.mark.parametrize("how", ALONE + CHILDREN)
def test_what_a_process_could_not_deliver_the_next_one_does(
    make_service: MakeService, receiver: Receiver, how: str
) -> None:
    """Also what happened on spans that never ended."""
    service = make_service(receiver)
    run(service, how, ABRUPT, "_exit", "kill")
    assert set(service.settle()) >= service.emitted()


@pytest.mark.parametrize("how", ALONE + CHILDREN)
def test_nothing_is_lost_while_the_collector_is_down(make_service: MakeService, closed: Receiver, how: str) -> None:
    """All the life of some processes; the next one delivers each event once."""
    service = make_service(closed)
    run(service, how, GRACEFUL | ABRUPT, "return", "term")
    assert len(service.missing()) == len(service.emitted())
    closed.start()
    assert set(service.settle().values()) == {1}


@pytest.mark.parametrize("made", [ALONE, CHILDREN], ids=["alone", "children"])
def test_no_process_waits_long_for_a_collector_that_hangs(
    make_service: MakeService, hung: Hung, made: list[str]
) -> None:
    """A request may take a minute, the end a second: it ends as ever, and the next process delivers."""
    runs = [
        Run(make_service(hung, timeout=60, shutdown_timeout=1), how, GRACEFUL | ABRUPT, "return", "term")
        for how in made
    ]
    for one in runs:
        one.ended()
    hung.cured()
    for one in runs:
        assert set(one.service.settle()) >= one.service.emitted()


def test_by_default_the_end_waits_five_seconds(make_service: MakeService, hung: Hung) -> None:
    """And no minute, which a request may take here."""
    service = make_service(hung, timeout=60)
    process = service.start("plain.py", "plain", "exit")
    assert process.wait(DEADLINE) == 3


def test_threads_that_emit_to_the_very_end_lose_nothing(make_service: MakeService, receiver: Receiver) -> None:
    """Threads that nobody waits for are in the middle of it when their process ends."""
    service = make_service(receiver, shutdown_timeout=1)
    processes = [service.start("plain.py", "daemons", end) for end in ("return", "exit", "_exit", "term")]
    assert [process.wait(DEADLINE) for process in processes] == [0, 3, 4, -15], service.log()
    assert set(service.settle()) >= service.emitted()
