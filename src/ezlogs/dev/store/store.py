"""What was received: taken in by the receiver's threads, asked for by the page. Safe in any thread."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep, time_ns
from typing import Any

import msgspec

from ezlogs.dev.decode import ReceivedEvent, ReceivedLog, ReceivedSpan
from ezlogs.dev.metrics import ReceivedPoint
from ezlogs.dev.store.origin import UNNAMED, process_of, service_of
from ezlogs.dev.store.schema import MOST_BYTES, MOST_EVENTS, opened
from ezlogs.dev.store.summaries import Filter, Summary, Teller
from ezlogs.dev.store.writing import make_room, put_event, put_points, put_span, size_of
from ezlogs.event import UniversalEvent
from ezlogs.story import Told, stories
from ezlogs.wire import from_attributes

MOST_TOLD = 2_000
"""So many events of one story are told, its first: one of more is a loop that nobody reads to its end."""
_MOST_SERVICES = 50_000
_BATCH = 20
"""So many stories are told before others have their turn."""


class Store:
    """Stories in SQLite, the newest `MOST_EVENTS` events of them.

    Args:
        path: The file that outlives the process; in memory when left out.
        most_events: How many events are kept.
        most_bytes: How large they may be together.
        teller: Tells stories, in somebody's own words or time zone.

    Example:
        >>> store = Store()
        >>> store.stories(Filter()), store.version
        (([], 0), 0)
    """

    def __init__(
        self,
        path: Path | None = None,
        most_events: int = MOST_EVENTS,
        most_bytes: int = MOST_BYTES,
        *,
        teller: Teller = stories,
    ) -> None:
        self.teller = teller
        self._database = opened(path)
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._bytes = size_of(self._database)
        self.is_open = True
        self.begun = time_ns()
        """When it was opened, nanoseconds since 1970: versions of another time say nothing of this one's."""
        rows = self._rows("SELECT DISTINCT service, process FROM events")
        self._services: dict[str, str] = {process.removeprefix(service): service for service, process in rows}
        (version,) = self._database.execute("SELECT coalesce(max(version), 0) FROM stories").fetchone()
        self.version: int = version
        """Grows with each change."""

    def close(self) -> None:
        """Let go of the file."""
        with self._changed:
            self.is_open = False
            self._database.close()
            self._changed.notify_all()

    def take(self, received: Sequence[ReceivedSpan | ReceivedLog]) -> None:
        """Take spans and log records in. An event that is known already is no news, unless it now knows its end."""
        with self._writing() as database:
            touched = dict[str, None]()
            for item in received:
                if isinstance(item, ReceivedSpan):
                    events = item.events
                else:
                    events = [ReceivedEvent(item.event_name, item.timestamp, item.attributes)]
                for event in events:
                    if (known := from_attributes(event.name, event.timestamp, event.attributes)) is not None:
                        size, changed = put_event(database, known, event, item)
                        self._bytes += size
                        touched.update(dict.fromkeys(changed))
                        if size:
                            self._remember(service_of(item.resource), process_of(item.resource))
                if isinstance(item, ReceivedSpan) and not item.attributes.get("ezlogs.carrier"):
                    touched[put_span(database, item)] = None  # now that it is known which story it is of
            self._touch(database, touched)
            if make_room(database, self._bytes, self._most_events, self._most_bytes):
                self._bytes = size_of(database)

    def take_points(self, points: Sequence[ReceivedPoint]) -> None:
        """Take in what services say of their own delivery."""
        with self._writing() as database:
            put_points(database, points)

    def stories(self, wanted: Filter, *, offset: int = 0, limit: int = 100) -> tuple[list[Summary], int]:
        """Return some of the stories that a filter lets through, the newest first, and how many these are in all."""
        with self._lock:
            self.tell()
            condition, given = wanted.condition()
            (total,) = self._rows(f"SELECT count(*) FROM stories WHERE {condition}", given)[0]
            rows = self._rows(
                "SELECT story, version, began, duration, title, outcome, actor, services, events, is_broken"
                f" FROM stories WHERE {condition} ORDER BY began DESC, story LIMIT ? OFFSET ?",
                [*given, limit, offset],
            )
        return [_summary(row) for row in rows], total

    def told(self, story: str) -> list[Told]:
        """Return the events of a story, at most `MOST_TOLD`."""
        return self._told("story = ? ORDER BY number LIMIT ?", [story, MOST_TOLD])

    def since(self, number: int, at_most: int = 10_000) -> tuple[list[Told], int]:
        """Return the events that arrived after a number of them, the oldest first, and the number to go on from."""
        rows = self._rows(
            "SELECT number, document, service FROM events WHERE number > ? ORDER BY number LIMIT ?", [number, at_most]
        )
        found = [Told(UniversalEvent.from_json(document), service) for _, document, service in rows]
        return found, rows[-1][0] if rows else number

    def told_of(self, kind: str, id: str) -> list[Told]:
        """Return the events of all stories in which something happened to a subject, or to many of its type at once.

        Args:
            kind: The subject's type.
            id: Its id.
        """
        return self._told(
            "story IN (SELECT story FROM events WHERE subject_type = ? AND (subject_id = ? OR subject_id IS NULL)"
            " ORDER BY number DESC LIMIT ?) ORDER BY number DESC LIMIT ?",
            [kind, id, MOST_TOLD, 5 * MOST_TOLD],
        )

    def named(self, service: str, process: str) -> tuple[str, str]:
        """Return a service and process by the name that its events have, where its figures have none.

        An application that names its service by ``ezlogs.configure()`` leaves that of its own meter provider alone.
        """
        place = process.removeprefix(service)
        known = self._services.get(place) if place and service.startswith(UNNAMED) else None
        return (service, process) if known is None else (known, known + place)

    def size(self, story: str) -> int:
        """Return how many events of a story there are."""
        (found,) = self._rows("SELECT count(*) FROM events WHERE story = ?", [story])[0]
        return int(found)

    def all_told(self) -> Iterator[Told]:
        """Return every event."""
        found, last = self.since(0, 1000)
        while found:
            yield from found
            found, last = self.since(last, 1000)

    def spans(self, story: str) -> list[dict[str, Any]]:
        """Return the spans of a story's traces, whoever made them, in the order in which they began."""
        names = ("trace", "span", "parent", "name", "kind", "began", "ended", "status", "service", "process")
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM spans WHERE trace = ?1"
            " OR trace IN (SELECT trace FROM traces WHERE story = ?1) ORDER BY began LIMIT 2000",
            [story],
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def processes(self, story: str) -> dict[str, str]:
        """Return in which process each of a story's events happened, by event id."""
        return dict(self._rows("SELECT event_id, process FROM events WHERE story = ?", [story]))

    def received(self, event_id: str) -> tuple[Told, dict[str, Any]] | None:
        """Return one event, and how it came: resource, scope, span and attributes."""
        rows = self._rows("SELECT document, service, received FROM events WHERE event_id = ?", [event_id])
        if not rows:
            return None
        document, service, received = rows[0]
        return Told(UniversalEvent.from_json(document), service), json.loads(received)

    def rows(self, statement: str, given: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return what a statement of the page's own reads."""
        return self._rows(statement, given)

    def wait(self, after: int, timeout: float) -> int:
        """Wait until something is newer than a version, and return the present one.

        Args:
            after: The version.
            timeout: Seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.version > after or not self.is_open, timeout)
            return self.version

    def clear(self) -> None:
        """Forget everything."""
        with self._writing() as database:
            for table in ("events", "spans", "traces", "stories", "figures", "newest_figures"):
                database.execute(f"DELETE FROM {table}")
            self._bytes = 0
            self._touch(database, ())

    def _remember(self, service: str, process: str) -> None:
        if not service.startswith(UNNAMED) and len(self._services) < _MOST_SERVICES:
            self._services[process.removeprefix(service)] = service

    def _touch(self, database: sqlite3.Connection, changed: Iterable[str]) -> None:
        self.version += 1
        database.executemany(
            "INSERT INTO stories VALUES (?, ?, 0, 0, 0, '', '', '', '[]', 0, 0, '')"
            " ON CONFLICT (story) DO UPDATE SET version = excluded.version, is_told = 0",
            [(story, self.version) for story in changed],
        )

    def _told(self, condition: str, given: Sequence[object]) -> list[Told]:
        rows = self._rows(f"SELECT document, service FROM events WHERE {condition}", given)
        return [Told(UniversalEvent.from_json(document), service) for document, service in rows]

    def tell(self, at_most: int = 100) -> bool:
        """Make of stories that changed, the latest first, what the list shows of them; return whether any are left."""
        with self._lock:
            if not self.is_open:
                return False
            rows = self._rows("SELECT story FROM stories WHERE NOT is_told ORDER BY version DESC LIMIT ?", [at_most])
            self._database.execute("BEGIN")
            self._tell(story for (story,) in rows)
            self._database.execute("COMMIT")
            return len(rows) == at_most

    def tell_all(self) -> None:
        """Do so until none is left, and let others in between; then that is news."""
        if not self.tell(_BATCH):
            return
        while self.tell(_BATCH):
            sleep(0.001)  # or who waits for the lock might not get it
        with self._lock:
            if self.is_open:
                with self._writing() as database:
                    self._touch(database, ())

    def _tell(self, changed: Iterable[str]) -> None:
        for story in changed:
            summary = Summary.of(self.told(story), self.teller) or self._of_spans(story)
            if summary is not None and summary.events == MOST_TOLD:
                summary = msgspec.structs.replace(summary, events=self.size(story))
            if summary is None:
                self._database.execute("DELETE FROM stories WHERE story = ?", [story])
                continue
            self._database.execute(
                "UPDATE stories SET is_told = 1, began = ?, duration = ?, title = ?, outcome = ?, actor = ?,"
                " services = ?, events = ?, is_broken = ?, words = ? WHERE story = ?",
                [*summary.row(), story],
            )

    def _of_spans(self, story: str) -> Summary | None:
        """Return what is to be shown of a trace in which there are no events."""
        spans = self.spans(story)
        if not spans or self._rows("SELECT 1 FROM traces WHERE trace = ?", [story]):
            return None
        return Summary.of_spans(story, spans)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._changed:
            self._database.execute("BEGIN")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
            self._changed.notify_all()

    def _rows(self, statement: str, given: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, given).fetchall()


def _summary(row: tuple[Any, ...]) -> Summary:
    story, version, began, duration, title, outcome, actor, services, events, is_broken = row
    return Summary(
        story=story,
        version=version,
        began=began,
        duration=duration,
        title=title,
        outcome=outcome,
        actor=actor,
        services=tuple(json.loads(services)),
        events=events,
        is_broken=bool(is_broken),
    )
