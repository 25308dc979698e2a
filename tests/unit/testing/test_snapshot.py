"""Snapshots of stories are the same in each run, and a test copied from a story passes."""

from __future__ import annotations

import random
from inspect import cleandoc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ezlogs
from ezlogs import Actor, Change, Correlation, UniversalEvent
from ezlogs.emit import record
from ezlogs.event import Failure
from ezlogs.ids import new_event_id
from ezlogs.story import Told, stories
from ezlogs.testing import Captured, capture, comparison, copy_as_test, event, story
from ezlogs.testing.symbols import Symbols, is_volatile, kind_of_id
from ezlogs.trackers.job import Job, enqueued, perform

RUN = (
    "✓ job.execution send_receipt.success user#1 -> job#1 attempt 1 "
    "{attempt: 1, job: send_receipt, queue: mail, queue_wait: …}"
)


def shop() -> None:
    """A checkout with ids, times and durations that are different each time."""
    order = random.SystemRandom().randrange(10**6, 10**7)
    user = Actor("user", str(order + 1), "Ada")
    with ezlogs.flow("checkout", order), ezlogs.actor(user):
        facts = {"order_id": order, "took_ms": order / 7, "paid": True, "ref": new_event_id()}
        record("order.action", "placed", subject=("order", order), metadata={**facts, "at": "2026-01-01T10:00:00Z"})
        changes = (Change("status", "pending", "paid"), Change("owner_id", after=str(order + 1)), Change("secret"))
        record("data.change", "order.update", subject=("order", order), changes=changes)
        message = enqueued(Job("send_receipt", f"j-{order}", "mail"), traced=True)
    with perform(Job("send_receipt", f"j-{order}", "mail"), attempt=1, headers=message):
        record("email.delivery", "receipt.sent", outcome="failure", error=Failure("smtplib.SMTPException"))
    cause = Correlation(correlation_id="9" * 32, parent_event_id=new_event_id())
    record("auth.session", "login", actor=("user", order + 2), correlation=cause)


def test_it_is_the_same_each_time() -> None:
    """With symbols for ids, and without what varies."""
    texts = []
    for _ in range(2):
        with capture() as captured:
            shop()
        texts.append(story(captured))
    assert texts[0] == texts[1]
    assert texts[0] == cleandoc(
        """
        story#1
          ✓ flow.lifecycle checkout.start -> checkout#1
            ✓ order.action placed user#1 -> order#1 {at: …, order_id: order#1, paid: True, ref: id#1, took_ms: …}
            ✓ data.change order.update user#1 -> order#1 [status: pending -> paid; owner_id: owner#1; secret]
            ✓ job.enqueue send_receipt.enqueue user#1 -> job#1 {job: send_receipt, queue: mail}
              RUN
                ✗ email.delivery receipt.sent user#1 failure smtplib.SMTPException
            ✓ flow.lifecycle checkout.complete -> checkout#1
        story#2
          ✓ auth.session login user#2 <- event#1, not captured
        """
    ).replace("RUN", RUN)


def test_facts_can_be_left_out() -> None:
    """And what happened at the same time can be in one order, whatever that was."""
    texts = set()
    for numbers in ([1, 2, 3], [3, 1, 2]):
        with capture() as captured, ezlogs.flow("checkout", 42):
            for number in numbers:
                record("order.action", f"step_{number}", subject=("order", number), metadata={"number": number})
        texts.add(story(captured, metadata=False, ordered=False))
    [text] = texts
    assert "number" not in text
    assert text.index("step_1") < text.index("step_2") < text.index("step_3")


def test_it_is_of_a_story_or_of_events(captured: Captured) -> None:
    """As of a capture."""
    record("order.action", "placed")
    [told] = stories(map(Told, captured.events))
    assert story(told) == story(captured.events) == story(captured)
    assert copy_as_test(told) == copy_as_test(captured.events) == copy_as_test(captured)


def test_values_by_their_names() -> None:
    """What is called an id is one, what is called a duration varies."""
    symbols = Symbols()
    assert symbols.of("order", 907) == "order#1"
    values: dict[str, Any] = {
        "order_id": 907,
        "id": 907,
        "pk": 5,
        "user.id": "7",
        "items": [{"item_uuid": "x"}, ("y", 1.5)],
        "duration": 0.1,
        "waited": None,
        "late": True,
        "url": "http://localhost:8123/at/2026-01-01 10:00:00.123+02:00",
        "trace": "trace 0af7651916cd43dd8448eb211c80319c again 0af7651916cd43dd8448eb211c80319c",
        "request": "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
    }
    assert symbols.value("", values) == {
        "order_id": "order#1",
        "id": "order#1",
        "pk": "id#1",
        "user.id": "user#1",
        "items": [{"item_uuid": "item#1"}, ["y", 1.5]],
        "duration": "…",
        "waited": None,
        "late": True,
        "url": "http://localhost:…/at/…",
        "trace": "trace id#2 again id#2",
        "request": "id#3",
    }
    assert is_volatile("queue_wait_ms")
    assert not is_volatile("category")
    assert kind_of_id("Order-Id") is None


