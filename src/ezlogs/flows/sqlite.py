"""Flows of all processes of a host, in an SQLite file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress

_PURGE_EVERY = 256

_TABLE = (
    "create table if not exists ezlogs_flows"
    " (flow text primary key, story text not null, is_open integer not null, until real not null) without rowid"
)
# One statement, so that of two processes one is the first.
_REMEMBER = (
    "insert into ezlogs_flows values (?1, ?2, 1, ?3 + ?4)"
    " on conflict (flow) do update set story = excluded.story, is_open = 1, until = excluded.until"
    " where is_open = 0 or until <= ?3"
)


class SqliteStore:
    """A `FlowStore` in a file, which is made where there is none, for its owner alone.

    Args:
        path: The file, in a directory that is there.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._remembered = 0
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._connection = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute(_TABLE)

    def remember(self, flow: str, story: str, seconds: float) -> None:
        """Keep where a flow began, unless it is open already."""
        now = self._clock()
        if self._remembered % _PURGE_EVERY == 0:
            self._connection.execute("delete from ezlogs_flows where until <= ?", (now,))
        self._remembered += 1
        self._connection.execute(_REMEMBER, (flow, story, now, seconds))

    def find(self, flow: str) -> str | None:
        """Return the story that a flow began in, or None."""
        asked = "select story from ezlogs_flows where flow = ? and until > ?"
        found = self._connection.execute(asked, (flow, self._clock())).fetchone()
        return None if found is None else str(found[0])

    def end(self, flow: str, story: str) -> None:
        """Take note that a flow has ended, if it is this story that it began in."""
        self._connection.execute("update ezlogs_flows set is_open = 0 where flow = ? and story = ?", (flow, story))

    def forget(self, flow: str) -> None:
        """Keep nothing of a flow any longer."""
        self._connection.execute("delete from ezlogs_flows where flow = ?", (flow,))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
