"""The SQLAlchemy instrumentor and statements of the application's own, through Core, the ORM and the bulk methods."""

from __future__ import annotations

from msgspec import UNSET
from sqlalchemy import bindparam, delete, event, insert, literal, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.sqlalchemy import SqlalchemyInstrumentor

from .conftest import changes, told
from .shop import Customer, Depot, Manager, Order, Person, Seat, Status, Tag, order_tags

depots = Depot.__table__


def bulk(captured):
    """Return what was written together: what, how many rows, and the fields."""
    return [(event.action, event.metadata.get("rows"), list(changes(event))) for event in captured.events]


def test_one_row_inserted_through_core_is_a_created_row(engine, captured):
    """With the key that the database gave, under the name of the table's model."""
    with engine.begin() as connection:
        connection.execute(insert(depots), {"size": 3})
        connection.execute(insert(depots).values(size=4))
        assert captured.events == []
    assert told(captured) == [("depot.create", "1"), ("depot.create", "2")]
    assert captured.events[0].metadata == {"table": "depots", "database": "shop"}
    assert [changes(event) for event in captured.events] == [{"size": (UNSET, 3)}, {"size": (UNSET, 4)}]


def test_one_row_inserted_through_the_orm(session, captured):
    """With RETURNING or without; of a composite key what was given."""
    session.execute(insert(Seat).values(row=1, letter="a", version=1))
    assert session.scalars(insert(Seat).values(row=2, letter="b", version=1).returning(Seat)).one().row == 2
    session.execute(insert(Depot).values(size=1).returning(Depot.id)).one()
    session.commit()
    assert told(captured) == [("seat.create", "1,a"), ("seat.create", "2,b"), ("depot.create", None)]


def test_many_rows_inserted_together_are_one_event(session, captured):
    """However they are given, and without their values."""
    session.execute(insert(Depot), [{"size": size} for size in range(5)])
    session.execute(insert(depots).values([{"size": 1}, {"size": 2}]))
    session.scalars(insert(Depot).returning(Depot), [{"size": 1}, {"size": 2}, {"size": 3}]).all()
    session.execute(insert(depots).from_select(["size"], select(Depot.size).where(Depot.id <= 4)))
    session.commit()
    assert bulk(captured) == [("depot.bulk_create", rows, []) for rows in (5, 2, 3, 4)]
    assert {event.subject for event in captured.events} == {ezlogs.Subject("depot")}


def test_updates_and_deletes_tell_rows_and_fields(session, captured):
    """Values that are the same for all, and nothing of what the database computes or of the condition."""
    session.execute(insert(Order), [{"count": 1}, {"count": 2}, {"count": 3}])
    session.commit()
    captured.clear()
    session.execute(update(Order).where(Order.count > 1).values(status=Status.PAID, total=Order.count * 2))
    session.execute(delete(Order).where(Order.count == 1))
    session.query(Order).filter(Order.count == 2).update({"count": 9})
    session.query(Order).filter(Order.count == 9).delete()
    session.commit()
    assert bulk(captured) == [
        ("order.bulk_update", 2, ["status", "total", "touched"]),
        ("order.bulk_delete", 1, []),
        ("order.bulk_update", 1, ["count", "touched"]),
        ("order.bulk_delete", 1, []),
    ]
    assert changes(captured.events[0])["status"] == (UNSET, "paid")
    assert changes(captured.events[0])["total"] == (UNSET, UNSET)


def test_statements_that_wrote_nothing_are_not_told(session, captured):
    """No row met the condition, or a conflict was passed over."""
    session.add(Depot(id=1))
    session.commit()
    captured.clear()
    session.execute(update(Depot).where(Depot.id == 7).values(size=1))
    session.execute(delete(Depot).where(Depot.id == 7))
    session.execute(sqlite.insert(Depot).values(id=1).on_conflict_do_nothing())
    session.execute(insert(Depot).prefix_with("OR IGNORE").values(id=1))
    session.commit()
    assert captured.events == []


def test_upserts_tell_how_many_rows_they_touched(session, captured):
    """Whether they inserted or updated nobody says."""
    statement = sqlite.insert(Depot).values([{"id": 1, "size": 1}, {"id": 2, "size": 2}])
    for _ in range(2):
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"size": 5}))
    session.execute(sqlite.insert(depots).on_conflict_do_nothing(), [{"id": 2}, {"id": 3}])
    session.commit()
    assert [event.action for event in captured.events] == ["depot.bulk_create"] * 3
    assert [event.metadata.get("rows") for event in captured.events] == [2, 2, 1]


