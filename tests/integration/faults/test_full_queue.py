"""A full queue: the important stays, the rest is counted, and memory has a bound of bytes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import pytest
from tests.integration.orders import UseProvider, eventually
from tests.unit.otlp.collectors import respond

import ezlogs
from ezlogs.launch.health import balance

from .faulty import Faulty, emit, flushed, program, start

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "debug": ("cache.lookup", {"severity": "debug"}),
    "normal": ("order.action", {}),
    "error": ("payment.charge", {"outcome": "failure"}),
    "audit": ("admin.change", {}),
}
"""What is emitted, from the least important to the most."""

NUMBERS = {"debug": 400, "normal": 200, "error": 60, "audit": 80}
ROOM = 200
"""Less than there is, and enough for the important."""


def blocks() -> Iterator[str]:
    """The most important first, each kind together: whoever drops the oldest drops these."""
    return chain.from_iterable([kind] * NUMBERS[kind] for kind in reversed(KINDS))


def interleaved() -> Iterator[str]:
    """One of each kind after the other, as long as there are any."""
    each = zip_longest(*([kind] * NUMBERS[kind] for kind in KINDS))
    return (kind for kind in chain.from_iterable(each) if kind is not None)


def emitted(order: Iterator[str], pause_after: int = 100) -> dict[str, set[str]]:
    """Emit in an order, with a moment for the worker now and then; return the ids by kind."""
    ids: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for number, kind in enumerate(order):
        event_type, said = KINDS[kind]
        ids[kind].update(emit(1, event_type, **said))
        if number % pause_after == 0:
            time.sleep(0.12)
    return ids


@pytest.mark.parametrize("carrier", ["span", "log"])
@pytest.mark.parametrize("order", [blocks, interleaved])
def test_what_is_important_stays_when_the_queue_is_full(
    collector: Faulty, use_provider: UseProvider, carrier: str, order: Any
) -> None:
    """The least important is lost, told by reason and type; all of the important arrives when the collector is back."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, carrier=carrier, durability="memory", max_queue_size=ROOM, audit_events=("admin.*",))
    ids = emitted(order())
    eventually(lambda: ezlogs.health()["pending"] == ROOM)
    told: Any = ezlogs.health()
    assert balance(told) == 0, told
    assert told["lost"] == {"queue_full": sum(NUMBERS.values()) - ROOM}
    assert told["lost_by_type" if carrier == "span" else "logs"], told
    by_type = (told if carrier == "span" else told["logs"])["lost_by_type"]["queue_full"]
    kept_of_normal = ROOM - NUMBERS["audit"] - NUMBERS["error"]
    assert by_type == {"cache.lookup": NUMBERS["debug"], "order.action": NUMBERS["normal"] - kept_of_normal}
    collector.heal()
    told = flushed()
    assert balance(told) == 0, told
    arrived = collector.arrived()
    assert set(arrived.values()) == {1}
    assert {kind: len(ids[kind] & arrived.keys()) for kind in KINDS} == {
        "debug": 0,
        "normal": kept_of_normal,
        "error": NUMBERS["error"],
        "audit": NUMBERS["audit"],
    }


