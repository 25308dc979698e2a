"""Changes of data of any ORM: what is told, and when."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal

import pytest
from msgspec import UNSET

import ezlogs
from ezlogs.event import Failure
from ezlogs.testing import capture
from ezlogs.trackers import data
from ezlogs.trackers.data import Field, Transaction, alike, emit, invalid, observe, told


def actions(captured):
    """Return what happened, in short."""
    return [event.action for event in captured.events]


def test_a_row_is_told_as_of_the_moment_it_was_seen(captured):
    """Actor, story and time are those of the write, not of the commit."""
    transaction = Transaction("default")
    with ezlogs.actor("user", 7), ezlogs.flow("checkout", 1):
        transaction.add(observe("order", "create", id="42", metadata={"table": "orders"}))
    ezlogs.event("order.action", "placed")
    captured.clear()
    transaction.commit()
    (event,) = captured.events
    assert (event.event_type, event.action) == ("data.change", "order.create")
    assert event.actor == ezlogs.Actor("user", "7")
    assert event.subject == ezlogs.Subject("order", "42")
    assert event.metadata == {"table": "orders"}
    assert event.correlation.flow_id == "checkout:1"
    assert event.correlation.transaction_id == transaction.id


def test_a_row_outside_any_transaction_has_none(captured):
    """What is committed at once says nothing of a transaction."""
    emit(observe("order", "create"))
    assert captured.events[0].correlation.transaction_id is None


def test_a_rollback_takes_the_place_of_its_rows_and_undoes_them_backwards(captured):
    """One event counts what was not saved, and the adapter takes back what it remembered, last first."""
    undone = []
    transaction = Transaction("ledger")
    for number in (1, 2):
        transaction.add(observe("order", "create", undo=lambda number=number: undone.append(number)))
    transaction.add(observe("item", "bulk_create", rows=5))
    transaction.rollback(OSError("gone"))
    (event,) = captured.events
    assert (event.event_type, event.action, event.outcome) == ("data.transaction", "rollback", "rolled_back")
    assert event.subject == ezlogs.Subject("database", "ledger")
    assert event.metadata == {
        "database": "ledger",
        "rows": 7,
        "rows_by_model": {"item": 5, "order": 2},
        "savepoints": 0,
    }
    assert event.error == Failure("OSError", "gone")
    assert undone == [2, 1]


def test_a_rollback_of_nothing_is_told_only_with_its_error(captured):
    """Reads that were rolled back are not worth an event; an error is."""
    Transaction("default").rollback()
    Transaction("default").rollback(OSError())
    assert [event.metadata["rows"] for event in captured.events] == [0]


def test_an_error_that_was_there_before_is_not_the_transactions(captured):
    """A transaction inside an except block did not fail because of what is handled there."""
    handled = OSError()
    transaction = Transaction("default", handling=handled)
    transaction.add(observe("order", "create"))
    transaction.rollback(handled)
    assert captured.events[0].error is None


def test_savepoints_nest_and_can_be_rolled_back_to_again(captured):
    """Rolling back to a savepoint takes back what came after it, and keeps the savepoint itself."""
    transaction = Transaction("default")
    for name in ("a", "b", "c"):
        transaction.add(observe(name, "create"))
        transaction.savepoint(name)
    transaction.release("c")
    transaction.rollback_to("b")
    transaction.add(observe("d", "create"))
    transaction.rollback_to("b", OSError())
    transaction.add(observe("e", "create"))
    transaction.release("a")
    transaction.release("unknown")
    transaction.commit()
    assert actions(captured) == ["a.create", "b.create", "e.create", "rollback_to_savepoint"]
    assert captured.events[3].metadata["rows_by_model"] == {"c": 1, "d": 1}
    assert captured.events[3].metadata["savepoints"] == 2
    assert captured.events[3].error.type == "OSError"


def test_an_unknown_savepoint_was_set_before_the_first_row(captured):
    """Rolling back to it takes everything back."""
    transaction = Transaction("default")
    transaction.add(observe("order", "create"))
    transaction.rollback_to("early")
    transaction.commit()
    assert actions(captured) == ["rollback_to_savepoint"]


@pytest.mark.parametrize("value", [True, 1, 1.5, Decimal("9.90"), date(2026, 1, 2), timedelta(1), None])
def test_safe_tells_values_that_harm_nobody(value):
    """Booleans, numbers, dates and nothing are told under the default."""
    (change,) = told([Field("field", value, UNSET)], "safe")
    assert change.before is not UNSET
    assert change.after is UNSET


@pytest.mark.parametrize(
    ("field", "policy", "sides"),
    [
        (Field("note", "a", "b"), "safe", (UNSET, UNSET)),
        (Field("note", None, "b"), "safe", (UNSET, UNSET)),
        (Field("status", "a", "b", True), "safe", ("a", "b")),
        (Field("note", "a", "b"), "full", ("a", "b")),
        (Field("count", 1, 2), "names", (UNSET, UNSET)),
        (Field("user_password", 1, 2), "full", (UNSET, UNSET)),
        (Field("api_token", "a", "b", True), "safe", (UNSET, UNSET)),
    ],
)
def test_the_policy_decides_what_is_told_of_a_field(field, policy, sides):
    """Names are always told, values as the policy allows, secrets never."""
    (change,) = told([field], policy)
    assert (change.field, change.before, change.after) == (field.name, *sides)


def test_the_setting_is_the_policy():
    """With changes="none" a row has no changes."""
    with capture(changes="none") as captured:
        emit(observe("order", "update", fields=[Field("count", 1, 2)]))
    assert captured.events[0].changes == ()
    assert observe("order", "update", fields=[Field("count", 1, 2)]).changes == ()


def test_rejected_input_is_told_by_field_and_code(captured):
    """No value of the input is told."""
    invalid("order", {"count": ["required"]}, source="form", id="7")
    (event,) = captured.events
    assert (event.event_type, event.action, event.outcome, event.severity) == (
        "data.validation",
        "order.invalid",
        "failure",
        "warn",
    )
    assert event.subject == ezlogs.Subject("order", "7")
    assert event.metadata == {"fields": ("count",), "codes": ("required",), "source": "form"}


def test_a_commit_whose_answer_was_lost_tells_its_rows_as_unknown(captured):
    """Neither saved nor not: the rows say so, and one event says why."""
    transaction = Transaction("ledger")
    transaction.add(observe("order", "create", id="1"))
    transaction.add(observe("item", "bulk_create", rows=5))
    transaction.lose(Failure("OperationalError", "gone"))
    assert [(event.action, event.outcome) for event in captured.events] == [
        ("order.create", "unknown"),
        ("item.bulk_create", "unknown"),
        ("commit", "unknown"),
    ]
    assert captured.events[2].metadata["rows_by_model"] == {"order": 1, "item": 5}
    assert captured.events[2].error == Failure("OperationalError", "gone")


def test_rows_that_are_written_together_share_a_moment(captured):
    """Who, when and in which story is found out once."""
    with ezlogs.actor("user", 7):
        moment = data.moment()
    transaction = Transaction("default")
    transaction.add(observe("order", "create", id="1", fields=[Field("total", UNSET, 3)], at=moment))
    transaction.add(observe("order", "create", id="2", at=moment))
    transaction.commit()
    assert {event.actor for event in captured.events} == {ezlogs.Actor("user", "7")}
    assert {event.timestamp for event in captured.events} == {moment.timestamp}
    assert {event.correlation.transaction_id for event in captured.events} == {transaction.id}
    assert captured.events[0].changes[0].after == 3


def test_a_failure_that_is_described_already_can_end_a_transaction(captured):
    """An adapter that keeps no exceptions gives what it made of them."""
    transaction = Transaction("default")
    transaction.add(observe("order", "create"))
    transaction.rollback(Failure("KeyError", "x"))
    assert captured.events[0].error == Failure("KeyError", "x")


def test_a_time_whose_zone_raises_costs_nothing_but_itself() -> None:
    """A time zone is code of the application's."""

    class Broken(tzinfo):
        def utcoffset(self, _: datetime | None) -> timedelta:
            raise RuntimeError

    (change,) = told([Field("at", after=datetime(2026, 3, 1, tzinfo=Broken()))], "safe")
    assert change.after == "<datetime.datetime>"


