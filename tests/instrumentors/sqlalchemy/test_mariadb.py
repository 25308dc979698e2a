"""The SQLAlchemy instrumentor on MariaDB: how it counts rows, and what it commits and rolls back by itself."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, delete, func, insert, select, text, update
from sqlalchemy.dialects.mysql import insert as upsert
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from .conftest import changes, told
from .shop import Depot, Item, Order, Seat, Tag

pytestmark = pytest.mark.timeout(120)


def counted(captured):
    """Return what happened to how many rows."""
    return [(event.action, event.subject.id, event.metadata.get("rows")) for event in captured.events]


@pytest.fixture
def depots(mariadb, captured):
    """Depots 1 and 2 of size 1; what is told of them is forgotten."""
    with mariadb.begin() as connection:
        connection.execute(insert(Depot.__table__), [{"id": 1, "size": 1}, {"id": 2, "size": 1}])
    captured.clear()
    return mariadb


def test_rows_and_their_keys(mariadb, captured):
    """Also of models with a composite key."""
    with Session(mariadb) as session:
        session.add(order := Order(count=1))
        session.add(Seat(row=1, letter="a"))
        session.commit()
        order.items.append(Item(count=3))
        order.count = Order.count + 2
        session.commit()
    assert sorted(told(captured)) == [
        ("item.create", "1"),
        ("order.create", "1"),
        ("order.update", "1"),
        ("seat.create", "1,a"),
    ]


def test_statements_count_their_rows(depots, captured):
    """Rows that an update found are counted, also where it changed nothing, as elsewhere."""
    table = Depot.__table__
    with depots.begin() as connection:
        connection.execute(insert(table), [{"size": 2}, {"size": 3}])
        connection.execute(update(table).values(size=1))
        connection.execute(update(table).where(table.c.id == 99).values(size=1))
        connection.execute(insert(table).from_select(["size"], select(table.c.size)))
        connection.execute(delete(table).where(table.c.id > 2))
    assert counted(captured) == [
        ("depot.bulk_create", None, 2),
        ("depot.bulk_update", None, 4),
        ("depot.bulk_create", None, 4),
        ("depot.bulk_delete", None, 6),
    ]


def test_an_upsert(depots, captured):
    """An update counts as two with MariaDB: of one row it is one, of several the number is not known."""
    given = upsert(Depot.__table__)
    given = given.on_duplicate_key_update(size=given.inserted.size)
    with depots.begin() as connection:
        connection.execute(given.values(id=1, size=5))
        connection.execute(given.values(id=3, size=5))
        connection.execute(given.values([{"id": 2, "size": 6}, {"id": 4, "size": 6}]))
        connection.execute(given, [{"id": 2, "size": 7}, {"id": 5, "size": 7}])
    assert counted(captured) == [
        ("depot.bulk_create", None, 1),
        ("depot.bulk_create", None, 1),
        ("depot.bulk_create", None, None),
        ("depot.bulk_create", None, None),
    ]


def test_rows_that_are_ignored(depots, captured):
    """Only those that were inserted count."""
    ignoring = insert(Depot.__table__).prefix_with("IGNORE")
    with depots.begin() as connection:
        connection.execute(ignoring.values(id=1, size=5))
        connection.execute(ignoring.values([{"id": 1, "size": 6}, {"id": 3, "size": 6}]))
        connection.execute(ignoring, [{"id": 2, "size": 7}, {"id": 4, "size": 7}, {"id": 5, "size": 7}])
    assert counted(captured) == [("depot.bulk_create", None, 1), ("depot.bulk_create", None, 2)]


def test_returning(depots, captured):
    """Inserts and deletes of MariaDB return rows, which are the application's to fetch."""
    table = Depot.__table__
    with depots.begin() as connection:
        assert connection.execute(insert(table).values(size=4).returning(table.c.size)).scalar() == 4
        assert len(connection.execute(insert(table).returning(table.c.id), [{"size": 8}, {"size": 8}]).all()) == 2
        assert len(connection.execute(delete(table).where(table.c.size == 8).returning(table.c.id)).all()) == 2
    assert [(action, rows) for action, _, rows in counted(captured)] == [
        ("depot.create", None),
        ("depot.bulk_create", 2),
        ("depot.bulk_delete", 2),
    ]


