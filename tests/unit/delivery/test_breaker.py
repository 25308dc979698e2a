"""The circuit breaker spares a collector that is away, finds out alone when it is back, and stops nobody meanwhile."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ezlogs.delivery.breaker import Change, CircuitBreaker, Limits, Permit

LIMITS = Limits(
    failures=3, failure_rate=0.5, window=10, most_outcomes=12, least_outcomes=6, first_wait=1, longest_wait=8
)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Machine(RuleBasedStateMachine):
    """Whatever happens in whatever order, the breaker does what a plain model of it does."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.told: list[Change] = []
        self.luck = 1.0
        self.breaker = CircuitBreaker(
            LIMITS,
            on_change=self.told.append,
            clock=self.clock,
            uniform=lambda low, high: low + (high - low) * self.luck,
        )
        self.state, self.era = "closed", 0
        self.in_a_row = self.doublings = 0
        self.open_until = self.paused_until = 0.0
        self.probe: float | None = None
        self.outcomes: list[tuple[float, bool]] = []
        self.expected: list[tuple[str, str]] = []
        self.permits: list[tuple[Permit, int, bool]] = []

    def become(self, state: str) -> None:
        if state != self.state:
            self.expected.append((self.state, state))
        self.state, self.probe, self.open_until = state, None, 0.0
        self.era += 1

    @rule(seconds=st.sampled_from([0.01, 0.5, 1.0, 3.0, 9.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        """Seconds, or minutes."""
        self.clock.now += seconds

    @rule(luck=st.floats(0, 1))
    def luck_turns(self, luck: float) -> None:
        """What the random numbers will be from here on."""
        self.luck = luck

    @rule()
    def somebody_asks(self) -> None:
        """And gets leave just when the model gives it."""
        permit, now = self.breaker.admit(), self.clock.now
        if now < self.paused_until or now < self.open_until:
            allowed = False
        elif self.state == "closed":
            allowed = True
        else:
            allowed = self.state == "open" or self.probe is None or now - self.probe >= LIMITS.longest_probe
        assert (permit is not None) is allowed
        if permit is not None:
            is_probe = self.state != "closed"
            if is_probe:
                self.become("half-open")
                self.probe = now
            assert permit.probe is is_probe
            self.permits.append((permit, self.era, is_probe))

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), outcome=st.sampled_from(["success", "failure", "failure", "pause", "nothing"]))
    def a_request_ends(self, data: st.DataObject, outcome: str) -> None:
        """In any order: of what was sent before the state changed nothing is heard but the wish for a pause."""
        seconds = data.draw(st.sampled_from([0.0, 5.0, 1e9]))
        self.end(data.draw(st.sampled_from(self.permits)), outcome, seconds)

    @precondition(lambda self: self.state == "closed")
    @rule(times=st.integers(1, 4))
    def an_outage_begins(self, times: int) -> None:
        """Some requests fail one after the other."""
        for _ in range(times):
            self.somebody_asks()
            if self.permits:
                self.end(self.permits[-1], "failure", 0.0)

    @precondition(lambda self: self.state == "open")
    @rule(outcome=st.sampled_from(["success", "failure", "pause"]))
    def a_probe_goes(self, outcome: str) -> None:
        """As soon as it may."""
        self.clock.now = max(self.clock.now, self.open_until, self.paused_until)
        self.somebody_asks()
        self.end(self.permits[-1], outcome, 5.0)

    def end(self, entry: tuple[Permit, int, bool], outcome: str, seconds: float) -> None:
        """Tell what became of a request."""
        permit, era, is_probe = entry
        self.permits = [entry for entry in self.permits if entry[0] is not permit]
        now, fresh = self.clock.now, era == self.era
        if outcome == "success":
            permit.succeeded()
            if fresh:
                self.in_a_row = 0
                self.outcomes.append((now, False))
                if is_probe:
                    self.become("closed")
                    self.doublings, self.outcomes = 0, []
        elif outcome == "failure":
            permit.failed("gone")
            if fresh:
                self.in_a_row += 1
                self.outcomes = [*self.outcomes, (now, True)][-LIMITS.most_outcomes :]
                recent = [failed for at, failed in self.outcomes if now - at <= LIMITS.window]
                often = len(recent) >= LIMITS.least_outcomes and sum(recent) >= len(recent) / 2
                if is_probe or often or self.in_a_row >= LIMITS.failures:
                    self.become("open")
                    bound = min(LIMITS.longest_wait, 2.0**self.doublings)
                    self.open_until = now + max(LIMITS.shortest_wait, bound * self.luck)
                    self.doublings += 1
        elif outcome == "pause":
            permit.paused(seconds, "busy")
            pause = min(max(seconds, LIMITS.shortest_pause) * (1 + self.luck * 0.1), LIMITS.longest_pause)
            self.paused_until = max(self.paused_until, now + pause)
            if fresh and is_probe:
                self.probe = None
        else:
            permit.given_back()
            if fresh and is_probe:
                self.probe = None
        self.outcomes = self.outcomes[-LIMITS.most_outcomes :]
        for again in (permit.succeeded, permit.given_back, lambda: permit.failed("twice")):
            again()

    @rule()
    def somebody_hurries(self) -> None:
        """The breaker's own wait ends, the collector's wish stands."""
        self.breaker.hurry()
        self.open_until = 0.0

    @invariant()
    def it_stands_as_the_model_says(self) -> None:
        """What ``health()`` shows, and what was told, is what happened."""
        shown = self.breaker.snapshot()
        assert shown["state"] == self.state
        assert shown["failures"] == self.in_a_row
        recent = [failed for at, failed in self.outcomes if self.clock.now - at <= LIMITS.window]
        assert shown["failure_rate"] == (sum(recent) / len(recent) if recent else None)
        assert shown["paused"] is (self.clock.now < self.paused_until)
        assert [(change.before, change.after) for change in self.told] == self.expected
        assert shown["opened"] == sum(after == "open" for _, after in self.expected)
        assert self.breaker.wait() == pytest.approx(
            max(0.0, self.paused_until - self.clock.now, self.open_until - self.clock.now)
        )
        assert self.breaker.wait() <= LIMITS.longest_pause + 1e-6


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
test_it_does_what_a_plain_model_does = Machine.TestCase


def permit_of(breaker: CircuitBreaker) -> Permit:
    """Return leave to send, which there must be."""
    permit = breaker.admit()
    assert permit is not None
    return permit


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    """Send requests that fail."""
    for _ in range(times):
        permit_of(breaker).failed("no collector")


def make(**options: Any) -> tuple[CircuitBreaker, Clock, list[Change]]:
    """Return a breaker without luck: each wait is as long as it may be."""
    clock, told = Clock(), list[Change]()
    options = {"on_change": told.append, "clock": clock, "uniform": lambda low, high: high} | options
    return CircuitBreaker(LIMITS, **options), clock, told


def test_the_wait_grows_with_each_probe_that_fails_and_is_bounded() -> None:
    """1, 2, 4 and 8 seconds, and no more; after a success it begins at one second again."""
    breaker, clock, _ = make()
    fail(breaker, 3)
    waits = []
    for _ in range(6):
        waits.append(breaker.wait())
        assert breaker.admit() is None
        clock.now += breaker.wait()
        fail(breaker)
    assert waits == [1, 2, 4, 8, 8, 8]
    clock.now += breaker.wait()
    permit_of(breaker).succeeded()
    fail(breaker, 3)
    assert breaker.wait() == 1


def test_the_wait_is_anything_up_to_its_bound() -> None:
    """Full jitter: processes that lost their collector at once do not come back at once."""
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return 0.25 * high

    breaker, clock, _ = make(uniform=uniform)
    fail(breaker, 3)
    assert breaker.wait() == 0.25
    clock.now += 1
    fail(breaker)
    assert (breaker.wait(), asked) == (0.5, [(0.0, 1.0), (0.0, 2.0)])


def test_without_a_given_chance_two_breakers_wait_differently() -> None:
    """The operating system's randomness, whatever the application seeds."""
    waits = set()
    for _ in range(20):
        breaker = CircuitBreaker(LIMITS, clock=Clock())
        fail(breaker, 3)
        waits.add(breaker.wait())
        assert LIMITS.shortest_wait - 1e-6 <= breaker.wait() <= LIMITS.first_wait
    assert len(waits) > 10


def test_many_failures_among_successes_open_it() -> None:
    """A collector that refuses every other connection is no use either."""
    breaker, _, told = make()
    for _ in range(3):
        permit_of(breaker).succeeded()
        fail(breaker)
    assert [(change.after, change.reason) for change in told] == [("open", "no collector")]


def test_failures_of_long_ago_do_not_count() -> None:
    """Once in a while a connection breaks, and that is all."""
    breaker, clock, told = make()
    for _ in range(50):
        clock.now += LIMITS.window
        permit_of(breaker).succeeded()
        fail(breaker)
    assert told == []


def test_a_refusal_is_an_answer() -> None:
    """Whoever refuses requests is there: nothing opens, however often."""
    breaker, _, told = make()
    for _ in range(100):
        permit_of(breaker).succeeded()
    assert told == []
    assert breaker.snapshot()["failure_rate"] == 0


def test_a_pause_is_no_failure_and_is_kept_in_a_hurry() -> None:
    """``Retry-After`` holds, be it that the application flushes."""
    breaker, clock, told = make()
    for _ in range(100):
        permit_of(breaker).paused(30, "busy")
        breaker.hurry()
        assert breaker.admit() is None
        clock.now += 30 * 1.1
    assert told == []
    assert breaker.snapshot() == {
        "state": "closed",
        "failures": 0,
        "failure_rate": None,
        "opened": 0,
        "paused": False,
        "wait": 0.0,
        "reason": "busy",
    }


def test_a_pause_of_no_seconds_is_still_one() -> None:
    """``Retry-After: 0`` each time must not make a loop without end."""
    breaker, clock, _ = make()
    permit_of(breaker).paused(0, "busy")
    assert breaker.admit() is None
    clock.now += LIMITS.shortest_pause * 1.1
    assert breaker.admit() is not None


def test_a_probe_that_is_asked_to_wait_neither_opens_nor_closes() -> None:
    """The next probe goes when the pause is over."""
    breaker, clock, told = make()
    fail(breaker, 3)
    clock.now += 1
    permit_of(breaker).paused(5, "starting")
    assert breaker.admit() is None
    clock.now += 5.5
    assert permit_of(breaker).probe
    assert [change.after for change in told] == ["open", "half-open"]


def test_a_probe_that_is_never_heard_of_is_given_up() -> None:
    """A thread that died with its leave does not close the way for ever; its late word is not heard."""
    breaker, clock, told = make()
    fail(breaker, 3)
    clock.now += 1
    lost = permit_of(breaker)
    clock.now += LIMITS.longest_probe - 1
    assert breaker.admit() is None
    clock.now += 1
    assert permit_of(breaker).probe
    lost.succeeded()
    assert breaker.snapshot()["state"] == "half-open"
    assert [change.after for change in told] == ["open", "half-open"]


def test_a_probe_that_was_not_sent_is_given_back() -> None:
    """Then the next request is the probe."""
    breaker, clock, _ = make()
    fail(breaker, 3)
    clock.now += 1
    permit_of(breaker).given_back()
    assert permit_of(breaker).probe


def test_a_listener_that_fails_stops_nothing() -> None:
    """Nor does one that asks the breaker itself."""
    told: list[str] = []

    def listen(change: Change) -> None:
        told.append(change.after)
        assert breaker.snapshot()["state"] == change.after
        breaker.admit()
        raise RuntimeError

    breaker, clock, _ = make(on_change=listen)
    fail(breaker, 3)
    clock.now += 1
    permit_of(breaker)
    assert told == ["open", "half-open"]


def test_only_one_of_many_threads_gets_the_probe() -> None:
    """However they hit on it."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            breaker, clock, told = make()
            fail(breaker, 3)
            clock.now += 1
            begin, permits = threading.Barrier(8), list[Permit]()

            def ask(
                breaker: CircuitBreaker = breaker, begin: threading.Barrier = begin, permits: list[Permit] = permits
            ) -> None:
                begin.wait()
                permits.extend(permit for _ in range(20) if (permit := breaker.admit()))

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [permit.probe for permit in permits] == [True]
            assert [change.after for change in told] == ["open", "half-open"]
    finally:
        sys.setswitchinterval(interval)


def test_no_outcome_is_lost_between_threads() -> None:
    """Whoever finds another at work leaves its word there, and it is heard."""
    breaker = CircuitBreaker(Limits(failures=10**9, failure_rate=2, window=1e9, most_outcomes=10**6), clock=Clock())
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:

        def send() -> None:
            sent = 0
            while sent < 500:
                if permit := breaker.admit():
                    permit.failed("x")
                    sent += 1

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert breaker.snapshot()["failures"] == 4000


def test_nobody_waits_for_a_thread_that_is_at_work() -> None:
    """It is refused for the moment; what it tells is heard by whoever comes next."""
    breaker, _, told = make()
    permits = [permit_of(breaker) for _ in range(3)]
    with breaker._working:
        assert breaker.admit() is None
        for permit in permits:
            permit.failed("no collector")
        breaker.hurry()
        assert breaker.snapshot()["state"] == "closed"
    assert told == []
    assert breaker.admit() is not None  # opened by the failures, hurried since
    assert [change.after for change in told] == ["open", "half-open"]


def test_what_was_sent_before_a_fork_is_not_heard_after_it() -> None:
    """Be it told by a thread that lives on in the child, which is the one that forked."""
    breaker, _, _ = make()
    permits = [permit_of(breaker) for _ in range(4)]
    breaker.forget()
    for permit in permits[:3]:
        permit.failed("no collector")
    permits[3].paused(60, "busy")
    assert breaker.admit() is not None
    assert breaker.snapshot()["failures"] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("told", ["forget", "not told"])
def test_a_forked_child_begins_anew(told: str) -> None:
    """Neither a lock that a thread held at the fork nor what the parent's requests bring reaches the child."""
    breaker, _, _ = make()
    of_parent = permit_of(breaker)
    fail(breaker, 3)
    with breaker._working, breaker._telling:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if told == "forget":
                    breaker.forget()
                permit = breaker.admit()
                of_parent.paused(600, "busy")
                fail(breaker, 2)
                assert permit is not None
                assert breaker.snapshot()["state"] == "closed"
                permit.failed("third")
                assert breaker.snapshot()["state"] == "open"
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert breaker.snapshot()["state"] == "open"