def test_outside_of_any_story_a_transaction_is_one() -> None:
    """As in a script; what a transaction tells of itself is in it, too. Others have their own."""
    with capture() as captured:
        for _ in range(2):
            transaction = Transaction("default")
            for number in range(3):
                transaction.add(observe("order", "create", id=str(number)))
            transaction.savepoint("s1")
            transaction.add(observe("order", "create", id="3"))
            transaction.rollback_to("s1")
            transaction.commit()
    stories = [event.correlation.correlation_id for event in captured.events]
    assert (len(stories), len(set(stories[:4])), len(set(stories))) == (8, 1, 2)
    with capture() as captured, ezlogs.flow("checkout", 1):
        transaction = Transaction("default")
        transaction.add(observe("order", "create", id="1"))
        transaction.commit()
        ezlogs.event("order.action", "placed")
    assert len({event.correlation.correlation_id for event in captured.events}) == 1


def test_no_id_of_a_transaction_could_be_a_number_of_somebodys() -> None:
    """Privacy takes many digits in a row for a card's, and would keep the id back."""
    ids = {Transaction("default").id for _ in range(2000)}
    assert len(ids) == 2000
    assert max(len(digits) for one in ids for digits in re.findall(r"[0-9]+", one)) <= 8


def test_forms_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be any number of them."""
    monkeypatch.setattr(alike, "_MOST_FORMS", 2)
    made: list[int] = []
    forms = alike.Forms(lambda key: made.append(key) or alike.Form())
    for key in (1, 2, 1, 3, 1):
        assert forms[key].is_told
    assert made == [1, 2, 3, 1]
    assert len(forms) <= 2
