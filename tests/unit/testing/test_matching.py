"""Matching: right where several events could be the one, in order or not, by symbols, and within bounds."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs import Correlation, UniversalEvent
from ezlogs.testing import at_least, at_most, event, same
from ezlogs.testing.matchers import Matcher, Times, any_of
from ezlogs.testing.matching import MAX_TRIALS, TooManyWaysError, match

STORY = Correlation(correlation_id="story-1")


def made(*actions: str) -> list[UniversalEvent]:
    """Events by action; ``a7`` is action ``a`` of user 7."""
    return [
        UniversalEvent.create(
            "step.action", one[0], actor=("user", one[1:]) if one[1:] else ("user", "0"), correlation=STORY
        )
        for one in actions
    ]


def step(actions: str, times: int | Times | None = None, actor: object = "*") -> Matcher:
    """What any of some actions fits."""
    return event("step.action", any_of(*actions), times=times, actor=actor)


def brute_force(matchers: list[Matcher], events: list[UniversalEvent], ordered: bool, strict: bool) -> bool:
    """The plain way: every event is given to any matcher or none, and all that is asked is checked."""
    for owners in product(range(-1, len(matchers)), repeat=len(events)):
        given_to = [[at for at, owner in enumerate(owners) if owner == index] for index in range(len(matchers))]
        if any(owner >= 0 and not matchers[owner].fits(one) for owner, one in zip(owners, events, strict=True)):
            continue
        if any(
            not one.least <= len(own) <= (one.most or len(own)) for one, own in zip(matchers, given_to, strict=True)
        ):
            continue
        if any(one.most == 0 and own for one, own in zip(matchers, given_to, strict=True)):
            continue
        left = [one for owner, one in zip(owners, events, strict=True) if owner < 0]
        if left and (strict or any(one.most is not None and one.fits(other) for one in matchers for other in left)):
            continue
        taken = [owner for owner in owners if owner >= 0]
        if ordered and taken != sorted(taken):
            continue
        return True
    return False


TIMES = st.sampled_from([None, 0, 1, 2, at_least(1), at_least(2), at_most(1), at_most(2)])
MATCHERS = st.lists(st.builds(step, st.sampled_from(["a", "b", "c", "ab", "bc", "abc"]), TIMES), min_size=1, max_size=3)
EVENTS = st.lists(st.sampled_from("abc"), max_size=5)


@given(MATCHERS, EVENTS, st.booleans(), st.booleans())
def test_it_finds_a_way_if_there_is_one(
    matchers: list[Matcher], actions: list[str], ordered: bool, strict: bool
) -> None:
    """And none otherwise: as the plain way says."""
    events = made(*actions)
    found = match(matchers, events, ordered=ordered, strict=strict)
    assert found.fits == brute_force(matchers, events, ordered, strict)
    if found.fits:
        positions = [at for own in found.found for at in own]
        assert len(positions) == len(set(positions))
        for own, one in zip(found.found, matchers, strict=True):
            assert all(one.fits(events[at]) for at in own)


def test_the_greedy_way_would_be_wrong() -> None:
    """The first step could be either event, the second only one of them."""
    found = match([step("ab"), step("a")], made("a", "b"))
    assert found.found == ((1,), (0,))


def test_a_symbol_is_the_same_everywhere() -> None:
    """Which one it is, is found out."""
    matchers = [step("a", actor="$who"), step("b", actor="$who")]
    assert match(matchers, made("a1", "a2", "b2")).found == ((1,), (2,))
    failed = match(matchers, made("a1", "b2"))
    assert (failed.failed, failed.known[1]) == (1, {"actor": "user:1"})


def test_numbered_symbols_differ() -> None:
    """``user#1`` and ``user#2`` are two users."""
    matchers = [step("a", actor="user#1"), step("a", actor="user#2")]
    assert match(matchers, made("a1", "a2")).fits
    assert not match(matchers, made("a1", "a1")).fits


def test_same_is_as_in_another_event() -> None:
    """Of whatever field, whichever comes first."""
    matchers = [
        event("step.action", "b", subject=same("first", "actor"), name="second"),
        event("step.action", "a", name="first"),
    ]
    events = [
        UniversalEvent.create("step.action", "b", subject=("user", 1), correlation=STORY),
        *made("a1"),
    ]
    assert match(matchers, events).fits
    assert not match(matchers, [events[0], *made("a2")]).fits


def test_a_cause_is_another_event() -> None:
    """Its direct cause."""
    [cause] = made("a")
    effect = UniversalEvent.create("step.action", "b", correlation=STORY.replace(parent_event_id=cause.event_id))
    stranger = UniversalEvent.create("step.action", "b", correlation=STORY.replace(parent_event_id="evt_1"))
    matchers = [event("step.action", "a"), event("step.action", "b", caused_by="step.a")]
    assert match(matchers, [cause, effect]).fits
    assert not match(matchers, [cause, stranger]).fits


