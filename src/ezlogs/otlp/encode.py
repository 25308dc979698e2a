"""OTLP/protobuf encoder in plain Python: spans, events, resources and scopes to the bytes of an export request.

Field numbers follow opentelemetry-proto 1.x (``trace/v1/trace.proto``, ``common/v1/common.proto``). A tag is
written as the bytes it has on the wire: ``field number << 3 | wire type``. Two things that readers of OTLP would
choke on are kept out of a request: text that is not UTF-8 has its lone surrogates replaced, and an attribute that
has no OTLP form is left out and counted in ``dropped_attributes_count``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status

# Readers refuse messages nested deeper than 100 and reject the request with them. A map in a map is three levels.
_MAX_NESTING = 24

_MAX_UINT32 = 0xFFFF_FFFF
_MAX_UINT64 = 0xFFFF_FFFF_FFFF_FFFF

_pack_double = struct.Struct("<d").pack
_pack_fixed64 = struct.Struct("<Q").pack

# Tags of the repeated field that holds attributes, by the message it is in.
_MAP_ENTRY = b"\x0a"
_RESOURCE_ATTRIBUTE = b"\x0a"
_SCOPE_ATTRIBUTE = b"\x1a"
_EVENT_ATTRIBUTE = b"\x1a"
_LINK_ATTRIBUTE = b"\x22"
_SPAN_ATTRIBUTE = b"\x4a"

# SpanFlags, with its tag: bit 8 says that bit 9 is known, bit 9 that the context spoken of came from elsewhere.
_SPAN_FLAGS = b"\x85\x01"
_LINK_FLAGS = b"\x35"
_LOCAL = struct.pack("<I", 0x100)
_REMOTE = struct.pack("<I", 0x300)


class EventLike(Protocol):
    """What the encoder reads of a span event: public names of the OpenTelemetry SDK's ``Event``."""

    @property
    def name(self) -> str: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def attributes(self) -> Mapping[str, Any] | None: ...
    @property
    def dropped_attributes(self) -> int: ...


class SpanLike(Protocol):
    """What the encoder reads of a span: public names of the OpenTelemetry SDK's ``ReadableSpan``."""

    @property
    def name(self) -> str: ...
    @property
    def context(self) -> SpanContext: ...
    @property
    def parent(self) -> SpanContext | None: ...
    @property
    def kind(self) -> SpanKind: ...
    @property
    def start_time(self) -> int | None: ...
    @property
    def end_time(self) -> int | None: ...
    @property
    def attributes(self) -> Mapping[str, Any] | None: ...
    @property
    def events(self) -> Sequence[EventLike]: ...
    @property
    def links(self) -> Sequence[Link]: ...
    @property
    def status(self) -> Status: ...
    @property
    def dropped_attributes(self) -> int: ...
    @property
    def dropped_events(self) -> int: ...
    @property
    def dropped_links(self) -> int: ...


