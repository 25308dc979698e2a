"""What others see: exporters that ezlogs does not protect, and options of OpenTelemetry that capture more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final

from opentelemetry import trace

from ezlogs import otel_compat
from ezlogs.doctor.finding import Finding
from ezlogs.otel_logs import get_logger_provider

SIGNALS: Final[Mapping[str, tuple[str, str]]] = {
    "OTEL_TRACES_EXPORTER": ("spans", "ScrubbingSpanExporter"),
    "OTEL_LOGS_EXPORTER": ("log records", "ScrubbingLogRecordExporter"),
}
"""The variables that name exporters, with what these get, and what protects them."""

AGENTS: Final[Mapping[str, str]] = {
    "ddtrace": "Datadog",
    "elasticapm": "Elastic APM",
    "logfire": "logfire",
    "newrelic": "New Relic",
    "sentry_sdk": "Sentry",
    "splunk_otel": "Splunk",
}
"""SDKs that send what they see by ways of their own, by module."""

CAPTURED: Final[Mapping[str, str]] = {
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "headers of requests are captured",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE": "headers of answers are captured",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": "headers of requests to others are captured",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE": "headers of others' answers are captured",
    "OTEL_PYTHON_DJANGO_TRACED_REQUEST_ATTRS": "attributes of Django's requests are captured",
    "OTEL_PYTHON_FALCON_TRACED_REQUEST_ATTRS": "attributes of Falcon's requests are captured",
    "OTEL_PYTHON_TORNADO_TRACED_REQUEST_ATTRS": "attributes of Tornado's requests are captured",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "prompts and answers of models are captured",
    "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "every log message is exported",
}
"""Options that widen what is captured, each with what it does."""

_SANITIZED = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"
_DETECTORS = "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"
_LIMITS = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
_ALL = ("true", "span_only", "event_only", "span_and_event")
_OFF = ("", "none", "false", "no_content", "0")
_COMMAND = ("process.command_args", "process.command_line")
_DEPTH = 3
_NO_OTHER = (
    ", and no other exporter is known here; wrap what the application adds in ScrubbingSpanExporter or "
    "ScrubbingLogRecordExporter"
)


def exporters(
    environ: Mapping[str, str], other: str | None, tracing: object = None, logging: object = None
) -> Iterator[Finding]:
    """Tell which exporters get spans and log records as they are, and how each is protected.

    Args:
        environ: The environment.
        other: The name of the other distribution that builds the SDK, if one does.
        tracing: The tracer provider to look at; the process's own if left out.
        logging: The logger provider, likewise.
    """
    tracing = trace.get_tracer_provider() if tracing is None else tracing
    logging = get_logger_provider() if logging is None else logging
    found: list[Finding] = []
    if other:
        found.append(Finding("warning", other, "builds the SDK, and exports spans as they are", "wrap its exporters"))
    for provider, (variable, (what, wrapper)) in zip((tracing, logging), SIGNALS.items(), strict=True):
        # What is there counts more than what a variable would have brought there.
        found += _in_process(provider, what, wrapper) or _named(environ, variable, what, wrapper)
    if path := environ.get("OTEL_CONFIG_FILE", "").strip():
        found.append(Finding("warning", "OTEL_CONFIG_FILE", f"the exporters in '{path}' get everything as it is"))
    alone = all(finding.verdict == "fine" for finding in found)
    yield Finding("fine", "ezlogs' own", "what it exports is scrubbed" + (_NO_OTHER if alone else ""))
    yield from found
    if _words(environ.get("OTEL_METRICS_EXPORTER", "")):
        yield Finding("note", "OTEL_METRICS_EXPORTER", "ezlogs does not look at metrics: keep names out of attributes")
    for module, name in AGENTS.items():
        if find_spec(module) is not None:
            yield Finding(
                "note", name, "is installed; what it sends by itself ezlogs never sees", "see its own scrubbing"
            )


def captured(environ: Mapping[str, str], tracing: object = None) -> Iterator[Finding]:
    """Tell which options widen what is captured, and whether the command line is in the resource.

    Args:
        environ: The environment.
        tracing: The tracer provider whose resource to look at; the process's own if left out.
    """
    wide = False
    for variable, effect in CAPTURED.items():
        value = environ.get(variable, "").strip()
        if value.lower() in _OFF:
            continue
        wide = True
        if ".*" in value:
            yield Finding("warning", variable, f"{effect}: {value}", "name those that are needed")
        elif value.lower() in _ALL:
            yield Finding("warning", variable, effect, "is it meant for production?")
        else:
            yield Finding("note", variable, f"{effect}: {value}")
    if environ.get(_SANITIZED, "").strip():
        yield Finding("fine", _SANITIZED, "these headers are replaced before anybody sees them")
    for variable in _LIMITS:
        if environ.get(variable, "").strip():
            yield Finding(
                "note", variable, "values are cut before they are scrubbed: half a secret may not be known for one"
            )
    if where := _command_line(environ, tracing):
        yield Finding(
            "warning",
            _COMMAND[0],
            f"in the resource ({where}); scrubbed in what ezlogs exports",
            "give passwords by the environment, not on the command line",
        )
    elif not wide:
        yield Finding("fine", "", "nothing beyond what the instrumentations do by themselves; no command line")


def _named(environ: Mapping[str, str], variable: str, what: str, wrapper: str) -> list[Finding]:
    """What a variable would bring there."""
    advice = f"wrap it in {wrapper} in code, or let ezlogs export alone"
    text = f"gets {what} as they are"
    return [Finding("warning", f"{variable}={name}", text, advice) for name in _words(environ.get(variable, ""))]


def _in_process(provider: object, what: str, wrapper: str) -> list[Finding]:
    """What is there, where the doctor runs inside the program or under ``opentelemetry-instrument``."""
    kinds = [type(exporter) for exporter in _exporters(_processors(provider))]
    return [
        Finding("fine", kind.__qualname__, f"gets {what} scrubbed")
        if kind.__module__.startswith("ezlogs.")
        else Finding("warning", kind.__qualname__, f"gets {what} as they are", f"wrap it in {wrapper}")
        for kind in kinds
    ]


def _processors(provider: object) -> tuple[object, ...]:
    from opentelemetry.sdk.trace import TracerProvider

    if isinstance(provider, TracerProvider):
        return otel_compat.span_processors(provider) or ()
    return otel_compat.log_processors(provider) or ()


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip()) not in ("", "none")]


def _exporters(parts: Any, depth: int = _DEPTH) -> Iterator[object]:
    """Everything that exports in processors and in what they hold, but not in ezlogs' own."""
    for part in parts:
        if callable(getattr(part, "export", None)) and not isinstance(part, type):
            yield part
        elif depth and hasattr(part, "__dict__") and not type(part).__module__.startswith("ezlogs."):
            values = vars(part).values()
            held = (item for value in values for item in (value if isinstance(value, (list, tuple)) else (value,)))
            yield from _exporters(held, depth - 1)


def _command_line(environ: Mapping[str, str], tracing: object) -> str:
    """Say what brings the command line into the resource, if anything does."""
    from opentelemetry.sdk.resources import ProcessResourceDetector

    provider = trace.get_tracer_provider() if tracing is None else tracing
    attributes = getattr(getattr(provider, "resource", None), "attributes", {})
    if any(name in attributes for name in _COMMAND):
        return "of this process"
    if any(name in environ.get("OTEL_RESOURCE_ATTRIBUTES", "") for name in _COMMAND):
        return "by OTEL_RESOURCE_ATTRIBUTES"
    named = [name.strip() for name in environ.get(_DETECTORS, "").split(",")]
    if ("process" in named or "*" in named) and any(
        name in ProcessResourceDetector().detect().attributes for name in _COMMAND
    ):
        return f"by {_DETECTORS}"
    return ""
