"""The Django instrumentor and transactions: rows are told when they are committed, and only then."""

from __future__ import annotations

import sys
import unittest
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TestCase

import ezlogs
from ezlogs.event import Failure
from tests.preparing import capture_prepared

from .shop.models import Item, Order

pytestmark = pytest.mark.usefixtures("database", "instrumented")


def actions(captured):
    """Return what happened, in short."""
    return [event.action for event in captured.events]


def fail_after_a_row(error=KeyError):
    """Write a row and raise."""
    Order.objects.create()
    raise error


def test_rows_wait_for_the_commit_and_keep_their_moment(captured):
    """A row in a transaction is told after COMMIT, with the actor, parent and time of its write."""
    with ezlogs.flow("checkout", 42), transaction.atomic():
        with ezlogs.actor("user", 7):
            Order.objects.create()
        ezlogs.event("order.action", "placed")
        assert [event.event_type for event in captured.events] == ["flow.lifecycle", "order.action"]
    row, placed = captured.of("data.change")[0], captured.of("order.action")[0]
    assert row.actor == ezlogs.Actor("user", "7")
    assert row.timestamp < placed.timestamp
    assert row.correlation.replace(transaction_id=None) == placed.correlation
    assert row.correlation.transaction_id.startswith("txn_")


def test_a_rollback_is_told_once_and_its_rows_never(captured):
    """A rolled-back transaction is one event with counts and the error."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        fail_after_a_row(ZeroDivisionError("oops"))
    (event,) = captured.events
    assert (event.event_type, event.action, event.outcome) == ("data.transaction", "rollback", "rolled_back")
    assert event.metadata == {
        "database": "default",
        "rows": 1,
        "rows_by_model": {"order": 1},
        "savepoints": 0,
    }
    assert event.error == Failure("ZeroDivisionError", "oops")
    assert event.correlation.transaction_id


def test_a_database_error_before_the_first_row_is_told(captured):
    """A transaction that failed at its first write is told, as nothing was saved."""
    with pytest.raises(IntegrityError), transaction.atomic():
        Item.objects.create(order_id=None, name="a")
    (event,) = captured.events
    assert event.action == "rollback"
    assert event.error.type == "django.db.utils.IntegrityError"


def test_a_transaction_without_writes_is_not_told(captured):
    """Neither a commit nor a rollback of reads is worth an event."""
    with transaction.atomic():
        with transaction.atomic():
            Order.objects.count()
        with transaction.atomic():
            transaction.set_rollback(True)
    with pytest.raises(KeyError), transaction.atomic():
        raise KeyError
    with transaction.atomic():
        transaction.set_rollback(True)
    assert actions(captured) == []


def test_a_savepoint_takes_its_rows_back_and_the_rest_is_told(captured):
    """What a savepoint rolled back is told in short; the rows around it one by one."""
    with transaction.atomic():
        Order.objects.create(count=1)
        with transaction.atomic():
            Order.objects.create(count=2)
        with pytest.raises(KeyError), transaction.atomic():
            fail_after_a_row()
        Order.objects.create(count=4)
    assert actions(captured) == ["order.create"] * 3 + ["rollback_to_savepoint"]
    assert Order.objects.count() == 3
    assert captured.events[3].metadata["rows_by_model"] == {"order": 1}
    assert captured.events[3].metadata["savepoints"] == 1


def test_a_savepoint_set_before_the_first_row_takes_all_of_them_back(captured):
    """The first write can come after the savepoint."""
    with transaction.atomic(), pytest.raises(KeyError), transaction.atomic():
        fail_after_a_row()
    assert actions(captured) == ["rollback_to_savepoint"]


def test_what_was_rolled_back_is_a_change_when_it_is_saved_again(captured):
    """After a rollback the row is remembered as the database has it."""
    order = Order.objects.get(pk=Order.objects.create().pk)
    captured.clear()
    order.count = 1
    with transaction.atomic():
        order.save()
        transaction.set_rollback(True)
    order.save()
    assert actions(captured) == ["rollback", "order.update"]
    assert captured.events[1].changes[0].before == 0


def test_an_error_handled_before_the_transaction_is_not_its_error(captured):
    """Only what ended the transaction is told as its error."""
    try:
        raise LookupError
    except LookupError:
        with transaction.atomic():
            Order.objects.create()
            transaction.set_rollback(True)
    assert sys.exc_info() == (None, None, None)
    assert captured.events[0].error is None


def test_manually_managed_transactions_are_seen(captured):
    """With autocommit off, commit() and rollback() decide."""
    transaction.set_autocommit(False)
    try:
        Order.objects.create()
        assert actions(captured) == []
        transaction.commit()
        assert actions(captured) == ["order.create"]
        Order.objects.create()
        begin = getattr(transaction, "savepoint_create", transaction.savepoint)  # its name since Django 6.1
        name = begin()
        Order.objects.create()
        transaction.savepoint_rollback(name)
        transaction.savepoint_commit(name)
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert actions(captured) == ["order.create", "rollback"]
    assert captured.events[1].metadata["rows"] == 2


def test_closing_the_connection_is_a_rollback(captured):
    """What was not committed when the connection closed never happened."""
    with transaction.atomic():
        Order.objects.create()
        connection.close()
    assert actions(captured) == ["rollback"]
    assert Order.objects.count() == 0


def test_a_rollback_that_fails_is_a_rollback(captured, monkeypatch):
    """When even ROLLBACK fails Django drops the connection; the rows are not told as written."""

    def refuse():
        raise IntegrityError("gone")

    monkeypatch.setattr(connections["default"], "_rollback", refuse)
    with pytest.raises(KeyError), transaction.atomic():
        fail_after_a_row()
    assert actions(captured) == ["rollback"]


def test_on_commit_callbacks_are_the_applications_alone(captured):
    """ezlogs registers no callback that an application's tests would count, and tells rows before they run."""
    seen = []
    with transaction.atomic():
        Order.objects.create()
        transaction.on_commit(lambda: seen.extend(actions(captured)))
        assert len(connection.run_on_commit) == 1
    assert seen == ["order.create"]