@pytest.mark.parametrize("statement", ["CREATE TABLE implied (id INT)", "TRUNCATE TABLE order_tags", "BEGIN"])
def test_a_statement_that_commits(statement, depots, captured):
    """What was written before it is committed, whatever is rolled back later."""
    with depots.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 7, "size": 1})
        connection.exec_driver_sql(statement)
        assert told(captured) == [("depot.create", "7")]
        connection.execute(insert(Depot.__table__), {"id": 8, "size": 1})
        connection.rollback()
    with depots.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS implied"))
        assert connection.scalars(select(Depot.id)).all() == [1, 2, 7]
    assert [event.action for event in captured.events] == ["depot.create", "rollback"]


def test_a_statement_that_would_commit_and_is_refused(depots, captured):
    """One that is not even understood commits nothing; of others nobody says how far they got."""
    with depots.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 7, "size": 1})
        with pytest.raises(ProgrammingError):
            connection.exec_driver_sql("CREATE NOTHING")
        connection.rollback()
        assert [event.action for event in captured.events] == ["rollback"]
        captured.clear()
        connection.execute(insert(Depot.__table__), {"id": 8, "size": 1})
        with pytest.raises(OperationalError):
            connection.exec_driver_sql("TRUNCATE TABLE tags")
        connection.rollback()
        assert connection.scalars(select(Depot.id)).all() == [1, 2, 8]
    assert [(event.action, event.outcome) for event in captured.events] == [
        ("depot.create", "unknown"),
        ("commit", "unknown"),
    ]


def test_a_table_that_is_made_commits(depots, captured):
    """SQLAlchemy's own way, too; a temporary one does not."""
    made = Table("implied", MetaData(), Column("id", Integer))
    passing = Table("passing", MetaData(), Column("id", Integer), prefixes=["TEMPORARY"])
    with depots.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 7, "size": 1})
        passing.create(connection)
        assert told(captured) == []
        made.create(connection)
        assert told(captured) == [("depot.create", "7")]
        connection.rollback()
        made.drop(connection)
    assert told(captured) == [("depot.create", "7")]


def test_a_row_that_changed_since_it_was_read(depots, captured):
    """With snapshot isolation MariaDB rolls back the whole transaction; in a savepoint, too."""
    with depots.connect() as connection:
        try:
            connection.execute(text("SET SESSION innodb_snapshot_isolation = ON"))
        except (OperationalError, ProgrammingError):
            pytest.skip("this MariaDB has no snapshot isolation")
        finally:
            connection.rollback()
        connection.execute(insert(Tag.__table__), {"name": "a"})
        connection.scalar(select(func.sum(Depot.size)))
        with depots.begin() as other:
            other.execute(update(Depot.__table__).where(Depot.id == 1).values(size=5))
        with pytest.raises(OperationalError), connection.begin_nested():
            connection.execute(update(Depot.__table__).where(Depot.id == 1).values(size=6))
        connection.commit()
        assert connection.scalar(select(func.count()).select_from(Tag)) == 0
    depots.dispose()
    assert [event.action for event in captured.events] == ["depot.bulk_update", "rollback"]


def test_a_unique_violation_takes_back_its_statement_alone(depots, captured):
    """The rest of the transaction is saved and told."""
    with depots.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 7, "size": 1})
        with pytest.raises(IntegrityError):
            connection.execute(insert(Depot.__table__), [{"id": 8, "size": 1}, {"id": 1, "size": 1}])
        connection.commit()
        assert connection.scalars(select(Depot.id)).all() == [1, 2, 7]
    assert told(captured) == [("depot.create", "7")]
    assert changes(captured.events[0])["size"][1] == 1
