"""OTLP/protobuf encoder in plain Python: spans, events, resources and scopes become an export request.

Field numbers follow opentelemetry-proto 1.x (``trace/v1/trace.proto``, ``common/v1/common.proto``). A tag is
written as the bytes it has on the wire: ``field number << 3 | wire type``.

What is read back is what OpenTelemetry's own encoder would have sent, for whatever the SDK can hold. Where that
one loses an attribute or a batch, more arrives from here: lone surrogates in text become question marks, integers
beyond 64 bits and keys that are no text become text, bytearray and memoryview are bytes. An attribute that has no
OTLP form is left out and counted in ``dropped_attributes_count``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import DEFAULT_TRACE_STATE, SpanKind, StatusCode

from ezlogs.otel_compat import read_event, read_span
from ezlogs.otlp.values import (
    VARINTS,
    Remembered,
    append_attributes,
    count_field,
    heads,
    message_field,
    optional_text_field,
    text_field,
    time_field,
    time_fields,
    varint,
)
from ezlogs.readable import LinkLike, SpanLike, StatusLike

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

# Looked up once: to ask an enumeration for a member takes longer than to encode it.
_INTERNAL, _UNSET = SpanKind.INTERNAL, StatusCode.UNSET

_KIND_INTERNAL = b"\x30\x01"
"""The API counts from INTERNAL = 0, the wire has UNSPECIFIED there."""

# By the message that the attributes are in, which gives them their tag.
_RESOURCE = heads(b"\x0a")
_SCOPE = heads(b"\x1a")
EVENT_HEADS = heads(b"\x1a")
EVENT_OF_SPAN = b"\x5a"
"""The tag of an event in a span."""
_LINK = heads(b"\x22")
_SPAN = heads(b"\x4a")

_EVENT_NAMES: Remembered[str, bytes] = Remembered(lambda name: text_field(b"\x12", name))
_SPAN_NAMES: Remembered[str, bytes] = Remembered(lambda name: text_field(b"\x2a", name))

_ITEM_HEADS: Remembered[int, bytes] = Remembered(lambda size: b"\x12" + varint(size))
"""What stands in front of a span or a log record, by its size."""

# SpanFlags: bit 8 says that bit 9 is known, bit 9 that the context spoken of came from another process.
_LOCAL = struct.pack("<I", 0x100)
_REMOTE = struct.pack("<I", 0x300)


ScopeGroup = tuple[bytes, str, Iterable[bytes | Sequence[bytes]]]
"""An encoded scope, its schema URL, encoded spans or log records."""

ResourceGroup = tuple[bytes, str, Iterable[ScopeGroup]]
"""An encoded resource, its schema URL, the scopes in it."""


def encode_event(name: str, time_unix_nano: int, attributes: Mapping[str, Any] | None, dropped: int = 0) -> bytes:
    """Encode one span event.

    Args:
        name: The event's name.
        time_unix_nano: When it happened, nanoseconds since 1970; what is no such number is sent as 0.
        attributes: Values of any type that OTLP knows; others are left out and counted.
        dropped: How many attributes had been dropped before.

    Returns:
        The body of ``Span.Event`` without the length in front, so that fields can still be appended.

    Example:
        >>> encode_event("order.action", 0, {})
        b'\\t\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x12\\x0corder.action'
    """
    parts = event_parts(name, time_unix_nano)
    dropped += append_attributes(parts, EVENT_HEADS, attributes)
    if dropped:
        parts.append(count_field(b"\x20", dropped))
    return b"".join(parts)


def event_parts(name: str, time_unix_nano: int) -> list[bytes]:
    """Return what a span event's body begins with; its attributes, under `EVENT_HEADS`, are to be appended."""
    return [time_field(b"\x09", time_unix_nano), _EVENT_NAMES[name]]


def event_name(name: str) -> bytes:
    """Return the field of a span event's name, which follows that of its time."""
    return _EVENT_NAMES[name]


def event_head(name: str, time_unix_nano: int) -> bytes:
    """Return the same as one text of bytes."""
    return time_field(b"\x09", time_unix_nano) + _EVENT_NAMES[name]


