"""The SQLAlchemy instrumentor when a real database refuses, or goes away: what is told is what the tables have."""

from __future__ import annotations

import asyncio
import re
from sqlite3 import DatabaseError
from threading import Barrier, Thread

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Sequence,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, PendingRollbackError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from ezlogs_instrumentors.sqlalchemy.servers import fails_transaction
from tests.servers import Proxy

from .conftest import changes, told
from .shop import Depot, Order, Tag

pytestmark = pytest.mark.timeout(120)


def errors(captured):
    """Return the types of the errors that transactions ended with, without their modules."""
    ended = [event for event in captured.events if event.event_type == "data.transaction"]
    return [event.error and event.error.type.rpartition(".")[2] for event in ended]


def actions(captured):
    """Return what happened, in short."""
    return [event.action for event in captured.events]


def count(engine, model):
    """Return how many rows there are."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(model))


@pytest.fixture
def depots(served: Engine, captured) -> Engine:
    """Two depots of size 1; what is told of them is forgotten."""
    with Session(served) as session:
        session.add_all([Depot(id=1, size=1), Depot(id=2, size=1)])
        session.commit()
    captured.clear()
    return served


def test_a_deadlock(depots, captured):
    """The victim is told as rolled back with the error, the other by its rows."""
    barrier, failed = Barrier(2, timeout=30), []

    def work(mine, other):
        try:
            with Session(depots) as session, session.begin():
                session.get(Depot, mine).size = mine + 10
                session.flush()
                barrier.wait()
                session.get(Depot, other).size = mine + 10
        except OperationalError:
            failed.append(mine)

    race(work, (1, 2), (2, 1))
    assert len(failed) == 1
    assert sorted(actions(captured)) == ["depot.update", "depot.update", "rollback"]
    assert errors(captured) in (["DeadlockDetected"], ["OperationalError"])
    (rolled_back,) = captured.of("data.transaction")
    assert rolled_back.metadata["rows_by_model"] == {"depot": 1}
    with Session(depots) as session:
        sizes = {str(depot.id): depot.size for depot in session.scalars(select(Depot))}
    assert sizes == {event.subject.id: changes(event)["size"][1] for event in captured.of("data.change")}


def test_a_deadlock_in_a_savepoint(depots, captured):
    """PostgreSQL takes back what came after the savepoint, MariaDB the whole transaction, whatever comes later."""
    barrier, failed = Barrier(2, timeout=30), []

    def work(mine, other):
        with Session(depots) as session:
            session.add(Tag(id=mine, name=f"of {mine}"))
            session.get(Depot, mine).size = mine + 10
            session.flush()
            barrier.wait()
            try:
                with session.begin_nested():
                    session.execute(update(Depot).where(Depot.id == other).values(size=mine + 10))
            except OperationalError:
                failed.append(mine)
            session.execute(insert(Order), {"count": mine})
            session.commit()

    race(work, (1, 2), (2, 1))
    assert len(failed) == 1
    with Session(depots) as session:
        tags = {str(tag.id) for tag in session.scalars(select(Tag))}
        orders = session.scalar(select(func.count()).select_from(Order))
    assert {event.subject.id for event in captured.events if event.action == "tag.create"} == tags
    assert actions(captured).count("order.create") == orders


def race(work, *arguments):
    """Do some work in threads, and wait for all of them."""
    threads = [Thread(target=work, args=given) for given in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_serialization_failure_that_is_tried_again(depots, captured):
    """However often it fails, the rows are told once."""
    serializable = depots.execution_options(isolation_level="SERIALIZABLE")
    barrier, tries = Barrier(2, timeout=30), []

    def work(name):
        for attempt in range(5):
            try:
                with Session(serializable) as session, session.begin():
                    size = session.scalar(select(func.sum(Depot.size)))
                    if attempt == 0:
                        barrier.wait()
                    session.add(Tag(name=name))
                    session.execute(update(Depot).where(Depot.id == 1).values(size=size))
            except OperationalError:
                tries.append(name)
            else:
                return

    race(work, ("a",), ("b",))
    assert tries
    assert actions(captured).count("tag.create") == 2
    assert actions(captured).count("depot.bulk_update") == 2
    assert actions(captured).count("rollback") == len(tries)
    assert count(depots, Tag) == 2


def test_a_statement_of_core_whose_rows_the_orm_chooses(depots, captured):
    """A table that is updated where a model's attribute says so is told under the model's name."""
    with depots.begin() as connection:
        connection.execute(update(Depot.__table__).where(Depot.id == 1).values(size=5))
        connection.execute(delete(Depot.__table__).where(Depot.id == 1))
    assert [(event.action, event.metadata["rows"]) for event in captured.events] == [
        ("depot.bulk_update", 1),
        ("depot.bulk_delete", 1),
    ]


def test_a_unique_violation(served, captured):
    """Handled in a savepoint, the rest is told; unhandled, the transaction as rolled back."""
    with Session(served) as session:
        session.add(Tag(id=1, name="a"))
        session.commit()
        captured.clear()
        session.add(Depot())
        session.flush()
        with pytest.raises(IntegrityError), session.begin_nested():
            session.add(Tag(id=2, name="a"))
        session.commit()
    assert actions(captured) == ["depot.create"]
    captured.clear()
    with pytest.raises(IntegrityError), Session(served) as session, session.begin():  # noqa: PT012  # the error ends it
        session.add(Depot())
        session.flush()
        session.add(Tag(id=2, name="a"))
    assert actions(captured) == ["rollback"]
    assert errors(captured) in (["UniqueViolation"], ["IntegrityError"])
    assert captured.events[0].metadata["rows_by_model"] == {"depot": 1}


def test_an_error_that_is_handled_without_a_savepoint(served, captured):
    """PostgreSQL answers the commit with a rollback and no error; MariaDB saves the rest."""
    with served.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 1, "size": 1})
        with pytest.raises(IntegrityError):
            connection.execute(insert(Depot.__table__), {"id": 1, "size": 2})
        connection.commit()
    assert actions(captured).count("depot.create") == count(served, Depot)
    if served.dialect.name == "postgresql":
        assert [(event.action, event.outcome) for event in captured.events] == [("rollback", "rolled_back")]
        assert errors(captured) == ["UniqueViolation"]
    captured.clear()
    with Session(served) as session:
        session.add(Tag(name="a"))
        session.flush()
        with pytest.raises(DBAPIError):
            session.execute(text("SELECT nothing FROM nowhere"))
        session.commit()
    assert actions(captured).count("tag.create") == count(served, Tag)


def test_a_driver_that_does_not_tell_that_a_transaction_failed(postgresql, captured, monkeypatch):
    """The errors that were seen tell it: those of the server, since the last savepoint that was gone back to."""
    monkeypatch.setattr("ezlogs_instrumentors.sqlalchemy.transactions.is_failed", lambda connection: None)
    with postgresql.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 1, "size": 1})
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(insert(Depot.__table__), {"id": 1, "size": 2})
        with pytest.raises(ProgrammingError):
            connection.execute(text("SELECT CAST(:what AS text)"), {"what": object()})  # psycopg refuses it
        connection.commit()
        assert actions(captured) == ["depot.create"]
        captured.clear()
        connection.execute(insert(Depot.__table__), {"id": 2, "size": 1})
        with pytest.raises(IntegrityError):
            connection.execute(insert(Depot.__table__), {"id": 2, "size": 2})
        connection.commit()
    assert actions(captured) == ["rollback"]
    assert count(postgresql, Depot) == 1


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_lost_in_the_middle_of_a_commit(cut, served, address, captured):
    """Nobody was told whether it was saved, so the rows are told as unknown, whatever the truth."""
    with Proxy(address) as proxy:
        engine = create_engine(proxy.address.url())
        with Session(engine) as session:
            session.add(Depot(id=7, size=3))
            session.flush()
            proxy.cut = cut
            with pytest.raises(DBAPIError):
                session.commit()
            session.rollback()
            session.add(Tag(name="a"))
            session.commit()
        engine.dispose()
    assert [(event.action, event.outcome) for event in captured.events] == [
        ("depot.create", "unknown"),
        ("commit", "unknown"),
        ("tag.create", "success"),
    ]
    assert changes(captured.events[0])["size"][1] == 3
    assert captured.events[1].metadata["rows_by_model"] == {"depot": 1}
    assert errors(captured) == ["OperationalError"]
    assert count(served, Tag) == 1
    if cut == "after":
        assert count(served, Depot) == 1


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_of_core_lost_in_the_middle_of_a_commit(cut, served, address, captured):
    """Without a session it is the same."""
    with Proxy(address) as proxy:
        engine = create_engine(proxy.address.url())
        proxy.cut = cut
        with pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(insert(Depot.__table__), {"id": 7, "size": 3})
        engine.dispose()
    assert [(event.action, event.outcome) for event in captured.events] == [
        ("depot.create", "unknown"),
        ("commit", "unknown"),
    ]


def test_a_connection_lost_before_the_commit(served, address, captured):
    """SQLAlchemy refuses the commit until the transaction is rolled back; nobody connects anew for what is told."""
    with Proxy(address) as proxy:
        engine = create_engine(proxy.address.url())
        with engine.connect() as connection:
            connection.execute(insert(Depot.__table__), {"id": 7, "size": 3})
            proxy.statement, proxy.cut = re.compile(b"SELECT 42"), "before"
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT 42"))
            for _ in range(2):
                with pytest.raises(PendingRollbackError):
                    connection.execute(insert(Depot.__table__), {"id": 8, "size": 3})
            with pytest.raises(PendingRollbackError):
                connection.commit()
            assert connection.invalidated
            connection.rollback()
            connection.execute(insert(Depot.__table__), {"id": 9, "size": 3})
            connection.commit()
        engine.dispose()
    assert [(event.action, event.outcome) for event in captured.events] == [
        ("rollback", "rolled_back"),
        ("depot.create", "success"),
    ]
    assert captured.events[0].metadata["rows_by_model"] == {"depot": 1}
    assert errors(captured) == ["OperationalError"]


def test_a_server_that_is_started_again(served, server, captured):
    """What was open is rolled back; what comes after is told."""
    if not server.is_own:
        pytest.skip("a server that somebody else started is not restarted")
    with pytest.raises(DBAPIError), Session(served) as session, session.begin():  # noqa: PT012  # the error ends the block
        session.add(Depot(size=1))
        session.flush()
        server.restart()
        session.add(Depot(size=2))
        session.flush()
    assert [(event.action, event.outcome) for event in captured.events] == [("rollback", "rolled_back")]
    assert captured.events[0].metadata["rows_by_model"] == {"depot": 1}
    captured.clear()
    with Session(served) as session, session.begin():
        session.add(Depot(size=3))
    assert actions(captured) == ["depot.create"]
    assert count(served, Depot) == 1


def test_a_server_that_goes_away_before_the_commit(served, server, captured):
    """The commit could not even be sent, or was: it is not known which."""
    if not server.is_own:
        pytest.skip("a server that somebody else started is not restarted")
    with Session(served) as session:
        session.add(Depot(size=1))
        session.flush()
        server.restart()
        with pytest.raises(DBAPIError):
            session.commit()
    assert [(event.action, event.outcome) for event in captured.events] == [
        ("depot.create", "unknown"),
        ("commit", "unknown"),
    ]
    assert count(served, Depot) == 0


SLOW = {
    "postgresql": ("SET statement_timeout = 100", "SELECT pg_sleep(30)"),
    "mariadb": ("SET max_statement_time = 0.1", "SELECT SLEEP(30) FROM depots"),
}


def test_a_statement_that_takes_too_long(served, kind, captured):
    """A timeout that nobody handles is the error of the rollback."""
    limit, slow = SLOW[kind]
    with pytest.raises(DBAPIError), served.connect() as connection, connection.begin():  # noqa: PT012  # the error ends it
        connection.execute(text(limit))
        connection.execute(insert(Depot.__table__), {"size": 1})
        connection.execute(text(slow))
    served.dispose()
    assert actions(captured) == ["rollback"]
    assert captured.events[0].metadata["rows_by_model"] == {"depot": 1}
    assert errors(captured) in (["QueryCanceled"], ["OperationalError"])


def test_waiting_too_long_for_a_lock(depots, kind, captured):
    """In a savepoint that is taken back: what came before it is saved and told, with both databases."""
    limit = "SET lock_timeout = 100" if kind == "postgresql" else "SET innodb_lock_wait_timeout = 1"
    with depots.begin() as holder, Session(depots) as session:
        holder.execute(update(Depot.__table__).where(Depot.id == 1).values(size=5))
        session.execute(text(limit))
        session.add(Tag(name="a"))
        session.flush()
        with pytest.raises(OperationalError), session.begin_nested():
            session.get(Depot, 1).size = 6
        session.commit()
    depots.dispose()
    assert sorted(actions(captured)) == ["depot.bulk_update", "tag.create"]
    assert count(depots, Tag) == 1


@pytest.mark.parametrize("how", ["option", "engine", "driver"])
def test_autocommit(how, served, address, captured):
    """Each row is told as it is written, whoever set it up: SQLAlchemy or the driver; a rollback takes nothing back."""
    if how == "option":
        engine = served.execution_options(isolation_level="AUTOCOMMIT")
    elif how == "engine":
        engine = create_engine(address.url(), isolation_level="AUTOCOMMIT")
    else:
        engine = create_engine(address.url(), connect_args={"autocommit": True})
    with engine.connect() as connection:
        connection.execute(insert(Depot.__table__), {"id": 1, "size": 1})
        assert told(captured) == [("depot.create", "1")]
        with pytest.raises(IntegrityError):
            connection.execute(insert(Depot.__table__), {"id": 1})
        connection.rollback()
    with Session(engine) as session:
        session.add(Depot(id=2, size=2))
        session.flush()
        session.rollback()
    engine.dispose()
    assert told(captured) == [("depot.create", "1"), ("depot.create", "2")]
    assert count(served, Depot) == 2


def test_keys_that_the_database_gives(served, captured):
    """One by one and many at once, as far as the driver tells them."""
    with Session(served) as session:
        session.add(Tag(name="one"))
        session.flush()
        session.add_all([Tag(name=f"{number}") for number in range(20)])
        session.commit()
        keys = {str(key) for key in session.scalars(select(Tag.id))}
    with served.begin() as connection:
        key = connection.execute(insert(Depot.__table__), {"size": 1}).inserted_primary_key[0]
    assert {key for action, key in told(captured) if action == "tag.create"} == keys
    assert captured.events[-1].subject.id == str(key)


def test_keys_of_a_sequence(served, captured):
    """Are known as those of a column that counts by itself."""
    tickets = Table("tickets", MetaData(), Column("id", Integer, Sequence("ticket_numbers", start=7), primary_key=True))
    tickets.append_column(Column("seat", Integer))
    tickets.metadata.drop_all(served)
    tickets.metadata.create_all(served)
    with served.begin() as connection:
        connection.execute(insert(tickets), {"seat": 1})
        connection.execute(insert(tickets), [{"seat": 2}, {"seat": 3}])
        connection.execute(insert(tickets).values(seat=4))
    with served.connect() as connection:
        assert connection.scalars(select(tickets.c.id).order_by(tickets.c.id)).all() == [7, 8, 9, 10]
    tickets.metadata.drop_all(served)
    assert told(captured) == [("tickets.create", "7"), ("tickets.bulk_create", None), ("tickets.create", "10")]


def test_documents(served, captured):
    """By path where both versions are known, else by the field's name."""
    with Session(served, expire_on_commit=False) as session:
        session.add(order := Order(extra={"gift": True}))
        session.commit()
        order.extra = {"gift": False, "card": "yes"}
        session.commit()
        session.execute(update(Order).values(extra={"gift": None}))
        session.commit()
        assert session.scalar(select(Order.extra)) == {"gift": None}
    assert actions(captured) == ["order.create", "order.update", "order.bulk_update"]
    assert changes(captured.events[1])["extra.gift"] == (True, False)
    assert "extra" in changes(captured.events[2])


