"""The SQLAlchemy instrumentor at its edges: shards, what is taken back or not running, drivers that do not count."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy
from sqlalchemy import Engine, create_engine, event, insert, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.horizontal_shard import ShardedSession
from sqlalchemy.orm import Session

from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy import bulk, mapped, statements, transactions
from ezlogs_instrumentors.sqlalchemy.listeners import listen

from .conftest import changes, told
from .shop import Base, Depot, Order, Seat, Tag


def test_each_shard_is_a_database_of_its_own(tmp_path, captured):
    """Rows are told by the connection that they went through."""
    shards = {name: create_engine(f"sqlite:///{tmp_path / name}.sqlite3") for name in ("east", "west")}
    for engine in shards.values():
        Base.metadata.create_all(engine)
    session = ShardedSession(
        shards=shards,
        shard_chooser=lambda mapper, instance, clause=None: "east" if instance is None or instance.size < 5 else "west",
        identity_chooser=lambda *args, **options: list(shards),
        execute_chooser=lambda context: list(shards),
    )
    with session:
        session.add_all([Depot(id=1, size=1), Depot(id=2, size=9)])
        session.commit()
    assert {event.subject.id: event.metadata["database"] for event in captured.events} == {"1": "east", "2": "west"}
    for engine in shards.values():
        engine.dispose()


def test_while_ezlogs_does_not_run_the_bulk_methods_are_what_they_were(session):
    """And after it was taken back."""
    session.bulk_insert_mappings(Depot, [{"id": 1, "size": 1}])
    session.bulk_save_objects([Depot(id=2)])
    session.bulk_update_mappings(Depot, [{"id": 1, "size": 3}])
    session.execute(insert(Depot), [{"id": 3}])
    session.commit()
    assert session.get(Depot, 1).size == 3
    assert session.get(Depot, 3) is not None


def test_what_was_taken_back_before_its_module_came_does_nothing():
    """An import hook that still waits cannot be taken back itself."""
    hooks = Hooks()
    hooks.undo()

    def never(*args):
        raise AssertionError

    listen(hooks, Session, "before_flush", never)
    assert not event.contains(Session, "before_flush", never)
    before = len(list(Engine.dispatch.after_execute._clslevel[Engine]))
    statements.attach(hooks, sqlalchemy)
    transactions.attach(hooks, sqlalchemy)
    bulk.attach(hooks, sqlalchemy.orm)
    assert len(list(Engine.dispatch.after_execute._clslevel[Engine])) == before


def test_a_replaced_row_tells_what_differs(session, captured):
    """Attributes that the new row was not given, or that are the same, stay what they were."""
    session.add(seat := Seat(row=1, letter="a", taken=True))
    session.commit()
    session.refresh(seat)
    captured.clear()
    session.delete(seat)
    session.add(Seat(row=1, letter="a", taken=True))
    session.commit()
    assert all("taken" not in changes(found) for found in captured.events)


def test_a_savepoint_in_a_savepoint_of_sqlites_driver(tmp_path, captured):
    """Only the outermost one commits."""
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.sqlite3'}")
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(insert(Depot.__table__), {"id": 1})
            with connection.begin_nested():
                connection.execute(insert(Depot.__table__), {"id": 2})
            assert captured.events == []
        assert told(captured) == [("depot.create", "1"), ("depot.create", "2")]
        with connection.begin_nested():
            pass
        nested = connection.begin_nested()
        nested.rollback()
        connection.rollback()
    assert len(captured.events) == 2
    engine.dispose()


def test_an_error_of_a_read_is_a_rollback_with_its_reason(engine, captured):
    """Nothing was written; the database's error is told all the same, but not if a savepoint took it back."""
    with engine.connect() as connection:
        with pytest.raises(OperationalError):
            connection.exec_driver_sql("SELECT * FROM nowhere")
        connection.rollback()
        nested = connection.begin_nested()
        with pytest.raises(OperationalError):
            connection.exec_driver_sql("SELECT * FROM nowhere")
        nested.rollback()
        connection.rollback()
    assert [(found.action, found.error.type) for found in captured.events] == [("rollback", "sqlite3.OperationalError")]


def test_a_commit_that_is_cut_short_is_in_doubt(engine, captured, monkeypatch):
    """As when a task is cancelled: whether the database got it nobody knows."""

    def cut(connection):
        raise asyncio.CancelledError

    with Session(engine) as session:
        session.add(Depot())
        session.flush()
        monkeypatch.setattr(engine.dialect, "do_commit", cut)
        with pytest.raises(asyncio.CancelledError):
            session.commit()
        monkeypatch.undo()
    assert [(found.action, found.outcome) for found in captured.events] == [
        ("depot.create", "unknown"),
        ("commit", "unknown"),
    ]


def test_a_commit_that_was_never_sent_ends_nothing(engine, captured):
    """A transaction that is over already cannot be committed again; the next one is not touched."""
    with engine.connect() as connection:
        first = connection.begin()
        connection.execute(insert(Depot.__table__), {"id": 1})
        first.commit()
        connection.execute(insert(Depot.__table__), {"id": 2})
        with pytest.raises(sqlalchemy.exc.InvalidRequestError):
            first.commit()
        connection.commit()
    assert told(captured) == [("depot.create", "1"), ("depot.create", "2")]


def test_a_driver_that_does_not_count(session, captured, monkeypatch):
    """The number of rows is left out."""
    monkeypatch.setattr(statements, "_rowcount", lambda result: None)
    session.execute(update(Depot).values(size=1))
    session.bulk_insert_mappings(Depot, [{"id": 1, "size": 1}])
    session.bulk_update_mappings(Depot, [{"id": 1, "size": 2}])
    session.commit()
    assert [(found.action, found.metadata.get("rows")) for found in captured.events] == [
        ("depot.bulk_update", None),
        ("depot.bulk_create", 1),
        ("depot.bulk_update", 1),
    ]


def test_names_of_databases(tmp_path):
    """The engine's own name, the file's or the database's, or the kind."""
    urls = (
        "sqlite://",
        "sqlite:///:memory:",
        f"sqlite:///{tmp_path / 'a.b.db'}",
        "postgresql+psycopg://me@host/orders",
    )
    assert [mapped.database_of(create_engine(url)) for url in urls] == ["sqlite", "sqlite", "a.b", "orders"]
    assert mapped.database_of(create_engine("sqlite://", logging_name="ledger")) == "ledger"


def test_models_that_come_later_are_known_by_their_tables(engine, captured):
    """A class that is mapped after instrumenting is no different."""

    class LateArrival(Base):
        __tablename__ = "late_arrivals"
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)

    try:
        with engine.begin() as connection:
            LateArrival.__table__.create(connection)
            connection.execute(insert(LateArrival.__table__), {"id": 1})
        assert told(captured) == [("late_arrival.create", "1")]
    finally:
        Base.metadata.remove(LateArrival.__table__)
        Base.registry._dispose_cls(LateArrival)


def test_a_row_without_columns_to_tell_of(session, captured):
    """Text with nothing harmless in it is told by name."""
    session.add(Tag(name="a"))
    session.add(Order())
    session.commit()
    assert changes(next(found for found in captured.events if found.action == "tag.create")).keys() == {"name"}
