"""The SQLAlchemy instrumentor and transactions: what was not committed is not told."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest
from sqlalchemy import create_engine, event, insert, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from ezlogs.event import Failure
from ezlogs.testing import capture
from tests.preparing import capture_prepared

from .conftest import told
from .shop import Base, Depot, Order, Tag


def rollbacks(captured):
    """Return what is told of each rollback."""
    return [
        (event.action, event.outcome, event.metadata["rows_by_model"], event.error)
        for event in captured.events
        if event.event_type == "data.transaction"
    ]


def test_a_rollback_is_told_in_place_of_its_rows(session, captured):
    """One event with counts."""
    session.add_all([Order(), Depot(), Depot()])
    session.flush()
    session.rollback()
    assert rollbacks(captured) == [("rollback", "rolled_back", {"order": 1, "depot": 2}, None)]
    assert len(captured.events) == 1
    assert captured.events[0].metadata["database"] == "shop"


def test_a_session_closed_without_a_commit_is_rolled_back(engine, captured):
    """SQLAlchemy rolls back without telling its sessions."""
    with Session(engine) as session:
        session.add(Depot())
        session.flush()
    assert rollbacks(captured) == [("rollback", "rolled_back", {"depot": 1}, None)]


def test_the_error_that_ended_it_is_told_without_the_statement(engine, captured):
    """Statement and parameters, which SQLAlchemy has in its messages, are not."""
    with pytest.raises(IntegrityError), Session(engine) as session, session.begin():  # noqa: PT012  # the error ends the block
        session.add(Tag(id=1, name="secret"))
        session.flush()
        session.execute(insert(Tag).values(id=2, name="secret"))
    ((*_, error),) = rollbacks(captured)
    assert error == Failure("sqlite3.IntegrityError", "UNIQUE constraint failed: tags.name")


def test_an_error_of_the_application_is_told(engine, captured):
    """A block that raises."""
    with pytest.raises(KeyError), Session(engine) as session, session.begin():  # noqa: PT012  # the error ends the block
        session.add(Depot())
        session.flush()
        raise KeyError("x")
    assert rollbacks(captured)[0][3] == Failure("KeyError", "'x'")


def test_an_error_that_is_being_handled_already_is_not_the_transactions(engine, captured):
    """A session in an except block did not fail because of what is handled there."""
    try:
        raise KeyError
    except KeyError:
        with Session(engine) as session:
            session.add(Depot())
            session.flush()
    assert rollbacks(captured)[0][3] is None


def test_a_flush_that_fails_at_once_is_told_once(session, captured):
    """Though no row was written before the error, and the application rolls back again."""
    session.add(Depot(id=1))
    session.commit()
    captured.clear()
    session.execute(insert(Depot).values(id=2))
    session.rollback()
    captured.clear()
    session.expunge_all()
    session.add(Depot(id=1))
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    assert [(action, rows, error.type) for action, _, rows, error in rollbacks(captured)] == [
        ("rollback", {}, "sqlite3.IntegrityError")
    ]
    session.add(Depot(id=3))
    session.commit()
    assert told(captured)[-1] == ("depot.create", "3")


def test_reads_that_are_rolled_back_are_not_told(session, captured):
    """They changed nothing."""
    session.get(Depot, 1)
    session.rollback()
    session.get(Depot, 1)
    session.close()
    assert captured.events == []


def test_nested_savepoints_partially_rolled_back(session, captured):
    """What was rolled back to a savepoint is counted, what stays is told; in the end only what is there."""
    session.add(Depot(id=1))
    with session.begin_nested():
        session.add(Depot(id=2))
        inner = session.begin_nested()
        session.add(Depot(id=3))
        session.flush()
        inner.rollback()
        session.add(Depot(id=4))
    outer = session.begin_nested()
    session.add(Depot(id=5))
    with session.begin_nested():
        session.add(Depot(id=6))
    outer.rollback()
    session.commit()
    assert told(captured)[:3] == [("depot.create", "1"), ("depot.create", "2"), ("depot.create", "4")]
    assert rollbacks(captured) == [("rollback_to_savepoint", "rolled_back", {"depot": 3}, None)]
    assert captured.events[-1].metadata["savepoints"] == 2


def test_a_savepoint_that_failed_leaves_the_rest(session, captured):
    """Its error is told with what was taken back."""
    session.add(Tag(id=1, name="a"))
    session.flush()
    with pytest.raises(IntegrityError), session.begin_nested():  # noqa: PT012  # the error ends the block
        session.add(Depot(id=1))
        session.flush()
        session.add(Tag(id=2, name="a"))
    session.add(Depot(id=2))
    session.commit()
    assert told(captured)[:2] == [("tag.create", "1"), ("depot.create", "2")]
    ((action, _, rows, error),) = rollbacks(captured)
    assert (action, rows, error.type) == ("rollback_to_savepoint", {"depot": 1}, "sqlite3.IntegrityError")


def test_a_savepoint_before_the_first_write(session, captured):
    """Everything is taken back."""
    nested = session.begin_nested()
    session.add(Depot())
    session.flush()
    nested.rollback()
    session.commit()
    assert [event.action for event in captured.events] == ["rollback_to_savepoint"]


@pytest.mark.parametrize("mode", ["conditional_savepoint", "rollback_only", "create_savepoint", "control_fully"])
def test_a_session_joined_into_a_transaction_commits_nothing(engine, captured, mode):
    """The recipe for tests: the connection's transaction is rolled back in the end."""
    connection = engine.connect()
    outer = connection.begin()
    with Session(connection, join_transaction_mode=mode) as session:
        session.add(Depot())
        session.commit()
    if mode == "control_fully":
        assert told(captured) == [("depot.create", "1")]
        connection.close()
        return
    assert captured.events == []
    outer.rollback()
    connection.close()
    assert rollbacks(captured) == [("rollback", "rolled_back", {"depot": 1}, None)]


