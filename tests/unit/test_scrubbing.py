"""Exporters that scrub for other exporters: everything but the secrets arrives, and the originals stay as they are."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ezlogs
from ezlogs import ScrubbingLogRecordExporter, ScrubbingSpanExporter
from ezlogs.privacy import Policy, Scrubber
from ezlogs.testing import capture

SECRETS = ("hunter2", "ada@example.com", "4111 1111")
RESOURCE = Resource({"process.command_args": ("app", "--password", "hunter2"), "service.name": "shop"})


def work(exporter: SpanExporter, resource: Resource = RESOURCE) -> ReadableSpan:
    """Make a span that has a secret on every surface, and return it."""
    limits = SpanLimits(max_span_attributes=2, max_events=8)
    provider = TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    linked = trace.Link(trace.SpanContext(1, 2, is_remote=True), {"to": "ada@example.com"})
    attributes = {"first": 1, "user_password": "hunter2", "order.id": 42}
    span = provider.get_tracer("app", "1.0").start_span(
        "mail to ada@example.com", attributes=attributes, links=[linked], kind=trace.SpanKind.CLIENT
    )
    span.add_event("card 4111 1111 1111 1111", {"note": "password=hunter2", "n": 1})
    span.record_exception(ValueError("password=hunter2"))
    span.set_status(trace.StatusCode.ERROR, "ValueError: password=hunter2")
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


def test_what_arrives_has_all_but_the_secrets() -> None:
    """Every part of the span, in the types that exporters read; the original has them still."""
    memory = InMemorySpanExporter()
    span = work(ScrubbingSpanExporter(memory))
    (clean,) = memory.get_finished_spans()
    told = clean.to_json() + repr(encode_spans([clean]))
    assert not [secret for secret in SECRETS if secret in told]
    assert all(secret in span.to_json() for secret in SECRETS)
    assert (clean.context, clean.parent, clean.kind) == (span.context, span.parent, span.kind)
    assert (clean.start_time, clean.end_time, clean.dropped_attributes) == (span.start_time, span.end_time, 1)
    assert clean.instrumentation_scope == span.instrumentation_scope
    assert clean.resource.attributes["service.name"] == "shop"
    assert clean.attributes is not None
    assert clean.attributes["order.id"] == 42
    assert "name: email" in clean.attributes["ezlogs.redacted"]  # type: ignore[operator]  # a tuple of texts
    assert [event.timestamp for event in clean.events] == [event.timestamp for event in span.events]
    assert clean.links[0].context == span.links[0].context
    assert clean.status.status_code == span.status.status_code


def test_a_span_without_a_finding_is_handed_on_as_it_is() -> None:
    """It is not copied."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ScrubbingSpanExporter(memory)))
    provider.add_span_processor(SimpleSpanProcessor(other := InMemorySpanExporter()))
    provider.get_tracer("app").start_span("work").end()
    assert memory.get_finished_spans()[0].resource is other.get_finished_spans()[0].resource


def test_the_console_shows_none() -> None:
    """Its exporter writes the span's own JSON."""
    out = io.StringIO()
    work(ScrubbingSpanExporter(ConsoleSpanExporter(out=out)))
    assert json.loads(out.getvalue())["name"] == "mail to [redacted]"
    assert not [secret for secret in SECRETS if secret in out.getvalue()]


class Broken:
    """Rules that fail, as no scrubber should."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError


def test_what_cannot_be_scrubbed_is_not_exported() -> None:
    """In clear it must not leave; the rest of the batch does, and the loss is counted."""
    memory = InMemorySpanExporter()
    with capture():
        work(ScrubbingSpanExporter(memory, scrubber=Broken()))  # type: ignore[arg-type]  # on purpose
        assert ezlogs.health()["unscrubbable"] == 1
    assert memory.get_finished_spans() == ()


def test_the_rules_are_those_of_the_configuration_or_given() -> None:
    """The configuration's of the moment, whenever the exporter was made."""
    memory, given = InMemorySpanExporter(), InMemorySpanExporter()
    exporter = ScrubbingSpanExporter(memory)
    with capture(redaction="email=mask"):
        work(exporter)
    work(ScrubbingSpanExporter(given, scrubber=Scrubber(policy=Policy({"email": "drop"}))))
    assert memory.get_finished_spans()[0].name == "mail to …@example.com"
    assert given.get_finished_spans()[0].name == "mail to "


