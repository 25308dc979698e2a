"""Log records go where it was said, and beside the spans where only those were spoken of."""

from __future__ import annotations

import pytest

from ezlogs.settings import load, logs_address
from ezlogs.settings.configfile import ConfigFile, Files

TRACES, LOGS, GENERAL = (
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)


@pytest.mark.parametrize(
    ("environ", "in_code", "expected"),
    [
        ({}, {"logs_endpoint": "http://l"}, "http://l/v1/logs"),
        ({}, {"logs_endpoint": "http://l", "endpoint": "http://e"}, "http://l/v1/logs"),
        ({"EZLOGS_LOGS_ENDPOINT": "http://l"}, {"endpoint": "http://e"}, "http://l/v1/logs"),
        ({LOGS: "http://l/in"}, {}, "http://l/in"),
        ({GENERAL: "http://g"}, {}, "http://g/v1/logs"),
        ({GENERAL: "http://g", TRACES: "http://t/in"}, {}, "http://g/v1/logs"),
        ({GENERAL: "http://g", LOGS: "http://l/in"}, {}, "http://l/in"),
        ({}, {"endpoint": "http://e"}, "http://e/v1/logs"),
        ({"EZLOGS_ENDPOINT": "http://e/v1/traces?tenant=1"}, {}, "http://e/v1/logs?tenant=1"),
        ({GENERAL: "http://g"}, {"endpoint": "http://e"}, "http://e/v1/logs"),
        ({LOGS: "http://l/in", "EZLOGS_ENDPOINT": "http://e"}, {}, "http://e/v1/logs"),
    ],
)
def test_what_was_said_is_followed(environ: dict[str, str], in_code: dict[str, object], expected: str) -> None:
    """What the application tells ezlogs is stronger than what it tells every exporter."""
    assert logs_address(load(environ, in_code)) == (expected, True)


@pytest.mark.parametrize("environ", [{}, {TRACES: "http://t/in"}])
def test_where_nothing_was_said_it_is_a_collector_on_this_machine(environ: dict[str, str]) -> None:
    """OpenTelemetry's address for traces says nothing about logs."""
    assert logs_address(load(environ)) == ("http://localhost:4318/v1/logs", False)


@pytest.mark.parametrize(
    ("environ", "text", "expected"),
    [
        ({"EZLOGS_ENDPOINT": "http://e"}, "logs_endpoint = 'http://l'", "http://l/v1/logs"),
        ({LOGS: "http://o/in"}, "endpoint = 'http://e'", "http://o/in"),
        ({}, "endpoint = 'http://e'", "http://e/v1/logs"),
    ],
)
def test_what_a_file_says_is_followed(environ: dict[str, str], text: str, expected: str) -> None:
    """It speaks of ezlogs alone, but weaker than the variables of all exporters."""
    loaded = load(environ, files=Files((ConfigFile("ezlogs.toml", text),)))
    assert logs_address(loaded) == (expected, True)
