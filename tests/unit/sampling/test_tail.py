"""The tail keeps what turns out to matter, whatever the order, in bounded memory, and accounts for every event."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ezlogs.sampling.tail import Bounds, Decision, Tail

BOUNDS = Bounds(most_items=8, most_bytes=1000, most_roots=5, longest=60)
ROOTS = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])
ROUTES = {"a": "GET /slow", "b": "GET /quick"}


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(**options: Any) -> tuple[Tail[Any], Clock]:
    """Return a tail, and its clock."""
    clock = Clock()
    return Tail(clock=clock, **({"slow": 2.0, "bounds": BOUNDS} | options)), clock


class Machine(RuleBasedStateMachine):
    """In any order nothing is kept twice or without a reason, bounds hold, and the sum is right."""

    def __init__(self) -> None:
        super().__init__()
        self.tail, self.clock = make(slow_routes={"/slow": 30.0, "/quick": 1.0})
        self.number = 0
        self.held: dict[int, str] = {}
        self.kept: list[int] = []
        self.failed: set[str] = set()

    def take(self, root: str, decision: Decision) -> None:
        """Note what was kept: all of one root, and in order."""
        items = [item for item in decision.items if isinstance(item, int)]
        assert len(items) == len(decision.items)
        assert items == sorted(items)
        assert all(self.held[item] == root for item in items)
        assert decision.kept or not items
        if decision.kept:
            assert decision.reason in ("error", "slow")
        self.kept += items

    @rule(seconds=st.sampled_from([0.1, 0.9, 2.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        """Less or more than anything waits."""
        self.clock.now += seconds

    @rule(root=ROOTS, size=st.sampled_from([10, 10, 10, 400, 2000]))
    def an_event_comes(self, root: str, size: int) -> None:
        """Small or large."""
        self.number += 1
        self.held[self.number] = root
        decision = self.tail.hold(root, self.number, size, route=ROUTES.get(root, ""))
        self.take(root, decision)
        if decision.kept:
            assert decision.items[-1] == self.number

    @rule(root=ROOTS)
    def something_fails(self, root: str) -> None:
        """What waited is kept at once."""
        decision = self.tail.fail(root, route=ROUTES.get(root, ""))
        assert decision.kept
        self.take(root, decision)

    @rule(root=ROOTS, failed=st.booleans(), duration=st.sampled_from([0.0, 1.0, 2.0, 30.0]))
    def a_root_ends(self, root: str, failed: bool, duration: float) -> None:
        """It is kept if it failed or was slow, by its route's measure."""
        decision = self.tail.end(root, failed=failed, duration=duration, route=ROUTES.get(root, ""))
        limit = {"a": 30.0, "b": 1.0}.get(root, 2.0)
        if failed or duration >= limit:
            assert decision.kept
        self.take(root, decision)

    @rule()
    def the_worker_looks(self) -> None:
        """And finds what time has settled."""
        for root, decision in self.tail.due():
            assert decision.reason == "slow"
            self.take(root, decision)

    @invariant()
    def it_adds_up(self) -> None:
        """Each event waits, was kept once, or was left out for a reason that is counted."""
        assert len(set(self.kept)) == len(self.kept)
        assert self.number == len(self.kept) + self.tail.pending() + sum(self.tail.left_out().values())
        assert self.tail.pending() == sum(len(entry.items) for entry in self.tail._roots.values())
        assert self.tail._bytes == sum(entry.bytes for entry in self.tail._roots.values())
        assert self.tail.pending() <= BOUNDS.most_items
        assert self.tail._bytes <= BOUNDS.most_bytes
        assert len(self.tail._roots) <= BOUNDS.most_roots
        waiting = {root for root, entry in self.tail._roots.items() if entry.items}
        assert set(self.tail._waiting) == waiting


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
test_it_accounts_for_every_event = Machine.TestCase


