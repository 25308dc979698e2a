"""The bell: a rest ends when somebody rings, who never waits, and nothing is rung for in vain."""

from __future__ import annotations

import threading
import time

import pytest

from ezlogs.delivery import bell as bell_module
from ezlogs.delivery.bell import Bell


def rests(bell: Bell, seconds: float = 60.0) -> threading.Thread:
    """Have a thread rest."""
    thread = threading.Thread(target=bell.rest, args=(seconds,), daemon=True)
    thread.start()
    return thread


def has_ended(thread: threading.Thread) -> bool:
    """Wait a while for a thread; return whether it rests no more."""
    thread.join(10)
    return not thread.is_alive()


def test_a_rest_ends_with_its_time_or_when_somebody_rings() -> None:
    """However long it was to be."""
    bell = Bell()
    bell.rest(0.001)
    resting = rests(bell)
    resting.join(0.05)
    assert resting.is_alive()
    bell.ring()
    assert has_ended(resting)


@pytest.mark.parametrize("times", [1, 3])
def test_who_rings_too_early_is_heard_all_the_same(times: int) -> None:
    """Before the first rest, or between two of them; however often, it is one rest that they spare."""
    bell = Bell()
    for _ in range(2):
        for _ in range(times):
            bell.ring()
        assert has_ended(rests(bell))
    resting = rests(bell)
    resting.join(0.05)
    assert resting.is_alive(), "nobody has rung since"
    bell.ring()
    assert has_ended(resting)


def test_many_may_ring_at_once() -> None:
    """Who comes too late for a rest raises nothing."""
    bell, raised = Bell(), list[BaseException]()
    bell.rest(0.001)

    def ring() -> None:
        try:
            for _ in range(2000):
                bell.ring()
        except BaseException as problem:
            raised.append(problem)

    threads = [threading.Thread(target=ring) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        bell.rest(0.01)
    assert raised == []


def test_greenlets_look_around_and_nobody_touches_their_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may belong to another thread than who rings."""

    class Lock:
        """As gevent has them."""

        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"nobody needs its {name}")

    pauses = list[float]()
    monkeypatch.setattr(threading, "Lock", Lock)
    monkeypatch.setattr(bell_module, "time", type("time", (), {"sleep": pauses.append}))
    bell = Bell()
    bell.rest(60)
    bell.ring()
    bell.rest(0.02)
    assert pauses == [0.1, 0.02]


def test_without_memory_it_rests_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """And can be rung as soon as there is some."""
    pauses = list[float]()

    def refuse() -> None:
        raise MemoryError

    bell = Bell()
    with monkeypatch.context() as short:
        short.setattr(threading, "Lock", refuse)
        short.setattr(bell_module, "time", type("time", (), {"sleep": pauses.append}))
        bell.rest(60)
        bell.ring()
    assert pauses == [0.1]
    assert has_ended(rests(bell)), "it was rung meanwhile"


def test_in_a_forked_child_another_thread_rests() -> None:
    """The parent's thread is not there, whose rest would end."""
    bell = Bell()
    bell.rest(0.001)
    bell.ring()
    bell.forget()
    begun = time.monotonic()
    bell.rest(0.05)
    assert time.monotonic() - begun > 0.04