def encode_event(
    name: str, time_unix_nano: int, attributes: Mapping[str, Any] | None, dropped: int = 0
) -> bytes:
    """Encode one span event.

    Args:
        name: The event's name.
        time_unix_nano: When it happened, nanoseconds since 1970. What is no such number is sent as 0, *unknown*.
        attributes: Values of any type that OTLP knows; others are left out and counted.
        dropped: How many attributes had been dropped before.

    Returns:
        The body of ``Span.Event`` without the length in front, so that fields can still be appended.

    Example:
        >>> encode_event("order.action", 0, {})
        b'\\t\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x12\\x0corder.action'
    """
    parts = [b"\x09", _fixed64(time_unix_nano), _text_field(b"\x12", name)]
    dropped += _append_attributes(parts, _EVENT_ATTRIBUTE, attributes)
    if dropped:
        parts.append(_count_field(b"\x20", dropped))
    return b"".join(parts)


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
        >>> request = encode_request({encode_resource({}): {encode_scope("shop"): [encode_span(span)]}})
    """
    context = span.context
    parent = span.parent
    parts = [
        b"\x0a\x10",
        context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        context.span_id.to_bytes(8, "big"),
    ]
    if context.trace_state:
        parts.append(_text_field(b"\x1a", ",".join(f"{key}={value}" for key, value in context.trace_state.items())))
    if parent:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
    parts += (
        _text_field(b"\x2a", span.name),
        b"\x30",
        _VARINTS[span.kind.value + 1],  # the API counts from INTERNAL = 0, the wire has UNSPECIFIED there
        b"\x39",
        _fixed64(span.start_time),
        b"\x41",
        _fixed64(span.end_time),
    )
    dropped = span.dropped_attributes + _append_attributes(parts, _SPAN_ATTRIBUTE, span.attributes)
    if dropped:
        parts.append(_count_field(b"\x50", dropped))
    for event in span.events:
        body = encode_event(event.name, event.timestamp, event.attributes, event.dropped_attributes)
        parts += (b"\x5a", _varint(len(body)), body)
    for body in events:
        parts += (b"\x5a", _varint(len(body)), body)
    if dropped := span.dropped_events:
        parts.append(_count_field(b"\x60", dropped))
    for link in span.links:
        parts.append(_message_field(b"\x6a", _encode_link(link)))
    if dropped := span.dropped_links:
        parts.append(_count_field(b"\x70", dropped))
    parts += (_message_field(b"\x7a", _encode_status(span.status)), _SPAN_FLAGS, _remoteness(parent))
    return b"".join(parts)


def encode_resource(attributes: Mapping[str, Any], schema_url: str = "") -> bytes:
    """Encode a resource, ready to be a key of `encode_request`.

    Args:
        attributes: The resource's attributes.
        schema_url: The schema that they follow.

    Returns:
        The body of ``ResourceSpans`` but for its spans. Resources live as long as the process: keep the bytes.

    Example:
        >>> encode_resource({"service.name": "shop"})
        b'\\n\\x18\\n\\x16\\n\\x0cservice.name\\x12\\x06\\n\\x04shop'
    """
    parts: list[bytes] = []
    if dropped := _append_attributes(parts, _RESOURCE_ATTRIBUTE, attributes):
        parts.append(_count_field(b"\x10", dropped))
    return _message_field(b"\x0a", b"".join(parts)) + _schema_url(schema_url)


def encode_scope(
    name: str, version: str | None = None, schema_url: str = "", attributes: Mapping[str, Any] | None = None
) -> bytes:
    """Encode an instrumentation scope, ready to be a key of `encode_request`.

    Args:
        name: The instrumentation scope's name.
        version: Its version.
        schema_url: The schema that its spans follow.
        attributes: The scope's attributes.

    Returns:
        The body of ``ScopeSpans`` but for its spans.

    Example:
        >>> encode_scope("ezlogs", "1.0")
        b'\\n\\r\\n\\x06ezlogs\\x12\\x031.0'
    """
    parts: list[bytes] = []
    if name:
        parts.append(_text_field(b"\x0a", name))
    if version:
        parts.append(_text_field(b"\x12", version))
    if dropped := _append_attributes(parts, _SCOPE_ATTRIBUTE, attributes):
        parts.append(_count_field(b"\x20", dropped))
    return _message_field(b"\x0a", b"".join(parts)) + _schema_url(schema_url)


def encode_request(groups: Mapping[bytes, Mapping[bytes, Iterable[bytes]]]) -> bytes:
    """Put encoded spans together to an ``ExportTraceServiceRequest``.

    Args:
        groups: Bodies from `encode_span`, by scope (from `encode_scope`), by resource (from `encode_resource`).

    Returns:
        The body of the POST to ``/v1/traces``.

    Example:
        >>> groups: dict[bytes, dict[bytes, list[bytes]]] = {}
        >>> groups.setdefault(resource, {}).setdefault(scope, []).append(encode_span(span))
        >>> body = encode_request(groups)
    """
    request: list[bytes] = []
    for resource, scopes in groups.items():
        resource_spans = [resource]
        for scope, spans in scopes.items():
            scope_spans = [scope]
            for span in spans:
                scope_spans += (b"\x12", _varint(len(span)), span)
            resource_spans.append(_message_field(b"\x12", b"".join(scope_spans)))
        request.append(_message_field(b"\x0a", b"".join(resource_spans)))
    return b"".join(request)


def _encode_link(link: Link) -> bytes:
    parts = [
        b"\x0a\x10",
        link.context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        link.context.span_id.to_bytes(8, "big"),
    ]
    if dropped := link.dropped_attributes + _append_attributes(parts, _LINK_ATTRIBUTE, link.attributes):
        parts.append(_count_field(b"\x28", dropped))
    parts += (_LINK_FLAGS, _remoteness(link.context))
    return b"".join(parts)


def _encode_status(status: Status) -> bytes:
    message = _text_field(b"\x12", status.description) if status.description else b""
    code = status.status_code.value
    return message + b"\x18" + _VARINTS[code] if code else message


def _remoteness(context: SpanContext | None) -> bytes:
    return _REMOTE if context and context.is_remote else _LOCAL


def _schema_url(url: str) -> bytes:
    return _text_field(b"\x1a", url) if url else b""


def _append_attributes(parts: list[bytes], tag: bytes, attributes: Mapping[str, Any] | None) -> int:
    """Append one ``KeyValue`` field per attribute; return how many have no OTLP form and were left out."""
    if not attributes:
        return 0
    left_out = 0
    for key, value in _snapshot(attributes).items():
        try:
            if type(value) is str:
                text = value.encode("utf-8", "replace")
                parts += (_text_head(tag, key, len(text)), text)
            else:
                encoded = _encode_value(value, 0)
                parts += (_value_head(tag, key, len(encoded)), encoded)
        except Exception:  # a value can be anything, and the other attributes are still worth sending
            left_out += 1
    return left_out


def _snapshot(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    # The SDK's mappings iterate in Python but copy in C, and a copy can be read while another thread writes.
    copy: Callable[[], Mapping[str, Any]] | None = getattr(attributes, "copy", None)
    return copy() if copy else attributes


def _text_head(tag: bytes, key: str, size: int) -> bytes:
    """Return what stands in front of an attribute's text of ``size`` bytes."""
    # Long keys and long values come in too many sizes to be worth the memory.
    head = _cached_text_head if size + len(key) < 256 else _cached_text_head.__wrapped__
    return head(tag, key, size)


