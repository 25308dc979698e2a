"""An export request is read the same from protobuf and from JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode

from ezlogs.dev.decode import (
    Malformed,
    ReceivedEvent,
    ReceivedLink,
    ReceivedLog,
    ReceivedSpan,
    decode_either,
    decode_logs_request,
    decode_request,
)

TRACE_ID, SPAN_ID, PARENT_ID = 0xA1 << 120, 0xB2 << 56, 0xC3
ATTRIBUTES: dict[str, Any] = {
    "text": "ü",
    "flag": True,
    "number": -(2**63),
    "double": 0.5,
    "bytes": b"\x00\xff",
    "nothing": None,
    "list": ["a", 1, None],
    "map": {"in": {"deep": [b"x"]}},
}

SPAN = ReadableSpan(
    "POST /orders",
    SpanContext(TRACE_ID, SPAN_ID, is_remote=False),
    parent=SpanContext(TRACE_ID, PARENT_ID, is_remote=True),
    resource=Resource({"service.name": "shop"}),
    attributes=ATTRIBUTES,
    events=[Event("order.action", {"ezlogs.action": "placed"}, 1_700_000_000_000_000_001)],
    links=[Link(SpanContext(1, 2, is_remote=False), {"why": "retry"})],
    kind=SpanKind.SERVER,
    status=Status(StatusCode.ERROR, "no stock"),
    start_time=1_700_000_000_000_000_000,
    end_time=1_700_000_000_000_000_002,
    instrumentation_scope=InstrumentationScope("ezlogs", "1.0"),
)

RECEIVED = ReceivedSpan(
    resource={"service.name": "shop"},
    scope_name="ezlogs",
    scope_version="1.0",
    trace_id="a1" + "0" * 30,
    span_id="b2" + "0" * 14,
    parent_span_id="00000000000000c3",
    name="POST /orders",
    kind="server",
    start_time=1_700_000_000_000_000_000,
    end_time=1_700_000_000_000_000_002,
    attributes=ATTRIBUTES,
    events=[ReceivedEvent("order.action", 1_700_000_000_000_000_001, {"ezlogs.action": "placed"})],
    links=[ReceivedLink("0" * 31 + "1", "0" * 15 + "2", {"why": "retry"})],
    status="error",
    status_message="no stock",
)

LOG = ReadableLogRecord(
    LogRecord(
        timestamp=1_700_000_000_000_000_001,
        observed_timestamp=1_700_000_000_000_000_002,
        context=trace.set_span_in_context(NonRecordingSpan(SpanContext(TRACE_ID, SPAN_ID, is_remote=False))),
        severity_number=SeverityNumber.ERROR,
        severity_text="ERROR",
        body={"why": ["no stock"]},
        attributes=ATTRIBUTES,
        event_name="order.action",
    ),
    Resource({"service.name": "shop"}),
    InstrumentationScope("ezlogs", "1.0"),
)

RECEIVED_LOG = ReceivedLog(
    resource={"service.name": "shop"},
    scope_name="ezlogs",
    scope_version="1.0",
    trace_id="a1" + "0" * 30,
    span_id="b2" + "0" * 14,
    event_name="order.action",
    timestamp=1_700_000_000_000_000_001,
    observed_timestamp=1_700_000_000_000_000_002,
    severity_number=17,
    severity_text="ERROR",
    body={"why": ["no stock"]},
    attributes=ATTRIBUTES,
)


def otlp_json(request: ExportTraceServiceRequest) -> bytes:
    """Write a request as OTLP/JSON: protobuf's JSON with hexadecimal ids and enumerations as numbers."""
    document = MessageToDict(request, use_integers_for_enums=True)
    for resource_spans, message in zip(document.get("resourceSpans", ()), request.resource_spans, strict=True):
        for scope_spans, scope_message in zip(resource_spans["scopeSpans"], message.scope_spans, strict=True):
            for span, span_message in zip(scope_spans["spans"], scope_message.spans, strict=True):
                _hex_ids(span, span_message)
                for link, link_message in zip(span.get("links", ()), span_message.links, strict=True):
                    _hex_ids(link, link_message)
    return json.dumps(document).encode()