def test_statements_are_the_same_with_and_without(served, captured):
    """Nothing is asked of the server for what is told."""
    sent: list[str] = []
    event.listen(served, "before_cursor_execute", lambda connection, cursor, sql, *rest: sent.append(sql))
    with Session(served) as session:
        session.add(order := Order(count=1))
        session.commit()
        order.count = 2
        session.commit()
    writes = [sql.split()[0] for sql in sent]
    assert writes == ["INSERT", "SELECT", "UPDATE"] if "SELECT" in writes else ["INSERT", "UPDATE"]
    assert actions(captured) == ["order.create", "order.update"]


def test_an_error_as_pg8000_raises_it(postgresql):
    """The server's code is in a dictionary; what the driver itself refuses has none."""
    with postgresql.connect() as connection:
        assert fails_transaction(connection, DatabaseError({"S": "ERROR", "C": "23505"}))
        assert not fails_transaction(connection, DatabaseError("not a number"))


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "AUTOCOMMIT"])
def test_an_async_session(isolation, postgresql, postgresql_address, captured):
    """The same as any other: what the server refused is rolled back, and autocommit mode saves at once."""

    async def main():
        engine = create_async_engine(postgresql_address.url(), isolation_level=isolation)
        async with AsyncSession(engine) as session:
            session.add(Depot(id=1, size=1))
            await session.flush()
            with pytest.raises(DBAPIError):
                await session.execute(text("SELECT nothing FROM nowhere"))
            await session.commit()
            session.add(Depot(id=2, size=1))
            await session.commit()
        await engine.dispose()

    asyncio.run(main())
    with postgresql.connect() as connection:
        keys = [str(key) for key in connection.scalars(select(Depot.id).order_by(Depot.id))]
    assert [event.subject.id for event in captured.of("data.change")] == keys
    assert errors(captured) == ([] if isolation == "AUTOCOMMIT" else ["UndefinedTable"])
