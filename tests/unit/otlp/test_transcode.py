"""OTLP/JSON says what the protobuf request says, as the official protobuf library understands either."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, EntityRef
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

import ezlogs
from ezlogs.dev.receiver import Receiver
from ezlogs.otlp import (
    Delivered,
    HttpTransport,
    Rejected,
    encode_event,
    encode_log_record,
    encode_request,
    encode_resource,
    encode_span,
)
from ezlogs.otlp.transcode import to_json
from ezlogs.settings import OtlpSignal

from .collectors import Collector, respond
from .telemetry import as_found, encoded_logs, encoded_spans, log_records, spans

REQUESTS: dict[OtlpSignal, Callable[[], Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}
IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def with_ids(document: Any, form: Callable[[str], str]) -> Any:
    """Return a request with other forms of its ids: text under these names can be nothing else."""
    if isinstance(document, list):
        return [with_ids(item, form) for item in document]
    if not isinstance(document, dict):
        return document
    return {key: form(item) if key in IDS else with_ids(item, form) for key, item in document.items()}


def agrees(body: bytes, signal: OtlpSignal) -> None:
    """Fail unless the JSON of a request is that of the official library, and is read by it as the same request.

    Both are compared as JSON, in which there is but one NaN.
    """
    written = json.loads(to_json(body, signal))
    message = REQUESTS[signal]()
    message.ParseFromString(body)
    official = MessageToDict(message, use_integers_for_enums=True)
    assert written == with_ids(official, lambda text: b64decode(text).hex())
    read = ParseDict(with_ids(written, lambda text: b64encode(bytes.fromhex(text)).decode()), REQUESTS[signal]())
    assert MessageToDict(read, use_integers_for_enums=True) == official


@as_found
@given(spans())
def test_any_spans_agree(spans: list[ReadableSpan]) -> None:
    """Whatever the SDK can hold."""
    agrees(encoded_spans(spans), "traces")


@as_found
@given(log_records())
def test_any_log_records_agree(records: list[ReadableLogRecord]) -> None:
    """Whatever the SDK can hold."""
    agrees(encoded_logs(records), "logs")


def of_resource(resource: bytes) -> bytes:
    """Return a request with nothing but a resource."""
    return encode_request([(resource, "", [])])


def only_value(value: Any) -> Any:
    """Return the JSON of one attribute's value."""
    body = of_resource(encode_resource({"key": value}))
    return json.loads(to_json(body, "traces"))["resourceSpans"][0]["resource"]["attributes"][0]["value"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", {"stringValue": "text"}),
        ("", {"stringValue": ""}),
        (True, {"boolValue": True}),
        (False, {"boolValue": False}),
        (0, {"intValue": "0"}),
        (-(2**63), {"intValue": "-9223372036854775808"}),
        (2**63 - 1, {"intValue": "9223372036854775807"}),
        (0.0, {"doubleValue": 0.0}),
        (1e308, {"doubleValue": 1e308}),
        (float("nan"), {"doubleValue": "NaN"}),
        (float("inf"), {"doubleValue": "Infinity"}),
        (float("-inf"), {"doubleValue": "-Infinity"}),
        (b"\x00\xff", {"bytesValue": "AP8="}),
        (b"", {"bytesValue": ""}),
        (None, {}),
        ([], {"arrayValue": {}}),
        ([None, "a"], {"arrayValue": {"values": [{}, {"stringValue": "a"}]}}),
        ({}, {"kvlistValue": {}}),
        ({"a": None}, {"kvlistValue": {"values": [{"key": "a", "value": {}}]}}),
    ],
)
def test_each_type_has_its_form(value: object, expected: object) -> None:
    """That of the protobuf JSON mapping: 64-bit integers are text, bytes base64, what is no number a word."""
    assert only_value(value) == expected


def test_what_is_nested_as_deeply_as_it_may_be_is_written() -> None:
    """As deep as the encoder goes."""
    value: object = "bottom"
    for _ in range(24):
        value = {"k": [value]} if not isinstance(value, dict) else {"k": value}
    agrees(of_resource(encode_resource({"deep": value})), "logs")


def test_unknown_fields_are_passed_over() -> None:
    """Those of a later OTLP, of any wire type, and known ones with a type that they never had."""
    known = encode_resource({"a": 1})
    later = b"\x98\x06\x96\x01" + b"\x99\x06" + bytes(8) + b"\x9a\x06\x02hi" + b"\x9d\x06" + bytes(4)
    other = b"\x08\x05" + b"\x09" + bytes(8) + b"\x15" + bytes(4) + EntityRef(type="x").SerializeToString()
    body = of_resource(later + known + later + other)
    assert to_json(body, "traces") == to_json(of_resource(known), "traces")


def test_of_what_is_said_twice_the_last_counts() -> None:
    """As in protobuf: also where the second is nothing, and where a value is of two types."""
    span = encode_span(ReadableSpan("first", SpanContext(1, 2, False)))
    twice = encode_request([(b"", "", [(b"", "", [span + b"\x2a\x06second" + b"\x1a\x01x" + b"\x1a\x00"])])])
    agrees(twice, "traces")
    both = AnyValue(int_value=1).SerializeToString() + AnyValue(string_value="a").SerializeToString()
    attribute = b"\x0a\x01k\x12" + bytes([len(both)]) + both
    agrees(of_resource(b"\x0a" + bytes([len(attribute)]) + attribute), "traces")