def logs_json(request: ExportLogsServiceRequest) -> bytes:
    """Write a request of one log record as OTLP/JSON."""
    document = MessageToDict(request, use_integers_for_enums=True)
    _hex_ids(
        document["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0],
        request.resource_logs[0].scope_logs[0].log_records[0],
    )
    return json.dumps(document).encode()


def _hex_ids(document: dict[str, Any], message: Any) -> None:
    document["traceId"], document["spanId"] = message.trace_id.hex(), message.span_id.hex()
    if "parentSpanId" in document:
        document["parentSpanId"] = message.parent_span_id.hex()


def test_protobuf_becomes_plain_python() -> None:
    """Every part of a span arrives, with ids in hexadecimal and values of Python's own types."""
    assert decode_request(encode_spans([SPAN]).SerializeToString()) == [RECEIVED]


def test_json_becomes_the_same() -> None:
    """OTLP/JSON, whose ids are hexadecimal, gives what protobuf gives."""
    assert decode_request(otlp_json(encode_spans([SPAN])), "application/json; charset=utf-8") == [RECEIVED]


def test_log_records_become_plain_python() -> None:
    """Every part of a log record arrives, the same from protobuf and from JSON."""
    request = encode_logs([LOG])
    assert decode_logs_request(request.SerializeToString()) == [RECEIVED_LOG]
    assert decode_logs_request(logs_json(request), "application/json") == [RECEIVED_LOG]


def test_what_is_absent_from_a_log_record_has_its_default() -> None:
    """An empty log record happened at no known time, under no span."""
    body = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}'
    assert decode_logs_request(body, "application/json") == [ReceivedLog({}, "", "", "", "", "", 0, 0, 0, "", None, {})]


def test_a_request_of_either_signal_is_told_by_what_is_in_it() -> None:
    """A file does not say which signal it holds, and in protobuf each can be read as the other."""
    spans, logs = encode_spans([SPAN]), encode_logs([LOG])
    bare = encode_logs([ReadableLogRecord(LogRecord(event_name="order.action"), Resource({}))])
    assert decode_either(spans.SerializeToString()) == [RECEIVED]
    assert decode_either(logs.SerializeToString()) == [RECEIVED_LOG]
    assert decode_either(bare.SerializeToString()) == decode_logs_request(bare.SerializeToString())
    assert decode_either(b"") == []
    both = b"""{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}],
               "resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}"""
    assert [type(item) for item in decode_either(both, "application/json")] == [ReceivedSpan, ReceivedLog]


def test_the_example_of_the_specification_is_read() -> None:
    """JSON as senders in other languages write it: numbers as texts, unknown fields, fields that are null."""
    body = b"""{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value":
        {"stringValue": "my.service"}}]}, "scopeSpans": [{"scope": {"name": "my.scope", "future": 1}, "spans": [{
        "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "parentSpanId": null,
        "links": null, "name": "I'm a server span", "startTimeUnixNano": "1544712660000000000", "kind": 2,
        "attributes": [{"key": "n", "value": {"intValue": "7"}}]}]}]}]}"""
    (span,) = decode_request(body, "application/json")
    assert (span.trace_id, span.span_id, span.parent_span_id) == (
        "5b8efff798038103d269b633813fc60c",
        "eee19b7ec3c1b174",
        "",
    )
    assert (span.kind, span.start_time, span.attributes) == ("server", 1544712660000000000, {"n": 7})


def test_what_is_absent_has_its_default() -> None:
    """An empty span is a root of unknown kind without a status."""
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}'
    assert decode_request(body, "application/json") == [
        ReceivedSpan({}, "", "", "", "", "", "", "unspecified", 0, 0, {}, [], [], "unset", "")
    ]


@pytest.mark.parametrize("content_type", ["application/json", "application/x-protobuf"])
def test_an_enumerator_that_is_newer_than_this_library_shows_as_its_number(content_type: str) -> None:
    """A kind that is not known yet does not cost the span."""
    request = encode_spans([SPAN])
    request.resource_spans[0].scope_spans[0].spans[0].kind = 99  # type: ignore[assignment]  # not known yet
    body = request.SerializeToString() if "protobuf" in content_type else otlp_json(request)
    assert decode_request(body, content_type)[0].kind == "99"


@pytest.mark.parametrize("span", [{"traceId": "xyz"}, {"name": 3}])
def test_a_span_with_a_wrong_field_is_malformed(span: object) -> None:
    """An id that is not hexadecimal and a name that is no text are refused."""
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    with pytest.raises(Malformed):
        decode_request(body, "application/json")


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.sampled_from(SpanKind))))
def test_spans_keep_their_order(spans: list[tuple[str, SpanKind]]) -> None:
    """Spans come in the order of the request, each with its kind."""
    request = encode_spans([ReadableSpan(name, SpanContext(1, 2, False), kind=kind) for name, kind in spans])
    expected = [(name, kind.name.lower()) for name, kind in spans]
    for received in (
        decode_request(request.SerializeToString()),
        decode_request(otlp_json(request), "application/json"),
    ):
        assert [(span.name, span.kind) for span in received] == expected


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff\xff", "application/x-protobuf"),
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b"[]", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"resourceSpans": [null]}', "application/json"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [3]}]}]}', "application/json"),
        (b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "xyz"}]}]}]}', "application/json"),
        (SpanMessage().SerializeToString(), "text/plain"),
        (b"", ""),
    ],
)
def test_anything_else_is_malformed(body: bytes, content_type: str) -> None:
    """A body that does not fit its content type is refused with one kind of error."""
    with pytest.raises(Malformed):
        decode_request(body, content_type)
    with pytest.raises(Malformed):
        decode_logs_request(body, content_type)
    with pytest.raises(Malformed):
        decode_either(body, content_type)
