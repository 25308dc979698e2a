"""A Redis: of the environment, or started from Debian's program on a socket of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.base import directory, ending, programs, unprivileged

URL = "EZLOGS_TEST_REDIS_URL"
"""The variable that names a server to use in place of our own, as ``redis://host:port/9``.

The tests empty the database that it names, again and again.
"""


class Redis:
    """A running Redis.

    Args:
        url: Where it is, as ``redis://`` or ``unix://``.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def socket(self) -> str | None:
        """The socket of a server that has one."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else None

    def empty(self) -> str:
        """Empty the database and return its URL."""
        import redis

        with redis.Redis.from_url(self.url) as connection:
            connection.flushdb()
        return self.url


@contextmanager
def redis_server() -> Iterator[Redis]:
    """Give a Redis, or skip the test and say what it would need."""
    pytest.importorskip("redis", reason="no redis-py: the tests on Redis are left out")
    if given := os.environ.get(URL):
        yield Redis(given)
        return
    program = programs("redis-server", Path("/usr/bin"), Path("/usr/local/bin"))
    if program is None:
        pytest.skip(f"no Redis: install its server (Debian: redis-server) or set {URL}")
    user = unprivileged("Redis", "redis", "nobody")
    with (
        directory(user, "ezredis-") as home,
        ending(user, home, "sh", "-c", 'kill -KILL "$(cat "$0")"', home / "pid"),
    ):
        process = subprocess.Popen(
            [
                str(program / "redis-server"),
                *("--port", "0", "--unixsocket", str(home / "socket"), "--unixsocketperm", "777"),
                *("--dir", str(home), "--pidfile", str(home / "pid"), "--logfile", str(home / "log")),
                *("--save", "", "--appendonly", "no"),
            ],
            user=user,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait(process, home)
            yield Redis(f"unix://{home / 'socket'}")
        finally:
            process.kill()
            process.wait(60)


def _wait(process: subprocess.Popen[bytes], home: Path) -> None:
    """Wait until it answers."""
    deadline = time.monotonic() + 60
    while True:
        with socket.socket(socket.AF_UNIX) as attempt:
            if attempt.connect_ex(str(home / "socket")) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            log = home / "log"
            pytest.fail(f"redis-server: {log.read_text(errors='replace')[-2000:] if log.exists() else ''}")
        time.sleep(0.02)
