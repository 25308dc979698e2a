"""Log records come out as OpenTelemetry's own encoder writes them, and nothing is lost silently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordMessage
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext

from ezlogs.otlp import encode_log_record, encode_request, encode_resource, encode_scope

from .test_encode import ATTRIBUTES, CONTEXTS, NANOSECONDS, RESOURCES, SCOPES, TEXT, VALUES, endless


def log_record(span: SpanContext, **fields: Any) -> LogRecord:
    """Return a log record made under a span."""
    return LogRecord(context=trace.set_span_in_context(NonRecordingSpan(span)), **fields)


@st.composite
def log_records(draw: st.DrawFn) -> list[ReadableLogRecord]:
    """Log records of the SDK in two resources and two scopes."""
    resources, scopes = draw(st.tuples(RESOURCES, RESOURCES)), draw(st.tuples(SCOPES, SCOPES))
    one_record = st.builds(
        ReadableLogRecord,
        st.builds(
            log_record,
            st.just(trace.INVALID_SPAN_CONTEXT) | CONTEXTS,
            timestamp=st.none() | NANOSECONDS,
            observed_timestamp=st.none() | NANOSECONDS,
            severity_number=st.none() | st.sampled_from(SeverityNumber),
            severity_text=st.none() | TEXT,
            body=VALUES,
            attributes=ATTRIBUTES,
            event_name=st.none() | TEXT,
        ),
        st.sampled_from(resources),
        st.sampled_from(scopes),
    )
    return draw(st.lists(one_record, max_size=4))


def encoded(readable: ReadableLogRecord) -> bytes:
    """Encode a log record of the SDK."""
    record = readable.log_record
    return encode_log_record(
        record.timestamp,
        record.severity_number.value if record.severity_number else 0,
        record.severity_text,
        record.body,
        record.attributes,
        readable.dropped_attributes,
        record.trace_flags or 0,
        record.trace_id or 0,
        record.span_id or 0,
        record.observed_timestamp,
        record.event_name,
    )


def request(records: Sequence[ReadableLogRecord]) -> bytes:
    """Encode log records in the order in which the official encoder groups them."""
    groups: dict[Resource, dict[InstrumentationScope, list[bytes]]] = {}
    for record in records:
        assert record.instrumentation_scope is not None
        scopes = groups.setdefault(record.resource, {})
        scopes.setdefault(record.instrumentation_scope, []).append(encoded(record))
    return encode_request(
        (
            encode_resource(resource.attributes),
            resource.schema_url,
            [
                (encode_scope(scope.name, scope.version, scope.attributes), scope.schema_url or "", of_scope)
                for scope, of_scope in scopes.items()
            ],
        )
        for resource, scopes in groups.items()
    )


@given(log_records())
def test_it_agrees_with_the_official_encoder(records: list[ReadableLogRecord]) -> None:
    """Whatever the SDK can hold arrives as the official encoder would have sent it."""
    assert ExportLogsServiceRequest.FromString(request(records)) == encode_logs(records)


def test_records_that_were_emitted_come_out_byte_for_byte_as_the_official_encoder_writes_them() -> None:
    """Events and messages of a real logger, with limits that drop attributes, give the very same bytes."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(Resource({"service.name": "shop"}), log_record_limits=LogRecordLimits(max_attributes=2))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("shop", "1.0", "https://opentelemetry.io/schemas/1.30.0", {"team": "orders"})
    span = trace.set_span_in_context(NonRecordingSpan(SpanContext(2**127, 2**63, is_remote=False)))
    with pytest.warns(UserWarning, match="dropped due to limits"):
        logger.emit(timestamp=5, event_name="order.action", context=span, attributes={"a": 1, "b": ["x"], "c": 2.5})
    logger.emit(severity_number=SeverityNumber.ERROR, severity_text="ERROR", body={"why": ["no stock", 0]})

    records = exporter.get_finished_logs()
    assert request(records) == encode_logs(records).SerializeToString()


def test_what_otlp_cannot_hold_is_left_out() -> None:
    """An impossible attribute is counted, an impossible body empty; the record arrives."""
    record = LogRecordMessage.FromString(
        encode_log_record(1, body=endless(), attributes={"a": object(), "b": 1}, dropped=1, event_name="order.action")
    )
    assert (record.event_name, record.dropped_attributes_count) == ("order.action", 2)
    assert record.body.WhichOneof("value") is None
    assert [attribute.key for attribute in record.attributes] == ["b"]
