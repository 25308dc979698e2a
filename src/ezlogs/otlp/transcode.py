"""OTLP/JSON: encoded requests written as JSON, when they are sent.

What is kept, split and journaled is protobuf in any case. Each message has a table of its fields by their tags on the
wire; a field that is not in it, or has another wire type, is passed over. Follows
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding - names in camel case, 64-bit integers as text,
enumerations as numbers, ids in hexadecimal digits - and for the rest https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import msgspec

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}

_ENDLESS: Final = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
_unpack_double = struct.Struct("<d").unpack_from


def to_json(body: bytes, signal: Literal["traces", "logs"]) -> bytes:
    """Return a request as OTLP/JSON.

    Args:
        body: An encoded ``ExportTraceServiceRequest`` or ``ExportLogsServiceRequest``.
        signal: Which of the two.

    Returns:
        The body of a POST with the content type ``application/json``; the same each time.

    Raises:
        ValueError: It is neither.

    Example:
        >>> from ezlogs.otlp import encode_request, encode_resource
        >>> to_json(encode_request([(encode_resource({"shop": 7}), "", [])]), "traces")
        b'{"resourceSpans":[{"resource":{"attributes":[{"key":"shop","value":{"intValue":"7"}}]}}]}'
    """
    try:
        return msgspec.json.encode(_message(_REQUESTS[signal], body, 0, len(body)))
    except IndexError:
        raise ValueError("a message is cut off") from None


class Field(NamedTuple):
    """What a field is in JSON."""

    name: str
    read: Read
    repeated: bool = False
    alone: bool = False
    """Whether it is one of several that a message is either of: told even where it is zero or empty."""


Read = Callable[[bytes, int, int], Any]
"""Makes a JSON value of what is in a message from one place to another."""

Table = Mapping[int, Field]
"""The fields of a message, by their tags."""


def _message(table: Table, message: bytes, at: int, end: int) -> dict[str, object]:
    found: dict[str, Any] = {}
    while at < end:
        tag, at = _varint(message, at)
        wire_type, start = tag & 7, at
        if wire_type == _BYTES:
            size, start = _varint(message, at)
            at = start + size
        elif wire_type == _VARINT:
            _, at = _varint(message, at)
        elif wire_type in _FIXED_SIZES:
            at += _FIXED_SIZES[wire_type]
        else:
            raise ValueError(f"wire type {wire_type}")
        if at > end:
            raise ValueError("a field is longer than its message")
        if (field := table.get(tag)) is None:
            continue
        value = field.read(message, start, at)
        if field.repeated:
            found.setdefault(field.name, []).append(value)
        elif field.alone:
            found = {field.name: value}
        elif value or isinstance(value, dict):
            found[field.name] = value
        else:
            found.pop(field.name, None)
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    byte = message[at]
    if byte < 0x80:
        return byte, at + 1
    number = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at
    raise ValueError("a number is longer than 64 bits")


def _text(message: bytes, start: int, end: int) -> str:
    return message[start:end].decode("utf-8", "replace")


def _hexadecimal(message: bytes, start: int, end: int) -> str:
    return message[start:end].hex()


def _base64(message: bytes, start: int, end: int) -> str:
    return b64encode(message[start:end]).decode()


def _boolean(message: bytes, start: int, _: int) -> bool:
    return _varint(message, start)[0] != 0


def _integer(message: bytes, start: int, _: int) -> str:
    number, _ = _varint(message, start)
    return str(number - (1 << 64) if number >> 63 else number)


def _count(message: bytes, start: int, _: int) -> int:
    return _varint(message, start)[0] & 0xFFFF_FFFF


def _time(message: bytes, start: int, end: int) -> str:
    number = int.from_bytes(message[start:end], "little")
    return str(number) if number else ""


def _bits(message: bytes, start: int, end: int) -> int:
    return int.from_bytes(message[start:end], "little")


def _double(message: bytes, start: int, _: int) -> float | str:
    number: float = _unpack_double(message, start)[0]
    return _ENDLESS.get(str(number), number)


def _table(*fields: tuple[int, Field]) -> dict[int, Field]:
    return dict(fields)


def _kind(wire_type: int, read: Read, *, alone: bool = False) -> Callable[[int, str], tuple[int, Field]]:
    return lambda number, name: (number << 3 | wire_type, Field(name, read, alone=alone))


def _one(number: int, name: str, table: Table) -> tuple[int, Field]:
    return number << 3 | _BYTES, Field(name, partial(_message, table))


def _many(number: int, name: str, table: Table) -> tuple[int, Field]:
    return number << 3 | _BYTES, Field(name, partial(_message, table), repeated=True)


_texts = _kind(_BYTES, _text)
_ids = _kind(_BYTES, _hexadecimal)
_counts = _kind(_VARINT, _count)
_times = _kind(_FIXED64, _time)
_flags = _kind(_FIXED32, _bits)

_ANY_VALUE: dict[int, Field] = {}  # a value may hold others
_KEY_VALUE = _table(_texts(1, "key"), _one(2, "value", _ANY_VALUE))
_ANY_VALUE |= _table(
    _kind(_BYTES, _text, alone=True)(1, "stringValue"),
    _kind(_VARINT, _boolean, alone=True)(2, "boolValue"),
    _kind(_VARINT, _integer, alone=True)(3, "intValue"),
    _kind(_FIXED64, _double, alone=True)(4, "doubleValue"),
    _kind(_BYTES, partial(_message, _table(_many(1, "values", _ANY_VALUE))), alone=True)(5, "arrayValue"),
    _kind(_BYTES, partial(_message, _table(_many(1, "values", _KEY_VALUE))), alone=True)(6, "kvlistValue"),
    _kind(_BYTES, _base64, alone=True)(7, "bytesValue"),
)
_RESOURCE = _table(_many(1, "attributes", _KEY_VALUE), _counts(2, "droppedAttributesCount"))
_SCOPE = _table(
    _texts(1, "name"),
    _texts(2, "version"),
    _many(3, "attributes", _KEY_VALUE),
    _counts(4, "droppedAttributesCount"),
)
_EVENT = _table(
    _times(1, "timeUnixNano"),
    _texts(2, "name"),
    _many(3, "attributes", _KEY_VALUE),
    _counts(4, "droppedAttributesCount"),
)
_LINK = _table(
    _ids(1, "traceId"),
    _ids(2, "spanId"),
    _texts(3, "traceState"),
    _many(4, "attributes", _KEY_VALUE),
    _counts(5, "droppedAttributesCount"),
    _flags(6, "flags"),
)
_STATUS = _table(_texts(2, "message"), _counts(3, "code"))
_SPAN = _table(
    _ids(1, "traceId"),
    _ids(2, "spanId"),
    _texts(3, "traceState"),
    _ids(4, "parentSpanId"),
    _texts(5, "name"),
    _counts(6, "kind"),
    _times(7, "startTimeUnixNano"),
    _times(8, "endTimeUnixNano"),
    _many(9, "attributes", _KEY_VALUE),
    _counts(10, "droppedAttributesCount"),
    _many(11, "events", _EVENT),
    _counts(12, "droppedEventsCount"),
    _many(13, "links", _LINK),
    _counts(14, "droppedLinksCount"),
    _one(15, "status", _STATUS),
    _flags(16, "flags"),
)
_LOG_RECORD = _table(
    _times(1, "timeUnixNano"),
    _counts(2, "severityNumber"),
    _texts(3, "severityText"),
    _one(5, "body", _ANY_VALUE),
    _many(6, "attributes", _KEY_VALUE),
    _counts(7, "droppedAttributesCount"),
    _flags(8, "flags"),
    _ids(9, "traceId"),
    _ids(10, "spanId"),
    _times(11, "observedTimeUnixNano"),
    _texts(12, "eventName"),
)


def _request(resources: str, scopes: str, records: str, record: Table) -> Table:
    """Return the table of a request: those of the signals nest alike, under names of their own."""
    of_scope = _table(_one(1, "scope", _SCOPE), _many(2, records, record), _texts(3, "schemaUrl"))
    of_resource = _table(_one(1, "resource", _RESOURCE), _many(2, scopes, of_scope), _texts(3, "schemaUrl"))
    return _table(_many(1, resources, of_resource))


_REQUESTS: Final = {
    "traces": _request("resourceSpans", "scopeSpans", "spans", _SPAN),
    "logs": _request("resourceLogs", "scopeLogs", "logRecords", _LOG_RECORD),
}
