"""A MariaDB: of the environment, or started from Debian's programs on a socket of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.address import Address
from tests.servers.base import directory, ending, named, programs, run, unprivileged

URL = "EZLOGS_TEST_MARIADB_URL"
"""The variable that names a server to use in place of our own, as ``mysql://user:password@host/mysql``.

The user makes and drops databases whose names begin with ``ezlogs_``.
"""


class Mariadb:
    """A running MariaDB.

    Args:
        address: A database to begin with.
        program: The server's program, of a server of our own.
        home: Its directory, likewise.
        user: Who runs it, where we are root.
    """

    def __init__(
        self, address: Address, program: Path | None = None, home: Path | None = None, user: int | None = None
    ) -> None:
        self._address, self._program, self._home, self._user = address, program, home, user
        self._made: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self.is_own = program is not None

    def database(self, name: str) -> Address:
        """Make an empty database."""
        made = named(name)
        self._execute(f"DROP DATABASE IF EXISTS `{made}`")
        self._execute(f"CREATE DATABASE `{made}` CHARACTER SET utf8mb4")
        self._made.append(made)
        return replace(self._address, name=made)

    def drop(self) -> None:
        """Remove the databases that were made."""
        for name in self._made:
            self._execute(f"DROP DATABASE IF EXISTS `{name}`")

    def start(self) -> None:
        """Start a server of our own, and wait until it answers."""
        log = self._home / "log"
        options = ("--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M", "--innodb-fast-shutdown=2")
        self._process = subprocess.Popen(
            [
                str(self._program),
                *("--no-defaults", f"--datadir={self._home / 'data'}", f"--socket={self._home / 'socket'}"),
                *(f"--pid-file={self._home / 'pid'}", f"--log-error={log}", "--skip-networking", *options),
            ],
            user=self._user,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{self._program}: {log.read_text(errors='replace')[-2000:] if log.exists() else ''}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End a server of our own as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)

    def restart(self) -> None:
        """End it as a crash does, and start it again."""
        self.stop()
        self.start()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as attempt:
            return attempt.connect_ex(str(self._home / "socket")) == 0

    def _execute(self, statement: str) -> None:
        import pymysql

        with pymysql.connect(**self._address.arguments(), autocommit=True) as connection:
            connection.cursor().execute(statement)


@contextmanager
def mariadb() -> Iterator[Mariadb]:
    """Give a MariaDB, or skip the test and say what it would need."""
    pytest.importorskip("pymysql", reason="no PyMySQL: the tests on MariaDB are left out")
    if given := os.environ.get(URL):
        server = Mariadb(Address.of("mariadb", given))
        try:
            yield server
        finally:
            server.drop()
        return
    program, setup = (
        programs(name, Path("/usr/sbin"), Path("/usr/bin"), Path("/usr/local/sbin"))
        for name in ("mariadbd", "mariadb-install-db")
    )
    if program is None or setup is None:
        pytest.skip(f"no MariaDB: install its server (Debian: mariadb-server) or set {URL}")
    user = unprivileged("MariaDB", "mysql", "nobody")
    with directory(user, "ezmy-") as home:
        run(
            user,
            home,
            setup / "mariadb-install-db",
            *("--no-defaults", f"--datadir={home / 'data'}", "--auth-root-authentication-method=normal"),
            *("--skip-test-db", "--skip-name-resolve"),
        )
        with ending(user, home, "sh", "-c", 'kill -KILL "$(cat "$0")"', home / "pid"):
            address = Address("mariadb", "mysql", "root", socket=str(home / "socket"))
            server = Mariadb(address, program / "mariadbd", home, user)
            try:
                server.start()
                yield server
            finally:
                server.stop()
