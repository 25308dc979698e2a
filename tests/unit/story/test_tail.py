"""Stories as they happen."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from tests.unit.story.conftest import Scene

from ezlogs import Change, Correlation, UniversalEvent
from ezlogs.story import Told
from ezlogs.story import tail as module
from ezlogs.story.tail import MAX_EVENTS, MAX_STORIES, Tail


def told(story: str, number: int = 1) -> Told:
    """Return an event of a story."""
    return Told(
        UniversalEvent.create(
            "order.action",
            "placed",
            subject=("order", number),
            event_id=f"{story}-{number}",
            timestamp=number,
            correlation=Correlation(correlation_id=story),
        )
    )


def lengths(tail: Tail, now: float) -> dict[str, int]:
    """Return the stories that are quiet now, with how many events they have."""
    return {story.correlation_id: len(story.events) for story in tail.quiet(now)}


def test_a_story_is_told_once_it_is_quiet() -> None:
    """News of a story puts off its telling, and not that of others."""
    tail = Tail(quiet_for=1.0)
    tail.hear([told("a"), told("b")], now=0.0)
    tail.hear([told("a", 2)], now=0.9)
    assert lengths(tail, 1.0) == {"b": 1}
    assert lengths(tail, 2.0) == {"a": 2}
    assert lengths(tail, 9.9) == {}


def test_a_story_that_goes_on_is_told_again_whole() -> None:
    """A late job is told with the request that asked for it."""
    tail = Tail(quiet_for=1.0)
    tail.hear([told("a")], now=0.0)
    assert lengths(tail, 1.0) == {"a": 1}
    tail.hear([told("a", 2)], now=60.0)
    assert lengths(tail, 61.0) == {"a": 2}


def test_an_event_delivered_again_is_no_news() -> None:
    """A retried batch does not tell a story twice."""
    tail = Tail(quiet_for=1.0)
    tail.hear([told("a")], now=0.0)
    assert lengths(tail, 1.0) == {"a": 1}
    tail.hear([told("a")], now=2.0)
    assert lengths(tail, 9.0) == {}


def test_only_so_many_stories_are_remembered() -> None:
    """Memory is bounded: the story heard of longest ago is forgotten first."""
    tail = Tail(quiet_for=1.0)
    tail.hear([told(f"s{number}") for number in range(MAX_STORIES)], now=0.0)
    tail.hear([told("s0", 2), told("new")], now=0.0)
    found = lengths(tail, 1.0)
    assert len(found) == MAX_STORIES
    assert found["s0"] == 2
    assert "s1" not in found


def below(story: str, number: int, cause: str | None) -> Told:
    """Return an event of a story that another one caused."""
    event = told(story, number).event
    return Told(
        UniversalEvent.create(
            event.event_type,
            event.action,
            subject=event.subject,
            event_id=event.event_id,
            timestamp=number,
            correlation=event.correlation.replace(parent_event_id=cause),
        )
    )


def test_a_story_whose_beginning_is_under_way_is_waited_for() -> None:
    """A row is told before the request that it happens in; patience has an end."""
    tail = Tail(quiet_for=1.0, patience=5.0)
    tail.hear([below("a", 2, "a-1"), below("b", 2, "b-1")], now=0.0)
    assert lengths(tail, 3.0) == {}
    tail.hear([told("a", 1)], now=3.0)
    assert lengths(tail, 4.0) == {"a": 2}
    assert lengths(tail, 5.0) == {"b": 1}
    assert not tail


def test_a_story_that_never_rests_is_told_now_and_then() -> None:
    """And only with what is new of it."""
    tail = Tail(quiet_for=10, longest=30)
    found = []
    for now in range(70):
        tail.hear([told("a", now)], now)
        found += [(now, len(heard.news)) for heard in tail.due(now)]
    assert found == [(30, 31), (61, 31)]


def test_only_so_many_events_are_remembered_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stories heard of longest ago go, and never the one that is heard of."""
    monkeypatch.setattr(module, "MAX_REMEMBERED", 5)
    tail = Tail(quiet_for=1.0)
    for story, number in (("a", 3), ("b", 2), ("c", 1), ("d", 9)):
        tail.hear([told(story, index) for index in range(number)], now=0.0)
        tail.hear([told(story, 0)], now=0.0)
    assert lengths(tail, 1.0) == {"d": 9}


def test_only_so_many_events_of_a_story_are_remembered() -> None:
    """The latest ones, and it is said how many are not."""
    tail = Tail(quiet_for=1.0)
    for number in range(MAX_EVENTS + 5):
        tail.hear([told("a", number)], now=0.0)
    (heard,) = tail.due(1.0)
    assert (len(heard.story.events), heard.forgotten, len(heard.news)) == (MAX_EVENTS, 5, MAX_EVENTS)


def test_stories_are_told_in_a_time_zone() -> None:
    """That of whoever is told."""
    scene = Scene()
    scene.tell(
        "data.change", "order.update", subject=("order", 1), changes=[Change("at", None, "2026-01-31T12:00:00Z")]
    )
    tail = Tail(zone=timezone(timedelta(hours=9)))
    tail.hear(scene.received, 0.0)
    [story] = tail.quiet(float("inf"))
    assert story.title.endswith("at from nothing to 2026-01-31 21:00:00 +09:00")
