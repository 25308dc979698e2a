"""Captures that journal the rows of transactions before they are committed, as delivery does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ezlogs.delivery.batch import SpanEncoder
from ezlogs.delivery.journaling import Journaling
from ezlogs.delivery.keeping import Keeper
from ezlogs.delivery.prepared import Preparation, Way
from ezlogs.delivery.sealed import EncodedResource
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.dev.decode import decode_request
from ezlogs.event import UniversalEvent
from ezlogs.journal import Directory, Found, adopt
from ezlogs.otlp import encode_request
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger, current_runtime
from ezlogs.testing import Captured, capture
from ezlogs.wire import scrubbed_attributes

OWN = {"ezlogs.event.id", "ezlogs.sequence", "ezlogs.transaction.id", "ezlogs.correlation.id", "ezlogs.parent_event.id"}
"""What no two events have in common, or no two transactions."""


def as_one(rows: Iterable[SealedRows]) -> list[tuple[str, dict[str, object]]]:
    """Return what was delivered together, each event by its id, which begins with its time."""
    body = encode_request([(b"", "", [(b"", "", [each.body for each in rows])])])
    events = [event for span in decode_request(body) for event in span.events]
    return [(str(event.attributes["ezlogs.event.id"]), comparable(event.attributes)) for event in events]


def as_sent(events: Iterable[UniversalEvent]) -> list[tuple[str, dict[str, object]]]:
    """Return single events the same way."""
    return [(event.event_id, comparable(scrubbed_attributes(event, Scrubber()))) for event in events]


def comparable(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return attributes that two events may have in common."""
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}
    return {key: value for key, value in listed.items() if key not in OWN}


class Journaled:
    """What is in the journal of a capture, and what a capture delivers that is."""

    def __init__(self, directory: Directory, captured: Captured) -> None:
        self.directory = directory
        self.captured = captured
        self.prepared = 0
        """How often a transaction was prepared."""
        self.rows: list[SealedRows] = []
        """What was journaled and delivered together."""
        self.takes_rows = True
        self.journaling = Journaling(directory, EncodedResource(b"", ""), cap=4 << 20, max_age=60)
        self._spans = SpanEncoder(Scrubber())
        self._keeper = Keeper(self.journaling, self._spans, int)

    def preparing(self) -> Preparation:
        """Begin to prepare a transaction."""
        self.prepared += 1
        runtime = current_runtime()
        way = Way(self._keeper, lambda ctx: None, self.deliver, self.captured.carry, self._spans, self.deliver_rows)
        return Preparation([way], Ledger() if runtime is None else runtime.ledger)

    def deliver(self, event: UniversalEvent, sealed: Any, ctx: Any) -> None:
        """Deliver an event, and acknowledge it."""
        self.captured.carry(event, ctx)
        self._keeper.let_go([sealed], ())

    def deliver_rows(self, rows: SealedRows, ctx: Any) -> bool:
        """Deliver rows together, and acknowledge them; or refuse to."""
        self._keeper.done([rows.receipt])
        if self.takes_rows:
            self.rows.append(rows)
        return self.takes_rows

    def waiting(self) -> object:
        """How many records wait in the journal."""
        self.journaling.turn()
        return self.journaling.health()["waiting"]

    def left(self) -> list[Found]:
        """End as a process that is killed does; return what the next one finds."""
        self.journaling.turn()
        self.journaling._journal._shelf._home.release()  # type: ignore[union-attr]  # there is one
        abandoned = adopt(self.directory)
        found = [] if abandoned is None else list(abandoned.found())
        if abandoned is not None:
            abandoned.close()
        return found

    def ids_left(self) -> list[tuple[str, str]]:
        """The ids of the events that the next process finds, and what it knows of their transactions."""
        return [(one.item_id.decode(), one.ending.value) for one in self.left()]  # ``strict`` events have whole ids


@contextmanager
def capture_prepared(**settings: object) -> Iterator[tuple[Captured, Journaled]]:
    """Capture events, with rows that are in a journal before their transaction is committed.

    Args:
        **settings: As for `ezlogs.testing.capture`.
    """
    with TemporaryDirectory() as place, capture(**settings) as captured:
        directory = Directory(str(Path(place)), "shop")
        with directory.opened(create=True):
            journaled = Journaled(directory, captured)
        captured.notes_openings = True
        captured.opened = captured.closed = lambda *_: None  # type: ignore[method-assign]  # of no interest here
        captured.preparing = journaled.preparing  # type: ignore[method-assign,assignment]  # a capture that prepares
        try:
            yield captured, journaled
        finally:
            journaled.journaling.close()