@pytest.mark.parametrize("carrier", ["span", "log"])
@pytest.mark.parametrize("order", [blocks, interleaved])
def test_a_full_queue_loses_nothing_that_is_journaled(
    collector: Faulty, use_provider: UseProvider, carrier: str, order: Any
) -> None:
    """It waits on disk, in the same process, and arrives."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, carrier=carrier, max_queue_size=ROOM, audit_events=("admin.*",))
    ids = emitted(order())
    collector.heal()
    told = flushed()
    assert (told["lost"], balance(told)) == ({}, 0), told
    assert collector.arrived() == Counter(chain.from_iterable(ids.values()))


def test_a_burst_of_the_unimportant_costs_nothing_important(collector: Faulty, use_provider: UseProvider) -> None:
    """Though no thread of ours gets a turn in between: many times the room at once, then what matters."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, durability="memory", max_queue_size=ROOM, audit_events=("admin.*",))
    for _ in range(10_000):
        emit(1, "cache.lookup", severity="debug")
    important = emit(ROOM // 2, "admin.change")
    for _ in range(10_000):
        emit(1, "order.action")
    eventually(lambda: ezlogs.health()["pending"] == ROOM)
    assert balance(ezlogs.health()) == 0
    collector.heal()
    assert balance(flushed()) == 0
    assert set(important) <= collector.arrived().keys()


@pytest.mark.parametrize("carrier", ["span", "both"])
def test_what_finds_no_room_is_known_early(collector: Faulty, use_provider: UseProvider, carrier: str) -> None:
    """It has an id for whoever told it, is counted once in each form, and keeps nothing else from being delivered."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, carrier=carrier, durability="memory", max_queue_size=ROOM)
    told_first = emit(10_000)
    lost = ezlogs.event("order.action", "placed", actor=("user", 7), subject=("order", 1), metadata={"a": 1})
    assert lost is not None
    assert lost.event_id not in told_first
    assert (lost.actor, lost.subject) == (ezlogs.Actor("user", "7"), ezlogs.Subject("order", "1"))
    important = emit(10, outcome="failure")
    eventually(lambda: ezlogs.health()["pending"] == ROOM * (2 if carrier == "both" else 1))
    assert balance(ezlogs.health()) == 0
    collector.heal()
    told = flushed()
    assert balance(told) == 0, told
    assert set(important) <= collector.arrived().keys()
    (last,) = emit(1)
    assert balance(flushed()) == 0
    assert last in collector.arrived()


def test_what_finds_no_room_is_still_checked_where_that_is_asked_for(
    collector: Faulty, use_provider: UseProvider
) -> None:
    """An event that breaks the rules is an error of the test that tells it, however many others come."""
    use_provider()
    collector.fail(answer=lambda request: respond(503))
    start(collector, durability="memory", max_queue_size=ROOM, strict=True)
    emit(10_000)
    with pytest.raises(ezlogs.InvalidEvent):
        ezlogs.event("order.action", "")
    assert balance(ezlogs.health()) == 0


class TestAuditWait:
    """The setting that makes an audit event wait for room."""

    def fill(self, collector: Faulty, audit_wait: float) -> None:
        """Fill the queue with audit events, while nobody takes any."""
        collector.fail(answer=lambda request: respond(503))
        start(
            collector,
            carrier="log",
            durability="memory",
            max_queue_size=ROOM,
            audit_events=("admin.*",),
            audit_wait=audit_wait,
        )
        for _ in range(ROOM):
            emit(1, "admin.change")
        eventually(lambda: ezlogs.health()["pending"] == ROOM)

    def test_an_audit_event_waits_for_room(self, collector: Faulty, use_provider: UseProvider) -> None:
        """In its thread, until the collector takes some: none is lost."""
        use_provider()
        self.fill(collector, 30)
        thread = threading.Thread(target=lambda: [emit(1, "admin.change") for _ in range(20)])
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "it did not wait"
        collector.heal()
        thread.join(20)
        assert not thread.is_alive()
        told = flushed()
        assert (told["lost"], told["delivered"], balance(told)) == ({}, ROOM + 20, 0)

    def test_it_waits_no_longer_than_it_may(self, collector: Faulty, use_provider: UseProvider) -> None:
        """Then something is lost, and counted."""
        use_provider()
        self.fill(collector, 0.4)
        begin = time.monotonic()
        emit(1, "admin.change")
        assert 0.4 <= time.monotonic() - begin < 5
        eventually(lambda: ezlogs.health()["lost"] == {"queue_full": 1})
        assert balance(ezlogs.health()) == 0

    def test_what_is_no_audit_event_does_not_wait(self, collector: Faulty, use_provider: UseProvider) -> None:
        """Failures neither."""
        use_provider()
        self.fill(collector, 30)
        begin = time.monotonic()
        for _ in range(10):
            emit(1, outcome="failure")
        assert time.monotonic() - begin < 10
        eventually(lambda: ezlogs.health()["lost"] == {"queue_full": 10})

    def test_an_event_loop_never_waits(self, collector: Faulty, use_provider: UseProvider) -> None:
        """All of its tasks would."""
        use_provider()
        self.fill(collector, 30)

        async def handle() -> float:
            begin = time.monotonic()
            for _ in range(10):
                emit(1, "admin.change")
            return time.monotonic() - begin

        assert asyncio.run(handle()) < 10

    def test_by_default_nobody_waits(self, collector: Faulty, use_provider: UseProvider) -> None:
        """Ten events would take ten times the least that anybody could set."""
        use_provider()
        assert ezlogs.settings.Settings().audit_wait == 0
        self.fill(collector, 0)
        begin = time.monotonic()
        for _ in range(10):
            emit(1, "admin.change")
        assert time.monotonic() - begin < 10
        eventually(lambda: ezlogs.health()["lost"] == {"queue_full": 10})


@pytest.mark.parametrize(
    ("durability", "carrier", "events"), [("memory", "span", 4000), ("memory", "log", 4000), ("process", "span", 2000)]
)
def test_memory_is_bounded_in_bytes(collector: Faulty, state: Path, durability: str, carrier: str, events: int) -> None:
    """Large events, while the collector hangs and a tenth of them is allowed: the others are counted, or on disk."""
    size = 20_000
    allowed = events * size // 10
    collector.fail(trouble=collector.hang)
    process = program(
        "large",
        events,
        size,
        state=state,
        endpoint=collector.url,
        durability=durability,
        carrier=carrier,
        max_queue_bytes=allowed,
        shutdown_timeout=0.2,
    )
    output, errors = process.communicate(timeout=50)
    print(output[:160], json.loads(output)["growth"])
    assert process.returncode == 0, errors
    seen = json.loads(output)
    assert seen["balance"] == 0, seen
    assert seen["pending_bytes"] <= allowed
    assert seen["growth"] < events * size * 0.75, seen
    if durability == "memory":
        assert 0 < seen["lost"]["queue_full"] < events
    else:
        assert (seen["lost"], seen["pending"]) == ({}, events)
