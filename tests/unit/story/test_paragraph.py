"""Paragraphs: a name is said once, and then there is a pronoun, as long as it is clear of whom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.story.conftest import ADA, Scene
from tests.unit.story.test_golden import BOB

from ezlogs import Actor
from ezlogs.story import paragraph, stories
from ezlogs.story.language import Language


def place(scene: Scene, *actors: Actor, **fields: Any) -> str:
    """Have each of these place an order, and return the paragraph."""
    for number, actor in enumerate(actors, 1):
        scene.tell("order.action", "placed", actor=actor, subject=("order", number), **fields)
    return paragraph(scene.story)


def test_a_name_is_said_once(scene: Scene) -> None:
    """Whatever is said of the person next, in the right form; each sentence alone has the name."""
    place(scene, ADA)
    scene.tell("auth.session", "permission_denied", subject=("permission", "orders.pay"), outcome="failure")
    with scene.request("GET /orders/", 500, 0.01, outcome="failure"):
        pass
    scene.tell("auth.session", "impersonation_ended")
    assert paragraph(scene.story) == (
        "Ada placed order 1. They were refused the permission orders.pay. "
        "Their request GET /orders failed (500, 10 ms). They stopped acting as somebody else."
    )
    assert [sentence.text.partition(" ")[0] for sentence in scene.story.sentences] == ["Ada", "Ada", "Ada's", "Ada"]


def test_whoever_is_spoken_of_in_between_is_told_from_them(scene: Scene) -> None:
    """After somebody else, after what nobody did, and after a sentence that names a second person."""
    assert place(scene, ADA, BOB, ADA) == "Ada placed order 1. Bob placed order 2. Ada placed order 3."
    scene.received.clear()
    scene.tell("order.action", "placed", subject=("order", 1))
    scene.tell("cache.operation", "clear")
    scene.tell("friend.action", "invited", subject=("user", 8))
    scene.tell("order.action", "placed", subject=("order", 2))
    assert paragraph(scene.story) == (
        "Ada placed order 1. Cache default: clear. Ada invited user 8. Ada placed order 2."
    )


def test_a_pause_names_them_again(scene: Scene) -> None:
    """As what is said after minutes is a new paragraph of its own."""
    place(scene, ADA)
    scene.now = 90.0
    assert place(scene, ADA) == "Ada placed order 1. 1 min 30 s later: Ada placed order 1."


@pytest.mark.parametrize(
    "actor",
    [
        Actor("service", "bank"),
        Actor("api_key", "k1"),
        Actor("system", "system"),
        Actor("anonymous"),
        Actor("user", None),
        Actor("user", "8", "Bob", on_behalf_of="user:7"),
    ],
    ids=str,
)
def test_who_is_no_person_or_not_one_for_certain_is_named_each_time(scene: Scene, actor: Actor) -> None:
    """Programs, visitors who may be several, and those who act for others."""
    assert "They" not in place(scene, actor, actor)


def test_two_of_one_name_are_two(scene: Scene) -> None:
    """Their ids say so."""
    assert "They" not in place(scene, Actor("user", "1", "Ada"), Actor("user", "2", "Ada"))


def test_a_language_says_it_in_its_own_way(scene: Scene) -> None:
    """Or names them each time."""
    place(scene, ADA, ADA)
    words = {"business": "{who} hat {thing} {verb}", "verb.placed": "aufgegeben"}
    for more, second in (({}, "Ada hat"), ({"again": "Danach {rest}"}, "Danach hat")):
        (story,) = stories(scene.received, language=Language({**words, **more}))
        assert paragraph(story) == f"Ada hat order 1 aufgegeben. {second} order 2 aufgegeben."
