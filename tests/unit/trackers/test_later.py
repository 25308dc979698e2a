"""Writes that are made into rows when their transaction ends are told like those that are made at once."""

from __future__ import annotations

from typing import Any

import ezlogs
from ezlogs.testing import capture
from ezlogs.trackers.data import Field, Later, Row, Transaction, moment, observe

Undone = list[str]


def made(later: Later) -> Row | None:
    """Make a row of an order whose total is given; of none there is nothing to tell."""
    key, total = later.given
    if total is None:
        return None
    return observe("order", "update", id=key, fields=[Field("total", 1, total)], at=later.at)


def later(key: str, total: int | None, undone: Undone | None = None) -> Later:
    """A write that was kept."""
    at = moment()
    undo: Any = None if undone is None else lambda: undone.append(key)
    return Later("order", at, at.correlation, (key, total), made, undo)


def test_a_kept_write_is_told_as_of_its_own_moment_in_its_transaction() -> None:
    """Not as of the commit."""
    with capture() as captured:
        transaction = Transaction("default")
        with ezlogs.flow("checkout", 42), ezlogs.actor(("user", 7)):
            write = later("1", 5)
            transaction.add(write)
        transaction.commit()
    (event,) = captured.of("data.change")
    assert (event.action, event.actor.id, event.timestamp) == ("order.update", "7", write.at.timestamp)
    assert (event.correlation.flow_id, event.correlation.transaction_id) == ("checkout:42", transaction.id)
    assert [(change.field, change.before, change.after) for change in event.changes] == [("total", 1, 5)]


def test_one_that_changed_nothing_after_all_is_not_told() -> None:
    """Neither when it is committed, nor when it is rolled back."""
    with capture() as captured:
        transaction = Transaction("default")
        transaction.add(later("1", None))
        transaction.add(later("2", 5))
        transaction.commit()
        other = Transaction("default")
        other.add(later("1", None))
        other.add(later("2", 5))
        other.rollback()
    assert [event.subject and event.subject.id for event in captured.of("data.change")] == ["2"]
    (rollback,) = captured.of("data.transaction")
    assert rollback.metadata["rows"] == 1


def test_one_that_is_taken_back_is_undone() -> None:
    """As a row is."""
    undone: Undone = []
    with capture() as captured:
        transaction = Transaction("default")
        transaction.add(later("1", 5, undone))
        transaction.savepoint("s")
        transaction.add(later("2", 5, undone))
        transaction.rollback_to("s")
        transaction.commit()
    assert undone == ["2"]
    assert [event.subject and event.subject.id for event in captured.of("data.change")] == ["1"]


def test_those_beyond_the_first_are_counted() -> None:
    """With their fields; one that changed nothing does not count."""
    with capture(max_rows_in_detail=1) as captured:
        transaction = Transaction("default")
        for key, total in (("1", 5), ("2", 6), ("3", None), ("4", 7)):
            transaction.add(later(key, total))
        transaction.commit()
    first, rest = captured.of("data.change")
    assert first.subject is not None
    assert (first.subject.id, rest.metadata["rows"]) == ("1", 2)
    assert [change.field for change in rest.changes] == ["total"]
