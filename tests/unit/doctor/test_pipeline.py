"""Which mode the doctor foresees for the pipeline, and why."""

from __future__ import annotations

import pytest

from ezlogs.doctor.pipeline import not_read, pipeline
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


def test_variables_that_mean_nothing_here_are_named() -> None:
    """With what to set instead; where they are not set there is nothing to say."""
    found = not_read({"OTEL_BSP_MAX_QUEUE_SIZE": "2048", "OTEL_BSP_EXPORT_TIMEOUT": " "})
    assert [str(finding) for finding in found] == [
        "OTEL_BSP_MAX_QUEUE_SIZE: ezlogs does not read it; "
        "it counts spans, ezlogs events and bytes: see max_queue_size and max_queue_bytes"
    ]
