"""Roll-up: what is kept of rows beyond those that are told one by one, however many they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from ezlogs.event import Change
from ezlogs.trackers.data.alike import Alike, Form
from ezlogs.trackers.data.rows import CHANGE, Later, Row

_MOST_FIELDS = 100
"""Names of fields in one summary: there may be any number inside of documents."""

_KEPT = ("verb", "table", "database", "verbose_name", "verbose_name_plural")
"""What is the same for all rows of a model."""

_IN_BULK = {"create": "bulk_create", "update": "bulk_update", "destroy": "bulk_delete"}


class Summary(msgspec.Struct):
    """Rows of one model, written in one way by one actor: how many, which fields, from when to when."""

    first: Row
    """Without its values."""
    rows: int
    last: int
    """Nanoseconds since the epoch."""
    fields: dict[str, None]

    def add(self, rows: int, last: int, fields: Iterable[str]) -> None:
        """Count further ones."""
        self.rows += rows
        self.last = max(self.last, last)
        if len(self.fields) < _MOST_FIELDS:
            self.fields.update(dict.fromkeys(fields))

    def row(self) -> Row:
        """Return it as the one write that it is told as."""
        first = self.first
        metadata = {
            **first.metadata,
            "rows": self.rows,
            "rolled_up": True,
            "first_at": _text(first.timestamp),
            "last_at": _text(self.last),
        }
        changes = tuple(map(Change, self.fields))
        return msgspec.structs.replace(first, rows=self.rows, metadata=metadata, changes=changes)


class Level:
    """What was written since a savepoint, or since the transaction began.

    Args:
        name: The savepoint's; None for the transaction itself.
        start: How many rows were kept before it.
    """

    __slots__ = ("_owners", "_undo", "mark", "name", "start", "summaries")

    def __init__(self, name: str | None, start: int) -> None:
        self.name = name
        self.start = start
        self.mark = object()
        """Tells it from others, and holds nothing."""
        self.summaries: dict[tuple[object, ...], Summary] = {}
        """Of the rows beyond those that are kept."""
        self._undo: list[Callable[[], object]] = []
        self._owners: WeakKeyDictionary[Any, Callable[[Any], object]] | None = None

    def count(self, row: Row) -> None:
        """Count a row that is not kept."""
        verb = _IN_BULK.get(row.verb, row.verb) if row.event_type == CHANGE else row.verb
        key = key_of(row.event_type, row.model, verb, row.actor, row.metadata)
        summary = self.summaries.get(key)
        fields = [change.field for change in row.changes]
        if summary is not None:
            summary.add(row.rows, row.timestamp, fields)
            return
        metadata = {name: row.metadata[name] for name in _KEPT if name in row.metadata}
        first = msgspec.structs.replace(row, verb=verb, id=None, changes=(), metadata=metadata, undo=None, owner=None)
        self.summaries[key] = Summary(first, row.rows, row.timestamp, dict.fromkeys(fields[:_MOST_FIELDS]))

    def tally(self, alike: Alike, form: Form, timestamp: int) -> bool:
        """Count a row that is like others and not kept, if one of them was counted before; return whether it was."""
        key = alike.counted_as
        if key is None:
            verb = _IN_BULK.get(alike.verb, alike.verb)
            key = alike.counted_as = key_of(CHANGE, alike.model, verb, alike.at.actor, alike.where())
        summary = self.summaries.get(key)
        if summary is None:
            return False
        summary.add(1, timestamp, form.names)
        return True

    def remember(self, row: Row | Later) -> None:
        """Remember what has to be undone if a row never existed; the row itself forgets it."""
        undo, owner = row.undo, row.owner
        row.undo = row.owner = None
        if undo is None:
            return
        if owner is None:
            self._undo.append(undo)
            return
        self.remember_owner(owner, undo)

    def remember_owner(self, owner: Any, undo: Callable[[Any], object]) -> None:
        """Remember what an owner is put right by, unless something before this has to be undone for it."""
        if self._owners is None:
            self._owners = WeakKeyDictionary()
        self._owners.setdefault(owner, undo)

    def absorb(self, later: Level) -> None:
        """Take over what a level after this one has, whose savepoint was released."""
        self.add_up(later)
        self._undo += later._undo
        if self._owners is None:
            self._owners = later._owners
        elif later._owners is not None:
            for owner, undo in later._owners.items():
                self._owners.setdefault(owner, undo)

    def add_up(self, later: Level) -> None:
        """Add what was counted in a level after this one, and leave that as it is."""
        for key, summary in later.summaries.items():
            known = self.summaries.get(key)
            if known is None:
                self.summaries[key] = msgspec.structs.replace(summary, fields=dict(summary.fields))
            else:
                known.add(summary.rows, summary.last, summary.fields)

    def undo(self) -> None:
        """Undo everything, backwards."""
        for call in reversed(self._undo):
            call()
        for owner, undo in list((self._owners or {}).items()):
            undo(owner)


def key_of(event_type: str, model: str, verb: str, actor: object, metadata: Mapping[str, object]) -> tuple[object, ...]:
    """Return what rows have in common that are counted together."""
    return (event_type, model, verb, actor, metadata.get("table"), metadata.get("database"))


def _text(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp / 1e9, timezone.utc).isoformat()
