"""The SQLAlchemy instrumentor at its edges: shards, what is taken back or not running, drivers that do not count."""

from __future__ import annotations

import asyncio
import sqlite3
import warnings

import pytest
import sqlalchemy
from sqlalchemy import Connection, bindparam, create_engine, event, insert, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.horizontal_shard import ShardedSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy import SqlalchemyInstrumentor, bulk, mapped, statements, transactions
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
    before = dict(vars(Connection))
    statements.attach(hooks, sqlalchemy)
    transactions.attach(hooks, sqlalchemy)
    bulk.attach(hooks, sqlalchemy.orm)
    assert dict(vars(Connection)) == before


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


def test_whoever_kept_our_wrapper_has_one_that_does_nothing(engine, captured):
    """As somebody who wrapped a method on top of ours."""
    commit = sqlalchemy.engine.Transaction.commit
    SqlalchemyInstrumentor().uninstrument()
    with engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(insert(Depot.__table__), {"id": 1})
        commit(transaction)
        again = connection.begin()
        again.rollback()
        with pytest.raises(sqlalchemy.exc.InvalidRequestError):
            commit(again)
    SqlalchemyInstrumentor().instrument()
    assert captured.events == []


def test_a_commit_that_fails_without_a_write_before_it(engine, captured, monkeypatch):
    """There is nothing to tell of it but the error, which is the application's."""

    def fail(connection):
        raise sqlite3.OperationalError("disk I/O error")

    with engine.connect() as connection:
        connection.execute(select(Depot))
        monkeypatch.setattr(engine.dialect, "do_commit", fail)
        with pytest.raises(OperationalError):
            connection.commit()
        monkeypatch.undo()
    assert captured.events == []


def test_inserts_of_a_driver_that_does_not_count(engine, captured):
    """One row is one; where some may have been passed over nobody knows."""

    class Uncounted:
        rowcount = -1

    class Context:
        pass

    context = Context()
    statements._remember_rows(Uncounted(), context)
    assert not hasattr(context, "ezlogs_rows")
    with engine.begin() as connection:
        connection.execute(insert(Depot.__table__).returning(Depot.__table__.c.id), {"id": 1}).all()
    assert told(captured) == [("depot.create", "1")]


def test_keys_in_updates_of_many_rows(session, captured):
    """Those that the rows are found by are none of the fields; those that are set are."""
    session.execute(insert(Seat), [{"row": 1, "letter": "a", "version": 1}, {"row": 2, "letter": "b", "version": 1}])
    session.commit()
    captured.clear()
    session.execute(
        update(Seat),
        [
            {"row": 1, "letter": "a", "version": 1, "taken": True},
            {"row": 2, "letter": "b", "version": 1, "taken": True},
        ],
    )
    session.commit()
    with session.get_bind().begin() as connection:
        table = Seat.__table__
        statement = update(table).where(table.c.row == bindparam("key"))
        connection.execute(statement, [{"key": 1, "row": 5, "taken": True}, {"key": 2, "row": 6, "taken": True}])
    *by_key, by_value = captured.events
    assert sum(found.metadata["rows"] for found in by_key) == by_value.metadata["rows"] == 2
    assert all({"row", "letter"}.isdisjoint(changes(found)) for found in by_key)
    assert list(changes(by_value)) == ["row", "taken"]


def test_a_mapped_table_of_migrations_is_nobodys_data(engine, captured):
    """Also through the unit of work and the bulk methods."""

    class Versions(DeclarativeBase):
        pass

    class Version(Versions):
        __tablename__ = "alembic_version"
        version_num: Mapped[str] = mapped_column(primary_key=True)

    Versions.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Version(version_num="a"))
        session.bulk_save_objects([Version(version_num="b")])
        session.commit()
    assert captured.events == []


def test_rows_that_a_flush_only_looked_at_have_no_links_to_tell(session, captured):
    """The items of a changed collection take part in the flush; their own collections did not change."""
    session.add_all([first := Order(id=1), tag := Tag(id=1, name="a")])
    first.tags.append(tag)
    session.commit()
    captured.clear()
    tag.orders.append(Order(id=2))
    session.commit()
    first.tags.remove(tag)
    session.expunge(tag)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.commit()
    links = [(found.subject.id, found.metadata["m2m"]["added"]) for found in captured.events if "m2m" in found.metadata]
    assert links == [("2", ("1",))]


def test_savepoints_without_a_write_are_not_told(engine, captured):
    """Neither released nor rolled back."""
    with engine.begin() as connection:
        with connection.begin_nested():
            connection.execute(select(Depot))
        connection.begin_nested().rollback()
    assert captured.events == []
