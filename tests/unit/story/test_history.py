"""The history of a subject: what happened to it, in which order, by whom, and in what."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezlogs import Actor, Change, Subject, UniversalEvent
from ezlogs.event import OUTCOMES
from ezlogs.story import Told
from ezlogs.story.history import HOPS, Entry, Found, find, history, merged

from .conftest import ADA, NOON, Scene

ORDER = ("order", 42)


def entries(scene: Scene, kind: str = "order", id: str = "42") -> list[Entry]:
    """Return the history, by way of what is found."""
    return list(history(find(scene.received, kind, id).told, kind, id).entries)


def test_a_subject_is_followed_through_requests_jobs_and_commands() -> None:
    """Each event says what it happened in, and only those of the subject are told."""
    web, later = Scene(), Scene(Actor("system", "system"))
    with web.request("POST /orders/", 201, 0.2):
        web.tell("data.change", "order.create", subject=ORDER, changes=[Change("count", after=2), Change("note")])
        web.tell("data.change", "item.create", subject=("item", 1))
        web.tell("order.action", "placed", subject=ORDER)
    later.correlation = later.correlation.replace(correlation_id="another")
    later.now = 60.0
    with later.scope("job.execution", "ship.success", 1.0, subject=("job", "j1"), where={"job_id": "j1", "attempt": 2}):
        later.tell("data.change", "order.update", subject=ORDER, changes=[Change("status", "pending", "paid")])
    with later.scope("cli.command", "cleanup", 1.0):
        later.tell("data.change", "order.destroy", subject=ORDER)
    web.received += later.received
    told = entries(web)
    assert [(entry.deed, entry.who, entry.place) for entry in told] == [
        ("created", "Ada", "POST /orders/"),
        ("placed", "Ada", "POST /orders/"),
        ("changed", "the system", "job ship #2"),
        ("deleted", "the system", "command cleanup"),
    ]
    assert told[0].details == ("count: 2", "note (values not told)")
    assert told[2].details == ("status: pending → paid",)
    assert told[0].inside is not None
    assert told[0].inside.event_type == "http.request"
    assert [entry.story for entry in told[1:3]] == [web.correlation.correlation_id, "another"]


def test_a_request_for_the_subject_is_part_of_its_history() -> None:
    """What it happened in is itself."""
    scene = Scene()
    scene.tell("http.request", "GET /orders/{id}", subject=ORDER, metadata={"status": 404})
    scene.tell("schedule.run", "nightly", subject=("schedule", "nightly"))
    scene.tell("schedule.run", "nightly", subject=("schedule", "nightly"), where={"attempt": 1})
    (entry,) = entries(scene)
    assert (entry.deed, entry.details, entry.place) == ("requested", ("404",), "GET /orders/{id}")
    assert entry.inside is entry.event
    assert {entry.place for entry in entries(scene, "schedule", "nightly")} == {"schedule nightly"}


@pytest.mark.parametrize(
    ("change", "action", "text"),
    [
        (Change("size", 1, 2), "order.update", "size: 1 → 2"),
        (Change("size", after=2), "order.update", "size: → 2"),
        (Change("size", 1), "order.update", "size: 1 → not known"),
        (Change("size", None, 2), "order.update", "size: nothing → 2"),
        (Change("paid", after=True), "order.create", "paid: yes"),
    ],
)
def test_a_change_is_told_as_far_as_it_is_known(change: Change, action: str, text: str) -> None:
    """A side that is not known is not made up."""
    scene = Scene()
    scene.tell("data.change", action, subject=ORDER, changes=[change])
    assert entries(scene)[0].details == (text,)


def test_links_and_validation_are_told() -> None:
    """By keys, fields and codes; what has another form is passed over."""
    scene = Scene()
    links = {"field": "tags", "added": ["3", "4"], "removed": ["1"]}
    scene.tell("data.change", "order.update", subject=ORDER, metadata={"m2m": links})
    scene.tell("data.change", "order.update", subject=ORDER, metadata={"m2m": {"field": "tags", "added": 3}})
    scene.tell("data.change", "order.bulk_move", subject=ORDER, metadata={"m2m": "tags"})
    codes = {"fields": ["email", "age"], "codes": ["invalid", "required"]}
    scene.tell("data.validation", "order.invalid", subject=ORDER, outcome="failure", metadata=codes)
    scene.tell("data.validation", "order.invalid", subject=ORDER, outcome="failure", metadata={"fields": 3})
    assert [(entry.deed, entry.details) for entry in entries(scene)] == [
        ("changed", ("tags: added 3, 4; removed 1",)),
        ("changed", ()),
        ("bulk move", ()),
        ("refused as not valid", ("email: invalid", "age: required")),
        ("refused as not valid", ()),
    ]


def test_a_name_that_another_story_told_is_found() -> None:
    """The latest; names do not travel, so one event lends its to the others."""
    scene, other = Scene(Actor("user", "8", on_behalf_of="user:7")), Scene(Actor("user", "7", "Ada"))
    other.correlation = other.correlation.replace(correlation_id="another")
    other.tell("auth.action", "login", subject=Subject("user", "8", "Root"))
    scene.received += other.received
    scene.tell("order.action", "placed", subject=ORDER)
    scene.tell("order.action", "sync", subject=ORDER, actor=Actor("unknown"))
    assert [(entry.who, entry.deed) for entry in entries(scene)] == [
        ("Root (for Ada)", "placed"),
        ("Someone", "sync"),
    ]


def test_changes_of_many_rows_are_counted() -> None:
    """Whether the subject was among them nobody knows."""
    scene = Scene()
    for action in ("order.bulk_update", "order.bulk_delete", "order.bulk_create"):
        scene.tell("data.change", action, subject=("order", None), metadata={"rows": 3})
    found = find(scene.received, "order", "42")
    assert history(found.told, "order", "42") == history(scene.received, "order", "42")
    assert history(found.told, "order", "42").bulk == 2


def test_causes_in_a_circle_end() -> None:
    """Which no tracker makes, and a file may hold."""
    scene = Scene()
    first = scene.tell("order.action", "placed", subject=ORDER, event_id="evt_1", where={"parent_event_id": "evt_2"})
    scene.tell("order.action", "paid", subject=ORDER, event_id="evt_2", where={"parent_event_id": "evt_1"})
    assert len(entries(scene)) == 2
    assert find(scene.received, "order", "42").told[0].event is first


def test_what_else_there_is_is_found() -> None:
    """Types with the number of their subjects, and the ids of the type, the latest last."""
    scene = Scene()
    for number in (3, 1, 2):
        scene.now += 1
        scene.tell("order.action", "placed", subject=("order", number))
    scene.tell("auth.action", "login", subject=("user", 7))
    one, two = find(scene.received[:2], "order", "9"), find(scene.received[1:], "order", "9")
    assert find(scene.received, "order", "9") == merged([one, two]) or one.kinds == {"order": 2}
    assert (one.ids, two.ids) == (("3", "1"), ("1", "2"))
    assert merged([one, two]) == Found(told=(), kinds={"order": 2, "user": 1}, ids=("3", "1", "2"))
    assert find(scene.received, "shop", "9").ids == ()


links = st.dictionaries(
    st.sampled_from(["added", "removed", "field"]), st.lists(st.integers(), max_size=2) | st.integers()
)
parts = st.dictionaries(
    st.sampled_from(["m2m", "fields", "codes", "status", "rows"]),
    st.one_of(
        st.integers(),
        st.lists(st.text(max_size=3), max_size=3),
        st.dictionaries(
            st.sampled_from(["added", "removed", "field"]), st.lists(st.integers(), max_size=2) | st.integers()
        ),
    ),
)


@st.composite
def received(draw: st.DrawFn) -> list[Told]:
    """Events of a few stories, whatever they hold."""
    scene = Scene()
    for number in range(draw(st.integers(1, 8))):
        event: dict[str, Any] = {
            "actor": draw(st.sampled_from([ADA, Actor("user", "7"), Actor("system", "system"), Actor("unknown")])),
            "subject": draw(st.sampled_from([ORDER, ("order", None), ("user", 7, "Eve"), None])),
            "outcome": draw(st.sampled_from(OUTCOMES)),
            "metadata": draw(parts),
            "event_id": f"evt_{number}",
            "where": {
                "correlation_id": draw(st.sampled_from(["a", "b"])),
                "parent_event_id": draw(st.sampled_from([None, "evt_0", "evt_1", "evt_9"])),
            },
        }
        scene.now = draw(st.floats(0, 9))
        kind = draw(st.sampled_from([*HOPS, "data.change", "data.validation", "order.action"]))
        action = draw(st.sampled_from(["order.create", "order.update", "order.bulk_update", "POST /orders/", "placed"]))
        scene.tell(kind, action, **event)
    return scene.received


@settings(max_examples=150)
@given(told=received(), seed=st.integers())
def test_whatever_the_order_of_arrival_the_history_is_the_same(told: list[Told], seed: int) -> None:
    """And each event of the subject is in it once, from what was found as from everything."""
    whole = history(told, "order", "42")
    shuffled = [*told, *told]
    random.Random(seed).shuffle(shuffled)
    assert history(shuffled, "order", "42") == whole
    wanted = {one.event.event_id for one in told if one.event.subject == Subject("order", "42")}
    assert sorted(entry.event.event_id for entry in whole.entries) == sorted(wanted)
    found = history(find(shuffled, "order", "42").told, "order", "42")
    assert [entry.event for entry in found.entries] == [entry.event for entry in whole.entries]
    assert [(entry.place, entry.who) for entry in found.entries] == [
        (entry.place, entry.who) for entry in whole.entries
    ]
    assert found.bulk == whole.bulk


def test_an_event_is_never_before_its_cause() -> None:
    """Whatever the clock of its host says."""
    scene = Scene()
    with scene.request("POST /orders/", 201, 0.2):
        scene.now -= 5
        event: UniversalEvent = scene.tell("order.action", "placed", subject=ORDER)
        scene.now += 5
    assert event.timestamp < NOON
    assert entries(scene)[0].at >= NOON


def test_choices_are_told_as_people_call_them() -> None:
    """What privacy hides stays hidden."""
    scene = Scene()
    scene.tell(
        "data.change",
        "order.update",
        subject=ORDER,
        changes=[Change("status", "c", "o"), Change("kind", after="x"), Change("size", "[redacted]", "[redacted]")],
        metadata={"choices": {"status": ("In the cart", None), "kind": (None, "Extra"), "size": ("Small", "Large")}},
    )
    [entry] = entries(scene)
    assert entry.details == ("status: In the cart → o", "kind: → Extra", "size: [redacted] → [redacted]")
