"""From an OTLP export request of spans or log records, protobuf or JSON, to plain Python."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_Request = TypeVar("_Request", ExportTraceServiceRequest, ExportLogsServiceRequest)

_NESTED = (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords"))


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


class ReceivedLog(msgspec.Struct, frozen=True):
    """A log record as it arrived, with the resource and the instrumentation scope that it belongs to.

    Attribute values, and the body, are text, bool, int, float, bytes, None, and lists and dicts of those.
    """

    resource: dict[str, Any]
    scope_name: str
    scope_version: str
    trace_id: str
    """32 hexadecimal digits, or nothing outside any trace."""
    span_id: str
    """16 hexadecimal digits, or nothing outside any span."""
    event_name: str
    """What kind of event it is, or nothing when it is none."""
    timestamp: int
    """Nanoseconds since 1970; 0 when it is not known."""
    observed_timestamp: int
    """Nanoseconds since 1970; 0 when it is not known."""
    severity_number: int
    """1 to 24, or 0 for none."""
    severity_text: str
    body: Any
    attributes: dict[str, Any]


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
    request = _parse(ExportTraceServiceRequest, body, content_type)
    return [
        _received(span, resource, scope_spans.scope)
        for resource_spans in request.resource_spans
        for resource in [attributes_of(resource_spans.resource.attributes)]
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def decode_logs_request(body: bytes, content_type: str = PROTOBUF) -> list[ReceivedLog]:
    """Read an ``ExportLogsServiceRequest``.

    Args:
        body: The request's body, unpacked.
        content_type: ``application/x-protobuf`` or ``application/json``; parameters after a semicolon are ignored.

    Returns:
        Its log records, in their order.

    Raises:
        Malformed: The body is not what the content type says, or the content type is another.

    Example:
        >>> decode_logs_request(b'{"resourceLogs": []}', "application/json")
        []
    """
    request = _parse(ExportLogsServiceRequest, body, content_type)
    return [
        _received_log(record, resource, scope_logs.scope)
        for resource_logs in request.resource_logs
        for resource in [attributes_of(resource_logs.resource.attributes)]
        for scope_logs in resource_logs.scope_logs
        for record in scope_logs.log_records
    ]


def decode_either(body: bytes, content_type: str = PROTOBUF) -> list[ReceivedSpan | ReceivedLog]:
    """Read a request of spans or of log records, from a file that does not say which it is.

    In protobuf either can be read as the other; but no log record has what a span has for a trace id.

    Args:
        body: The request's body, unpacked.
        content_type: ``application/x-protobuf`` or ``application/json``; parameters after a semicolon are ignored.

    Returns:
        What is in it, in its order.

    Raises:
        Malformed: It is neither.

    Example:
        >>> body = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "order.action"}]}]}]}'
        >>> [record.event_name for record in decode_either(body, "application/json")]
        ['order.action']
    """
    if _media_type(content_type) == JSON:
        return [*decode_request(body, content_type), *decode_logs_request(body, content_type)]
    try:
        spans = decode_request(body, content_type)
    except Malformed:
        return [*decode_logs_request(body, content_type)]
    return [*spans] if all(span.trace_id for span in spans) else [*decode_logs_request(body, content_type)]


def _parse(kind: type[_Request], body: bytes, content_type: str) -> _Request:
    media_type = _media_type(content_type)
    if media_type == PROTOBUF:
        return _parse_protobuf(kind, body)
    if media_type == JSON:
        return _parse_json(kind, body)
    raise Malformed(f"{content_type!r} is neither {PROTOBUF} nor {JSON}")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _parse_protobuf(kind: type[_Request], body: bytes) -> _Request:
    try:
        return kind.FromString(body)
    except DecodeError as problem:
        raise Malformed("the body is no protobuf export request") from problem


def _parse_json(kind: type[_Request], body: bytes) -> _Request:
    """Read OTLP/JSON, which is protobuf's JSON but for ids: those are hexadecimal instead of base64."""
    try:
        document = json.loads(body)
        for resource, scope, items in _NESTED:
            for of_resource in document.get(resource) or ():
                for of_scope in of_resource.get(scope) or ():
                    for item in of_scope.get(items) or ():
                        _ids_to_base64(item)
                        for link in item.get("links") or ():
                            _ids_to_base64(link)
        return ParseDict(document, kind(), ignore_unknown_fields=True)
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
        attributes=attributes_of(span.attributes),
        events=[
            ReceivedEvent(event.name, event.time_unix_nano, attributes_of(event.attributes)) for event in span.events
        ],
        links=[
            ReceivedLink(link.trace_id.hex(), link.span_id.hex(), attributes_of(link.attributes)) for link in span.links
        ],
        status=_enum_name(Status.StatusCode, span.status.code, "STATUS_CODE_"),
        status_message=span.status.message,
    )


def _received_log(record: LogRecord, resource: dict[str, Any], scope: InstrumentationScope) -> ReceivedLog:
    return ReceivedLog(
        resource=resource,
        scope_name=scope.name,
        scope_version=scope.version,
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        event_name=record.event_name,
        timestamp=record.time_unix_nano,
        observed_timestamp=record.observed_time_unix_nano,
        severity_number=record.severity_number,
        severity_text=record.severity_text,
        body=_value(record.body),
        attributes=attributes_of(record.attributes),
    )


def _enum_name(enum: Any, number: int, prefix: str) -> str:
    """Return an enumerator's name, or its number when a newer OTLP has added it."""
    name: str = enum.Name(number) if number in enum.values() else str(number)
    return name.removeprefix(prefix).lower()


def attributes_of(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as plain Python."""
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    return getattr(value, kind)
