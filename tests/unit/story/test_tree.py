"""The causal tree under every hazard of arrival: late, twice, out of order, without a cause, in a circle."""

from __future__ import annotations

from typing import Any

from ezlogs import Correlation, UniversalEvent
from ezlogs.facts import Sampled
from ezlogs.ids import new_event_id
from ezlogs.story import Node, Story, Told, render_json, stories
from ezlogs.story.tree import began

NOON = 1_760_000_000_000_000_000


def event(event_id: str, parent: str | None = None, at: int = 0, story: str = "s", **fields: Any) -> UniversalEvent:
    """Return an event of a few letters, at a number of milliseconds."""
    return UniversalEvent.create(
        "order.action", "placed", subject=("order", event_id), event_id=event_id, timestamp=NOON + at * 1_000_000,
        correlation=Correlation(correlation_id=story, parent_event_id=parent), **fields,
    )  # fmt: skip


def told(*events: UniversalEvent) -> Story:
    """Return the one story of some events."""
    [story] = stories(map(Told, events))
    return story


def shape(nodes: tuple[Node, ...]) -> list[Any]:
    """Return a tree as nested lists of event ids."""
    return [[node.event.event_id, *shape(node.children)] for node in nodes]


def test_no_events_are_no_stories() -> None:
    """Nothing received, nothing told."""
    assert stories([]) == []


def test_each_correlation_id_is_a_story_of_its_own_in_the_order_of_beginning() -> None:
    """Stories never mix, and the earliest comes first."""
    found = stories(
        map(Told, [event("b", at=5, story="late"), event("a", at=1, story="early"), event("c", "b", 6, "late")])
    )
    assert [(story.correlation_id, shape(story.roots)) for story in found] == [
        ("early", [["a"]]),
        ("late", [["b", ["c"]]]),
    ]


def test_events_hang_below_their_causes_in_whatever_order_they_arrive() -> None:
    """The last to arrive may be the cause of all."""
    events = [event("c", "a", 3), event("d", "b", 4), event("b", "a", 2), event("a")]
    assert shape(told(*events).roots) == [["a", ["b", ["d"]], ["c"]]]
    assert told(*events) == told(*reversed(events))
    assert [item.event_id for item in told(*events).events] == ["a", "b", "d", "c"]


def test_duplicates_collapse_and_the_copy_that_knows_the_end_wins() -> None:
    """An event delivered twice is one event; an interrupted copy yields to the real one, whichever came first."""
    unknown, real = event("a", outcome="unknown"), event("a", at=9)
    assert told(unknown, real, real).events == told(real, unknown).events == (real,)


def test_a_cause_comes_before_what_it_caused_whatever_the_clocks_say() -> None:
    """A worker whose clock is behind does not run its job before it was asked for."""
    story = told(event("a", at=100), event("b", "a", at=20))
    assert shape(story.roots) == [["a", ["b"]]]
    assert story.duration == 0
    assert render_json(story)["events"][1]["offset"] == 0


def test_siblings_of_one_instant_are_in_the_order_in_which_they_were_emitted() -> None:
    """The sequence number decides where the clock cannot."""
    assert shape(told(event("z", sequence=1), event("a", sequence=2)).roots) == [["z"], ["a"]]


def test_an_event_without_its_cause_is_a_root_and_an_orphan() -> None:
    """A late or lost cause is said, and nothing is hidden."""
    story = told(event("a"), event("b", "lost", 1), event("c", "b", 2))
    assert shape(story.roots) == [["a"], ["b", ["c"]]]
    assert [orphan.event_id for orphan in story.orphans] == ["b"]
    assert story.notes == ("1 event names a cause that did not arrive.",)


def test_a_story_without_a_beginning_says_so() -> None:
    """When all roots are orphans, the beginning is missing."""
    story = told(event("b", "lost", 1), event("c", "lost too", 2))
    assert story.notes == ("2 events name a cause that did not arrive.", "The beginning is missing.")


def test_two_beginnings_are_said() -> None:
    """Two roots are not hidden behind one."""
    assert told(event("a"), event("b")).notes == ("There are 2 beginnings.",)


def test_a_story_of_which_sampling_kept_a_part_says_so() -> None:
    """What happened before it turned out to matter is missing, and no reader should think otherwise."""
    added = event("a").sampled(Sampled(0.1, added=True, partial=True))
    assert told(added, event("b", "a")).notes == ("Sampling kept a part of it.",)
    assert told(event("a").sampled(Sampled(0.1)), event("b", "a")).notes == ()


def test_a_whole_story_has_no_notes() -> None:
    """One beginning and nothing missing needs no remark."""
    assert told(event("a"), event("b", "a")).notes == ()


def test_circles_of_causes_are_cut_at_their_earliest_event() -> None:
    """Events that name each other, or themselves, as cause are all shown once."""
    story = told(event("a", "c", 1), event("b", "a", 2), event("c", "b", 3), event("x", "x", 4))
    assert shape(story.roots) == [["a", ["b", ["c"]]], ["x"]]
    assert story.notes == ("The beginning is missing.", "2 circles of causes were cut.")
    assert told(event("y", "y"), event("r")).notes == ("1 circle of causes was cut.",)


def test_a_chain_of_thousands_is_survived() -> None:
    """Depth is bounded by memory, not by recursion."""
    chain = [event("e0"), *(event(f"e{n}", f"e{n - 1}", n) for n in range(1, 5000))]
    story = told(*chain)
    assert len(story.sentences) == 5000
    assert render_json(story)["events"][-1]["depth"] == 4999


def test_what_is_told_at_its_end_began_when_its_id_was_reserved() -> None:
    """A request's event is stamped with its end; its place is where it began."""
    at_end = event(new_event_id(NOON), at=84, duration=0.084)
    at_start = event(new_event_id(NOON), duration=0.084)
    assert began(at_end) == began(at_start) == NOON


def test_ids_of_other_makes_say_nothing_about_the_beginning() -> None:
    """Ids that are no UUIDv7 are not read as times."""
    for event_id in ("order-1", "evt_0123", "evt_018bcfe56800" + "4" * 20, "evt_" + "x" * 12 + "7" * 20):
        assert began(event(event_id, at=84, duration=0.084)) == NOON + 84_000_000
