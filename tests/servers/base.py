"""What the servers have in common: a directory, a user to run as where we are root, and an end, come what may."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.servers.address import Address


class Server(Protocol):
    """A server that is running."""

    is_own: bool
    """Whether the tests started it, and may restart it."""

    def database(self, name: str) -> Address:
        """Make an empty database; it goes when the tests end."""

    def restart(self) -> None:
        """End the server as a crash does and start it again."""


def named(name: str) -> str:
    """Return a name that no other process of the tests uses on the same server."""
    return f"ezlogs_{name}_{os.getpid()}"


def programs(name: str, *places: Path) -> Path | None:
    """Return the directory that holds a program: one that is on the path, or the first of these."""
    found = shutil.which(name)
    on_path = [Path(found).resolve().parent] if found else []
    return next((place for place in [*on_path, *places] if (place / name).exists()), None)


def unprivileged(server: str, *names: str) -> int | None:
    """Return who runs a server where we are root; None where we are not."""
    if os.geteuid() != 0:
        return None
    for name in names:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip(f"no {server}: it does not run as root, and there is no other user")


def run(user: int | None, home: Path, *command: str | Path) -> None:
    """Run a program to its end; the test fails if it does."""
    done = subprocess.run(
        [str(word) for word in command],
        user=user,
        cwd=home,
        env={**os.environ, "TMPDIR": str(home)},  # that of all is not always theirs to clean up
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{command[0]}: {done.stdout}{done.stderr}")


@contextmanager
def directory(user: int | None, prefix: str) -> Iterator[Path]:
    """Make a directory for a server; its path is short, as a socket's has to be."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    if user is not None:
        os.chown(home, user, -1)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def ending(user: int | None, home: Path, *stop: str | Path) -> Iterator[None]:
    """Stop a server and remove its directory when the tests end, also when they are killed.

    What does it waits for the end of its standard input, which ends with the tests.
    """
    keeper = subprocess.Popen(
        ["sh", "-c", 'cat; "$@"; rm -rf "$0"', str(home), *map(str, stop)],
        user=user,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        keeper.communicate(timeout=60)
