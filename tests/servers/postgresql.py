"""A PostgreSQL: of the environment, or started from Debian's programs on a socket of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.address import Address
from tests.servers.base import directory, ending, named, programs, run, unprivileged

URL = "EZLOGS_TEST_POSTGRESQL_URL"
"""The variable that names a server to use in place of our own, as ``postgresql://user:password@host/postgres``.

The user makes and drops databases whose names begin with ``ezlogs_``.
"""


class Postgresql:
    """A running PostgreSQL.

    Args:
        address: A database to begin with.
        binaries: Where its programs are, of a server of our own.
        home: Its directory, likewise.
        user: Who runs it, where we are root.
    """

    def __init__(
        self, address: Address, binaries: Path | None = None, home: Path | None = None, user: int | None = None
    ) -> None:
        self._address, self._binaries, self._home, self._user = address, binaries, home, user
        self._made: list[str] = []
        self.is_own = binaries is not None

    def database(self, name: str) -> Address:
        """Make an empty database."""
        made = named(name)
        self._execute(f'DROP DATABASE IF EXISTS "{made}" WITH (FORCE)')
        self._execute(f'CREATE DATABASE "{made}"')
        self._made.append(made)
        return replace(self._address, name=made)

    def drop(self) -> None:
        """Remove the databases that were made."""
        for name in self._made:
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def start(self) -> None:
        """Start a server of our own."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self._home} -c fsync=off"
        options += " -c deadlock_timeout=100ms -c max_prepared_transactions=4"
        self._control("-o", options, "-l", str(self._home / "log"), "-t", "60", "start")

    def restart(self) -> None:
        """End it as a crash does, and start it again."""
        self._control("-m", "immediate", "stop")
        self.start()

    def _control(self, *words: str) -> None:
        run(self._user, self._home, self._binaries / "pg_ctl", "-D", self._home / "data", "-w", *words)

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(**self._address.arguments(), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgresql() -> Iterator[Postgresql]:
    """Give a PostgreSQL, or skip the test and say what it would need."""
    pytest.importorskip("psycopg", reason="no psycopg: the tests on PostgreSQL are left out")
    if given := os.environ.get(URL):
        server = Postgresql(Address.of("postgresql", given))
        try:
            yield server
        finally:
            server.drop()
        return
    binaries = programs("initdb", *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    if binaries is None or not (binaries / "pg_ctl").exists():
        pytest.skip(f"no PostgreSQL: install its server (Debian: postgresql) or set {URL}")
    user = unprivileged("PostgreSQL", "postgres", "nobody")
    with directory(user, "ezpg-") as home:
        data = home / "data"
        run(
            user,
            home,
            binaries / "initdb",
            *("-D", data, "-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"),
        )
        with ending(user, home, binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"):
            server = Postgresql(Address("postgresql", "postgres", "shop", socket=str(home)), binaries, home, user)
            server.start()
            yield server
