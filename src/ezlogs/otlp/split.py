"""Splitting a request that a collector finds too large: two halves with the same resources and scopes around them.

Works on the encoded bytes, which is all that is left of a batch. Requests of spans and of log records are built alike:
resources in field 1, scopes in field 2 of those, and the records in field 2 of those in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ezlogs.otlp.protobuf import bytes_of, fields, pieces
from ezlogs.otlp.values import message_field

_PATH = (1, 2, 2)
_EVENTS_OF_SPAN, _ATTRIBUTES_OF_EVENT, _KEY = 11, 3, 1
_EVENT_ID = b"ezlogs.event.id"


class Part(NamedTuple):
    """A request with some of the records of a larger one."""

    body: bytes
    records: int
    riders: int
    """Events of ezlogs' on its spans; none in a request of log records."""


def halves(body: bytes) -> tuple[Part, Part] | None:
    """Return the two halves of a request, or None where it has no two records, or is no request.

    Args:
        body: An encoded ``ExportTraceServiceRequest`` or ``ExportLogsServiceRequest``.

    Example:
        >>> from ezlogs.otlp import encode_request
        >>> spans = [bytes([42, 1]) + name for name in (b"a", b"b", b"c")]
        >>> first, second = halves(encode_request([(b"", "", [(b"", "", spans)])]))
        >>> first.records, second.records, halves(first.body)
        (1, 2, None)
    """
    try:
        records = sum(1 for _ in _values(body, _PATH))
        middle = records // 2
        return (_part(body, 0, middle), _part(body, middle, records)) if middle else None
    except (IndexError, ValueError):
        return None


def _part(body: bytes, begin: int, end: int) -> Part:
    wanted = (begin <= position < end for position in range(end + 1))
    part = _with_records(body, _PATH, iter(wanted))
    return Part(part, end - begin, sum(map(_riders, _values(part, _PATH))))


def _with_records(message: bytes, path: tuple[int, ...], wanted: Iterator[bool]) -> bytes:
    """Return a message with those records that are wanted; empty where none of them is in it."""
    kept, found = [], False
    for number, value, whole in pieces(message):
        if number != path[0]:
            kept.append(whole)
            continue
        if len(path) == 1:
            inner = whole if next(wanted, False) else b""
        elif inner := _with_records(bytes_of(value), path[1:], wanted):
            inner = message_field(bytes([number << 3 | 2]), inner)
        if inner:
            kept.append(inner)
            found = True
    return b"".join(kept) if found else b""


def _values(message: bytes, path: tuple[int, ...]) -> Iterator[bytes]:
    """Yield what is at the end of a path of fields."""
    for number, value, _ in pieces(message):
        if number == path[0]:
            if len(path) == 1:
                yield bytes_of(value)
            else:
                yield from _values(bytes_of(value), path[1:])


def _riders(record: bytes) -> int:
    """Return how many of a span's events are ezlogs'."""
    return sum(
        any(fields(attribute).get(_KEY) == _EVENT_ID for attribute in _values(event, (_ATTRIBUTES_OF_EVENT,)))
        for event in _values(record, (_EVENTS_OF_SPAN,))
    )