@pytest.mark.parametrize(
    ("failed", "duration", "reason"),
    [(True, 0.1, "error"), (False, 2.0, "slow"), (True, 9.0, "error"), (False, 1.9, "rate")],
)
def test_a_root_that_failed_or_was_slow_is_kept(failed: bool, duration: float, reason: str) -> None:
    """What waited comes out whole and in order; of the others nothing does."""
    tail, _ = make()
    for item in ("a", "b", "c"):
        assert tail.hold("root", item, 10) == Decision(False)
    expected = ("a", "b", "c") if reason != "rate" else ()
    assert tail.end("root", failed=failed, duration=duration) == Decision(bool(expected), expected, reason)
    assert tail.left_out() == ({} if expected else {"rate": 3})


def test_a_failure_is_certain_before_the_root_ends() -> None:
    """What waited is kept then, and what follows as it comes."""
    tail, _ = make()
    tail.hold("root", "a", 10)
    assert tail.fail("root") == Decision(True, ("a",), "error")
    assert tail.hold("root", "b", 10) == Decision(True, ("b",), "error")
    assert tail.end("root", failed=False, duration=0.1) == Decision(True, (), "error")
    assert tail.hold("root", "c", 10) == Decision(False)


def test_slowness_is_certain_before_the_root_ends() -> None:
    """As soon as an event comes or the worker looks."""
    tail, clock = make()
    tail.hold("first", "a", 10)
    tail.hold("second", "b", 10)
    clock.now = 1.9
    assert tail.due() == []
    clock.now = 2.0
    assert tail.hold("first", "c", 10) == Decision(True, ("a", "c"), "slow")
    assert tail.due() == [("second", Decision(True, ("b",), "slow"))]
    assert tail.due() == []


def test_what_is_slow_depends_on_the_route() -> None:
    """A report may take its time, a health check may not."""
    tail, clock = make(slow_routes={"/report": 30.0, "/health": 0.5})
    for root in ("report", "health", "other"):
        tail.hold(root, root, 10, route=f"GET /{root}")
    clock.now = 0.5
    assert [root for root, _ in tail.due()] == ["health"]
    clock.now = 10
    assert [root for root, _ in tail.due()] == ["other"]
    assert not tail.end("report", failed=False, duration=29).kept
    assert tail.end("unheard", failed=False, duration=0.5, route="GET /health").kept


def test_without_a_limit_nothing_is_slow_and_without_errors_nothing_fails() -> None:
    """Each can be switched off."""
    tail, clock = make(slow=None, errors=False)
    tail.hold("root", "a", 10)
    clock.now = 59
    assert tail.due() == []
    assert tail.fail("root") == Decision(False)
    assert not tail.end("root", failed=True, duration=1e9).kept


def test_too_many_give_up_the_root_that_waits_longest() -> None:
    """It is no longer whole, should it be kept after all."""
    tail, _ = make()
    for number in range(6):
        tail.hold("first", number, 10)
    for number in range(3):
        tail.hold("second", number, 10)
    assert tail.left_out() == {"too_many": 6}
    tail.hold("first", "late", 10)
    assert tail.end("first", failed=True, duration=0) == Decision(True, ("late",), "error", whole=False)
    assert tail.end("second", failed=True, duration=0) == Decision(True, (0, 1, 2), "error")


def test_too_large_gives_up_the_root_that_waits_longest_or_what_is_too_large_alone() -> None:
    """One huge event does not cost the others their place."""
    tail, _ = make()
    tail.hold("first", "a", 600)
    tail.hold("second", "b", 600)
    assert tail.left_out() == {"too_large": 1}
    tail.hold("third", "c", 5000)
    assert tail.left_out() == {"too_large": 2}
    assert tail.end("second", failed=True, duration=0).items == ("b",)
    assert not tail.end("third", failed=True, duration=0).whole


def test_what_waits_too_long_is_left_out() -> None:
    """A root that never ends holds nothing for ever."""
    tail, clock = make(slow=None)
    tail.hold("root", "a", 10)
    clock.now = 59.9
    tail.due()
    assert tail.pending() == 1
    clock.now = 60
    assert tail.due() == []
    assert (tail.pending(), tail.left_out()) == (0, {"too_old": 1})


def test_a_forked_child_holds_nothing_of_its_parents() -> None:
    """Each process decides what it held itself."""
    tail, _ = make()
    tail.hold("root", "a", 10)
    tail.forget()
    assert (tail.pending(), tail.left_out()) == (0, {})
    assert tail.end("root", failed=True, duration=0).items == ()
