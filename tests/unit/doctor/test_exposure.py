"""What others see: exporters that get what is not scrubbed, and options that capture more."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from opentelemetry.sdk.resources import ProcessResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider

from ezlogs import ScrubbingLogRecordExporter, ScrubbingSpanExporter
from ezlogs.doctor import Finding, exposure
from ezlogs.otel_logs import BatchLogRecordProcessor, LogRecordExporter, SdkLoggerProvider, SimpleLogRecordProcessor

NONE = NoOpTracerProvider()
NO_LOGS = object()


class Nowhere(LogRecordExporter):
    """An exporter of log records that keeps nothing."""

    def export(self, batch: object) -> None:
        """Take them."""

    def shutdown(self) -> None:
        """End."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is left."""
        return True


def told(findings: Iterable[Finding]) -> list[str]:
    """Verdict and text of each."""
    return [f"{finding.verdict} {finding}" for finding in findings]


def test_alone_nothing_is_exposed_and_what_to_wrap_is_said() -> None:
    """One finding, with both wrappers."""
    (line,) = told(exposure.exporters({"OTEL_TRACES_EXPORTER": "none"}, None, NONE, NO_LOGS))
    assert line.startswith("fine ezlogs' own: what it exports is scrubbed, and no other exporter is known here")
    assert "ScrubbingSpanExporter or ScrubbingLogRecordExporter" in line


def test_exporters_that_variables_name_are_told_one_by_one() -> None:
    """With what each gets, and what protects it."""
    environ = {"OTEL_TRACES_EXPORTER": "otlp, console", "OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp"}
    found = told(exposure.exporters(environ, None, NONE, NO_LOGS))
    assert found[0] == "fine ezlogs' own: what it exports is scrubbed"
    wrap = "wrap it in ScrubbingSpanExporter in code, or let ezlogs export alone"
    assert f"warning OTEL_TRACES_EXPORTER=otlp: gets spans as they are; {wrap}" in found
    assert f"warning OTEL_TRACES_EXPORTER=console: gets spans as they are; {wrap}" in found
    assert any(line.startswith("warning OTEL_LOGS_EXPORTER=otlp: gets log records as they are") for line in found)
    assert any(line.startswith("note OTEL_METRICS_EXPORTER") for line in found)


def test_another_distribution_and_a_configuration_file_bring_exporters_too() -> None:
    """Which is all that is known of them before a start."""
    found = told(exposure.exporters({"OTEL_CONFIG_FILE": "otel.yaml"}, "elastic", NONE, NO_LOGS))
    assert "warning elastic: builds the SDK, and exports spans as they are; wrap its exporters" in found
    assert "warning OTEL_CONFIG_FILE: the exporters in 'otel.yaml' get everything as it is" in found


@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_what_is_in_the_process_counts_more_than_variables(processor: type[SpanProcessor]) -> None:
    """Exporters are found through the processors of the provider; what wraps them protects them."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor(InMemorySpanExporter()))  # type: ignore[call-arg]  # each takes an exporter
    provider.add_span_processor(processor(ScrubbingSpanExporter(InMemorySpanExporter())))  # type: ignore[call-arg]
    found = told(exposure.exporters({"OTEL_TRACES_EXPORTER": "otlp"}, None, provider, NO_LOGS))
    provider.shutdown()
    assert found == [
        "fine ezlogs' own: what it exports is scrubbed",
        "warning InMemorySpanExporter: gets spans as they are; wrap it in ScrubbingSpanExporter",
        "fine ScrubbingSpanExporter: gets spans scrubbed",
    ]


def test_a_processor_inside_another_is_looked_into() -> None:
    """Vendors wrap theirs; one that exports nothing is none, and ezlogs' own is no stranger."""

    class Wrapping(SpanProcessor):
        def __init__(self) -> None:
            self.held = [SimpleSpanProcessor(InMemorySpanExporter())]
            self.kind = InMemorySpanExporter

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Wrapping())
    provider.add_span_processor(SpanProcessor())
    found = told(exposure.exporters({}, None, provider, NO_LOGS))
    assert [line.partition(":")[0] for line in found] == ["fine ezlogs' own", "warning InMemorySpanExporter"]


