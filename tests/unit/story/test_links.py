"""Linked stories are told together, wherever they arrived, and each says what it goes on from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.story.conftest import NOON

from ezlogs import Correlation, UniversalEvent
from ezlogs.story import Story, Told, linked, origins, render_json, render_text, stories, together


def event(story: str, at: int = 0, links: str | None = None, number: object = 42) -> Told:
    """Return an event of a story, so many seconds after noon, that may link it with another one."""
    return Told(
        UniversalEvent.create(
            "order.action",
            "placed",
            subject=("order", number),
            correlation=Correlation(correlation_id=story, linked_correlation_id=links),
            timestamp=NOON + at * 10**9,
        )
    )


def ids(groups: list[tuple[Story, ...]]) -> list[list[str]]:
    """Return the correlation ids of grouped stories."""
    return [[story.correlation_id for story in group] for group in groups]


def test_a_story_names_those_it_is_linked_with() -> None:
    """Each once, in the order of their naming, and never itself."""
    [story] = stories([event("a", 0, "b"), event("a", 1, "c"), event("a", 2, "b"), event("a", 3, "a"), event("a", 4)])
    assert linked(story) == ("b", "c")
    assert linked(stories([event("a")])[0]) == ()


@pytest.mark.parametrize(
    ("told", "groups"),
    [
        ([], []),
        ([event("a"), event("b", 1)], [["a"], ["b"]]),
        ([event("a"), event("b", 1), event("c", 2, "a")], [["a", "c"], ["b"]]),
        ([event("a"), event("b", 1, "a"), event("c", 2, "b")], [["a", "b", "c"]]),
        ([event("a", 0, "gone"), event("b", 1), event("c", 2, "gone")], [["a", "c"], ["b"]]),
        ([event("a", 0, "b"), event("b", 1, "a")], [["a", "b"]]),
        ([event("a", 0, "d"), event("b", 1, "c"), event("c", 2), event("d", 3, "b")], [["a", "b", "c", "d"]]),
    ],
)
def test_linked_stories_are_one_group(told: list[Told], groups: list[list[str]]) -> None:
    """Directly, over others, over one that did not arrive, and in a circle; in the order of time."""
    assert ids(together(stories(told))) == groups


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_every_story_is_in_one_group(links: list[tuple[int, int]]) -> None:
    """And no link leads out of its group."""
    found = stories(event(str(story), index, str(other)) for index, (story, other) in enumerate(links))
    groups = ids(together(found))
    assert sorted(name for group in groups for name in group) == sorted(story.correlation_id for story in found)
    group_of = {name: index for index, group in enumerate(groups) for name in group}
    for story, other in links:
        assert group_of[str(story)] == group_of.get(str(other), group_of[str(story)])


def test_a_story_says_what_it_goes_on_from() -> None:
    """By title where that is known; nothing that arrived can steer a terminal."""
    first, second = stories([event("0123456789", 0), event("a", 1, "0123456789"), event("a", 2, "gone\x1b[2J")])
    assert origins(first) == ""
    assert origins(second, (first, second)) == "Goes on from: Order 42 was placed (01234567) and gone [2J."
    assert render_text(second).splitlines()[-1] == "Goes on from: 0123456789 and gone [2J."


def test_programs_find_links_and_whoever_was_represented(scene: Any) -> None:
    """In the JSON of a story."""
    from ezlogs import Actor

    scene.tell("order.action", "placed", actor=Actor("user", "1", None, "user:2"), where={"linked_correlation_id": "x"})
    document = render_json(scene.story)
    assert document["linked"] == ["x"]
    assert document["events"][0]["actor"] == {"type": "user", "id": "1", "label": None, "on_behalf_of": "user:2"}
