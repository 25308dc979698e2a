"""Events as log records: what each becomes on the wire, and which logs pipeline of the application's would take it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, TraceFlags

import ezlogs
from ezlogs.bridge import EventToSpanEventBridge
from ezlogs.correlation import Correlation
from ezlogs.delivery import logs
from ezlogs.delivery.logs import ForeignLogs, LogEncoder
from ezlogs.delivery.split import split
from ezlogs.event import UniversalEvent
from ezlogs.facts import SEVERITIES
from ezlogs.privacy import Scrubber
from ezlogs.testing import capture
from ezlogs.wire import attributes, from_attributes

RESOURCE = Resource({"service.name": "shop"})
UNDER = SpanContext(0xA1 << 120, 0xB2 << 56, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def placed(**fields: object) -> UniversalEvent:
    """Return an event."""
    return UniversalEvent.create(
        "order.action",
        "placed",
        timestamp=5,
        correlation=Correlation(correlation_id="story-1"),
        **fields,  # type: ignore[arg-type]  # whatever a test is about
    )


def encoded(*items: tuple[UniversalEvent, SpanContext]) -> ExportLogsServiceRequest:
    """Return a batch of events as the official protobuf reads it."""
    return ExportLogsServiceRequest.FromString(LogEncoder(Scrubber()).batch(items, RESOURCE).body)


def test_an_event_becomes_a_log_record_with_the_same_name_and_attributes() -> None:
    """Under the span that it was emitted in, without a body, observed when it happened."""
    event = placed(metadata={"total": 99.9, "lines": [{"sku": "a"}]})
    request = encoded((event, UNDER))
    scope_logs = request.resource_logs[0].scope_logs[0]
    (record,) = scope_logs.log_records
    assert (scope_logs.scope.name, record.event_name) == ("ezlogs", "order.action")
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (5, 5)
    assert (record.trace_id.hex(), record.span_id.hex(), record.flags) == ("a1" + "0" * 30, "b2" + "0" * 14, 1)
    assert record.body.WhichOneof("value") is None
    assert {attribute.key for attribute in record.attributes} == set(attributes(event))
    from ezlogs.dev.decode import decode_logs_request

    (received,) = decode_logs_request(request.SerializeToString())
    assert from_attributes(received.event_name, received.timestamp, received.attributes) == event


def test_an_event_of_this_process_is_encoded_as_one_that_was_read() -> None:
    """What was said is encoded without making its facts; the log record is the same."""
    with capture() as captured:
        for severity in (None, "warn"):
            ezlogs.event("order.action", "placed", outcome="failure", metadata={"total": 99.9}, severity=severity)
    for event, number in zip(captured.events, (17, 13), strict=True):
        read = UniversalEvent.from_json(event.to_json())
        (record,), (same,) = (encoded((one, UNDER)).resource_logs[0].scope_logs[0].log_records for one in (event, read))
        assert sorted(record.attributes, key=str) == sorted(same.attributes, key=str)
        assert (record.severity_number, same.severity_number) == (number, number)


def test_outside_any_span_it_belongs_to_no_trace() -> None:
    """Its story is in its attributes."""
    (record,) = encoded((placed(), INVALID_SPAN_CONTEXT)).resource_logs[0].scope_logs[0].log_records
    assert (record.trace_id, record.span_id, record.flags) == (b"", b"", 0)


@pytest.mark.parametrize(("severity", "number"), list(zip(SEVERITIES, (5, 9, 13, 17, 21), strict=True)))
def test_severities_have_the_numbers_of_the_data_model(severity: str, number: int) -> None:
    """Each is the lowest number of its range."""
    (record,) = encoded((placed(severity=severity), UNDER)).resource_logs[0].scope_logs[0].log_records
    assert (record.severity_number, record.severity_text) == (number, severity.upper())
    assert SeverityNumber(number).name == severity.upper()


def test_what_privacy_keeps_back_is_counted_and_not_in_it() -> None:
    """As for span events."""
    event = placed(metadata={"password": "hunter2"})
    batch = LogEncoder(Scrubber()).batch([(event, UNDER), (placed(), UNDER)], RESOURCE)
    assert b"hunter2" not in batch.body
    assert (batch.records, batch.events, batch.redactions, batch.broken) == (2, 2, {"key": 1}, 0)


def test_an_event_that_cannot_be_encoded_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted as lost; the others go out."""
    broken = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(-1))
    batch = LogEncoder(Scrubber()).batch([(placed(), broken), (placed(), UNDER)], RESOURCE)
    assert (batch.events, batch.broken) == (1, 1)
    assert "could not be encoded" in caplog.text


def test_a_batch_that_is_too_large_is_split() -> None:
    """Each record is in one half, and counted there."""
    batch = LogEncoder(Scrubber()).batch([(placed(metadata={"n": n}), UNDER) for n in range(25)], RESOURCE)
    parts = split(batch._replace(items=25))
    assert parts is not None
    assert [(part.events, part.records, part.items) for part in parts] == [(12, 12, 12), (13, 13, 13)]
    requests = [ExportLogsServiceRequest.FromString(part.body) for part in parts]
    assert [len(request.resource_logs[0].scope_logs[0].log_records) for request in requests] == [12, 13]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoggerProvider]:
    """The application's logger provider, without any processor."""
    made = LoggerProvider(RESOURCE, shutdown_on_exit=False)
    monkeypatch.setattr(logs, "get_logger_provider", lambda: made)
    yield made
    made.shutdown()


def test_a_logs_pipeline_without_an_exporter_is_none(provider: LoggerProvider) -> None:
    """A bridge alone brings nothing out."""
    provider.add_log_record_processor(EventToSpanEventBridge())
    assert ForeignLogs().logger() is None


def test_an_exporter_that_comes_later_is_noticed(provider: LoggerProvider) -> None:
    """And looked for again only when the processors change."""
    foreign = ForeignLogs()
    assert foreign.logger() is None
    provider.add_log_record_processor(SimpleLogRecordProcessor(InMemoryLogRecordExporter()))
    found = foreign.logger()
    assert found is not None
    assert foreign.logger() is found


class Wrapper(LogRecordProcessor):
    """A vendor's processor around another."""

    def __init__(self, inner: object) -> None:
        self.inner = inner

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Do nothing."""

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Do nothing."""
        return True


def test_an_exporter_inside_another_processor_is_found(provider: LoggerProvider) -> None:
    """Vendors wrap processors."""
    provider.add_log_record_processor(Wrapper(InMemoryLogRecordExporter()))
    assert ForeignLogs().logger() is not None


def test_a_provider_that_does_not_show_its_processors_is_taken_to_export(provider: LoggerProvider) -> None:
    """An application sets none up for nothing."""
    hidden: list[LogRecordProcessor] = []
    provider._multi_log_record_processor._log_record_processors = hidden  # type: ignore[assignment]  # not as we know it
    assert ForeignLogs().logger() is not None


def test_without_a_logger_provider_there_is_no_pipeline() -> None:
    """The API's own does nothing."""
    assert ForeignLogs().logger() is None
