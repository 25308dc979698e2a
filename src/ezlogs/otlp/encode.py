"""OTLP/protobuf encoder in plain Python: spans, events, resources and scopes become an export request.

Field numbers follow opentelemetry-proto 1.x (``trace/v1/trace.proto``, ``common/v1/common.proto``). A tag is
written as the bytes it has on the wire: ``field number << 3 | wire type``. Two things that readers of OTLP
choke on are kept out: lone surrogates in text are replaced, and an attribute that has no OTLP form is left
out and counted in ``dropped_attributes_count``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status

# Readers refuse a request in which messages nest deeper than 100. A map in a map is three levels.
_MAX_NESTING = 24

_MAX_UINT32 = 0xFFFF_FFFF
_MAX_UINT64 = 0xFFFF_FFFF_FFFF_FFFF

_T = TypeVar("_T")

_pack_double = struct.Struct("<d").pack
_pack_time_field = struct.Struct("<cQ").pack

# SpanFlags: bit 8 says that bit 9 is known, bit 9 that the context spoken of came from another process.
_LOCAL = struct.pack("<I", 0x100)
_REMOTE = struct.pack("<I", 0x300)


ScopeGroup = tuple[bytes, str, Iterable[bytes]]
"""An encoded scope, its schema URL, encoded spans."""

ResourceGroup = tuple[bytes, str, Iterable[ScopeGroup]]
"""An encoded resource, its schema URL, the scopes in it."""


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
    parts = [_time_field(b"\x09", time_unix_nano), _EVENT_NAMES[name]]
    dropped += _append_attributes(parts, _EVENT, attributes)
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
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> span = TracerProvider().get_tracer("shop").start_span("POST /orders")
        >>> encode_span(span)[2:18] == span.context.trace_id.to_bytes(16, "big")
        True
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
        members = ",".join(f"{key}={value}" for key, value in context.trace_state.items())
        parts.append(_text_field(b"\x1a", members))
    if parent:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
    parts += (
        _SPAN_NAMES[span.name],
        b"\x30",
        _VARINTS[span.kind.value + 1],  # the API counts from INTERNAL = 0, the wire has UNSPECIFIED there
        _time_field(b"\x39", span.start_time),
        _time_field(b"\x41", span.end_time),
    )
    dropped = span.dropped_attributes + _append_attributes(parts, _SPAN, span.attributes)
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
    parts += (b"\x7a", _encode_status(span.status), b"\x85\x01", _remoteness(parent))
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
    if dropped := _append_attributes(parts, _RESOURCE, attributes):
        parts.append(_count_field(b"\x10", dropped))
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
    parts = [_optional_text_field(b"\x0a", name), _optional_text_field(b"\x12", version)]
    if dropped := _append_attributes(parts, _SCOPE, attributes):
        parts.append(_count_field(b"\x20", dropped))
    return b"".join(parts)


def encode_request(groups: Iterable[ResourceGroup]) -> bytes:
    """Put encoded spans together to an ``ExportTraceServiceRequest``.

    Args:
        groups: ``(resource, schema_url, [(scope, schema_url, [span, ...]), ...])`` per resource: bytes from
            `encode_resource`, `encode_scope` (``b""`` for none) and `encode_span`. Without a schema: ``""``.

    Returns:
        The body of a POST to ``/v1/traces``.

    Example:
        >>> shop, ezlogs = encode_resource({"service.name": "shop"}), encode_scope("ezlogs")
        >>> encode_request([(shop, "", [(ezlogs, "", [])])])
        b'\\n&\\n\\x18\\n\\x16\\n\\x0cservice.name\\x12\\x06\\n\\x04shop\\x12\\n\\n\\x08\\n\\x06ezlogs'
    """
    request = []
    for resource, resource_schema_url, scopes in groups:
        resource_spans = [_message_field(b"\x0a", resource)]
        for scope, scope_schema_url, spans in scopes:
            scope_spans = [_message_field(b"\x0a", scope)]
            for span in spans:
                scope_spans += (b"\x12", _varint(len(span)), span)
            scope_spans.append(_optional_text_field(b"\x1a", scope_schema_url))
            resource_spans.append(_message_field(b"\x12", b"".join(scope_spans)))
        resource_spans.append(_optional_text_field(b"\x1a", resource_schema_url))
        request.append(_message_field(b"\x0a", b"".join(resource_spans)))
    return b"".join(request)


def _encode_link(link: Link) -> bytes:
    parts = [
        b"\x0a\x10",
        link.context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        link.context.span_id.to_bytes(8, "big"),
    ]
    if dropped := link.dropped_attributes + _append_attributes(parts, _LINK, link.attributes):
        parts.append(_count_field(b"\x28", dropped))
    parts += (b"\x35", _remoteness(link.context))
    return b"".join(parts)


def _encode_status(status: Status) -> bytes:
    """Encode a ``Status`` with the length in front."""
    if status.status_code.value == 0:
        return b"\x00"
    message = _optional_text_field(b"\x12", status.description)
    return _message_field(b"", message + b"\x18" + _VARINTS[status.status_code.value])


def _remoteness(context: SpanContext | None) -> bytes:
    return _REMOTE if context and context.is_remote else _LOCAL


def _append_attributes(parts: list[bytes], heads: _Heads, attributes: Mapping[str, Any] | None) -> int:
    """Append one ``KeyValue`` field per attribute; return how many have no OTLP form and were left out."""
    if not attributes:
        return 0
    texts, values = heads
    append = parts.append
    left_out = 0
    for key, value in _snapshot(attributes).items():
        try:
            if type(value) is str:
                try:
                    encoded = value.encode()
                except UnicodeEncodeError:
                    encoded = _utf8(value)
                append(texts[key][len(encoded)])
            else:
                encode = _ENCODERS.get(type(value)) or _encoder_of_subclass(value)
                encoded = encode(value, 0)
                append(values[key][len(encoded)])
        except Exception:  # a value can be anything, and the other attributes are still worth sending
            left_out += 1
        else:
            append(encoded)
    return left_out


def _snapshot(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    # The SDK's mappings iterate in Python but copy in C, and a copy can be read while another thread writes.
    copy: Callable[[], Mapping[str, Any]] | None = getattr(attributes, "copy", None)
    return copy() if copy else attributes


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
        parts += (_MAP.values[str(key)][len(encoded)], encoded)
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
    return _message_field(tag, _utf8(text))


def _utf8(text: object) -> bytes:
    return (text if isinstance(text, str) else str(text)).encode("utf-8", "replace")


def _optional_text_field(tag: bytes, text: str | None) -> bytes:
    return _text_field(tag, text) if text else b""


def _message_field(tag: bytes, body: bytes) -> bytes:
    return tag + _varint(len(body)) + body


def _count_field(tag: bytes, count: int) -> bytes:
    return tag + _varint(min(count, _MAX_UINT32))


def _time_field(tag: bytes, time_unix_nano: int | None) -> bytes:
    try:
        return _pack_time_field(tag, time_unix_nano or 0)
    except struct.error:  # a float, a negative: not a time, so it is sent as missing rather than invented
        return tag + bytes(8)


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


class _Remembered(dict[str, _T]):
    """What was made of a text before, within bounds: long texts are too many to be worth the memory."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[str], _T]) -> None:
        self._make = make

    def __missing__(self, text: str) -> _T:
        made = self._make(text)
        if type(text) is str and len(text) < 128:
            if len(self) >= 512:
                self.clear()
            self[text] = made
        return made


