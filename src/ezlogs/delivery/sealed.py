"""Sealed spans and events: scrubbed and encoded before the application goes on, so that they can outlive its process."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from opentelemetry.sdk.resources import Resource

from ezlogs.event import UniversalEvent
from ezlogs.otlp.protobuf import fields, pieces
from ezlogs.otlp.values import message_field
from ezlogs.priority import Priority

_HEAD: Final = struct.Struct(">QQQq")
_SIZE: Final = struct.Struct(">I")
_HALF: Final = 64
_LOW: Final = (1 << _HALF) - 1
_KEY, _OUTCOME = 1, b"ezlogs.outcome"
_UNKNOWN: Final = message_field(b"\x0a", _OUTCOME) + message_field(b"\x12", message_field(b"\x0a", b"unknown"))


class SealedEvent:
    """An event of which only its bytes are left, and what a batch must know of it.

    Args:
        body: The event as it is encoded in its signal, without a length in front.
        timestamp: When it happened: nanoseconds since 1970.
        trace_id: The trace that it belongs to.
        span_id: The span under which it happened; 0 for none.
        rules: By which rules privacy kept something back.
        event_type: What it is, to count it by; not known of one that another process left.
        priority: Whether it goes before others, where not all can be kept.
    """

    __slots__ = ("body", "event_type", "priority", "receipt", "rules", "span_id", "timestamp", "trace_id")

    def __init__(
        self,
        body: bytes,
        timestamp: int,
        trace_id: int,
        span_id: int,
        rules: Sequence[str] = (),
        event_type: str = "",
        priority: int = Priority.NORMAL,
    ) -> None:
        self.body = body
        self.timestamp = timestamp
        self.trace_id = trace_id
        self.span_id = span_id
        self.rules = rules
        self.event_type = event_type
        self.priority = priority
        self.receipt: object = None
        """What it is acknowledged by in the journal; true once it is in there."""

    def payload(self) -> bytes:
        """Return what is journaled of it; `opened` reads it.

        >>> event = SealedEvent(b"body", 7, 1 << 100, 5)
        >>> again = opened(event.payload())
        >>> again.body, again.timestamp, again.trace_id == event.trace_id, again.span_id
        (b'body', 7, True, 5)
        """
        return _HEAD.pack(self.trace_id >> _HALF, self.trace_id & _LOW, self.span_id, self.timestamp) + self.body


def opened(payload: bytes) -> SealedEvent:
    """Return an event from what was journaled of it.

    Args:
        payload: What `SealedEvent.payload` returned.

    Raises:
        struct.error: It is no such payload.
    """
    high, low, span_id, timestamp = _HEAD.unpack_from(payload)
    return SealedEvent(payload[_HEAD.size :], timestamp, high << _HALF | low, span_id)


def as_unknown(body: bytes) -> bytes:
    """Return an encoded event with the outcome ``unknown`` in place of its own: nobody knows whether it came about.

    Args:
        body: A span event or a log record, as `SealedEvent` has it.

    >>> from ezlogs.otlp import encode_event
    >>> before = encode_event("data.change", 0, {"ezlogs.outcome": "success", "ezlogs.sequence": 1})
    >>> as_unknown(before) == encode_event("data.change", 0, {"ezlogs.outcome": "unknown", "ezlogs.sequence": 1})
    True
    """
    return b"".join(
        message_field(bytes([number << 3 | 2]), _UNKNOWN)
        if isinstance(value, bytes) and fields(value).get(_KEY) == _OUTCOME
        else whole
        for number, value, whole in pieces(body)
    )


class _Written(NamedTuple):
    body: bytes
    schema_url: str


class EncodedResource(_Written):
    """A resource of which only its bytes are left: that of a process that has ended."""

    __slots__ = ()

    def written(self) -> bytes:
        """Return it as one text of bytes.

        >>> EncodedResource.read(EncodedResource(b"shop", "https://schema").written())
        EncodedResource(body=b'shop', schema_url='https://schema')
        """
        return _joined((self.schema_url.encode(), self.body))

    @classmethod
    def read(cls, written: bytes) -> EncodedResource:
        """Return what was written; an empty resource from what never was."""
        try:
            schema_url, body = _parted(written, 2)
        except struct.error:
            return cls(b"", "")
        return cls(body, schema_url.decode(errors="replace"))


class EncodedScope(_Written):
    """An instrumentation scope of which only its bytes are left."""

    __slots__ = ()


AnyResource = Resource | EncodedResource


class SealedSpan:
    """A span of which only its bytes are left, and the events that rode on it.

    Args:
        body: The span as it is encoded, without a length in front and without those events.
        scope: Of the instrumentation that made it.
        resource: Of the provider that made it.
        events: What rode on it.
        rules: By which rules privacy kept something back in the span itself.
        priority: Whether it goes before others, where not all can be kept.
    """

    __slots__ = ("body", "events", "priority", "receipts", "resource", "rules", "scope")

    def __init__(
        self,
        body: bytes,
        scope: EncodedScope,
        resource: AnyResource,
        events: Sequence[UniversalEvent | SealedEvent] = (),
        rules: Sequence[str] = (),
        priority: int = Priority.NORMAL,
    ) -> None:
        self.body = body
        self.scope = scope
        self.resource = resource
        self.events = events
        self.rules = rules
        self.priority = priority
        self.receipts: Sequence[object] = ()
        """What it is acknowledged by in the journal, besides its events."""

    def payload(self, resource: bytes = b"") -> bytes:
        """Return what is journaled of it; `opened_span` reads it.

        Args:
            resource: Its own resource as it is written; left out where it is the one of the whole journal.

        >>> shop = EncodedResource(b"shop", "")
        >>> span = SealedSpan(b"body", EncodedScope(b"scope", "https://schema"), shop)
        >>> again = opened_span(span.payload(), shop)
        >>> again.body, again.scope, again.resource == shop
        (b'body', EncodedScope(body=b'scope', schema_url='https://schema'), True)
        """
        return _joined((self.scope.schema_url.encode(), self.scope.body, resource, self.body))


def opened_span(payload: bytes, resource: EncodedResource) -> SealedSpan:
    """Return a span from what was journaled of it, without its events.

    Args:
        payload: What `SealedSpan.payload` returned.
        resource: That of the journal.

    Raises:
        struct.error: It is no such payload.
    """
    schema_url, scope, own_resource, body = _parted(payload, 4)
    return SealedSpan(
        body,
        EncodedScope(scope, schema_url.decode(errors="replace")),
        EncodedResource.read(own_resource) if own_resource else resource,
    )


def _joined(parts: Sequence[bytes]) -> bytes:
    """Return some bytes one after the other, each but the last with its size in front."""
    return b"".join([*(_SIZE.pack(len(part)) + part for part in parts[:-1]), parts[-1]])


def _parted(written: bytes, number: int) -> list[bytes]:
    """Return what was joined.

    Raises:
        struct.error: It was not.
    """
    parts, at = [], 0
    for _ in range(number - 1):
        (size,) = _SIZE.unpack_from(written, at)
        at += _SIZE.size
        if at + size > len(written):
            raise struct.error("cut off")
        parts.append(written[at : at + size])
        at += size
    return [*parts, written[at:]]
