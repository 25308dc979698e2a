"""Each hazard of arrival, told: what is late, twice, out of order, missing or sampled away never goes unsaid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.unit.story.conftest import DISCONNECTED, checkout
from tests.unit.story.test_golden import compare, shown

from ezlogs import Actor, Subject
from ezlogs.event import UniversalEvent
from ezlogs.facts import Sampled
from ezlogs.story import Told, stories

HAZARDS: dict[str, Callable[[Any], None]] = {}


def hazard(play: Callable[[Any], None]) -> Callable[[Any], None]:
    """Register a scene under its function's name."""
    HAZARDS[play.__name__] = play
    return play


def changed(told: Told, **facts: Any) -> Told:
    """Return an event as it would be with other facts."""
    return Told(UniversalEvent.of(msgspec.structs.replace(told.event.facts, **facts)), told.service)


def of(scene: Any, event_type: str) -> int:
    """Return the place of the first event of a type."""
    return next(place for place, told in enumerate(scene.received) if told.event.event_type == event_type)


@hazard
def late_job(scene: Any) -> None:
    """A job runs an hour after it was asked for, and waited in its queue."""
    with scene.request("POST /orders/", 201, 0.084):
        scene.tell("order.action", "placed", subject=("order", 42))
        cause = scene.enqueue().event_id
    scene.now = 3600.0
    with scene.run("success", 1.2, cause, metadata={"queue_wait": 3599.9}):
        scene.mail()


@hazard
def out_of_order(scene: Any) -> None:
    """The worker's events arrive before those of the request, the last first."""
    checkout(scene)
    scene.received.reverse()


@hazard
def missing_root(scene: Any) -> None:
    """The event of the request never arrives."""
    checkout(scene)
    del scene.received[of(scene, "http.request")]


@hazard
def missing_middle(scene: Any) -> None:
    """The event by which the job was asked for never arrives."""
    checkout(scene)
    del scene.received[of(scene, "job.enqueue")]


@hazard
def two_roots(scene: Any) -> None:
    """A second request says that it belongs to the same story."""
    checkout(scene)
    scene.now, scene.actor = 60.0, Actor("user", "7", "Ada")
    scene.correlation = scene.correlation.replace(parent_event_id=None, job_id=None, attempt=None)
    with scene.request("GET /orders/{pk}/", 200, 0.01):
        pass


@hazard
def cycle(scene: Any) -> None:
    """Two events name each other as their cause."""
    first = scene.tell("order.action", "placed", subject=("order", 42))
    scene.now = 1.0
    second = scene.tell("order.action", "paid", subject=("order", 42), where={"parent_event_id": first.event_id})
    where = first.correlation.replace(parent_event_id=second.event_id)
    scene.received[0] = changed(scene.received[0], correlation=where)


@hazard
def clock_skew(scene: Any) -> None:
    """The worker's clock is two minutes behind."""
    checkout(scene)
    scene.received = [
        changed(told, timestamp=told.event.timestamp - 120 * 10**9) if told.service == "shop-worker" else told
        for told in scene.received
    ]


@hazard
def duplicates(scene: Any) -> None:
    """A batch is delivered twice, once with a request of which nobody knew yet how it would end."""
    checkout(scene)
    request = scene.received[of(scene, "http.request")]
    scene.received = [changed(request, outcome="unknown", duration=None), *scene.received, *scene.received]


@hazard
def sampled_away(scene: Any) -> None:
    """Of the story only what failed was kept."""
    checkout(scene)
    kept = [told for told in scene.received if told.event.outcome in ("failure", "retried")]
    scene.received = [
        Told(told.event.sampled(Sampled(0.1, added=True, partial=True, reason="error")), told.service) for told in kept
    ]


@hazard
def sampled_by_type(scene: Any) -> None:
    """Of the story a type of events was kept in half of the cases, and the beginning not at all."""
    checkout(scene)
    kept = [told for told in scene.received if told.event.event_type == "data.change"]
    scene.received = [Told(told.event.sampled(Sampled(0.5, reason="type:data.*")), told.service) for told in kept]


@hazard
def losses_reported(scene: Any) -> None:
    """ezlogs itself said that events were lost."""
    checkout(scene)
    scene.tell(
        "system.error", "dropped", actor=Actor("system"), metadata={"lost": {"queue_full": 1200, "too_large": 4}},
        where={"parent_event_id": scene.received[0].event.correlation.parent_event_id, "job_id": None},
    )  # fmt: skip


@hazard
def one_loss_reported(scene: Any) -> None:
    """Of a single one."""
    checkout(scene)
    scene.tell(
        "system.error", "dropped", actor=Actor("system"), metadata={"lost": {"queue_full": 1}},
        where={"parent_event_id": scene.received[0].event.correlation.parent_event_id, "job_id": None},
    )  # fmt: skip


@hazard
def fan_in(scene: Any) -> None:
    """Three jobs of a group, and one that runs when all of them have."""
    with scene.request("POST /report/", 202, 0.05):
        causes = [
            scene.enqueue("shop.part", f"part-{number}", metadata={"group": "g-1"}).event_id for number in range(3)
        ]
    for number, cause in enumerate(causes):
        scene.now = 1.0 + number
        with scene.run("success", 0.5, cause, task="shop.part", job=f"part-{number}", metadata={"group": "g-1"}):
            if number == 2:
                scene.now += 0.4
                last = scene.enqueue("shop.merge", "merge", metadata={"joins": "g-1"}).event_id
    scene.now = 5.0
    with scene.run("success", 0.2, last, task="shop.merge", job="merge"):
        pass


@hazard
def request_of_nobody(scene: Any) -> None:
    """The request does not know who asks; all that happened in it does."""
    scene.actor = Actor("unknown")
    with scene.request("POST /orders/", 409, 0.05):
        scene.tell(
            "flow.lifecycle", "checkout.fail", actor=Actor("user", "8", "Bob"), subject=("checkout", 3),
            outcome="failure", duration=0.0002, error=DISCONNECTED,
        )  # fmt: skip


@pytest.mark.parametrize("name", HAZARDS)
def test_each_hazard_is_told_and_hides_nothing(name: str, scene: Any) -> None:
    """The same in whatever order it arrives, each event in one sentence."""
    HAZARDS[name](scene)
    story = scene.story
    assert stories(sorted(scene.received, key=lambda told: told.event.event_id)) == [story]
    mentioned = [event_id for sentence in story.sentences for event_id in sentence.event_ids]
    assert sorted(mentioned) == sorted({told.event.event_id for told in scene.received})
    compare(f"hazard_{name}", shown(story))


def test_who_did_different_things_is_not_who_asked(scene: Any) -> None:
    """With two of them it is not known which."""
    scene.actor = Actor("unknown")
    with scene.request("POST /orders/", 200, 0.05):
        for name in ("Ada", "Bob"):
            scene.tell("order.action", "seen", actor=Actor("user", name, name), subject=Subject("order", "1"))
    request = next(told.event for told in scene.received if told.event.event_type == "http.request")
    assert request.actor.type == "unknown"
    assert "shop-web  POST /orders/ 200  50 ms  Someone" in shown(scene.story)


def test_sentences_know_how_bad_and_when_they_are(checkout_scene: Any) -> None:
    """The worst of their events, and when what they tell of began."""
    story = checkout_scene.story
    assert [sentence.severity for sentence in story.sentences] == ["info", "info", "error", "info"]
    assert [sentence.at for sentence in story.sentences] == sorted(sentence.at for sentence in story.sentences)