def test_a_session_joined_into_a_transaction_that_commits(engine, captured):
    """It is told when the connection has committed."""
    with engine.begin() as connection:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            session.add(Depot())
            session.commit()
        assert captured.events == []
    assert told(captured) == [("depot.create", "1")]


def test_in_autocommit_mode_rows_are_told_at_once(engine, tmp_path, captured):
    """Whether the engine, its options or the connection say so."""
    whole = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite3'}", isolation_level="AUTOCOMMIT")
    for found in (whole, whole.execution_options(isolation_level="AUTOCOMMIT")):
        with found.connect() as connection:
            captured.clear()
            connection.execute(insert(Depot.__table__), {"size": 1})
            assert [event.action for event in captured.events] == ["depot.create"]
            assert captured.events[0].correlation.transaction_id is None
            connection.rollback()
        with Session(found) as session:
            session.add(Depot())
            session.flush()
            assert len(captured.events) == 2
    assert rollbacks(captured) == []
    whole.dispose()


def test_a_commit_that_fails_is_told_as_the_rollback_that_it_is(engine, captured):
    """A deferred constraint is checked by the commit; it is told once."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE a (id INTEGER PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)"))
    with Session(engine) as session:
        session.add(Depot())
        session.execute(text("INSERT INTO b VALUES (7)"))
        with pytest.raises(IntegrityError):
            session.commit()
    assert rollbacks(captured) == [
        ("rollback", "rolled_back", {"depot": 1}, Failure("sqlite3.IntegrityError", "FOREIGN KEY constraint failed"))
    ]


def test_sqlites_driver_commits_with_the_outermost_savepoint(tmp_path, captured):
    """Unless it is told to begin a transaction: what was committed is told, whatever SQLAlchemy does afterwards."""
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.sqlite3'}")
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(insert(Depot.__table__), {"id": 1})
        connection.execute(insert(Depot.__table__), {"id": 2})
        with connection.begin_nested():
            connection.execute(insert(Depot.__table__), {"id": 3})
        connection.rollback()
        found = [row.id for row in connection.execute(Depot.__table__.select())]
    assert [key for action, key in told(captured) if action == "depot.create"] == [str(key) for key in found] == ["1"]
    assert rollbacks(captured) == [("rollback", "rolled_back", {"depot": 2}, None)]
    engine.dispose()


def test_a_connection_that_nobody_ended_goes_back_to_its_pool(engine, captured):
    """Ezlogs keeps no connection alive, also not by an error's traceback."""

    def leave():
        connection = engine.connect()
        try:
            raise KeyError
        except KeyError:
            connection.execute(insert(Depot.__table__), {"id": 1})
        with suppress(IntegrityError):
            connection.execute(insert(Depot.__table__), {"id": 1})
        nested = connection.begin_nested()
        try:
            raise KeyError
        except KeyError:
            nested.rollback()

    leave()
    gc.collect()
    assert engine.pool.checkedout() == 0
    assert captured.events == []


