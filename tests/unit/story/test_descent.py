"""Depth and chain follow the causes as far as they arrived, are bounded, and never run in a circle."""

from __future__ import annotations

import pytest
from tests.unit.story.conftest import NOON, Scene

from ezlogs import Correlation, UniversalEvent
from ezlogs.story import Story, Told, chain, depth, render_json, stories
from ezlogs.story.descent import MAX_CHAIN, walk


def events(*causes: tuple[str, str | None]) -> list[Told]:
    """Return the events of a story, each by its id and its cause, one second after the other."""
    return [
        Told(
            UniversalEvent.create(
                "step.action",
                "taken",
                event_id=event_id,
                correlation=Correlation(correlation_id="story-1", parent_event_id=cause),
                timestamp=NOON + index * 10**9,
            )
        )
        for index, (event_id, cause) in enumerate(causes)
    ]


def told(*causes: tuple[str, str | None]) -> Story:
    """Return the story of such events."""
    [story] = stories(events(*causes))
    return story


def descent(story: Story) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Return the depth and the chain of each event."""
    return {node.event.event_id: (deep, causes) for node, deep, causes in walk(story)}


def test_each_event_is_as_deep_as_it_has_causes() -> None:
    """Siblings are equally deep; what follows a deep branch is not."""
    story = told(("a", None), ("b", "a"), ("c", "b"), ("d", "a"), ("e", None))
    assert descent(story) == {
        "a": (0, ()),
        "b": (1, ("a",)),
        "c": (2, ("a", "b")),
        "d": (1, ("a",)),
        "e": (0, ()),
    }


def test_an_event_is_asked_for_its_depth_and_chain() -> None:
    """One of another story has none here."""
    story = told(("a", None), ("b", "a"))
    event, stranger = story.events[1], events(("x", None))[0].event
    assert (depth(event, story), chain(event, story)) == (1, ("a",))
    for ask in (depth, chain):
        with pytest.raises(LookupError, match="event x is not in story story-1"):
            ask(stranger, story)


def test_a_missing_cause_makes_a_beginning_and_a_circle_is_cut() -> None:
    """Both are counted from where the story is known."""
    assert descent(told(("b", "gone"), ("c", "b"))) == {"b": (0, ()), "c": (1, ("b",))}
    assert descent(told(("a", "c"), ("b", "a"), ("c", "b"))) == {"a": (0, ()), "b": (1, ("a",)), "c": (2, ("a", "b"))}
    assert descent(told(("a", "a"))) == {"a": (0, ())}


def test_a_chain_holds_the_nearest_causes_and_the_depth_counts_all() -> None:
    """A loop of jobs that enqueue each other is deeper than any stack."""
    number = 3000
    story = told(("e0", None), *((f"e{index}", f"e{index - 1}") for index in range(1, number)))
    deep, causes = descent(story)[f"e{number - 1}"]
    assert deep == number - 1
    assert causes == tuple(f"e{index}" for index in range(number - 1 - MAX_CHAIN, number - 1))


def test_programs_find_depth_and_chain_in_json(checkout_scene: Scene) -> None:
    """From the request over two failed attempts to the mail."""
    document = render_json(checkout_scene.story)
    by_id = {event["event_id"]: event for event in document["events"]}
    mail = document["events"][-1]
    assert mail["depth"] == len(mail["chain"]) == 5
    assert [by_id[cause]["event_type"] for cause in mail["chain"]] == [
        "http.request",
        "job.enqueue",
        "job.execution",
        "job.execution",
        "job.execution",
    ]
