"""Splitting a request that a collector finds too large: two halves with the same resources and scopes around them.

Works on the encoded bytes, which is all that is left of a batch. Requests of spans and of log records are built alike:
resources in field 1, scopes in field 2 of those, and the records in field 2 of those in turn. A carrier span, which
ezlogs made only to carry events, can be split further: its events go on two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

from ezlogs.ids import new_span_id
from ezlogs.otlp.protobuf import bytes_of, fields, pieces
from ezlogs.otlp.values import message_field

_PATH = (1, 2, 2)
_SPAN_ID, _ATTRIBUTES, _EVENTS_OF_SPAN, _ATTRIBUTES_OF_EVENT, _KEY = 2, 9, 11, 3, 1
_OF_BYTES = 2
"""The wire type of what is in a field of bytes."""
_NAME_OF_EVENT, _NAME_OF_LOG_RECORD = 2, 12
_EVENT_ID, _CARRIER = b"ezlogs.event.id", b"ezlogs.carrier"


class Part(NamedTuple):
    """A request with some of the records of a larger one."""

    body: bytes
    records: int
    riders: int
    """Events of ezlogs' on its spans; none in a request of log records."""
    types: Mapping[str, int] = MappingProxyType({})
    """How many events of ezlogs' there are, by type."""


def halves(body: bytes) -> tuple[Part, Part] | None:
    """Return the two halves of a request, or None where it has no two records or carried events, or is no request.

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
        if middle:
            return _part(body, 0, middle), _part(body, middle, records)
        return _carriers(body) if records else None
    except (IndexError, ValueError):
        return None


def _part(body: bytes, begin: int, end: int) -> Part:
    records = enumerate(_values(body, _PATH))
    part = _with_records(body, _PATH, (record if begin <= at < end else None for at, record in records))
    return _counted(part, [*_values(part, _PATH)])


def _counted(body: bytes, records: list[bytes]) -> Part:
    riders = [name for record in records for name in _riders(record)]
    logged = chain.from_iterable(_values(record, (_NAME_OF_LOG_RECORD,)) for record in records)
    types = Counter(name.decode(errors="replace") for name in riders or logged)
    return Part(body, len(records), len(riders), types)


def _carriers(body: bytes) -> tuple[Part, Part] | None:
    """Return the halves of a request of one carrier span: each with a span of its own, and half of the events."""
    (span,) = _values(body, _PATH)
    events = sum(1 for _ in _values(span, (_EVENTS_OF_SPAN,)))
    middle = events // 2
    if not middle or not any(fields(attribute).get(_KEY) == _CARRIER for attribute in _values(span, (_ATTRIBUTES,))):
        return None
    first = _with_events(span, range(middle))
    second = _with_events(span, range(middle, events), new_span_id().to_bytes(8, "big"))
    return tuple(_counted(_with_records(body, _PATH, iter([record])), [record]) for record in (first, second))  # type: ignore[return-value]  # two


def _with_events(span: bytes, wanted: range, span_id: bytes | None = None) -> bytes:
    kept, position = [], 0
    for number, _, whole in pieces(span):
        if number == _EVENTS_OF_SPAN:
            if position in wanted:
                kept.append(whole)
            position += 1
        elif number == _SPAN_ID and span_id is not None:
            kept.append(message_field(_tag(_SPAN_ID), span_id))
        else:
            kept.append(whole)
    return b"".join(kept)


def _with_records(message: bytes, path: tuple[int, ...], records: Iterator[bytes | None]) -> bytes:
    """Return a message with other records in place of its own, None for one that goes; empty where all go."""
    kept, found = [], False
    for number, value, whole in pieces(message):
        if number != path[0]:
            kept.append(whole)
            continue
        inner = next(records) if len(path) == 1 else _with_records(bytes_of(value), path[1:], records) or None
        if inner is not None:
            kept.append(message_field(_tag(number), inner))
            found = True
    return b"".join(kept) if found else b""


def _tag(number: int) -> bytes:
    return bytes([number << 3 | 2])


def _values(message: bytes, path: tuple[int, ...]) -> Iterator[bytes]:
    """Yield what is at the end of a path of fields: the time of a log record has the number of a span's events."""
    for number, value, whole in pieces(message):
        if number == path[0] and whole[0] & 7 == _OF_BYTES:
            if len(path) == 1:
                yield bytes_of(value)
            else:
                yield from _values(bytes_of(value), path[1:])


def _riders(record: bytes) -> list[bytes]:
    """Return the types of those of a span's events that are ezlogs'."""
    return [
        b"".join(_values(event, (_NAME_OF_EVENT,)))
        for event in _values(record, (_EVENTS_OF_SPAN,))
        if any(fields(attribute).get(_KEY) == _EVENT_ID for attribute in _values(event, (_ATTRIBUTES_OF_EVENT,)))
    ]