class _ValueHeads(dict[int, bytes]):
    """What stands in front of an ``AnyValue`` under one key, by the size of the value in bytes."""

    __slots__ = ("_key_field", "_tag")

    def __init__(self, tag: bytes, key: str) -> None:
        self._tag = tag
        self._key_field = _text_field(b"\x0a", key)

    def __missing__(self, size: int) -> bytes:
        head = self._head(size)
        if size < 64:
            self[size] = head
        return head

    def _head(self, size: int) -> bytes:
        head = self._key_field + b"\x12" + _varint(size)
        return self._tag + _varint(len(head) + size) + head


class _TextHeads(_ValueHeads):
    """What stands in front of a text under one key, by the size of the text in bytes."""

    __slots__ = ()

    def _head(self, size: int) -> bytes:
        text_head = b"\x0a" + _varint(size)
        return super()._head(len(text_head) + size) + text_head


class _Heads(NamedTuple):
    texts: _Remembered[_TextHeads]
    values: _Remembered[_ValueHeads]


def _heads(tag: bytes) -> _Heads:
    return _Heads(_Remembered(lambda key: _TextHeads(tag, key)), _Remembered(lambda key: _ValueHeads(tag, key)))


# By the message that the attributes are in, which gives them their tag.
_MAP = _heads(b"\x0a")
_RESOURCE = _heads(b"\x0a")
_SCOPE = _heads(b"\x1a")
_EVENT = _heads(b"\x1a")
_LINK = _heads(b"\x22")
_SPAN = _heads(b"\x4a")

_EVENT_NAMES = _Remembered(lambda name: _text_field(b"\x12", name))
_SPAN_NAMES = _Remembered(lambda name: _text_field(b"\x2a", name))
