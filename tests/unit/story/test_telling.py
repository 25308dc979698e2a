"""Stories as a whole: sentences, endings, renderings, and that nothing is told twice or left out."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ezlogs import Actor, Change, Correlation, Subject, UniversalEvent, flow
from ezlogs import event as emit
from ezlogs.event import OUTCOMES, Failure
from ezlogs.story import Told, render_json, render_text, stories
from ezlogs.story.passages import KINDS
from ezlogs.story.terminal import render_tree
from ezlogs.testing import capture
from ezlogs.wire import attributes, from_attributes

ACTIONS = (
    "order.create", "order.update", "order.bulk_delete", "rollback", "commit", "send_receipt.success",
    "send_receipt.retry", "send_receipt.enqueue", "message.sent", "message.failed", "checkout.start", "checkout.fail",
    "placed", "POST /orders/", "login", "order.invalid", "GET (unmatched)", ".", "x",
)  # fmt: skip
words = st.text(max_size=8)
names = st.sampled_from(["1", "2", "order", "", "send_receipt"])
metadata = st.dictionaries(
    st.sampled_from(
        [
            "rows", "rows_by_model", "fields", "codes", "recipients", "domains", "refused", "status", "method", "route",
            "template", "verbose_name", "count", "joins", "group", "queue_wait", "lost", "m2m", "lateness", "reason",
        ]
    ),
    st.one_of(
        words, st.integers(), st.booleans(), st.none(), st.lists(words, max_size=3),
        st.dictionaries(words, words, max_size=2),
    ),
    max_size=4,
)  # fmt: skip
kinds_of_actor = st.sampled_from(["user", "system", "unknown", "anonymous", ""])
kinds_of_subject = st.sampled_from(["order", "user", "job", "OrderItem"])
actors = st.builds(Actor, kinds_of_actor, names | st.none(), words | st.none(), names | st.none())
events = st.builds(
    UniversalEvent.create,
    st.sampled_from([*KINDS, "order.action"]),
    st.sampled_from(ACTIONS),
    actor=actors,
    subject=st.none() | st.builds(Subject, kinds_of_subject, names | st.none(), words | st.none()),
    metadata=metadata,
    outcome=st.sampled_from(OUTCOMES),
    duration=st.none() | st.floats(0, 1e6),
    changes=st.lists(st.builds(Change, words, words, words), max_size=5).map(tuple),
    error=st.none() | st.builds(Failure, words),
    event_id=st.integers(0, 12).map(str),
    timestamp=st.integers(0, 20_000_000_000),
    correlation=st.builds(
        Correlation,
        correlation_id=st.sampled_from(["s", "t"]),
        parent_event_id=st.none() | st.integers(0, 14).map(str),
        job_id=st.none() | names,
        attempt=st.none() | st.integers(0, 3),
        transaction_id=st.none() | names,
    ),
)  # fmt: skip


@settings(max_examples=50)
@given(st.lists(st.builds(Told, events, st.sampled_from(["web", "worker"])), max_size=13), st.randoms())
def test_every_event_is_in_exactly_one_sentence_whatever_was_received(
    received: list[Told], order: random.Random
) -> None:
    """Any events, in any order, make stories whose sentences divide the events, and that can all be shown."""
    found = stories(received)
    shuffled = received.copy()
    order.shuffle(shuffled)
    assert stories(shuffled) == found
    assert sorted(event.event_id for story in found for event in story.events) == sorted(
        {told.event.event_id for told in received}
    )
    for story in found:
        mentioned = [event_id for sentence in story.sentences for event_id in sentence.event_ids]
        assert sorted(mentioned) == sorted(event.event_id for event in story.events)
        assert all(sentence.text.isprintable() and sentence.text.endswith(".") for sentence in story.sentences)
        assert story.duration >= 0
        json.dumps(render_json(story))
        with Console(width=80).capture():
            render_tree(story)
        assert render_text(story)


def test_events_that_went_over_the_wire_tell_the_same_story(checkout_scene: Any) -> None:
    """What a receiver reads back is told in the same words."""
    received = [
        Told(back, told.service)
        for told in checkout_scene.received
        if (back := from_attributes(told.event.event_type, told.event.timestamp, attributes(told.event)))
    ]
    assert render_text(stories(received)[0]) == render_text(checkout_scene.story)


def test_events_of_the_front_door_are_told() -> None:
    """What ``ezlogs.event`` and ``ezlogs.flow`` emit is one tree of one story."""
    with capture() as captured, flow("checkout", 42):
        emit("order.action", "placed", actor=Actor("user", "7", "Ada"), subject=("order", 42))
    [story] = stories(map(Told, captured.events))
    assert [sentence.text.partition(" completed in")[0] for sentence in story.sentences] == [
        "Ada placed order 42.",
        "Checkout 42",
    ]
    assert len(story.roots) == 1
    assert story.outcome == "Completed"


def test_a_story_knows_its_services_title_and_length(checkout_scene: Any) -> None:
    """The facts of a story are its own, in seconds and in the order of appearance."""
    story = checkout_scene.story
    assert story.services == ("shop-web", "shop-worker")
    assert story.title == "Ada placed order 42"
    assert story.outcome == "Completed with retries"
    assert story.duration == pytest.approx(7.2)
    assert len(story.roots) == 1
    assert not story.orphans


def test_a_later_attempt_makes_good_what_an_earlier_one_broke(scene: Any) -> None:
    """A rollback in a run that was retried does not decide how the story came out."""
    with scene.run("retry", 0.1, None, 1) as cause:
        scene.tell("data.transaction", "rollback", outcome="rolled_back")
    with scene.run("success", 0.1, cause, 2):
        pass
    assert scene.story.outcome == "Completed with retries"
    assert scene.text == "Job send_receipt failed once, then ran in 100 ms."


def test_runs_that_arrive_out_of_order_are_told_by_attempt(scene: Any) -> None:
    """The run with the highest attempt is the last one, even where a clock disagrees."""
    scene.now = 5.0
    with scene.run("retry", 0.1, None, 1):
        pass
    scene.now = 1.0
    with scene.run("success", 0.1, None, 2):
        pass
    assert scene.text == "Job send_receipt failed once, then ran in 100 ms."
    assert scene.story.outcome == "Completed with retries"


def test_a_failure_that_its_request_survived_does_not_fail_the_story(scene: Any) -> None:
    """A mail that could not be sent is told, and so is that the rest went well."""
    with scene.request("POST /contact/", 302, 0.2):
        scene.mail(error=Failure("smtplib.SMTPServerDisconnected"))
    assert scene.story.outcome == "Completed with failures"


def test_a_refused_form_is_forgotten_when_something_was_saved(scene: Any) -> None:
    """A story that saved its rows in the end is not a rejected one."""
    with scene.request("POST /orders/", 201, 0.2):
        scene.tell("data.validation", "order.invalid", outcome="failure")
        scene.row("order.create", 42)
    assert scene.story.outcome == "Completed"


def test_a_request_that_was_refused_is_a_rejection(scene: Any) -> None:
    """A 403 without anything saved is neither a success nor a failure."""
    with scene.request("POST /orders/", 403, 0.2):
        pass
    assert scene.story.outcome == "Rejected"


def test_what_has_not_ended_is_still_running(scene: Any) -> None:
    """A job that waits and a flow without an end leave a story open."""
    scene.enqueue()
    assert scene.story.outcome == "Still running"
    scene.received.clear()
    scene.tell("flow.lifecycle", "checkout.start", subject=("checkout", 1))
    assert scene.story.outcome == "Still running"


def test_control_characters_never_reach_a_terminal(scene: Any) -> None:
    """A label with an escape sequence is shown without it, in sentences, title and tree."""
    scene.tell(
        "order.action",
        "placed",
        subject=Subject("order", "1", "\x1b[31mred\nalert"),
        actor=Actor("user", "7", "A\x07da"),
    )
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(render_tree(scene.story))
    shown = render_text(scene.story) + captured.get()
    assert "order  [31mred alert" in shown
    assert not set(shown) & {"\x1b", "\x07"}


def test_markup_in_labels_is_shown_as_it_is(scene: Any) -> None:
    """Square brackets in a label are text, not styles."""
    scene.tell("order.action", "placed", subject=Subject("order", "1", "[bold]x[/nope]"))
    console = Console(width=80)
    with console.capture() as captured:
        console.print(render_tree(scene.story))
    assert "[bold]x[/nope]" in captured.get()


def test_json_holds_the_tree_as_a_flat_list(checkout_scene: Any) -> None:
    """Programs read depth and parent, changes without the sides that are not to be told, and errors by type."""
    checkout_scene.tell(
        "data.change", "order.update", subject=("order", 42), changes=(Change("status", after="paid"),),
        where={"parent_event_id": None},
    )  # fmt: skip
    story = render_json(checkout_scene.story)
    assert [event["depth"] for event in story["events"]] == [0, 1, 1, 1, 1, 1, 2, 3, 3, 4, 4, 5, 0]
    assert story["events"][-1]["changes"] == [{"field": "status", "to": "paid"}]
    assert story["events"][6]["error"]["type"] == "smtplib.SMTPServerDisconnected"
    assert story["events"][0]["parent_event_id"] is None
    assert story["roots"] == [story["events"][0]["event_id"], story["events"][-1]["event_id"]]
    assert story["services"] == ["shop-web", "shop-worker"]
    json.dumps(story)


def test_counts_that_are_no_numbers_were_not_measured() -> None:
    """Whoever sent them, the story is told."""
    event = UniversalEvent.create(
        "data.transaction",
        "rollback_to_savepoint",
        outcome="rolled_back",
        metadata={"rows_by_model": {"order": "2", "cart": None, "item": 2}},
        correlation=Correlation(correlation_id="s", parent_event_id="r"),
    )
    request = UniversalEvent.create(
        "http.request", "POST /orders/", event_id="r", correlation=Correlation(correlation_id="s")
    )
    (story,) = stories([Told(request, "web"), Told(event, "web")])
    assert "some orders, some carts, 2 items" in render_text(story)
