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


def run(service: Service, how: str, ends: dict[str, int], *names: str, **settings: object) -> None:
    """Run a program once for each end, or some of them, at the same time; each ends as it would without ezlogs."""
    chosen = {end: ends[end] for end in (ends if how == "plain" else names)}
    environ = {"UNENDED": "1"} if ends is ABRUPT else {}  # leave spans open that cannot be closed any more
    processes = [service.start("plain.py", how, end, environ=environ, **settings) for end in chosen]
    statuses = [process.wait(DEADLINE) for process in processes]
    if how in ALONE:
        assert statuses == list(chosen.values()), service.log()
    else:
        assert statuses == [0] * len(chosen), service.log()
        assert service.statuses() == Counter(list(chosen.values()) * 2), service.log()
    assert len(service.emitted()) >= 2 * len(chosen)


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


@pytest.mark.parametrize("how", ALONE + CHILDREN)
def test_no_process_waits_long_for_a_collector_that_hangs(make_service: MakeService, hung: Hung, how: str) -> None:
    """A request may take a minute, the end a second: it ends as ever, and the next process delivers."""
    service = make_service(hung, timeout=60, shutdown_timeout=1)
    run(service, how, GRACEFUL | ABRUPT, "return", "term")
    hung.cured()
    assert set(service.settle()) >= service.emitted()


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