@given(st.binary(max_size=60))
def test_what_is_no_request_is_refused_and_nothing_else(body: bytes) -> None:
    """Any bytes are JSON or a ValueError."""
    for signal in REQUESTS:
        try:
            written = to_json(body, signal)
        except ValueError:
            continue
        assert isinstance(json.loads(written), dict)


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05\x0a",
        b"\x0a\x02\x0a\x05",
        b"\x0b",
        b"\x09\x00",
        b"\xff" * 11,
        b"\x0a\x01\x80" + b"\x01",
    ],
)
def test_what_is_cut_off_is_refused(body: bytes) -> None:
    """Rather than sent in part."""
    with pytest.raises(ValueError, match=r"cut off|longer than|wire type"):
        to_json(body, "traces")


@pytest.fixture
def sending() -> Iterator[Callable[..., HttpTransport]]:
    """Makes transports that send JSON; those are closed at the end of the test."""
    made: list[HttpTransport] = []

    def make(url: str, **options: Any) -> HttpTransport:
        defaults = {"headers": {}, "timeout": 5.0, "compression": "none", "as_json": "traces"}
        made.append(HttpTransport(url, **(defaults | options)))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def test_a_request_says_that_it_is_json(collector: Collector, sending: Callable[..., HttpTransport]) -> None:
    """And one that is sent again is byte for byte the one before."""
    body = encoded_spans([ReadableSpan("checkout", SpanContext(1, 2, False))])
    sender = sending(collector.url)
    assert [sender.send(body), sender.send(body)] == [Delivered(), Delivered()]
    first, second = collector.requests
    assert first.headers["content-type"] == "application/json"
    assert first.body == second.body == to_json(body, "traces")


def test_partial_success_is_read(collector: Collector, sending: Callable[..., HttpTransport]) -> None:
    """In JSON, whose 64-bit integers are text; nothing rejected is a success with a word of advice."""
    answers = {
        b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}': Delivered(3, "too old"),
        b'{"partialSuccess":{"rejectedLogRecords":2}}': Delivered(2),
        b'{"partialSuccess":{"rejectedSpans":"0","errorMessage":"mind the gap"}}': Delivered(0, "mind the gap"),
        b'{"partialSuccess":{}}': Delivered(),
        b'{"partialSuccess":null}': Delivered(),
        b"{}": Delivered(),
    }
    for answer, expected in answers.items():
        collector.answer = lambda request, answer=answer: respond(200, answer, "Application/JSON; charset=utf-8")  # type: ignore[misc]  # bound now
        assert sending(collector.url).send(b"") == expected


def test_a_failure_is_told_in_the_collectors_words(collector: Collector, sending: Callable[..., HttpTransport]) -> None:
    """A ``google.rpc.Status`` in JSON."""
    collector.answer = lambda request: respond(400, b'{"code":3,"message":"no resource"}', "application/json")
    outcome = sending(collector.url).send(b"")
    assert isinstance(outcome, Rejected)
    assert outcome.reason.endswith("answered 400 Bad Request: no resource")


def test_what_cannot_be_written_is_rejected_unsent(collector: Collector, sending: Callable[..., HttpTransport]) -> None:
    """It never could be, however often it is tried."""
    assert isinstance(sending(collector.url).send(b"\x0b"), Rejected)
    assert collector.requests == []


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_receiver_reads_it(sending: Callable[..., HttpTransport], compression: str) -> None:
    """The same as from protobuf."""
    event = encode_event("order.action", 7, {"n": 2**60, "b": b"x", "deep": [{"a": None}]})
    span = encode_span(ReadableSpan("s", SpanContext(1, 2, False)), [event])
    body = encode_request([(encode_resource({"a": "b"}), "", [(b"", "", [span])])])
    logs = encode_request([(b"", "", [(b"", "", [encode_log_record(7, 9, "INFO", {"a": 1}, trace_id=1, span_id=2)])])])
    with Receiver() as receiver:
        for as_json in (True, False):
            for signal, request in (("traces", body), ("logs", logs)):
                sender = sending(
                    f"{receiver.endpoint}/v1/{signal}", compression=compression, as_json=signal if as_json else None
                )
                assert sender.send(request) == Delivered()
        assert receiver.spans[0] == receiver.spans[1]
        assert receiver.logs[0] == receiver.logs[1]


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "EZLOGS_PROTOCOL"])
def test_the_protocol_is_a_setting(collector: Collector, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The whole way, for both signals."""
    monkeypatch.setenv(variable, "http/json")
    ezlogs.configure(
        endpoint=f"http://127.0.0.1:{collector.port}",
        carrier="both",
        pipeline="owned",
        instrument="none",
        flush_interval=0.05,
    )
    ezlogs.event("order.action", "placed", subject=("order", 42))
    assert ezlogs.flush(10)
    ezlogs.shutdown()
    sent = {request.line.split()[1]: request for request in collector.requests}
    assert {request.headers["content-type"] for request in sent.values()} == {"application/json"}
    (span,) = json.loads(sent["/v1/traces"].body)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    (record,) = json.loads(sent["/v1/logs"].body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert span["events"][0]["name"] == record["eventName"] == "order.action"
