"""Forks and calls are kept apart, and neither waits long for the other."""

from __future__ import annotations

import threading
import time

import pytest

from ezlogs.otlp.forking import CallGate, ForkingError


def test_a_fork_waits_for_a_call_that_ends() -> None:
    """It is not cancelled."""
    gate, cancelled = CallGate(), list[str]()
    begun, ended = threading.Event(), threading.Event()

    def call() -> None:
        with gate.call(1) as cancelled_by:
            cancelled_by(lambda: cancelled.append("cancelled"))
            begun.set()
            time.sleep(0.02)
            ended.set()

    thread = threading.Thread(target=call)
    thread.start()
    begun.wait(5)
    gate.before_fork()
    assert ended.is_set()
    assert cancelled == []
    gate.after_fork()
    thread.join()


def test_a_call_waits_for_a_fork() -> None:
    """And begins when the fork is done."""
    gate, begun = CallGate(), threading.Event()
    gate.before_fork()

    def call() -> None:
        with gate.call(30):
            begun.set()

    thread = threading.Thread(target=call)
    thread.start()
    assert not begun.wait(0.05)
    gate.after_fork()
    assert begun.wait(5)
    thread.join()


def test_a_call_does_not_wait_for_ever() -> None:
    """Nor is it taken for one that is under way."""
    gate = CallGate()
    gate.before_fork()
    with pytest.raises(ForkingError), gate.call(0.01):
        raise AssertionError("not reached")
    assert not gate._under_way


def test_a_cancel_that_fails_stops_no_fork() -> None:
    """Nothing that happens there may reach the application."""
    gate = CallGate()

    def fail() -> None:
        raise RuntimeError

    with gate.call(1) as cancelled_by:
        cancelled_by(fail)
        gate.before_fork()
        gate.after_fork()
    with gate.call(1):
        gate.before_fork()  # a call that nobody can cancel yet


def test_a_call_that_fails_is_no_longer_under_way() -> None:
    """The next fork does not wait for it."""
    gate = CallGate()
    with pytest.raises(KeyError), gate.call(1):
        raise KeyError
    assert not gate._under_way