def encode_span(span: SpanLike, events: Sequence[bytes] = ()) -> bytes:
    """Encode one span with its events and links.

    Args:
        span: An ended span, or anything with its public properties.
        events: Bodies from `encode_event`, sent after the span's own events.

    Returns:
        The body of ``opentelemetry.proto.trace.v1.Span``, without the length in front.

    Raises:
        Exception: Whatever a foreign span's own properties raise; one such span is no reason to lose a batch.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> span = TracerProvider().get_tracer("shop").start_span("POST /orders")
        >>> encode_span(span)[2:18] == span.context.trace_id.to_bytes(16, "big")
        True
    """
    context, parent, name, kind, start_time, end_time, status, *contents = read_span(span)
    attributes, dropped, own_events, dropped_events, links, dropped_links = contents
    parts = _ids_of(context, parent)
    parts += (
        _SPAN_NAMES[name],
        _KIND_INTERNAL if kind is _INTERNAL else _KINDS[kind],  # a call costs a hundredth of all this
        time_fields(b"\x39", start_time, b"\x41", end_time),
    )
    if dropped := dropped + append_attributes(parts, _SPAN, attributes):
        parts.append(count_field(b"\x50", dropped))
    for event in own_events:
        name, time_unix_nano, attributes, dropped = read_event(event)
        of_event = [time_field(b"\x09", time_unix_nano), _EVENT_NAMES[name]]
        if dropped := dropped + append_attributes(of_event, EVENT_HEADS, attributes):
            of_event.append(count_field(b"\x20", dropped))
        body = b"".join(of_event)
        parts += (EVENT_OF_SPAN, varint(len(body)), body)
    for body in events:
        parts += (EVENT_OF_SPAN, varint(len(body)), body)
    if dropped_events:
        parts.append(count_field(b"\x60", dropped_events))
    for link in links:
        parts.append(message_field(b"\x6a", _encode_link(link)))
    if dropped_links:
        parts.append(count_field(b"\x70", dropped_links))
    parts += (b"\x7a", _encode_status(status), b"\x85\x01", _remoteness(parent) if parent else _LOCAL)
    return b"".join(parts)


class BegunSpan(NamedTuple):
    """A span as far as it is encoded when it begins: all but its name, which may change, and what its end tells."""

    head: bytes
    tail: bytes

    def open(self, name: str) -> bytes:
        """Return the span as if it never ended: as `encode_span`, to which `encode_span_end` may add an end.

        Args:
            name: Its name, as it may be told.
        """
        return b"".join((self.head, _SPAN_NAMES[name], self.tail, b"\x7a\x00"))

    def ended(self, name: str, span: SpanLike, attributes: Mapping[str, Any]) -> bytes:
        """Return the span as `encode_span` does; it has no events and no links.

        Args:
            name: Its name, as it may be told.
            span: The span.
            attributes: Those of it that may be told and are not encoded yet.
        """
        parts = [self.head, _SPAN_NAMES[name], self.tail, time_field(b"\x41", span.end_time)]
        if dropped := span.dropped_attributes + append_attributes(parts, _SPAN, attributes):
            parts.append(count_field(b"\x50", dropped))
        parts += (b"\x7a", _encode_status(span.status))
        return b"".join(parts)


def encode_begun_span(span: SpanLike, attributes: Mapping[str, Any]) -> BegunSpan:
    """Encode what is known of a span when it begins, read once.

    Args:
        span: The span.
        attributes: Those of it that may be told.
    """
    parent = span.parent
    head = _ids_of(span.context, parent)
    parts = [_KINDS[span.kind], time_field(b"\x39", span.start_time)]
    append_attributes(parts, _SPAN, attributes)
    parts += (b"\x85\x01", _remoteness(parent) if parent else _LOCAL)
    return BegunSpan(b"".join(head), b"".join(parts))


def _ids_of(context: SpanContext, parent: SpanContext | None) -> list[bytes]:
    """Return the fields of a span that stand before its name."""
    parts = [
        b"\x0a\x10",
        context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        context.span_id.to_bytes(8, "big"),
    ]
    trace_state = context.trace_state
    if trace_state is not DEFAULT_TRACE_STATE and trace_state:
        members = ",".join(f"{key}={value}" for key, value in trace_state.items())
        parts.append(text_field(b"\x1a", members))
    if parent:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
    return parts


_KINDS: Final = {kind: b"\x30" + VARINTS[kind.value + 1] for kind in SpanKind}


def encode_span_end(end_time_unix_nano: int, attributes: Mapping[str, Any]) -> bytes:
    """Encode what is known later of a span: to be appended to `encode_span`'s result of when it had not ended.

    Of a field that is there twice readers of protobuf take the last, and attributes they take all.

    Args:
        end_time_unix_nano: When it ended, nanoseconds since 1970.
        attributes: Further ones.

    Example:
        >>> len(encode_span_end(0, {"ezlogs.interrupted": True}))
        35
    """
    parts = [time_field(b"\x41", end_time_unix_nano)]
    append_attributes(parts, _SPAN, attributes)
    return b"".join(parts)


