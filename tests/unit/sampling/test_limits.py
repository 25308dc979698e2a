"""Rate limits let through what they promise, no more and no less, and nobody waits for them."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.sampling.limits import Limit, RateLimits
from ezlogs.sampling.rates import Rates
from ezlogs.sampling.story import StorySampler

STEPS = st.lists(st.integers(0, 400), min_size=1, max_size=200)
"""Hundredths of a second between one event and the next."""


class Clock:
    """Time that passes when a test says so, in whole hundredths of a second."""

    hundredths = 0

    def __call__(self) -> float:
        return self.hundredths / 100


@given(STEPS, st.sampled_from([0.5, 1, 4, 50]), st.integers(1, 20))
def test_it_admits_what_a_plain_bucket_admits(steps: list[int], per_second: float, burst: int) -> None:
    """Counted in whole hundredths, where nothing is rounded."""
    clock = Clock()
    limits = RateLimits({"*": Limit(per_second, burst)}, clock)
    limits.admits("data.other")  # has a bucket of its own
    limits.admits("data.change")
    level, per_hundredth = (burst - 1) * 200, round(per_second * 2)  # in two-hundredths of a token
    for step in steps:
        clock.hundredths += step
        level = min(burst * 200, level + step * per_hundredth)
        admitted = limits.admits("data.change")
        assert admitted is (level >= 200)
        level -= 200 * admitted


@pytest.mark.parametrize(("event_type", "admitted"), [("data.change", 1), ("data.other", 3), ("order.action", 9)])
def test_the_most_specific_limit_counts(event_type: str, admitted: int) -> None:
    """Each type has a bucket of its own; one that no pattern names has no limit."""
    limits = RateLimits({"data.change": Limit(0.1, 1), "data.*": Limit(0.1, 3)}, Clock())
    assert sum(limits.admits(event_type) for _ in range(9)) == admitted


@pytest.mark.parametrize("wrong", [(0, 1), (-1, 1), (float("nan"), 1), (1, -1), (1, 1_000_001), (1e9, 0)])
def test_a_limit_that_is_none_is_refused(wrong: tuple[float, int]) -> None:
    """A bucket is made of memory."""
    with pytest.raises(ValueError, match="a limit lets through"):
        Limit(*wrong)


@pytest.mark.parametrize(("per_second", "burst"), [(0.1, 1), (1, 1), (50, 50)])
def test_the_burst_is_what_comes_in_a_second(per_second: float, burst: int) -> None:
    """Unless it is said, and one at least."""
    assert Limit(per_second).burst == burst


def test_threads_together_get_what_one_would() -> None:
    """Not a token twice, and none is left."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(10):
            clock = Clock()
            limits = RateLimits({"*": Limit(100, 500)}, clock)
            admitted: list[bool] = []

            def emit(limits: RateLimits = limits, admitted: list[bool] = admitted) -> None:
                admitted.extend(limits.admits("data.change") for _ in range(200))

            for _ in range(2):
                threads = [threading.Thread(target=emit) for _ in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                clock.hundredths += 100
            assert sum(admitted) == 500 + 100
    finally:
        sys.setswitchinterval(interval)


def test_nobody_waits_for_a_thread_that_fills() -> None:
    """Whoever finds it at work takes what there is."""
    clock = Clock()
    limits = RateLimits({"*": Limit(1, 2)}, clock)
    assert limits.admits("data.change")
    clock.hundredths += 100
    bucket = limits._buckets["data.change"]
    assert bucket is not None
    with bucket._filling:
        assert [limits.admits("data.change") for _ in range(2)] == [True, False]
    assert limits.admits("data.change")


def test_a_thread_that_looked_at_the_clock_long_ago_fills_nothing_again() -> None:
    """It may have slept since, while others filled."""
    clock = Clock()
    limits = RateLimits({"*": Limit(1, 2)}, clock)
    assert [limits.admits("data.change") for _ in range(2)] == [True, True]
    clock.hundredths += 150
    bucket = limits._buckets["data.change"]
    assert bucket is not None
    assert limits.admits("data.change")
    bucket._fill(-10.0)
    assert not limits.admits("data.change")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("told", ["forget", "not told"])
def test_a_forked_child_is_filled_though_the_parent_was_filling(told: str) -> None:
    """The lock that a thread of the parent held is not waited for, nor left shut."""
    clock = Clock()
    limits = RateLimits({"*": Limit(1, 1)}, clock)
    assert limits.admits("data.change")
    bucket = limits._buckets["data.change"]
    assert bucket is not None
    with bucket._filling:
        child = os.fork()
        if child == 0:
            if told == "forget":
                limits.forget()
            clock.hundredths += 100
            os._exit(0 if any(limits.admits("data.change") for _ in range(2)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_buckets_are_bounded() -> None:
    """Types come from applications, and some make them up."""
    limits = RateLimits({"*": Limit(1, 1)}, Clock())
    for number in range(10_000):
        assert limits.admits(f"made.up{number}")
    assert len(limits._buckets) <= 4096


def test_a_limit_comes_after_the_rate() -> None:
    """What the rate leaves out costs no token, and what is kept for certain asks for none."""
    limits = RateLimits({"*": Limit(0.1, 2)}, Clock())
    sampler = StorySampler(Rates(0.5, always=["auth.*"], never=["debug.*"]), limits)
    low, high = "0" * 32, "f" * 32
    reasons = [sampler.judge("data.change", "success", story).reason for story in (low, low, low, high, high, high)]
    assert reasons == ["rate"] * 5 + ["limited"]
    assert not sampler.judge("data.change", "success", high).kept
    assert not sampler.judge("data.change", "failure", high).kept
    assert all(sampler.judge("auth.login", "success", low).kept for _ in range(9))
    assert sampler.judge("debug.note", "failure", high).reason == "never:debug.*"


def test_a_limited_event_keeps_its_probability() -> None:
    """What is lost is counted as lost; those that passed still stand for what their rate says."""
    sampler = StorySampler(Rates(0.5), RateLimits({"*": Limit(0.1, 1)}, Clock()))
    first, second = (sampler.judge("data.change", "success", "f" * 32) for _ in range(2))
    assert (first.adjusted_count, second.adjusted_count, second.probability) == (2, 0, 0.5)
    sampler.forget()
    assert sampler.judge("data.change", "success", "f" * 32).kept
    StorySampler(Rates()).forget()