def test_facts_are_compared_even_where_they_have_no_hash() -> None:
    """Lists and mappings."""
    events = [
        UniversalEvent.create("step.action", one, metadata={"items": [1, {"b": 2}]}, correlation=STORY) for one in "ab"
    ]
    matchers = [event("step.action", "a"), event("step.action", "b", metadata={"items": same("step.a")})]
    assert match(matchers, events).fits


@pytest.mark.parametrize("reference", ["nobody", "step.action"])
def test_a_reference_names_one_event(reference: str) -> None:
    """None and several are refused, with those that there are."""
    matchers = [step("a"), step("b"), step("c", actor=same(reference))]
    with pytest.raises(ValueError, match="same"):
        match(matchers, made("a", "b", "c"))


def test_too_many_ways_are_given_up() -> None:
    """In time that is bounded, and with advice."""
    matchers = [step("a", actor=f"user#{number}") for number in range(1, 9)] + [step("b", times=2)]
    with pytest.raises(TooManyWaysError, match=f"{MAX_TRIALS:,} combinations"):
        match(matchers, made(*(f"a{number}" for number in range(1, 12)), "b"))


def test_many_events_are_no_matter() -> None:
    """Where no symbols are: fifty steps among hundreds of events, in none of many wrong ways."""
    events = made(*("ab" * 200))
    matchers = [*(step("ab") for _ in range(50)), step("a", times=at_least(170)), step("b", times=at_least(170))]
    assert match(matchers, events).fits
    assert match([step("a"), step("b", times=at_least(1)), step("ab")], events, ordered=True).fits


@pytest.mark.parametrize(
    ("matchers", "actions", "failed", "surplus"),
    [
        ([step("a"), step("b")], "ac", 1, None),
        ([step("a", 2)], "a", 0, None),
        ([step("a", 1)], "aba", None, 2),
        ([step("a", 0)], "ba", None, 1),
    ],
)
def test_it_says_what_is_wrong(matchers: list[Matcher], actions: str, failed: int | None, surplus: int | None) -> None:
    """Which step lacks something, or which event is too much."""
    found = match(matchers, made(*actions))
    assert (found.failed, found.surplus) == (failed, surplus)


@pytest.mark.parametrize(
    ("matchers", "actions", "failed", "surplus"),
    [
        ([step("a"), step("b")], "ba", 1, None),
        ([step("a"), step("b", 1)], "abb", None, 2),
        ([step("a", 1), step("b", 1)], "ba", None, 0),
        ([step("a"), step("b", 1)], "bab", 1, None),
    ],
)
def test_in_order_too(matchers: list[Matcher], actions: str, failed: int | None, surplus: int | None) -> None:
    """As far as it goes."""
    found = match(matchers, made(*actions), ordered=True)
    assert not found.fits
    assert (found.failed is None) == (failed is None) or found.surplus is not None


def test_an_event_makes_room_for_another() -> None:
    """Where it fits in two places, and the other in one."""
    matchers = [step("ab", at_most(1)), step("a", at_most(1))]
    assert match(matchers, made("a", "b")).found == ((1,), (0,))


def test_what_went_furthest_may_end_at_an_event_that_is_too_much() -> None:
    """Though another way goes on without ever having enough."""
    found = match([step("a"), step("b", 1)], made("a", "b", "b"), ordered=True)
    assert (found.found, found.failed, found.surplus) == (((0,), (1,)), None, 2)


def test_an_event_that_has_to_be_somebodys_may_be_in_the_wrong_place() -> None:
    """Then it is too much, whatever else there is."""
    found = match([step("ab", at_most(1)), step("c")], made("c", "b"), ordered=True)
    assert (found.failed, found.surplus) == (None, 1)


def test_symbols_are_settled_together() -> None:
    """Each value alone would do, and only some of them do together."""

    def act(action: str, actor: int, subject: int) -> UniversalEvent:
        return UniversalEvent.create(
            "step.action", action, actor=("user", actor), subject=("order", subject), correlation=STORY
        )

    matchers = [
        event("step.action", "a", actor="$who", subject="$what"),
        event("step.action", "b", actor="$who"),
        event("step.action", "b", subject="$what"),
    ]
    found = match(matchers, [act("a", 1, 1), act("a", 2, 2), act("b", 2, 1), act("b", 1, 2)])
    assert found.found == ((0,), (3,), (2,))


def test_several_may_be_the_same_as_one() -> None:
    """Each `same` means that one."""
    matchers = [step("a"), step("b", actor=same("step.action a")), step("c", actor=same("step.action a"))]
    matchers[0] = event("step.action", "a")
    assert match(matchers, made("a1", "b1", "c1")).fits
    assert match(matchers, made("a1", "b1", "c2")).failed == 2
