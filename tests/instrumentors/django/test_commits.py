"""The Django instrumentor and how transactions really end: by callbacks, by hand, by the database, or not at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections, transaction
from django.test import Client

from ezlogs.testing import capture

from .conftest import actions, changes
from .shop.models import Club, Depot, Gift, Item, Membership, Order, Person, Tag

pytestmark = pytest.mark.usefixtures("database", "instrumented")


def outcomes(captured):
    """Return what happened, and how it ended."""
    return [(event.action, event.outcome) for event in captured.events]


def test_what_a_callback_raises_loses_nothing(captured):
    """The rows are committed before the application's callbacks are run."""

    def fail():
        raise KeyError

    with pytest.raises(KeyError), transaction.atomic():  # noqa: PT012  # the error ends the block
        Tag.objects.create()
        transaction.on_commit(fail)
    with transaction.atomic():
        Tag.objects.create()
        transaction.on_commit(fail, robust=True)
    assert [action for action, _ in actions(captured.events)] == ["tag.create", "tag.create"]


def test_what_a_callback_writes_is_told_after_what_it_was_called_for(captured):
    """In a transaction of its own."""
    with transaction.atomic():
        Tag.objects.create()
        transaction.on_commit(lambda: Depot.objects.create(pk=1))
    assert [action for action, _ in actions(captured.events)] == ["tag.create", "depot.create"]


def test_a_durable_block_is_told_when_it_ends(captured):
    """And one inside another is refused before it wrote."""
    with transaction.atomic(durable=True):
        Tag.objects.create()
        with pytest.raises(RuntimeError), transaction.atomic(durable=True):
            pass
    assert len(captured.events) == 1


def test_a_request_is_a_transaction_where_the_project_says_so(captured, monkeypatch):
    """ATOMIC_REQUESTS: rows are told when the view has returned, and not when it raised."""
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    client = Client(raise_request_exception=False)
    assert client.post("/orders/").status_code == 201
    (row,) = captured.of("data.change")
    assert row.correlation.transaction_id
    captured.clear()
    assert client.post("/failing/").status_code == 500
    assert captured.of("data.change") == []
    (rollback,) = captured.of("data.transaction")
    assert rollback.error.type == "ZeroDivisionError"


def test_blocks_without_savepoints_are_a_part_of_what_is_around_them(captured):
    """An error in one is the whole transaction's."""
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic():  # noqa: PT012  # the error ends the block
        Tag.objects.create()
        with suppress(KeyError), transaction.atomic(savepoint=False):
            Tag.objects.create()
            raise KeyError
        Tag.objects.create()
    assert outcomes(captured) == [("rollback", "rolled_back")]
    assert captured.events[0].metadata["rows"] == 2


def test_savepoints_in_savepoints(captured):
    """What is left is what is committed."""
    with transaction.atomic():
        for first in range(2):
            with suppress(KeyError), transaction.atomic():
                Depot.objects.create(pk=first)
                for second in range(2):
                    with suppress(KeyError), transaction.atomic():
                        Depot.objects.create(pk=10 * first + second + 10)
                        if second:
                            raise KeyError
                if first:
                    raise KeyError
    assert [key for action, key in actions(captured.events) if action == "depot.create"] == ["0", "10"]
    assert sorted(Depot.objects.values_list("pk", flat=True)) == [0, 10]


def test_what_was_read_in_a_transaction_that_was_taken_back_is_not_known(captured):
    """A row loaded after an uncommitted write may never have been like that."""
    depot = Depot.objects.create(pk=1, size=1)
    with transaction.atomic():
        Depot.objects.update(size=5)
        depot.refresh_from_db()
        other = Depot.objects.get()
        with suppress(KeyError), transaction.atomic():
            Tag.objects.create()
            inner = Depot.objects.get()
            raise KeyError
        inner.save()
        transaction.set_rollback(True)
    captured.clear()
    depot.save()
    other.save()
    assert [changes(event)["size"][1] for event in captured.events] == [5, 5]
    assert "0" not in repr([changes(event)["size"][0] for event in captured.events])


def test_what_was_read_in_a_transaction_that_was_committed_is_known(captured):
    """As ever."""
    Depot.objects.create(pk=1, size=1)
    with transaction.atomic():
        Depot.objects.update(size=5)
        depot = Depot.objects.get()
    captured.clear()
    depot.size = 6
    depot.save()
    assert changes(captured.events[0]) == {"size": (5, 6)}


def test_switching_autocommit_on_commits(captured):
    """SQLite's driver commits what is open."""
    transaction.set_autocommit(False)
    try:
        Tag.objects.create()
        assert captured.events == []
    finally:
        transaction.set_autocommit(True)
    assert outcomes(captured) == [("tag.create", "success")]
    assert Tag.objects.count() == 1


def test_savepoints_that_sqlite_begins_no_transaction_for(captured):
    """With autocommit off a block is a savepoint, and leaving the first of them commits."""
    transaction.set_autocommit(False)
    try:
        with transaction.atomic():
            Tag.objects.create()
        assert outcomes(captured) == [("tag.create", "success")]
        Tag.objects.create()
        with transaction.atomic():
            Tag.objects.create()
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert outcomes(captured)[1:] == [("rollback", "rolled_back")]
    assert captured.events[1].metadata["rows"] == 2
    assert Tag.objects.count() == 1


def test_a_commit_refused_inside_a_block_ends_nothing(captured):
    """Django does not allow it; the transaction goes on."""
    with transaction.atomic():
        Tag.objects.create()
        with pytest.raises(transaction.TransactionManagementError):
            transaction.commit()
        Tag.objects.create()
    assert [action for action, _ in actions(captured.events)] == ["tag.create", "tag.create"]


