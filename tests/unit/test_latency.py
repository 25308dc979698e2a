"""Latencies: what is told of durations is near what they were, whoever takes them down and whenever it is asked."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.latency import Latency


def noted(durations: list[int]) -> Latency:
    """Durations, taken down."""
    latency = Latency()
    for nanoseconds in durations:
        latency.note(nanoseconds)
    return latency


@given(st.lists(st.integers(0, 10**14), min_size=1, max_size=3000))
def test_shares_are_estimated_well(durations: list[int]) -> None:
    """Against sorting all of them."""
    told = noted(durations).summary()
    ordered = sorted(durations)
    assert told.number == len(durations)
    assert told.total == pytest.approx(sum(durations) / 1e9)
    assert told.longest == ordered[-1] / 1e9
    for share, estimate in ((0.5, told.p50), (0.95, told.p95), (0.99, told.p99)):
        rank = max(1, -(-len(ordered) * share // 1))
        exact = ordered[int(rank) - 1] / 1e9
        assert estimate == pytest.approx(exact, rel=0.1, abs=1e-9)


def test_of_nothing_all_is_nothing() -> None:
    """No share of it is made up."""
    assert noted([]).summary() == (0, 0, 0, 0, 0, 0)


def test_a_clock_that_was_set_back_counts_as_nothing() -> None:
    """A duration cannot be less."""
    told = noted([-5, 10**9]).summary()
    assert (told.number, told.total, told.p50) == (2, 1.0, 0.0)


def test_no_duration_of_many_threads_is_lost() -> None:
    """While others ask."""
    latency = Latency()

    def work() -> None:
        for _ in range(5000):
            latency.note(1000)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        latency.summary()
    assert latency.summary()[:2] == (20_000, pytest.approx(0.02))


def test_taking_down_never_waits_for_who_asks() -> None:
    """It is only put aside then."""
    latency = Latency()
    with latency._folding:
        for _ in range(2000):
            latency.note(1)
    assert latency.summary().number == 2000


def test_what_was_not_reported_is_told_once() -> None:
    """From the first time on that somebody asked; what is too much is left out, the oldest first."""
    latency = noted([1])
    assert latency.unreported() == []
    latency.note(2 * 10**9)
    latency.note(3 * 10**9)
    latency.summary()
    assert latency.unreported() == [2.0, 3.0]
    assert latency.unreported() == []
    for _ in range(20_000):
        latency.note(1)
    assert len(latency.unreported()) == 16_384
    assert latency.summary().number == 20_003