def encode_resource(attributes: Mapping[str, Any] | None) -> bytes:
    """Encode a resource. Resources live as long as the process, so the bytes are worth keeping.

    Args:
        attributes: The resource's attributes.

    Returns:
        The body of ``opentelemetry.proto.resource.v1.Resource``, without the length in front.

    Example:
        >>> encode_resource({"service.name": "shop"})
        b'\\n\\x16\\n\\x0cservice.name\\x12\\x06\\n\\x04shop'
    """
    parts: list[bytes] = []
    if dropped := append_attributes(parts, _RESOURCE, attributes):
        parts.append(count_field(b"\x10", dropped))
    return b"".join(parts)


def encode_scope(name: str, version: str | None = None, attributes: Mapping[str, Any] | None = None) -> bytes:
    """Encode an instrumentation scope. There are few in a process, so the bytes are worth keeping.

    Args:
        name: The instrumentation scope's name.
        version: Its version, if it has one.
        attributes: The scope's attributes.

    Returns:
        The body of ``opentelemetry.proto.common.v1.InstrumentationScope``, without the length in front.

    Example:
        >>> encode_scope("ezlogs", "1.0")
        b'\\n\\x06ezlogs\\x12\\x031.0'
    """
    parts = [optional_text_field(b"\x0a", name), optional_text_field(b"\x12", version)]
    if dropped := append_attributes(parts, _SCOPE, attributes):
        parts.append(count_field(b"\x20", dropped))
    return b"".join(parts)


def encode_request(groups: Iterable[ResourceGroup]) -> bytes:
    """Put encoded spans together to an ``ExportTraceServiceRequest``, or log records to its counterpart.

    That, the ``ExportLogsServiceRequest``, and the one for spans have the same fields under the same numbers.

    Args:
        groups: ``(resource, schema_url, [(scope, schema_url, [item, ...]), ...])`` per resource: bytes from
            `encode_resource`, `encode_scope` (``b""`` for none), and all from `encode_span` or all from
            `encode_log_record`, as bytes or in parts. Without a schema: ``""``.

    Returns:
        The body of a POST to ``/v1/traces`` or ``/v1/logs``.

    Example:
        >>> shop, ezlogs = encode_resource({"service.name": "shop"}), encode_scope("ezlogs")
        >>> encode_request([(shop, "", [(ezlogs, "", [])])])
        b'\\n&\\n\\x18\\n\\x16\\n\\x0cservice.name\\x12\\x06\\n\\x04shop\\x12\\n\\n\\x08\\n\\x06ezlogs'
    """
    request: list[bytes] = []
    for resource, resource_schema_url, scopes in groups:
        of_resource = [message_field(b"\x0a", resource)]
        for scope, scope_schema_url, items in scopes:
            of_scope = [message_field(b"\x0a", scope)]
            for item in items:
                if isinstance(item, bytes):
                    of_scope += (_ITEM_HEADS[len(item)], item)
                else:
                    of_scope += _in_parts(b"\x12", item)
            of_scope.append(optional_text_field(b"\x1a", scope_schema_url))
            of_resource += _in_parts(b"\x12", of_scope)
        of_resource.append(optional_text_field(b"\x1a", resource_schema_url))
        request += _in_parts(b"\x0a", of_resource)
    return b"".join(request)  # each record is copied once, however deep it is


def _in_parts(tag: bytes, parts: Sequence[bytes]) -> Iterable[bytes]:
    """Return the field of a message that is too large to be copied each time that it is put into another."""
    return (tag, varint(sum(map(len, parts))), *parts)


def _encode_link(link: LinkLike) -> bytes:
    parts = [
        b"\x0a\x10",
        link.context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        link.context.span_id.to_bytes(8, "big"),
    ]
    if dropped := link.dropped_attributes + append_attributes(parts, _LINK, link.attributes):
        parts.append(count_field(b"\x28", dropped))
    parts += (b"\x35", _remoteness(link.context))
    return b"".join(parts)


def _encode_status(status: StatusLike) -> bytes:
    """Encode a ``Status`` with the length in front."""
    code = status.status_code
    if code is _UNSET:
        return b"\x00"
    message = optional_text_field(b"\x12", status.description)
    return message_field(b"", message + b"\x18" + VARINTS[code.value])


def _remoteness(context: SpanContext | None) -> bytes:
    return _REMOTE if context and context.is_remote else _LOCAL
