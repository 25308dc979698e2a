"""Reading: whatever a file of events is, it says so itself by what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ezlogs.compat import ruby
from ezlogs.dev.decode import JSON, PROTOBUF, Malformed, decode_either
from ezlogs.event import InvalidEvent, UniversalEvent
from ezlogs.story import told
from ezlogs.story.tree import Told

_OTLP = ("resourceSpans", "resourceLogs", "resource_spans", "resource_logs")


class Unreadable(ValueError):  # noqa: N818  # the name says what the file is
    """A content that is none of what is read; the text says where and why."""


def read(content: bytes) -> list[Told]:
    """Return the events in the content of a file, each with the service that told of it, in their order.

    Args:
        content: OTLP export requests of spans or log records, as protobuf or JSON, one request or one a line; the JSON
            of events, as `UniversalEvent.to_json` and the Ruby agent write it: one, an array, or one a line.

    Raises:
        Unreadable: It is none of these.

    Example:
        >>> [told] = read(b'{"event_type": "order.action", "action": "placed", "actor": {"type": "user", "id": 7}}')
        >>> told.event.action
        'placed'
    """
    start = content.lstrip()[:1]
    if start not in (b"{", b"["):
        try:
            return told(decode_either(content, PROTOBUF))
        except Malformed as problem:
            raise Unreadable(f"neither JSON nor an export request: {problem}") from problem
    try:
        return list(_in(msgspec.json.decode(content), "", content))
    except msgspec.DecodeError:
        pass  # it may be one document a line
    except RecursionError as problem:
        raise Unreadable("nested too deeply") from problem
    found: list[Told] = []
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                document = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError) as problem:
                raise Unreadable(f"line {number}: no JSON: {problem}") from problem
            found += _in(document, f"line {number}: ", line)
    return found


def _in(document: Any, where: str, content: bytes) -> Iterator[Told]:
    if isinstance(document, list):
        for number, one in enumerate(document, 1):
            yield from _in(one, f"{where}item {number}: ", b"")
    elif isinstance(document, dict) and any(key in document for key in _OTLP):
        try:
            yield from told(decode_either(content or msgspec.json.encode(document), JSON))
        except Malformed as problem:
            raise Unreadable(f"{where}{problem}") from problem
    elif ruby.is_event(document):
        yield ruby.read(document)
    elif isinstance(document, dict) and "schema_version" in document:
        try:
            yield Told(UniversalEvent.from_json(msgspec.json.encode(document)), str(document.get("service") or ""))
        except InvalidEvent as problem:
            raise Unreadable(f"{where}{problem}") from problem
    elif document != {}:
        raise Unreadable(f"{where}neither an export request nor an event: it has no resourceSpans and no event_type")
