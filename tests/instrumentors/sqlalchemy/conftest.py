"""SQLAlchemy, instrumented for each test and left as it was; SQLite for all, and servers that the tests start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from ezlogs_instrumentors.sqlalchemy import SqlalchemyInstrumentor
from tests.servers import Address, Server

from .shop import Base


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument SQLAlchemy."""
    instrumentor = SqlalchemyInstrumentor()
    instrumentor.instrument()
    try:
        yield
    finally:
        instrumentor.uninstrument()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database with the shop's tables, in a file, with transactions as SQLAlchemy's documentation sets them up."""
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite3'}")

    @event.listens_for(engine, "connect")
    def connect(connection, record):
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on that database."""
    with Session(engine) as session:
        yield session


@pytest.fixture
def statements(engine: Engine) -> list[str]:
    """What is sent to that database."""
    found: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda connection, cursor, sql, *rest: found.append(sql))
    return found


@pytest.fixture(scope="session")
def postgresql_address(postgresql_server: Server) -> Address:
    """A database in PostgreSQL."""
    return postgresql_server.database("sqlalchemy")


@pytest.fixture(scope="session")
def postgresql_url(postgresql_address: Address) -> str:
    """The same, for a program of its own."""
    return postgresql_address.url().render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def mariadb_address(mariadb_server: Server) -> Address:
    """A database in MariaDB."""
    return mariadb_server.database("sqlalchemy")


@pytest.fixture
def postgresql(postgresql_address: Address) -> Iterator[Engine]:
    """The shop's tables in PostgreSQL, empty."""
    yield from emptied(postgresql_address)


@pytest.fixture
def mariadb(mariadb_address: Address) -> Iterator[Engine]:
    """The shop's tables in MariaDB, empty."""
    yield from emptied(mariadb_address)


@pytest.fixture
def served(kind: str, request: pytest.FixtureRequest) -> Engine:
    """The shop's tables in that database, empty."""
    return request.getfixturevalue(kind)


def emptied(address: Address) -> Iterator[Engine]:
    """Give an engine with the shop's tables made anew."""
    engine = create_engine(address.url())
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def told(captured) -> list[tuple[str, str | None]]:
    """Return what happened and to what, in short."""
    return [(event.action, event.subject.id) for event in captured.events]


def changes(event) -> dict[str, tuple[object, object]]:
    """Return an event's changes by field."""
    return {change.field: (change.before, change.after) for change in event.changes}
