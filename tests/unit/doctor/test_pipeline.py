"""Which mode the doctor foresees for the pipeline, and why."""

from __future__ import annotations

import pytest

from ezlogs.doctor.pipeline import pipeline
from ezlogs.settings import load

ADDRESS = {"EZLOGS_ENDPOINT": "http://localhost:4318"}


@pytest.mark.parametrize(
    ("environ", "other", "verdict", "words"),
    [
        ({}, None, "fine", "owned: ezlogs exports the spans, and the events on them, as long as the appl"),
        ({"EZLOGS_PIPELINE": "owned"}, "vendor", "fine", "on them (EZLOGS_PIPELINE in the environment)"),
        ({"EZLOGS_PIPELINE": "attached", **ADDRESS}, None, "fine", "spans of its own (EZLOGS_PIPELINE in the environ"),
        ({"OTEL_TRACES_EXPORTER": "otlp", **ADDRESS}, None, "fine", "spans of its own (OTEL_TRACES_EXPORTER=otlp)"),
        ({"OTEL_TRACES_EXPORTER": "none", **ADDRESS}, None, "fine", "of its own (OTEL_TRACES_EXPORTER in the env"),
        (ADDRESS, "vendor", "fine", "spans of its own (vendor exports the spans)"),
        ({}, "vendor", "warning", "ride on the spans that another pipeline exports (vendor exports the spans)"),
        ({"EZLOGS_CARRIER": "log"}, None, "fine", "owned: ezlogs exports the spans, and events as log records"),
        (
            {"EZLOGS_CARRIER": "both", **ADDRESS},
            "vendor",
            "fine",
            "only events, on spans of its own and as log records",
        ),
        (
            {"EZLOGS_CARRIER": "log"},
            "vendor",
            "warning",
            "exports the spans, and its log records if it has some (vendor",
        ),
        ({"OTEL_CONFIG_FILE": "otel.yaml"}, "vendor", "note", "OTEL_CONFIG_FILE decides"),
        ({"EZLOGS_ENABLED": "no"}, None, "warning", "switched off; see enabled (EZLOGS_ENABLED in the environment)"),
    ],
)
def test_the_mode_comes_with_its_reason(environ: dict[str, str], other: str | None, verdict: str, words: str) -> None:
    """The setting, the environment, another distribution, or nothing of all that."""
    finding = pipeline(load(environ), environ, other)
    assert finding.verdict == verdict
    assert words in str(finding)
