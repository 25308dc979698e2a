"""Log records come out as OpenTelemetry's own encoder writes them, and nothing is lost silently."""

from __future__ import annotations

import pytest
from hypothesis import given
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordMessage
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext

from ezlogs.otlp import encode_log_record

from .telemetry import as_found, documented_logs, encoded_logs, log_records
from .test_encode import endless


@as_found
@given(log_records())
def test_it_agrees_with_the_official_encoder(records: list[ReadableLogRecord]) -> None:
    """Whatever the SDK can hold arrives as the official encoder would have sent it."""
    sent = ExportLogsServiceRequest.FromString(encoded_logs(records))
    assert sent.SerializeToString() == encode_logs(documented_logs(records)).SerializeToString()


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
    assert encoded_logs(records) == encode_logs(records).SerializeToString()


def test_what_otlp_cannot_hold_is_left_out() -> None:
    """An impossible attribute is counted, an impossible body empty; the record arrives."""
    record = LogRecordMessage.FromString(
        encode_log_record(1, body=endless(), attributes={"a": object(), "b": 1}, dropped=1, event_name="order.action")
    )
    assert (record.event_name, record.dropped_attributes_count) == ("order.action", 2)
    assert record.body.WhichOneof("value") is None
    assert [attribute.key for attribute in record.attributes] == ["b"]
