"""The SQLAlchemy instrumentor on PostgreSQL: how transactions end that SQLite does not have."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from tests.preparing import capture_prepared

from .conftest import changes, told
from .shop import Depot, Manager, Order, Seat, Status, Tag

pytestmark = pytest.mark.timeout(120)


def errors(captured):
    """Return the types of the errors that rollbacks are told with."""
    return [event.error and event.error.type for event in captured.events if event.event_type == "data.transaction"]


def test_rows_and_their_returned_defaults(postgresql, captured):
    """What the insert itself returned is known, and not asked for again."""
    with Session(postgresql) as session:
        session.add(order := Order(status=Status.PAID))
        session.add(Manager(name="Ada"))
        session.commit()
        session.refresh(order)
        order.count = Order.count + 2
        session.commit()
    assert sorted(told(captured)) == [("manager.create", "1"), ("order.create", "1"), ("order.update", "1")]
    update_of = next(event for event in captured.events if event.action == "order.update")
    assert changes(update_of)["count"][0] == 0


def test_statements_count_their_rows(postgresql, captured):
    """Also with RETURNING and with conflicts."""
    with postgresql.begin() as connection:
        table = Depot.__table__
        connection.execute(insert(table), {"size": 1})
        connection.execute(insert(table), [{"size": 2}, {"size": 3}])
        connection.execute(insert(table).returning(table.c.id), [{"size": 2}, {"size": 3}]).all()
        connection.execute(update(table).values(size=9).returning(table.c.id)).all()
        connection.execute(upsert(table).values(id=1, size=1).on_conflict_do_nothing())
        connection.execute(
            upsert(table).values(id=1, size=7).on_conflict_do_update(index_elements=["id"], set_={"size": 7})
        )
        connection.execute(delete(table).where(table.c.size == 9).returning(table.c.id)).all()
    assert [(event.action, event.subject.id, event.metadata.get("rows")) for event in captured.events] == [
        ("depot.create", "1", None),
        ("depot.bulk_create", None, 2),
        ("depot.bulk_create", None, 2),
        ("depot.bulk_update", None, 5),
        ("depot.bulk_create", None, 1),
        ("depot.bulk_delete", None, 4),
    ]


def test_a_unique_violation(postgresql, captured):
    """In a savepoint and without one; the row's values are not in what is told of the statement."""
    with Session(postgresql) as session:
        session.add(Tag(id=1, name="a"))
        session.commit()
        captured.clear()
        session.add(Depot())
        session.flush()
        with pytest.raises(IntegrityError), session.begin_nested():
            session.add(Tag(id=2, name="a"))
        session.commit()
    assert [event.action for event in captured.events] == ["depot.create"]
    captured.clear()
    with pytest.raises(IntegrityError), Session(postgresql) as session, session.begin():
        session.add(Tag(id=2, name="a"))
    assert errors(captured) == ["psycopg.errors.UniqueViolation"]
    assert "INSERT" not in captured.events[0].error.message


def test_a_constraint_checked_by_the_commit(postgresql, captured):
    """The commit fails: nothing of it was saved."""
    with postgresql.begin() as connection:
        connection.execute(text("ALTER TABLE tags DROP CONSTRAINT tags_name_key"))
        connection.execute(text("ALTER TABLE tags ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED"))
    with Session(postgresql) as session:
        session.add_all([Tag(name="a"), Tag(name="a")])
        session.flush()
        with pytest.raises(IntegrityError):
            session.commit()
    with pytest.raises(IntegrityError), postgresql.begin() as connection:
        connection.execute(insert(Tag), [{"name": "b"}, {"name": "b"}])
    assert [event.action for event in captured.events] == ["rollback", "rollback"]
    assert errors(captured) == ["psycopg.errors.UniqueViolation"] * 2