def test_a_copied_test() -> None:
    """Reads like one that was written."""
    with capture() as captured:
        shop()
        record(
            "invoice.action", "sent", actor=("Odd Type", 'a"b'), metadata={"note": 'it\'s "so"', "mail": "a@b.example"}
        )
    lines = copy_as_test(captured).splitlines()
    assert lines[:3] == ["from ezlogs.testing import event, expect_event_flow", "", "expect_event_flow("]
    common = 'actor="user#1", subject="{}#1", outcome="success", flow="flow#1"'
    assert lines[3:10] == [
        '    event("flow.lifecycle", "checkout.start", subject="checkout#1", outcome="success", flow="flow#1"),',
        f'    event("order.action", "placed", {common.format("order")}, metadata={{"paid": True}}),',
        f'    event("data.change", "order.update", {common.format("order")}),',
        f'    event("job.enqueue", "send_receipt.enqueue", {common.format("job")}),',
        f'    event("job.execution", "send_receipt.success", {common.format("job")}, attempt=1),',
        '    event("email.delivery", "receipt.sent", actor="user#1", outcome="failure", flow="flow#1", attempt=1, '
        'error="smtplib.SMTPException"),',
        '    event("flow.lifecycle", "checkout.complete", subject="checkout#1", outcome="success", flow="flow#1"),',
    ]
    assert lines[13:] == [
        '    event("auth.session", "login", actor="user#1", outcome="success"),',
        *(")", "", "expect_event_flow("),
        """    event("invoice.action", "sent", actor=("Odd Type", 'a"b'), outcome="success", """
        """metadata={"note": 'it\\'s "so"'}),""",
        ")",
    ]
    passes(copy_as_test(captured))


def passes(code: str) -> None:
    """Run a copied test, within the capture that it was copied from or after it."""
    exec(compile(code, "copied", "exec"), {})


PARTIES = st.sampled_from(
    [("user", 1), ("user", 2), ("order", 1), ("Odd Type", "x*#1"), ("anonymous", None), ("a:b", 3)]
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "event_type": st.sampled_from(["order.action", "data.change", "job.execution"]),
            "action": st.sampled_from(["placed", "item.create", "GET /files/*", "$x", "it's", 'a"b', "user#1"]),
            "actor": st.none()
            | PARTIES.map(lambda party: Actor(party[0], None if party[1] is None else str(party[1]))),
            "subject": st.none() | PARTIES.filter(lambda party: party[1] is not None),
            "outcome": st.sampled_from(["success", "failure"]),
            "error": st.none() | st.just(Failure("a.B")),
            "metadata": st.dictionaries(
                st.sampled_from(["note", "paid", "order_id", "duration", "mail"]),
                st.sampled_from(["*", "$x", "it's", True, 5, "a@b.example", "user#1", "\n", "\\"]),
            ),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=50)
@given(
    EVENTS, st.lists(st.integers(0, 11), min_size=12, max_size=12), st.lists(st.booleans(), min_size=12, max_size=12)
)
def test_a_copied_test_passes(fields: list[dict[str, Any]], causes: list[int], flows: list[bool]) -> None:
    """Against the story that it was copied from, whatever that tells."""
    with capture() as captured:
        made: list[UniversalEvent] = []
        for given_fields, cause, flow in zip(fields, causes, flows, strict=False):
            place = Correlation(
                correlation_id="1" * 32,
                parent_event_id=made[cause].event_id if cause < len(made) else None,
                flow_id="checkout:42" if flow else None,
            )
            event = record(**given_fields, correlation=place)
            assert event is not None
            made.append(event)
        passes(copy_as_test(captured))


def test_a_copied_test_fails_when_something_is_different() -> None:
    """It is not passed by whatever happens."""
    with capture() as captured:
        shop()
        code = copy_as_test(captured)
    with capture():
        shop()
        passes(code)
    with capture():
        record("order.action", "placed")
        with pytest.raises(AssertionError, match="expect_event_flow: step 1 of 7"):
            passes(code)


def test_subjects_of_an_odd_type_are_counted_only(captured: Captured) -> None:
    """And facts within facts are shown."""
    for number in (1, 2):
        record("order.action", "placed", subject=("Odd", number), metadata={"a": {"b": [1, "x"]}})
    assert copy_as_test(captured.events[:1]).count('subject=("Odd", "1")') == 1
    place = captured.events[0].correlation
    with capture() as together:
        for number in (1, 2):
            record(
                "order.action", "placed", subject=("Odd", number), correlation=place, metadata={"a": {"b": [1, "x"]}}
            )
        for number in (1, 2, 3):
            record("data.change", "item.create", subject=("item", number), correlation=place)
        code = copy_as_test(together)
        assert 'event("order.action", "placed", outcome="success", times=2)' in code
        assert 'event("data.change", "item.create", subject="item:*", outcome="success", times=3)' in code
        passes(copy_as_test(together))
    assert story(together).splitlines()[1] == "  ✓ order.action placed -> Odd#1 {a: {b: [1, x]}}"


def test_each_event_is_one_line(captured: Captured) -> None:
    """Whatever is in it: what cannot be seen is an escape, in snapshots, trees and failures, and so seen to differ."""
    name = "a\nb\x1b[31m\u202e"
    record("order.action", name, subject=("order", name), metadata={"note": name}, error=ValueError(name))
    shown = r"a\nb\x1b[31m\u202e"
    assert story(captured).splitlines()[1:] == [f"  ✓ order.action {shown} -> order#1 ValueError {{note: {shown}}}"]
    with pytest.raises(AssertionError) as failing:
        captured.expect_event_flow(event("order.*", action=shown, metadata={"note": "a b"}))
    text = str(failing.value)
    assert f"got {shown}" in text
    assert "\x1b" not in text
    assert f"✓ order.action {shown} -> order:{shown}" in text
    assert all(line.isprintable() for line in comparison("==", event("x.y"), captured.events[0]) or "\n")
