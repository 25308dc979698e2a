"""What was received, as rows of the tables; and how room is made when there are too many of them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from time import time

import msgspec

from ezlogs.dev.decode import ReceivedEvent, ReceivedLog, ReceivedSpan
from ezlogs.dev.metrics import ReceivedPoint
from ezlogs.dev.store.origin import as_it_came, process_of, service_of
from ezlogs.event import UniversalEvent

_MORE = 10
"""How many spans are kept for each event that is."""
LONGEST_EVENT = 1024 * 1024
"""Bytes, as JSON; a larger one is not kept."""
_MOST_FIGURES = 50_000

_SIZE = "coalesce(sum(length(document) + length(received)), 0)"

_log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder(enc_hook=lambda value: f"({type(value).__name__})").encode


def put_event(
    database: sqlite3.Connection, event: UniversalEvent, raw: ReceivedEvent, item: ReceivedSpan | ReceivedLog
) -> tuple[int, list[str]]:
    """Put an event into the tables, unless it is known already or too large.

    Args:
        database: The tables.
        event: The event.
        raw: How it came.
        item: What it came on.

    Returns:
        How many bytes more there are, and which stories have changed.
    """
    known = database.execute("SELECT outcome FROM events WHERE event_id = ?", [event.event_id]).fetchone()
    if known is not None and (known[0] != "unknown" or event.outcome == "unknown"):
        return 0, []
    document, received = event.to_json(), _encode(as_it_came(raw, item))
    size = len(document) + len(received)
    if size > 2 * LONGEST_EVENT:
        _log.warning("an event of %d bytes is not kept: %s", len(document), event.event_id)
        return 0, []
    story, subject = event.correlation.correlation_id, event.subject
    database.execute(
        "INSERT OR REPLACE INTO events (event_id, story, type, action, at, arrived, outcome, duration,"
        " subject_type, subject_id, service, process, trace, document, received)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            event.event_id,
            story,
            event.event_type,
            event.action,
            event.timestamp,
            time(),
            event.outcome,
            event.duration,
            subject and subject.type,
            subject and subject.id,
            service_of(item.resource),
            process_of(item.resource),
            item.trace_id,
            document,
            received,
        ],
    )
    changed = [story]
    if item.trace_id and item.trace_id != story:
        database.execute("INSERT OR REPLACE INTO traces VALUES (?, ?)", [item.trace_id, story])
        if database.execute("SELECT 1 FROM stories WHERE story = ?", [item.trace_id]).fetchone():
            changed.insert(0, item.trace_id)  # whose spans came first, as a story of their own
    return size, changed


def put_span(database: sqlite3.Connection, span: ReceivedSpan) -> str:
    """Put a span into the tables, unless it is known already, and return the story that it is of."""
    database.execute(
        "INSERT OR IGNORE INTO spans (trace, span, parent, name, kind, began, ended, status, service, process)"
        " VALUES (?,?,?,?,?,?,?,?,?,?)",
        [
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            span.name,
            span.kind,
            span.start_time,
            span.end_time,
            span.status,
            service_of(span.resource),
            process_of(span.resource),
        ],
    )
    known = database.execute("SELECT story FROM traces WHERE trace = ?", [span.trace_id]).fetchone()
    return str(known[0]) if known else span.trace_id


def put_points(database: sqlite3.Connection, points: Sequence[ReceivedPoint]) -> None:
    """Put figures of services into the tables, and take out the oldest that are too many."""
    rows = [
        (
            point.time / 1e9,
            service_of(point.resource),
            process_of(point.resource),
            point.name,
            _encode(point),
            _encode(sorted(point.attributes.items())).decode(),
        )
        for point in points
    ]
    database.executemany(
        "INSERT INTO figures (at, service, process, name, point) VALUES (?, ?, ?, ?, ?)", [row[:5] for row in rows]
    )
    database.executemany(
        "INSERT OR REPLACE INTO newest_figures (at, service, process, name, point, attributes)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )
    (newest,) = database.execute("SELECT coalesce(max(number), 0) FROM figures").fetchone()
    database.execute("DELETE FROM figures WHERE number <= ?", [newest - _MOST_FIGURES])
    database.execute(
        "DELETE FROM newest_figures WHERE at < (SELECT at FROM newest_figures ORDER BY at DESC LIMIT 1 OFFSET ?)",
        [_MOST_FIGURES // 10],
    )


def size_of(database: sqlite3.Connection) -> int:
    """Return how many bytes all events have."""
    (found,) = database.execute(f"SELECT {_SIZE} FROM events").fetchone()
    return int(found)


def make_room(database: sqlite3.Connection, size: int, most_events: int, most_bytes: int) -> bool:
    """Take out the stories that changed longest ago, where there is too much; return whether there was.

    Args:
        database: The tables.
        size: Bytes of all events.
        most_events: How many events are kept; of spans ten times as many.
        most_bytes: How large they may be together.
    """
    if size <= most_bytes and all(
        database.execute(f"SELECT coalesce(max(number) - min(number), 0) FROM {table}").fetchone()[0] < most
        for table, most in (("events", most_events), ("spans", _MORE * most_events))
    ):
        return False  # as nearly always, and known without counting
    (events,) = database.execute("SELECT count(*) FROM events").fetchone()
    (spans,) = database.execute("SELECT count(*) FROM spans").fetchone()
    rows = database.execute(
        "SELECT story, (SELECT count(*) FROM events WHERE events.story = stories.story),"
        f" (SELECT {_SIZE} FROM events WHERE events.story = stories.story),"
        " (SELECT count(*) FROM spans WHERE trace = stories.story"
        " OR trace IN (SELECT trace FROM traces WHERE traces.story = stories.story)) FROM stories ORDER BY version"
    )
    excess = [_excess(events, most_events), _excess(size, most_bytes), _excess(spans, _MORE * most_events)]
    gone = list[tuple[str]]()
    while any(part > 0 for part in excess) and (row := rows.fetchone()) is not None:
        gone.append((row[0],))
        excess = [part - of_story for part, of_story in zip(excess, row[1:], strict=True)]
    rows.close()
    database.executemany(
        "DELETE FROM spans WHERE trace = ?1 OR trace IN (SELECT trace FROM traces WHERE story = ?1)", gone
    )
    for table in ("events", "traces", "stories"):
        database.executemany(f"DELETE FROM {table} WHERE story = ?", gone)
    return True


def _excess(there: int, most: int) -> int:
    """Return how much is too much, and some more, so that room is rarely made."""
    return there - most + most // 20 if there > most else 0
