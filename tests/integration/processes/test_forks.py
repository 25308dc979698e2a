"""Forks: nothing that a process has is shared with its children - no socket, no lock, no file."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable

import pytest

from ezlogs.dev.receiver import Receiver

from .running import DEADLINE, Service

MakeService = Callable[..., Service]


def test_each_process_has_its_own(
    make_service: MakeService, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Parents, children and theirs, all of which have emitted, before a fork and after it."""
    service = make_service(receiver)
    assert service.start("forks.py", "apart").wait(DEADLINE) == 0, service.log()
    states = [json.loads(word.removeprefix("state ")) for _, word in service.said() if word.startswith("state ")]
    by_process = {state["pid"]: state for state in states}
    assert len(by_process) == 5, service.log()
    for kind in ("connections", "segments"):
        owned = Counter(item for state in by_process.values() for item in state[kind])
        assert len(owned) >= 5, states
        assert set(owned.values()) == {1}, states
    for pid, state in by_process.items():
        assert all(f"/{pid}-" in segment for segment in state["segments"])
    assert not service.missing()
    assert set(service.settle().values()) == {1}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], "a request was corrupt"


def test_no_child_waits_for_what_a_thread_held(
    make_service: MakeService, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Two hundred forks, while four threads emit and a fifth one sends: all of them end, and all events arrive once."""
    service = make_service(receiver)
    assert service.start("forks.py", "storm", 200).wait(DEADLINE) == 0, service.log()
    assert service.statuses() == {0: 200}, service.log()
    assert len(service.emitted()) > 1000
    arrived = service.settle()
    ended = {word for pid, word in service.said()}
    assert set(arrived) == {word for word in ended if word.startswith("evt_")}
    assert set(arrived.values()) == {1}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], "a request was corrupt"


def test_a_child_s_only_event_outlives_it(make_service: MakeService, closed: Receiver) -> None:
    """It ends right after, before anything else has run in it; and many of them leave room for others."""
    service = make_service(closed, journal_size=16 << 20)  # a fifth of what they reserve
    assert service.start("forks.py", "brief", 40).wait(DEADLINE) == 0, service.log()
    assert len(service.emitted()) == 40
    closed.start()
    assert set(service.settle().values()) == {1}
