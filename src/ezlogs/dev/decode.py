"""From an OTLP export request, protobuf or JSON, to plain Python."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import msgspec
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


class ReceivedEvent(msgspec.Struct, frozen=True):
    """A span event."""

    name: str
    timestamp: int
    """Nanoseconds since 1970."""
    attributes: dict[str, Any]


class ReceivedLink(msgspec.Struct, frozen=True):
    """A link from a span to another."""

    trace_id: str
    span_id: str
    attributes: dict[str, Any]


class ReceivedSpan(msgspec.Struct, frozen=True):
    """A span as it arrived, with the resource and the instrumentation scope that it belongs to.

    Attribute values are text, bool, int, float, bytes, None, and lists and dicts of those.
    """

    resource: dict[str, Any]
    scope_name: str
    scope_version: str
    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    parent_span_id: str
    """16 hexadecimal digits, or nothing at a root."""
    name: str
    kind: str
    """``internal``, ``server``, ``client``, ``producer``, ``consumer`` or ``unspecified``."""
    start_time: int
    """Nanoseconds since 1970."""
    end_time: int
    """Nanoseconds since 1970."""
    attributes: dict[str, Any]
    events: list[ReceivedEvent]
    links: list[ReceivedLink]
    status: str
    """``unset``, ``ok`` or ``error``."""
    status_message: str


class Malformed(ValueError):  # noqa: N818  # the name says what the request is
    """A request body that is no OTLP export request."""


def decode_request(body: bytes, content_type: str = PROTOBUF) -> list[ReceivedSpan]:
    """Read an ``ExportTraceServiceRequest``.

    Args:
        body: The request's body, unpacked.
        content_type: ``application/x-protobuf`` or ``application/json``; parameters after a semicolon are ignored.

    Returns:
        Its spans, in their order.

    Raises:
        Malformed: The body is not what the content type says, or the content type is another.

    Example:
        >>> decode_request(b'{"resourceSpans": []}', "application/json")
        []
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == PROTOBUF:
        request = _parse_protobuf(body)
    elif media_type == JSON:
        request = _parse_json(body)
    else:
        raise Malformed(f"{content_type!r} is neither {PROTOBUF} nor {JSON}")
    return [
        _received(span, resource, scope_spans.scope)
        for resource_spans in request.resource_spans
        for resource in [_attributes(resource_spans.resource.attributes)]
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def _parse_protobuf(body: bytes) -> ExportTraceServiceRequest:
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError as problem:
        raise Malformed("the body is no protobuf export request") from problem


def _parse_json(body: bytes) -> ExportTraceServiceRequest:
    """Read OTLP/JSON, which is protobuf's JSON but for ids: those are hexadecimal instead of base64."""
    try:
        document = json.loads(body)
        for resource_spans in document.get("resourceSpans") or ():
            for scope_spans in resource_spans.get("scopeSpans") or ():
                for span in scope_spans.get("spans") or ():
                    _ids_to_base64(span)
                    for link in span.get("links") or ():
                        _ids_to_base64(link)
        return ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, AttributeError, RecursionError) as problem:
        raise Malformed(f"the body is no JSON export request: {problem}") from problem


def _ids_to_base64(message: dict[str, Any]) -> None:
    for key in ("traceId", "spanId", "parentSpanId"):
        if message.get(key):
            message[key] = b64encode(bytes.fromhex(message[key])).decode()


def _received(span: Span, resource: dict[str, Any], scope: InstrumentationScope) -> ReceivedSpan:
    return ReceivedSpan(
        resource=resource,
        scope_name=scope.name,
        scope_version=scope.version,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=_enum_name(Span.SpanKind, span.kind, "SPAN_KIND_"),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=[
            ReceivedEvent(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events
        ],
        links=[
            ReceivedLink(link.trace_id.hex(), link.span_id.hex(), _attributes(link.attributes)) for link in span.links
        ],
        status=_enum_name(Status.StatusCode, span.status.code, "STATUS_CODE_"),
        status_message=span.status.message,
    )


def _enum_name(enum: Any, number: int, prefix: str) -> str:
    """Return an enumerator's name, or its number when a newer OTLP has added it."""
    name: str = enum.Name(number) if number in enum.values() else str(number)
    return name.removeprefix(prefix).lower()


def _attributes(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