def test_updates_by_key_and_by_parameters(session, engine, captured):
    """Many at once: the fields by name, but for the keys."""
    session.execute(insert(Depot), [{"size": 1}, {"size": 2}])
    session.commit()
    captured.clear()
    session.execute(update(Depot), [{"id": 1, "size": 5}, {"id": 2, "size": 6}])
    session.commit()
    with engine.begin() as connection:
        statement = update(depots).where(depots.c.id == bindparam("key")).values(size=bindparam("new"))
        connection.execute(statement, [{"key": 1, "new": 2}, {"key": 2, "new": 3}])
        connection.execute(statement, {"key": 1, "new": 8})
        connection.execute(update(depots).where(depots.c.id == 2), {"size": 9})
        connection.execute(update(depots).ordered_values((depots.c.size, literal(4))))
    assert bulk(captured) == [("depot.bulk_update", rows, ["size"]) for rows in (2, 2, 1, 1, 2)]
    assert [changes(event)["size"] for event in captured.events] == [
        (UNSET, UNSET),
        (UNSET, UNSET),
        (UNSET, 8),
        (UNSET, 9),
        (UNSET, 4),
    ]


def test_returning_does_not_take_rows_from_the_application(session, captured):
    """What it returns is the application's to fetch; where the driver does not count, no number is told."""
    session.execute(insert(Depot), [{"size": 1}, {"size": 2}])
    session.commit()
    captured.clear()
    assert len(session.scalars(update(Depot).values(size=3).returning(Depot.id)).all()) == 2
    assert len(session.execute(delete(Depot).returning(Depot.id)).all()) == 2
    session.commit()
    assert [(action, rows) for action, rows, _ in bulk(captured)] in (
        [("depot.bulk_update", None), ("depot.bulk_delete", None)],
        [("depot.bulk_update", 2), ("depot.bulk_delete", 2)],
    )


def test_rows_of_a_joined_model_are_counted_once(session, captured):
    """Though they go into two tables."""
    session.execute(insert(Manager), [{"name": "Ada", "grade": 1}, {"name": "Eve", "grade": 2}])
    session.commit()
    assert bulk(captured) == [("manager.bulk_create", 2, [])]
    captured.clear()
    session.bulk_insert_mappings(Manager, [{"name": "Ada"}, {"name": "Eve"}])
    session.commit()
    assert bulk(captured) == [("manager.bulk_create", 2, [])]