@lru_cache(maxsize=8192)
def _cached_text_head(tag: bytes, key: str, size: int) -> bytes:
    text_head = b"\x0a" + _varint(size)
    return _value_head(tag, key, len(text_head) + size) + text_head


def _value_head(tag: bytes, key: str, size: int) -> bytes:
    """Return what stands in front of an attribute's ``AnyValue`` of ``size`` bytes."""
    head = _text_field(b"\x0a", key) + b"\x12" + _varint(size)
    return tag + _varint(len(head) + size) + head


def _encode_value(value: Any, nesting: int) -> bytes:
    """Encode an ``AnyValue``, without the length in front."""
    encode = _ENCODERS.get(type(value)) or _encoder_of_subclass(value)
    return encode(value, nesting)


def _encode_none(_value: None, _nesting: int) -> bytes:
    return b""


def _encode_text(value: str, _nesting: int) -> bytes:
    return _text_field(b"\x0a", value)


def _encode_bool(value: bool, _nesting: int) -> bytes:
    return b"\x10\x01" if value else b"\x10\x00"


def _encode_int(value: int, _nesting: int) -> bytes:
    if -(1 << 63) <= value < 1 << 63:
        return b"\x18" + _varint(value & _MAX_UINT64)
    return _text_field(b"\x0a", str(int(value)))


def _encode_double(value: float, _nesting: int) -> bytes:
    return b"\x21" + _pack_double(value)


def _encode_bytes(value: bytes | bytearray | memoryview, _nesting: int) -> bytes:
    return _message_field(b"\x3a", bytes(value))


def _encode_array(values: Sequence[Any], nesting: int) -> bytes:
    nesting = _deeper(nesting)
    return _message_field(
        b"\x2a", b"".join([_message_field(b"\x0a", _encode_value(value, nesting)) for value in values])
    )


def _encode_map(values: Mapping[Any, Any], nesting: int) -> bytes:
    nesting = _deeper(nesting)
    parts: list[bytes] = []
    for key, value in _snapshot(values).items():
        encoded = _encode_value(value, nesting)
        parts += (_value_head(_MAP_ENTRY, str(key), len(encoded)), encoded)
    return _message_field(b"\x32", b"".join(parts))


def _deeper(nesting: int) -> int:
    if nesting == _MAX_NESTING:
        raise ValueError(f"a value is nested more than {_MAX_NESTING} levels deep")
    return nesting + 1


_Encoder = Callable[[Any, int], bytes]

_ENCODERS: dict[type, _Encoder] = {
    type(None): _encode_none,
    str: _encode_text,
    bool: _encode_bool,
    int: _encode_int,
    float: _encode_double,
    bytes: _encode_bytes,
    list: _encode_array,
    tuple: _encode_array,
    dict: _encode_map,
}

_BASES: tuple[tuple[type | tuple[type, ...], _Encoder], ...] = (
    (str, _encode_text),
    (int, _encode_int),
    (float, _encode_double),
    ((bytes, bytearray, memoryview), _encode_bytes),
    (Sequence, _encode_array),
    (Mapping, _encode_map),
)


def _encoder_of_subclass(value: Any) -> _Encoder:
    for base, encode in _BASES:
        if isinstance(value, base):
            return encode
    raise TypeError(f"OTLP has no form for a {type(value).__name__}")


def _text_field(tag: bytes, text: object) -> bytes:
    encoded = (text if isinstance(text, str) else str(text)).encode("utf-8", "replace")
    return tag + _varint(len(encoded)) + encoded


def _message_field(tag: bytes, body: bytes) -> bytes:
    return tag + _varint(len(body)) + body


def _count_field(tag: bytes, count: int) -> bytes:
    return tag + _varint(min(count, _MAX_UINT32))


def _fixed64(number: int | None) -> bytes:
    try:
        return _pack_fixed64(number or 0)
    except struct.error:  # a float, a negative: not a time, so it is sent as missing rather than invented
        return bytes(8)


def _varint(number: int) -> bytes:
    return _VARINTS[number] if number < len(_VARINTS) else _long_varint(number)


def _long_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_VARINTS = tuple(_long_varint(number) for number in range(1 << 14))
