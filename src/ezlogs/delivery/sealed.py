"""Sealed spans and events: what may leave, fixed before the application goes on, to outlive its process."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags

from ezlogs.delivery.packing import unpacked
from ezlogs.event import UniversalEvent
from ezlogs.otlp.protobuf import fields, pieces
from ezlogs.otlp.values import Remembered, message_field
from ezlogs.priority import Priority

if TYPE_CHECKING:
    from ezlogs.delivery.sealed_rows import SealedRows

HEAD: Final = "BB16sQq"
"""What stands in front of a body: form, flags, trace, span and time."""
_HEAD: Final = struct.Struct(f"<{HEAD}")
_pack_head: Final = _HEAD.pack
_SIZE: Final = struct.Struct(">I")
_KEY, _OUTCOME, _REASON = 1, b"ezlogs.outcome", b"ezlogs.metadata.reason"


def _attribute(key: bytes, value: bytes) -> bytes:
    return message_field(b"\x0a", key) + message_field(b"\x12", message_field(b"\x0a", value))


_UNKNOWN: Final = _attribute(_OUTCOME, b"unknown")


class Form(IntEnum):
    """How an event's body is written, and for which signal."""

    ENCODED_FOR_SPANS = 0
    PACKED_FOR_SPANS = 1
    ENCODED_FOR_LOGS = 2
    PACKED_FOR_LOGS = 3
    ROWS_FOR_SPANS = 4
    """Several events, as they stand in a span; see `ezlogs.delivery.sealed_rows`."""


class SealedEvent(msgspec.Struct, gc=False, eq=False):
    """An event that may leave the application: what is in the journal of it, and what a batch must know of it.

    Args:
        body: The event, scrubbed and as it is encoded in its signal, without a length in front; or packed.
        timestamp: When it happened: nanoseconds since 1970.
        trace_id: The trace that it belongs to, in 16 bytes.
        span_id: The span under which it happened; 0 for none.
        rules: By which rules privacy kept something back.
        event_type: What it is, to count it by; not known of one that another process left.
        priority: Whether it goes before others, where not all can be kept.
        flags: The trace flags of that span.
        plain: The event itself, where nothing had to be kept back: then it is packed, and encoded with its batch.
        form: How the body is written.
    """

    body: bytes
    timestamp: int
    trace_id: bytes
    span_id: int
    rules: Sequence[str] = ()
    event_type: str = ""
    priority: int = Priority.NORMAL
    flags: int = 0
    plain: UniversalEvent | None = None
    form: int = Form.ENCODED_FOR_SPANS
    receipt: Any = None
    """What it is acknowledged by in the journal; true once it is in there."""

    def under(self) -> SpanContext:
        """Return the span that it happened under."""
        return SpanContext(int.from_bytes(self.trace_id, "big"), self.span_id, False, TraceFlags(self.flags))

    def head(self) -> bytes:
        """Return what stands in front of the body in what is journaled of it; `opened` reads both.

        >>> event = SealedEvent(b"body", 7, bytes(15) + b"1", 5)
        >>> again = opened(event.head() + event.body)
        >>> again.body, again.timestamp, again.trace_id == event.trace_id, again.span_id
        (b'body', 7, True, 5)
        """
        return head_of(self.form, self.flags, self.trace_id, self.span_id, self.timestamp)


head_of: Final = _pack_head
"""Returns what stands in front of a body; `opened_head` reads it."""

_PACKED: Final = (Form.PACKED_FOR_SPANS, Form.PACKED_FOR_LOGS)


def opened(payload: bytes) -> SealedEvent:
    """Return an event from what was journaled of it.

    Args:
        payload: What `SealedEvent.head` returned, and the body.

    Raises:
        ValueError: It is no such payload.
        struct.error: So it is, too.
    """
    form, flags, trace_id, span_id, timestamp, body = opened_head(payload)
    if form is Form.ROWS_FOR_SPANS:
        raise ValueError("these are several events")
    plain = unpacked(body) if form in _PACKED else None
    event_type = "" if plain is None else plain.event_type
    return SealedEvent(body, timestamp, trace_id, span_id, (), event_type, flags=flags, plain=plain, form=form)


def opened_head(payload: bytes) -> tuple[Form, int, bytes, int, int, bytes]:
    """Return what `head_of` was given, and the body behind it; raises like `opened`."""
    form, flags, trace_id, span_id, timestamp = _HEAD.unpack_from(payload)
    return Form(form), flags, trace_id, span_id, timestamp, payload[_HEAD.size :]


def make_unknown(event: SealedEvent, reason: str) -> None:
    """Give an event the outcome ``unknown`` in place of its own: nobody knows whether it came about.

    Args:
        event: The event.
        reason: Why, as its metadata will say.

    >>> from ezlogs.otlp import encode_event
    >>> event = SealedEvent(encode_event("data.change", 0, {"ezlogs.outcome": "success"}), 0, bytes(16), 0)
    >>> make_unknown(event, "interrupted")
    >>> facts = {"ezlogs.outcome": "unknown", "ezlogs.metadata.reason": "interrupted"}
    >>> event.body == encode_event("data.change", 0, facts)
    True
    """
    if event.plain is not None:
        facts = {**(event.plain.said_metadata or {}), "reason": reason}
        event.plain = msgspec.structs.replace(event.plain, said_outcome="unknown", said_metadata=facts)
        return
    told = (_UNKNOWN, _attribute(_REASON, reason.encode()))
    parts: list[bytes] = []
    for number, value, whole in pieces(event.body):
        key = fields(value).get(_KEY) if isinstance(value, bytes) else None
        if key == _OUTCOME:
            parts += (message_field(bytes([number << 3 | 2]), attribute) for attribute in told)
        elif key != _REASON:
            parts.append(whole)
    event.body = b"".join(parts)


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

    def __init__(  # noqa: PLR0917  # as above
        self,
        body: bytes,
        scope: EncodedScope,
        resource: AnyResource,
        events: Sequence[UniversalEvent | SealedEvent | SealedRows] = (),
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
        if not resource:
            return _BEFORE_SPANS[self.scope] + self.body
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


_BEFORE_SPANS: Final[Remembered[EncodedScope, bytes]] = Remembered(
    lambda scope: _joined((scope.schema_url.encode(), scope.body, b"", b""))
)
"""What stands in front of a span's body that has the journal's resource, by its scope: there are few."""


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