def test_a_table_without_a_model_has_its_own_name(engine, captured):
    """As association tables."""
    with engine.begin() as connection:
        connection.execute(insert(Order.__table__), {"id": 1})
        connection.execute(insert(Tag.__table__), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
        connection.execute(insert(order_tags), {"order_id": 1, "tag_id": 1})
        connection.execute(insert(order_tags), [{"order_id": 1, "tag_id": 2}])
    assert told(captured)[2:] == [("order_tags.create", "1,1"), ("order_tags.create", "1,2")]


def test_bulk_methods_are_told_by_model(session, captured):
    """One event for each model and verb, also for a generator, which stays one."""
    session.bulk_save_objects(thing for thing in (Depot(), Depot(), Tag(name="a")))
    session.bulk_insert_mappings(Depot, ({"size": size} for size in range(3)))
    session.bulk_insert_mappings(Tag, [])
    session.commit()
    session.bulk_update_mappings(Depot, [{"id": 1, "size": 4}, {"id": 2, "size": 5}])
    found = session.get(Depot, 3)
    session.expunge(found)
    found.size = 77
    session.bulk_save_objects([found])
    session.commit()
    assert bulk(captured) == [
        ("depot.bulk_create", 2, []),
        ("tag.bulk_create", 1, []),
        ("depot.bulk_create", 3, []),
        ("depot.bulk_update", 2, ["size"]),
        ("depot.bulk_update", 1, []),
    ]


def test_bulk_objects_that_changed_nothing_are_not_told(session, captured):
    """SQLAlchemy updates those that changed."""
    session.bulk_save_objects([Depot(id=1), Depot(id=2)])
    session.commit()
    captured.clear()
    same, other = session.get(Depot, 1), session.get(Depot, 2)
    session.expunge_all()
    other.size = 9
    session.bulk_save_objects([same, other])
    session.commit()
    assert bulk(captured) == [("depot.bulk_update", 1, [])]


def test_bulk_methods_that_are_rolled_back(session, captured):
    """Are counted."""
    session.bulk_insert_mappings(Depot, [{"size": 1}] * 3)
    session.rollback()
    assert captured.events[0].metadata["rows_by_model"] == {"depot": 3}


def test_a_hundred_thousand_rows_are_one_event(session, captured):
    """And no copy of theirs."""
    session.bulk_insert_mappings(Depot, ({"size": 1} for _ in range(100_000)))
    session.commit()
    assert bulk(captured) == [("depot.bulk_create", 100_000, [])]


def test_migrations_are_nobodys_data(engine, captured):
    """The table in which Alembic keeps its version."""
    from sqlalchemy import Column, MetaData, String, Table

    versions = Table("alembic_version", MetaData(), Column("version_num", String))
    with engine.begin() as connection:
        versions.create(connection)
        connection.execute(insert(versions), {"version_num": "a"})
    assert captured.events == []


def test_text_is_told_only_when_asked_for(engine, captured):
    """By default what is written as text is not looked at."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO depots (size) VALUES (1)"))
    assert captured.events == []


def test_text_is_told_by_verb_table_and_rows(engine):
    """Through the session, Core or the driver; rolled back with the rest; never the statement or its parameters."""
    with capture(raw_statements=True, changes="full") as captured:
        with Session(engine) as session:
            session.execute(text("INSERT INTO depots (size) VALUES (:size)"), [{"size": 4711}, {"size": 4712}])
            session.execute(text("SELECT * FROM depots")).all()
            session.commit()
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE depots SET size = 4713 WHERE size = ?", (4711,))
            connection.exec_driver_sql("DELETE FROM depots WHERE size = 0")
            connection.execute(text("CREATE TABLE other (id INTEGER)"))
        with engine.connect() as connection:
            connection.execute(text("DELETE FROM depots"))
            connection.rollback()
    inserted, updated, undone = captured.events
    assert (inserted.event_type, inserted.action, inserted.subject) == (
        "data.raw",
        "depots.insert",
        ezlogs.Subject("table", "depots"),
    )
    assert set(inserted.metadata) == {"verb", "table", "database", "fingerprint", "rows"}
    assert [event.metadata["rows"] for event in (inserted, updated)] == [2, 1]
    assert undone.metadata["rows_by_model"] == {"depots": 2}
    assert "471" not in repr([(event.action, event.subject, event.metadata) for event in captured.events])


def test_selects_are_not_looked_at(session, monkeypatch):
    """Of a statement that reads, its type is all that matters."""
    from ezlogs_instrumentors.sqlalchemy import statements

    seen = []
    session.connection()
    monkeypatch.setattr(statements.raw, "watching", lambda: seen.append(1))
    session.execute(select(Depot)).all()
    session.execute(select(Person.id).union_all(select(Customer.id))).all()
    assert seen == []


def test_listeners_are_taken_back(engine):
    """None of ours is left on SQLAlchemy's classes."""
    from sqlalchemy.orm import Mapper

    def ours():
        names = {
            Session: ("before_flush", "after_flush", "after_soft_rollback"),
            Mapper: ("before_update", "instrument_class"),
        }
        return [
            name
            for target, events in names.items()
            for name in events
            for listener in getattr(target.dispatch, name)._clslevel.get(target, ())
            if listener.__module__.startswith("ezlogs")
        ]

    assert ours()
    SqlalchemyInstrumentor().uninstrument()
    assert ours() == []
    SqlalchemyInstrumentor().instrument()
    assert event.contains(engine, "before_execute", ours) is False


def test_methods_are_as_they_were():
    """After uninstrumenting."""
    from sqlalchemy.engine import Connection, Transaction
    from sqlalchemy.orm.unitofwork import UOWTransaction

    hooked = (Connection, Transaction, UOWTransaction)
    SqlalchemyInstrumentor().uninstrument()
    plain = [dict(vars(kind)) for kind in hooked]
    SqlalchemyInstrumentor().instrument()
    assert all(dict(vars(kind)) != was for kind, was in zip(hooked, plain, strict=True))
    SqlalchemyInstrumentor().uninstrument()
    assert [dict(vars(kind)) for kind in hooked] == plain
    SqlalchemyInstrumentor().instrument()
