"""What became of what was journaled: records put together into what is still to be delivered.

The records of one process are read once, in the order in which they were written. What is held on the way is where the
events of spans are that were open at the same time, never what is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from ezlogs.journal.record import VERDICTS, Kind, Record, halves


class Ending(Enum):
    """How it ended what was found."""

    COMPLETE = "complete"
    """As it should."""
    INTERRUPTED = "interrupted"
    """The process ended before the span or the scope did."""
    COMMITTED = "committed"
    """An event of a transaction that was committed."""
    UNKNOWN = "unknown"
    """An event of a transaction of which nothing is known."""


class Found(NamedTuple):
    """Something to deliver."""

    kind: int
    """``EVENT``; ``SPAN_CLOSE``, or ``SPAN_OPEN`` if it was interrupted; ``SCOPE_OPEN``; ``PREPARED``."""
    ending: Ending
    item_id: bytes
    owner: bytes
    """The span that an event rode on which is not in the journal any more, or the transaction of a prepared one."""
    payload: bytes
    priority: int
    timestamp: int
    """When it was journaled, or what `Journal.append` was told: Unix time in nanoseconds."""
    resource: bytes
    receipts: tuple[int, ...]
    """What to acknowledge when it is delivered."""
    events: tuple[Found, ...] = ()
    """The events that rode on a span; last what was interrupted with it."""


class Source(Protocol):
    """The segments of a process, in their order."""

    def records(self) -> Iterator[tuple[int, Record, bytes]]:
        """Yield each record with its position and its resource."""

    def moved(self) -> Iterable[Record]:
        """Yield each waiting record that is a copy of an older one."""

    def at(self, positions: Sequence[int]) -> Iterator[tuple[int, Record, bytes]]:
        """Yield the records at some positions."""

    def overtaken(self, position: int) -> None:
        """Take note that a record need not be delivered: a later one tells more."""


def found_in(source: Source) -> Iterator[Found]:
    """Yield what is still to be delivered.

    Spans come with their events when their end is met; what was left open comes last. Each item comes once, also where
    the process ended while it moved records from one segment to another.
    """
    return _Reading(source).found()


class _Reading:
    """One pass over the records."""

    def __init__(self, source: Source) -> None:
        self._source = source
        copies = [(record.kind, record.item_id, record.owner) for record in source.moved()]
        self._moved = {(kind, item_id) for kind, item_id, _ in copies}
        self._awaited = {owner for kind, _, owner in copies if kind == Kind.PREPARED}
        self._begun_later = {key for copy in copies for key in _begun_by(*copy)}
        """What begins with a copy, which may come after its end."""
        self._ended: set[tuple[int, bytes]] = set()
        """What ended before the copy of its beginning comes."""
        self._open: dict[tuple[int, bytes], int] = {}
        """Where spans and scopes begin that have not ended."""
        self._whole: set[int] = set()
        """Where a span and a scope begin of which neither has ended."""
        self._riding: dict[bytes, list[int]] = {}
        """Where the events of spans are that have not ended."""
        self._prepared: dict[bytes, list[int]] = {}
        """Where the events of transactions are without a verdict."""
        self._verdicts: dict[bytes, Record] = {}
        """Verdicts on transactions of which a copy comes."""

    def found(self) -> Iterator[Found]:
        for position, record, resource in self._source.records():
            yield from self._take(position, record, resource)
        yield from self._left_open()

    def _take(self, position: int, record: Record, resource: bytes) -> Iterator[Found]:
        if not record.done and not record.moved and (record.kind, record.item_id) in self._moved:
            self._source.overtaken(position)  # the process ended before it could say that it has moved this one
            return
        if record.kind == Kind.EVENT:
            self._end(Kind.SCOPE_OPEN, record.item_id)
            if not record.done and record.owner:
                self._riding.setdefault(record.owner, []).append(position)
            elif not record.done:
                yield _found(position, record, resource, Ending.COMPLETE)
        elif begun := _begun_by(record.kind, record.item_id, record.owner):
            self._begin(position, record, begun)
        elif record.kind == Kind.SPAN_CLOSE:
            self._end(Kind.SPAN_OPEN, record.item_id)
            if not record.done:
                events = tuple(self._found_at(self._riding.pop(record.item_id, ()), Ending.COMPLETE))
                yield _found(position, record, resource, Ending.COMPLETE, events)
        elif record.kind == Kind.PREPARED and not record.done:
            self._prepared.setdefault(record.owner, []).append(position)
            if record.owner in self._verdicts:
                yield from self._judge(self._verdicts[record.owner])
        elif record.kind in VERDICTS:
            if record.item_id in self._awaited:
                self._verdicts[record.item_id] = record
            yield from self._judge(record)

    def _begin(self, position: int, record: Record, begun: Sequence[tuple[int, bytes]]) -> None:
        if record.done:
            return
        # Of a scope that is noted again with its route a copy of the first note tells nothing new.
        keys = [key for key in begun if key not in self._ended and not (len(begun) > 1 and key in self._open)]
        for key in keys:
            self._end(*key)
            self._open[key] = position
        if not keys:
            self._source.overtaken(position)
        elif len(keys) > 1:
            self._whole.add(position)

    def _end(self, kind: int, item_id: bytes) -> None:
        key = (kind, item_id)
        begun = self._open.pop(key, None)
        if begun is None:
            if key in self._begun_later:
                self._ended.add(key)
        elif begun in self._whole:
            self._whole.remove(begun)
        else:
            self._source.overtaken(begun)

    def _judge(self, record: Record) -> Iterator[Found]:
        rows = self._prepared.pop(record.item_id, [])
        if record.kind == Kind.ROLLED_BACK:
            for row in rows:
                self._source.overtaken(row)
        else:
            yield from self._found_at(rows, Ending.COMMITTED)

    def _left_open(self) -> Iterator[Found]:
        for (kind, item_id), position in self._open.items():
            is_whole = position in self._whole
            if is_whole and kind == Kind.SCOPE_OPEN:
                continue  # it is told on its span
            riding = self._riding.pop(item_id, ()) if kind == Kind.SPAN_OPEN else ()
            events = tuple(self._found_at(riding, Ending.COMPLETE))
            for begun, record, resource in self._source.at([position]):
                half = _half(record, kind)
                if is_whole:
                    scope = _half(record, Kind.SCOPE_OPEN)
                    events = (*events, _found(begun, scope, resource, Ending.INTERRUPTED)._replace(receipts=()))
                yield _found(begun, half, resource, Ending.INTERRUPTED, events)
        for positions in self._prepared.values():
            yield from self._found_at(positions, Ending.UNKNOWN)
        for positions in self._riding.values():
            yield from self._found_at(positions, Ending.COMPLETE)

    def _found_at(self, positions: Sequence[int], ending: Ending) -> Iterator[Found]:
        for position, record, resource in self._source.at(positions):
            yield _found(position, record, resource, ending)


def _begun_by(kind: int, item_id: bytes, owner: bytes) -> Sequence[tuple[int, bytes]]:
    """Return what begins with a record, by kind and id."""
    if kind == Kind.WORK_OPEN:
        return (Kind.SPAN_OPEN, item_id), (Kind.SCOPE_OPEN, owner)
    return ((kind, item_id),) if kind in (Kind.SPAN_OPEN, Kind.SCOPE_OPEN) else ()


def _half(record: Record, kind: int) -> Record:
    """Return a record of what begins, by kind; it may be one of two that begin with it."""
    if record.kind != Kind.WORK_OPEN:
        return record
    span, scope = halves(record.payload)
    if kind == Kind.SPAN_OPEN:
        return record._replace(kind=kind, owner=b"", payload=span)
    return record._replace(kind=kind, item_id=record.owner, owner=b"", payload=scope)


def _found(position: int, record: Record, resource: bytes, ending: Ending, events: tuple[Found, ...] = ()) -> Found:
    return Found(
        record.kind,
        ending,
        record.item_id,
        record.owner,
        record.payload,
        record.priority,
        record.timestamp,
        resource,
        _receipts(events, position),
        events,
    )


def _receipts(events: Iterable[Found], position: int) -> tuple[int, ...]:
    """Return what to acknowledge, a span after its events."""
    return (*(receipt for event in events for receipt in event.receipts), position)