def test_an_error_of_ours_never_reaches_the_transaction(engine, monkeypatch):
    """A tracker that fails loses events, not data."""
    from ezlogs_instrumentors.sqlalchemy import flushes, statements, transactions

    def fail(*args, **kwargs):
        raise RuntimeError("ours")

    for module, name in ((flushes, "observe"), (statements, "observe"), (transactions.data.Transaction, "commit")):
        monkeypatch.setattr(module, name, fail)
    with capture(debug=False, strict=False) as captured, Session(engine) as session:
        session.add(Depot())
        session.execute(insert(Depot).values(id=7))
        session.commit()
        assert session.get(Depot, 7) is not None
    assert captured.events == []


def outcomes(captured):
    """What was told, and how it ended."""
    return [(event.action, event.outcome) for event in captured.events]


def refuse_to_commit(monkeypatch, engine, error):
    """Have the driver fail with an error when it is to commit."""

    def commit(connection):
        raise error

    monkeypatch.setattr(engine.dialect, "do_commit", commit)


def test_rows_are_in_the_journal_before_the_commit(engine):
    """Nobody is told before it has returned."""
    with capture_prepared() as (captured, journaled):
        with Session(engine) as session:
            session.add(Depot())
            session.flush()
            assert journaled.waiting() == 0
            event.listen(engine, "commit", lambda connection: seen.append(journaled.waiting()), once=True)
            seen = []
            session.commit()
        assert seen == [1]
        assert outcomes(captured) == [("depot.create", "success")]
        assert journaled.waiting() == 0


def test_a_commit_that_is_not_sent_leaves_nothing_in_the_journal(engine):
    """Somebody's listener raises; the same transaction, or the next one, is told as it ends."""
    with capture_prepared() as (captured, journaled):
        with engine.connect() as connection:
            transaction = connection.begin()
            connection.execute(insert(Depot.__table__), {"id": 1})
            event.listen(engine, "commit", lambda connection: 1 / 0, once=True)
            with pytest.raises(ZeroDivisionError):
                transaction.commit()
            assert journaled.waiting() == 0
        engine.dispose()  # SQLAlchemy gave the connection back as it was
        assert captured.of("data.change") == []
        with Session(engine) as session:
            session.add(Depot(id=2))
            session.commit()
        assert told(captured) == [("depot.create", "2")]
        assert journaled.waiting() == 0


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()], ids=["not sent", "in doubt"])
def test_a_commit_that_fails_before_anything_was_written(engine, captured, error):
    """There is nothing to tell."""

    def fail(connection):
        raise error

    with engine.connect() as connection:
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT no_such_column"))
        event.listen(engine, "commit", fail)
        with pytest.raises(type(error)):
            connection.commit()
    assert captured.of("data.change") == []


def test_an_error_that_is_none_of_the_drivers_leaves_the_commit_in_doubt(monkeypatch, engine, captured):
    """As when an asynchronous driver's time is up: it was sent, and nobody knows how it ended."""
    with Session(engine) as session:
        session.add(Depot(id=1))
        session.flush()
        refuse_to_commit(monkeypatch, engine, TimeoutError("no answer"))
        with pytest.raises(TimeoutError):
            session.commit()
        monkeypatch.undo()
    assert outcomes(captured) == [("depot.create", "unknown"), ("commit", "unknown")]


def test_sqlites_outermost_savepoint_is_journaled_before_it_is_released(tmp_path):
    """For that commits."""
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.sqlite3'}")
    Base.metadata.create_all(engine)
    with capture_prepared() as (captured, journaled), engine.connect() as connection:
        event.listen(engine, "release_savepoint", lambda *_: seen.append(journaled.waiting()))
        seen = []
        with connection.begin_nested():
            connection.execute(insert(Depot.__table__), {"id": 1})
            with connection.begin_nested():
                connection.execute(insert(Depot.__table__), {"id": 2})
        assert seen == [0, 2]
        assert outcomes(captured) == [("depot.create", "success")] * 2
        assert journaled.waiting() == 0
    engine.dispose()
