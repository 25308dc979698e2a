"""The tables of the store, and how a database becomes one."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

MOST_EVENTS: Final = 50_000
"""So many events are kept, and ten times as many spans and figures of services: the oldest stories go first."""

MOST_BYTES: Final = 512 * 1024 * 1024
"""So large may all events be together, in whatever number."""

VERSION: Final = 2
"""Of the tables; a file with another one is begun anew, for what it holds was received and can be again."""

_OURS: Final = 0x657A6C67
"""SQLite's ``application_id`` of a store: nobody else's tables are dropped."""

_TABLES: Final = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY,  -- in the order of arrival
    event_id TEXT NOT NULL UNIQUE,
    story TEXT NOT NULL,
    type TEXT NOT NULL,
    action TEXT NOT NULL,
    at INTEGER NOT NULL,  -- when it was told, nanoseconds since 1970
    arrived REAL NOT NULL,  -- seconds since 1970, by this machine's clock
    outcome TEXT NOT NULL,
    duration REAL,
    subject_type TEXT,
    subject_id TEXT,
    service TEXT NOT NULL,
    process TEXT NOT NULL,
    trace TEXT NOT NULL,
    document BLOB NOT NULL,  -- the event as JSON
    received BLOB NOT NULL  -- as it came: resource, scope, span, attributes
);
CREATE INDEX events_of_story ON events (story);
CREATE INDEX events_of_subject ON events (subject_type, subject_id);
CREATE INDEX events_of_type ON events (type, number);
CREATE TABLE spans (
    number INTEGER PRIMARY KEY,
    trace TEXT NOT NULL,
    span TEXT NOT NULL,
    parent TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    began INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    status TEXT NOT NULL,
    service TEXT NOT NULL,
    process TEXT NOT NULL,
    UNIQUE (trace, span)
);
CREATE TABLE traces (trace TEXT PRIMARY KEY, story TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX traces_of_story ON traces (story);
CREATE TABLE stories (
    story TEXT PRIMARY KEY,
    version INTEGER NOT NULL,  -- grows with each change of any story
    is_told INTEGER NOT NULL,  -- whether what follows is of the present version
    began INTEGER NOT NULL,
    duration REAL NOT NULL,
    title TEXT NOT NULL,
    outcome TEXT NOT NULL,
    actor TEXT NOT NULL,
    services TEXT NOT NULL,  -- a JSON array
    events INTEGER NOT NULL,
    is_broken INTEGER NOT NULL,
    words TEXT NOT NULL  -- what a search looks at
);
CREATE INDEX stories_by_time ON stories (began);
CREATE INDEX stories_by_version ON stories (version);
CREATE INDEX stories_untold ON stories (is_told) WHERE NOT is_told;
CREATE TABLE figures (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,  -- seconds since 1970
    service TEXT NOT NULL,
    process TEXT NOT NULL,
    name TEXT NOT NULL,
    point BLOB NOT NULL
);
CREATE INDEX figures_of_name ON figures (name, number);
CREATE TABLE newest_figures (
    process TEXT NOT NULL,
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,  -- as JSON
    service TEXT NOT NULL,
    at REAL NOT NULL,
    point BLOB NOT NULL,
    PRIMARY KEY (process, name, attributes)
) WITHOUT ROWID;
"""


def opened(path: Path | None) -> sqlite3.Connection:
    """Return a connection to a database that has the tables.

    Args:
        path: Its file; in memory when left out.

    Raises:
        sqlite3.Error: The file is none of SQLite's, holds something else, is in use, or cannot be written.
    """
    database = sqlite3.connect(path or ":memory:", timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        _begin(database)
    except BaseException:
        database.close()
        raise
    return database


def _begin(database: sqlite3.Connection) -> None:
    (owner,) = database.execute("PRAGMA application_id").fetchone()
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    if tables and owner != _OURS:
        raise sqlite3.DatabaseError("it is a database of something else")
    database.execute("PRAGMA locking_mode = EXCLUSIVE")  # two of us would not know of each other's news
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")  # what was received can be received again
    database.execute("BEGIN IMMEDIATE")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        for (name,) in tables:
            database.execute(f'DROP TABLE IF EXISTS "{name}"')
        for statement in _TABLES.split(";\n"):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {_OURS}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")