def test_a_test_case_sees_what_the_application_commits(captured):
    """In django.test.TestCase, which never commits, the application's own transaction is the one that counts."""
    at_the_end = []

    class Case(TestCase):
        databases = frozenset({"default"})

        def test(self):
            Order.objects.create()
            with transaction.atomic():
                Order.objects.create()
                with transaction.atomic():
                    Order.objects.create()
                at_the_end.append(actions(captured))
            with pytest.raises(KeyError), transaction.atomic():
                fail_after_a_row()
            at_the_end.append(actions(captured))

    result = unittest.TestResult()
    unittest.TestSuite([Case("test")]).run(result)
    assert result.wasSuccessful(), result.failures + result.errors
    assert at_the_end == [["order.create"], ["order.create"] * 3 + ["rollback"]]
    assert actions(captured) == at_the_end[1]
    assert Order.objects.count() == 0


@contextmanager
def answer_lost(error, driver=None):
    """Have commits fail with an error, on a connection that is as its driver says."""
    wrapper = connections["default"]
    wrapper.ensure_connection()
    own = wrapper.connection

    def commit():
        if driver is not None:
            wrapper.connection = driver
        raise error

    wrapper._commit = commit
    try:
        yield
    finally:
        del wrapper._commit
        if wrapper.connection is not own:
            own.close()
            wrapper.connection = None


def write_in_a_transaction():
    """Write a row and commit it."""
    with transaction.atomic():
        Order.objects.create()


class _Closed:
    """A connection of a driver that says that it is closed, and can do nothing any more."""

    closed = True

    def rollback(self):
        raise OperationalError("the connection is closed")

    def close(self):
        """Do nothing."""


class _Broken(_Closed):
    """One that was broken by the other side."""

    closed, broken = False, True


@pytest.mark.parametrize(
    ("error", "driver"),
    [
        (OperationalError(2013, "Lost connection to server during query"), None),
        (OperationalError("server closed the connection unexpectedly"), _Closed()),
        (InterfaceError("connection is lost"), _Broken()),
        (TimeoutError("no answer"), None),
        (KeyboardInterrupt(), None),
    ],
    ids=["by its number", "closed", "broken", "nobody's", "interrupted"],
)
def test_a_commit_whose_answer_was_lost_is_unknown(captured, error, driver):
    """The rows and the transaction, once; the rollback that Django tries then rolls back nothing that we know of."""
    with answer_lost(error, driver), pytest.raises(type(error)):
        write_in_a_transaction()
    told = [(event.event_type, event.action, event.outcome) for event in captured.events]
    assert told == [("data.change", "order.create", "unknown"), ("data.transaction", "commit", "unknown")]
    captured.clear()
    with pytest.raises(IntegrityError), transaction.atomic():
        raise IntegrityError("of the next transaction")
    assert actions(captured) == ["rollback"]


def test_a_commit_that_is_refused_is_rolled_back(captured):
    """As is one that Django itself does not send."""
    with answer_lost(IntegrityError("refused")), pytest.raises(IntegrityError):
        write_in_a_transaction()
    with transaction.atomic():
        Order.objects.create()
        with pytest.raises(transaction.TransactionManagementError):
            connection.commit()
    told = [(event.action, event.outcome) for event in captured.events]
    assert told == [("rollback", "rolled_back"), ("order.create", "success")]


def test_an_answer_that_was_lost_without_a_write_is_no_change(captured):
    """Nothing of ours was in it."""
    with answer_lost(OperationalError(2006, "gone away")), pytest.raises(OperationalError), transaction.atomic():
        pass
    assert captured.of("data.change") == []


def test_rows_are_in_the_journal_before_the_commit():
    """And only where it was sent do they stay."""
    with capture_prepared() as (captured, journaled):
        with transaction.atomic():
            Order.objects.create()
            assert journaled.waiting() == 0
            original = connection._commit

            def commit():
                assert journaled.waiting() == 1
                assert captured.events == []
                original()

            connection._commit = commit
        del connection._commit
        assert actions(captured) == ["order.create"]
        assert journaled.waiting() == 0


def test_after_uninstrumenting_nothing_is_seen(instrumented, captured):
    """Also where ours stays below what somebody put on top of it."""
    ours = BaseDatabaseWrapper.commit
    instrumented.uninstrument()
    ours(connections["default"])
    with answer_lost(OperationalError(2006, "gone away")), pytest.raises(OperationalError):
        ours(connections["default"])
    assert captured.events == []