def test_a_constraint_checked_by_the_commit(captured):
    """The commit fails, nothing was saved, and that is told once."""
    with pytest.raises(IntegrityError), transaction.atomic():
        Item.objects.create(order_id=99, name="a")
    assert outcomes(captured) == [("rollback", "rolled_back")]
    captured.clear()
    with pytest.raises(IntegrityError):
        Item.objects.bulk_create([Item(order_id=99, name="a"), Item(order_id=99, name="b")], batch_size=1)
    assert outcomes(captured) == [("rollback", "rolled_back")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OperationalError(2013, "Lost connection during query")])
def test_a_commit_without_an_answer_is_in_doubt(captured, monkeypatch, error):
    """Rows are told as unknown, once, and what is known of them is forgotten."""

    def lose():
        raise error

    kind = type(error) if isinstance(error, Exception) else error
    depot = Depot.objects.create(pk=1, size=1)
    captured.clear()
    with pytest.raises(kind), transaction.atomic():  # noqa: PT012  # the error ends the block
        depot.size = 2
        depot.save()
        monkeypatch.setattr(connection, "_commit", lose)
    monkeypatch.undo()
    if not connection.get_autocommit():
        transaction.set_autocommit(True)
    assert outcomes(captured) == [("depot.update", "unknown"), ("commit", "unknown")]
    assert captured.events[1].metadata["rows_by_model"] == {"depot": 1}
    captured.clear()
    depot.save()
    assert [change.before for change in captured.events[0].changes if change.field == "size"] != [2]


def test_operations_of_several_statements_are_in_doubt_as_a_whole(captured, monkeypatch):
    """Those that Django commits itself."""
    order, tag = Order.objects.create(), Tag.objects.create()
    club = Club.objects.create()
    Membership.objects.create(club=club, person=Person.objects.create())
    captured.clear()

    def lose():
        raise OperationalError(2013, "Lost connection during query")

    for write in (
        lambda: order.tags.set([tag]),
        lambda: Tag.objects.bulk_create([Tag(), Tag()], batch_size=1),
        lambda: Tag.objects.bulk_update([tag], ["name"]),
        club.delete,
        Gift.objects.create,
    ):
        monkeypatch.setattr(connection, "_commit", lose)
        with pytest.raises(OperationalError):
            write()
        monkeypatch.undo()
    assert [action for action, outcome in outcomes(captured) if outcome == "unknown" and action != "commit"] == [
        "order.update",
        "tag.bulk_create",
        "tag.bulk_update",
        "club.destroy",
        "gift.create",
    ]
    assert not any(outcome == "success" for _, outcome in outcomes(captured))


def test_a_transaction_that_sqlite_ended_by_itself_is_in_doubt(captured):
    """Nobody said how."""
    with transaction.atomic():
        Tag.objects.create()
        connection.connection.execute("ROLLBACK")
    assert outcomes(captured) == [("tag.create", "unknown"), ("commit", "unknown")]


def test_an_error_that_nobody_told_django_of_aborts_the_transaction(postgresql, captured):
    """PostgreSQL answers COMMIT with ROLLBACK and calls it a success."""
    with transaction.atomic(using=postgresql):
        Tag.objects.using(postgresql).create()
        with suppress(DatabaseError), connections[postgresql].cursor() as cursor:
            cursor.execute("SELECT nonsense")
    assert outcomes(captured) == [("rollback", "rolled_back")]
    assert not Tag.objects.using(postgresql).exists()


def test_a_connection_lost_in_the_middle_of_the_commit(postgresql, captured):
    """Whether anything was saved nobody was told."""
    with connections[postgresql].cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$"
        )
        cursor.execute(
            "CREATE CONSTRAINT TRIGGER vanish AFTER INSERT ON shop_depot DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION vanish()"
        )
    try:
        with pytest.raises(OperationalError), transaction.atomic(using=postgresql):
            Depot.objects.using(postgresql).create(pk=1)
        Tag.objects.using(postgresql).create()
    finally:
        connections[postgresql].close()
        with connections[postgresql].cursor() as cursor:
            cursor.execute("DROP FUNCTION vanish() CASCADE")
    assert outcomes(captured) == [("depot.create", "unknown"), ("commit", "unknown"), ("tag.create", "success")]


def test_a_connection_lost_before_the_commit(postgresql, captured):
    """The server has rolled back what it was asked to write."""
    with pytest.raises(DatabaseError), transaction.atomic(using=postgresql):  # noqa: PT012  # the error ends the block
        Tag.objects.using(postgresql).create()
        with connections[postgresql].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert outcomes(captured) == [("rollback", "rolled_back")]


def test_an_error_after_many_others_is_one_of_its_own(captured):
    """Only what a commit failed with, and what came of it, is not told again."""
    from ezlogs_instrumentors.django.transactions import Open, _open, see_rollback

    error = OperationalError("the first")
    _open[connections["default"]] = Open(lost=id(error))
    for number in range(12):
        try:
            raise OperationalError(str(number))
        except OperationalError as next_error:
            next_error.__context__ = error
            error = next_error
            if number in (3, 11):
                see_rollback(connections["default"], None)
    assert outcomes(captured) == [("rollback", "rolled_back")]


def test_nothing_is_kept_where_nobody_listens():
    """Transactions without a runtime leave nothing behind."""
    from ezlogs_instrumentors.django import transactions

    with capture(disabled_events=("data.*",)):
        with suppress(IntegrityError), transaction.atomic():
            Item.objects.create(order_id=None)
        with transaction.atomic():
            Tag.objects.create()
    assert not any(state.writes for state in transactions._open.values())
