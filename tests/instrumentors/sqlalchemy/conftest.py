"""SQLAlchemy, instrumented for each test and left as it was; SQLite for all, a PostgreSQL that the tests start."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from ezlogs_instrumentors.sqlalchemy import SqlalchemyInstrumentor

from .shop import Base

POSTGRESQL = "EZLOGS_TEST_POSTGRESQL_URL"
"""The variable that names a database to use in place of a server of our own; its tables are dropped."""


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


def _binaries() -> Path | None:
    """Return where PostgreSQL's programs are: on the path, or where Debian keeps them."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


def _unprivileged() -> int | None:
    """Return who runs the server where we are root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip("no PostgreSQL: it does not run as root, and there is no other user")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a PostgreSQL: of the environment, or of a server that listens on a socket of its own only."""
    if given := os.environ.get(POSTGRESQL):
        yield given
        return
    binaries = _binaries()
    if binaries is None:
        pytest.skip(f"no PostgreSQL: install its server (Debian: postgresql) or set {POSTGRESQL}")
    user = _unprivileged()
    home = Path(tempfile.mkdtemp(prefix="ezpg-"))  # short: a socket's path is
    if user is not None:
        os.chown(home, user, -1)

    def run(*command: str) -> None:
        done = subprocess.run(
            [str(binaries / command[0]), *command[1:]], user=user, cwd=home, capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.fail(f"{command[0]}: {done.stdout}{done.stderr}")

    data = str(home / "data")
    run("initdb", "-D", data, "-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off -c deadlock_timeout=100ms"
    options += " -c max_prepared_transactions=4"
    # Stops the server when the tests end, also when they are killed: its standard input ends with them.
    keeper = subprocess.Popen(
        ["sh", "-c", 'cat; "$0" -D "$1" -m immediate -w stop; rm -rf "$1"', str(binaries / "pg_ctl"), data],
        user=user,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        run("pg_ctl", "-D", data, "-o", options, "-l", str(home / "log"), "-w", "-t", "60", "start")
        yield f"postgresql+psycopg://shop@/postgres?host={home}"
    finally:
        keeper.communicate(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgresql(postgresql_url: str) -> Iterator[Engine]:
    """The shop's tables in PostgreSQL, empty."""
    pytest.importorskip("psycopg", reason="no psycopg: the tests on PostgreSQL are left out")
    engine = create_engine(postgresql_url)
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