@pytest.mark.parametrize("processor", [SimpleLogRecordProcessor, BatchLogRecordProcessor])
def test_exporters_of_log_records_are_found_as_well(processor: type) -> None:
    """With their own wrapper."""
    provider = SdkLoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(processor(Nowhere()))
    provider.add_log_record_processor(processor(ScrubbingLogRecordExporter(Nowhere())))
    found = told(exposure.exporters({}, None, NONE, provider))
    provider.shutdown()
    assert "warning Nowhere: gets log records as they are; wrap it in ScrubbingLogRecordExporter" in found
    assert "fine ScrubbingLogRecordExporter: gets log records scrubbed" in found


def test_sdks_with_ways_of_their_own_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they send never passes ezlogs."""
    monkeypatch.setattr(exposure, "find_spec", lambda module: module if module == "sentry_sdk" else None)
    found = told(exposure.exporters({}, None, NONE, NO_LOGS))
    assert [line for line in found if "note" in line] == [
        "note Sentry: is installed; what it sends by itself ezlogs never sees; see its own scrubbing"
    ]


def test_nothing_beyond_the_default_is_said_to_be_so() -> None:
    """Options that are switched off are not on."""
    environ = {
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "false",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": " ",
    }
    (line,) = told(exposure.captured(environ, NONE))
    assert line.startswith("fine nothing beyond")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
            ".*",
            "headers of requests are captured: .*; name",
        ),
        (
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE",
            "x-.*",
            "headers of others' answers are captured",
        ),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY", "prompts and answers of models are captur"),
        ("OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED", "true", "every log message is exported; is it meant"),
    ],
)
def test_an_option_that_captures_everything_is_a_warning(variable: str, value: str, expected: str) -> None:
    """Nobody knows what will be in it."""
    found = told(exposure.captured({variable: value}, NONE))
    assert len(found) == 1
    assert found[0].startswith(f"warning {variable}: {expected}")


def test_an_option_that_captures_named_things_is_a_note() -> None:
    """They are told."""
    environ = {"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "content-type,x-tenant"}
    assert told(exposure.captured(environ, NONE)) == [
        "note OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST: headers of requests are captured: "
        "content-type,x-tenant"
    ]


def test_what_takes_away_and_what_cuts_is_told() -> None:
    """Headers that contrib replaces itself; values that lose their end before anybody looks at them."""
    environ = {
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": "authorization",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "64",
    }
    found = told(exposure.captured(environ, NONE))
    assert any(line.startswith("fine OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS") for line in found)
    assert any(line.startswith("note OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: values are cut before") for line in found)


def test_a_command_line_in_the_resource_is_a_warning() -> None:
    """From the process itself, or as variables say."""
    resource = Resource({"process.command_args": ("run", "--password", "hunter2")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    (line,) = told(exposure.captured({}, provider))
    assert line.startswith("warning process.command_args: in the resource (of this process)")
    assert "hunter2" not in line
    (line,) = told(exposure.captured({"OTEL_RESOURCE_ATTRIBUTES": "process.command_line=run"}, NONE))
    assert "(by OTEL_RESOURCE_ATTRIBUTES)" in line


@pytest.mark.parametrize("names", ["process", "otel, process", "*"])
def test_a_detector_that_brings_the_command_line_is_told(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases of the SDK differ in whether the one of processes does, so it is asked."""
    environ = {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": names}
    monkeypatch.setattr(ProcessResourceDetector, "detect", lambda self: Resource({"process.command_args": ("run",)}))
    (line,) = told(exposure.captured(environ, NONE))
    assert "(by OTEL_EXPERIMENTAL_RESOURCE_DETECTORS)" in line
    monkeypatch.setattr(ProcessResourceDetector, "detect", lambda self: Resource({"process.pid": 7}))
    (line,) = told(exposure.captured(environ, NONE))
    assert line.startswith("fine")
