"""The SQLAlchemy instrumentor where SQLAlchemy's private methods are other ones: its events tell the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import Column, CursorResult, Integer, Table, delete, event, insert, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import registry

from ezlogs.testing import capture
from ezlogs_instrumentors.sqlalchemy import SqlalchemyInstrumentor, below

from .conftest import told
from .shop import Depot, Order, Tag


@pytest.fixture(autouse=True, params=["methods", "events"])
def instrumented(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Instrument SQLAlchemy, with its methods and as if it had none of them."""
    if request.param == "events":
        monkeypatch.setattr(below, "is_there", lambda owner, method: False)
    instrumentor = SqlalchemyInstrumentor()
    instrumentor.instrument()
    try:
        yield
    finally:
        instrumentor.uninstrument()


def test_rows_and_savepoints(session, captured):
    """What is taken back, and what is not."""
    session.add(depot := Depot(id=1, size=1))
    session.flush()
    with session.begin_nested():
        session.add(Tag(id=1, name="a"))
    undone = session.begin_nested()
    depot.size = 5
    session.flush()
    undone.rollback()
    session.add(Order(id=1, tags=[session.get(Tag, 1)]))
    session.commit()
    assert told(captured)[:4] == [
        ("depot.create", "1"),
        ("tag.create", "1"),
        ("order.create", "1"),
        ("order.update", "1"),
    ]
    captured.clear()
    session.add(Depot(id=2))
    session.flush()
    session.rollback()
    (rollback,) = captured.events
    assert rollback.metadata["rows_by_model"] == {"depot": 1}


def test_statements(engine, captured):
    """Through Core, also where only the driver knows how many rows there are."""
    depots = Depot.__table__
    assert isinstance(depots, Table)
    with engine.begin() as connection:
        connection.execute(insert(depots), [{"id": 1, "size": 1}, {"id": 2, "size": 2}])
        connection.execute(sqlite.insert(depots).on_conflict_do_nothing(), [{"id": 2}, {"id": 3}])
        connection.execute(sqlite.insert(depots).on_conflict_do_nothing(), [{"id": 3}, {"id": 4}])
        connection.execute(update(depots).values(size=7))
        connection.scalar(delete(depots).where(depots.c.id == 1).returning(depots.c.id))
    actions = [(event.action, event.metadata.get("rows")) for event in captured.events]
    assert actions[:4] == [
        ("depot.bulk_create", 2),
        ("depot.bulk_create", 1),
        ("depot.bulk_create", 1),
        ("depot.bulk_update", 4),
    ]
    assert actions[4][0] == "depot.bulk_delete"


def test_text_and_definitions(engine):
    """What was written as text is told where that is asked for; a table that is made is none of it."""
    with capture(raw_statements=True) as captured, engine.begin() as connection:
        connection.execute(text("INSERT INTO depots (size) VALUES (1)"))
        Table("other", Depot.metadata.__class__(), Depot.__table__.c.id._copy()).create(connection)
    assert [event.action for event in captured.events] == ["depots.insert"]


def test_what_replaces_a_statement_is_told(engine, captured):
    """A listener of the application's may have another statement executed."""
    depots = Depot.__table__

    @event.listens_for(engine, "before_execute", retval=True)
    def replace(connection, clause, multiparams, params, options):
        if getattr(clause, "is_update", False):
            clause = delete(depots)
        return clause, multiparams, params

    with engine.begin() as connection:
        connection.execute(insert(depots), [{"id": 1, "size": 1}, {"id": 2, "size": 2}])
        connection.execute(update(depots).values(size=7))
    assert [event.action for event in captured.events] == ["depot.bulk_create", "depot.bulk_delete"]


def test_statements_are_not_slowed_by_listeners(request, session, captured):
    """Where there are methods, no engine has listeners of ours."""
    session.add(Depot(size=1))
    session.commit()
    is_listening = bool(list(session.get_bind().dispatch.after_execute))
    assert is_listening is (request.node.callspec.params["instrumented"] == "events")
    assert told(captured) == [("depot.create", "1")]


def test_what_is_returned_as_instances_is_told(session, captured):
    """Whoever asks for instances of what a statement wrote has it written all the same."""
    depots = select(Depot)
    assert len(session.scalars(depots.from_statement(insert(Depot).values(size=4).returning(Depot))).all()) == 1
    several = insert(Depot).values([{"size": 8}, {"size": 9}]).returning(Depot)
    assert len(session.scalars(depots.from_statement(several)).all()) == 2
    raised = update(Depot).where(Depot.size > 7).values(size=7).returning(Depot)
    assert {depot.size for depot in session.scalars(depots.from_statement(raised))} == {7}
    assert len(session.scalars(depots.from_statement(delete(Depot).returning(Depot))).all()) == 3
    session.commit()
    assert [event.action for event in captured.events] == [
        "depot.create",
        "depot.bulk_create",
        "depot.bulk_update",
        "depot.bulk_delete",
    ]
    assert [(change.field, change.after) for change in captured.events[0].changes] == [("size", 4)]


def test_logs_say_which_of_sqlalchemys_functions_they_are_of(session, captured, caplog):
    """Whoever stands between two of them has the name of the one that it stands for."""
    caplog.set_level("INFO", "sqlalchemy.engine")
    session.add(Depot(size=1))
    session.commit()
    (record,) = [record for record in caplog.records if record.message == "COMMIT"]
    assert "commit" in record.funcName


def test_a_driver_is_not_asked_how_many_rows_an_insert_wrote(engine, captured, monkeypatch):
    """Where that is known already: some have to find out."""
    asked = list[str]()

    def rowcount(result: object) -> int:
        asked.append(sys._getframe(1).f_globals["__name__"])
        return -1

    monkeypatch.setattr(CursorResult, "rowcount", property(rowcount))
    depots = Depot.__table__
    with engine.begin() as connection:
        connection.execute(insert(depots), [{"size": 1}, {"size": 2}])
        connection.execute(insert(depots).values(size=3))
    assert [event.action for event in captured.events] == ["depot.bulk_create", "depot.create"]
    assert [name for name in asked if name.startswith("ezlogs")] == []


def test_a_table_whose_class_is_none_any_more_is_told(engine, captured):
    """By the table's own names, where its mapper was disposed of."""
    again = registry()
    table = Table("former", again.metadata, Column("id", Integer, primary_key=True), Column("size", Integer))
    again.map_imperatively(type("Former", (), {}), table)
    again.dispose()
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table).values(size=3))
    assert [change.field for change in captured.events[0].changes] == ["size"]