def test_a_serialization_failure(postgresql, captured):
    """The loser is told as rolled back, the winner as committed."""
    with Session(postgresql) as session:
        session.add(Depot(id=1, size=1))
        session.commit()
    captured.clear()
    serializable = postgresql.execution_options(isolation_level="SERIALIZABLE")
    with Session(serializable) as one, Session(serializable) as two:
        first, second = one.get(Depot, 1), two.get(Depot, 1)
        first.size, second.size = 2, 3
        one.commit()
        with pytest.raises(OperationalError):
            two.commit()
        two.rollback()
    assert [event.action for event in captured.events] == ["depot.update", "rollback"]
    assert errors(captured) == ["psycopg.errors.SerializationFailure"]


def test_a_connection_lost_before_the_commit(postgresql, captured):
    """The server has rolled back what it was asked to write."""
    with pytest.raises(DBAPIError), Session(postgresql) as session, session.begin():  # noqa: PT012  # the error ends the block
        session.add(Depot())
        session.flush()
        backend = session.scalar(text("SELECT pg_backend_pid()"))
        with postgresql.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
        session.scalar(select(Depot.id))
    assert [event.action for event in captured.events] == ["rollback"]
    assert captured.events[0].metadata["rows_by_model"] == {"depot": 1}


def test_a_connection_lost_in_the_middle_of_the_commit(postgresql, captured):
    """Whether anything was saved nobody was told, so the rows are told as unknown."""
    with postgresql.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER vanish AFTER INSERT ON depots DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION vanish()"
            )
        )
    with Session(postgresql) as session:
        session.add(Depot())
        with pytest.raises(DBAPIError):
            session.commit()
        session.rollback()
        session.add(Tag(name="a"))
        session.commit()
    assert [(event.action, event.outcome) for event in captured.events] == [
        ("depot.create", "unknown"),
        ("commit", "unknown"),
        ("tag.create", "success"),
    ]
    assert captured.events[1].metadata["rows_by_model"] == {"depot": 1}
    assert captured.events[1].error is not None


def test_autocommit(postgresql, captured):
    """Each row is committed by itself."""
    with postgresql.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(insert(Depot.__table__), {"size": 1})
        with pytest.raises(IntegrityError):
            connection.execute(insert(Depot.__table__), {"id": 1})
        connection.rollback()
    assert told(captured) == [("depot.create", "1")]


def test_a_savepoint_of_core(postgresql, captured):
    """Rows are what the database has in the end."""
    with postgresql.begin() as connection:
        for key in range(1, 5):
            nested = connection.begin_nested()
            connection.execute(insert(Seat.__table__), {"row": key, "letter": "a", "version": 1})
            if key % 2:
                nested.rollback()
            else:
                nested.commit()
    with postgresql.connect() as connection:
        rows = [f"{row.row},a" for row in connection.execute(select(Seat.__table__))]
    assert [key for action, key in told(captured) if action == "seat.create"] == rows == ["2,a", "4,a"]


def test_two_phases(postgresql, captured):
    """A prepared transaction is told when it is committed, where the server allows preparing."""
    with postgresql.connect() as connection:
        if connection.scalar(text("SHOW max_prepared_transactions")) == "0":
            pytest.skip("this PostgreSQL prepares no transactions: max_prepared_transactions is 0")
    for end in ("commit", "rollback"):
        with postgresql.connect() as connection:
            transaction = connection.begin_twophase()
            connection.execute(insert(Depot.__table__), {"size": 1})
            transaction.prepare()
            getattr(transaction, end)()
    assert [event.action for event in captured.events] == ["depot.create", "rollback"]


def test_two_phases_in_the_journal(postgresql):
    """It is there before the first one, for who prepared a transaction may not be who commits it."""
    with capture_prepared() as (captured, journaled), postgresql.connect() as connection:
        if connection.scalar(text("SHOW max_prepared_transactions")) == "0":
            pytest.skip("this PostgreSQL prepares no transactions: max_prepared_transactions is 0")
        connection.rollback()
        transaction = connection.begin_twophase()
        connection.execute(insert(Depot.__table__), {"size": 1})
        transaction.prepare()
        assert (journaled.waiting(), journaled.prepared, captured.events) == (1, 1, [])
        transaction.commit()
        assert (journaled.waiting(), journaled.prepared) == (0, 1)
        assert [event.action for event in captured.events] == ["depot.create"]