class Told(SpanExporter):
    """An exporter that says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Fail."""
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Remember it."""
        self.asked.append("shutdown")

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Remember it, and fail."""
        self.asked.append(timeout_millis)
        return False


def test_the_other_exporter_is_asked_and_answers() -> None:
    """For results, flushes and the end."""
    told = Told()
    exporter = ScrubbingSpanExporter(told)
    assert exporter.export([]) is SpanExportResult.FAILURE
    assert not exporter.force_flush(5)
    exporter.shutdown()
    assert told.asked == [5, "shutdown"]


@pytest.mark.parametrize("body", ["password=hunter2", {"user": {"password": "hunter2"}}, ["it is ada@example.com"]])
def test_log_records_lose_the_same(body: Any) -> None:
    """In body, attributes and resource; the original and the rest stay."""
    memory = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter := ScrubbingLogRecordExporter(memory)))
    record = LogRecord(
        timestamp=5,
        severity_number=SeverityNumber.INFO,
        body=body,
        attributes={"to": "ada@example.com", "password": "hunter2", "n": 1},
        event_name="order.action",
    )
    provider.get_logger("app").emit(record)
    (readable,) = memory.get_finished_logs()
    told = readable.to_json()
    assert "ada@example.com" not in told
    assert "password=hunter2" not in told
    assert '"password": "hunter2"' not in told
    assert (readable.log_record.timestamp, readable.log_record.event_name) == (5, "order.action")
    assert readable.log_record.attributes["n"] == 1
    assert record.body == body
    assert exporter.force_flush()
    exporter.shutdown()


def test_a_log_record_without_a_finding_is_handed_on_as_it_is() -> None:
    """It is not copied."""
    memory = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(ScrubbingLogRecordExporter(memory)))
    provider.get_logger("app").emit(record := LogRecord(body="placed", attributes={"n": 1}))
    assert memory.get_finished_logs()[0].log_record is record


def test_what_the_sdk_dropped_is_still_told() -> None:
    """A log record with fewer secrets has lost as many attributes as before."""
    memory = InMemoryLogRecordExporter()
    attributes = BoundedAttributes(attributes={"to": "ada@example.com", "deep": {"n": 1}}, extended_attributes=True)
    attributes.dropped = 3
    record = LogRecord(body="placed", attributes=attributes, severity_text="ada@example.com")
    ScrubbingLogRecordExporter(memory).export([ReadableLogRecord(record, RESOURCE)])
    (readable,) = memory.get_finished_logs()
    assert readable.dropped_attributes == 3
    assert readable.log_record.severity_text == "[redacted]"
    assert readable.log_record.attributes["deep"] == {"n": 1}
    assert record.severity_text == "ada@example.com"


def test_the_scope_is_scrubbed_and_otherwise_stays() -> None:
    """Its attributes are the instrumentation's own; what is harmless in them is handed on as it is."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ScrubbingSpanExporter(memory)))
    for note in ("ada@example.com", "harmless"):
        provider.get_tracer("app", "1.0", "https://schema.example", {"note": note}).start_span("work").end()
    clean, same = (span.instrumentation_scope for span in memory.get_finished_spans())
    assert clean is not None
    assert same is not None
    assert (clean.name, clean.version, clean.schema_url) == ("app", "1.0", "https://schema.example")
    assert clean.attributes == {"note": "[redacted]"}
    assert same.attributes == {"note": "harmless"}
