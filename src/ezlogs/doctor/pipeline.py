"""How events would leave: alone, or beside another pipeline, as far as settings and packages tell before a start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ezlogs.doctor.finding import Finding
from ezlogs.settings import Loaded

_OWNED: Final = {
    "span": "owned: ezlogs exports the spans, and the events on them",
    "log": "owned: ezlogs exports the spans, and events as log records",
    "both": "owned: ezlogs exports the spans, and events on them and as log records",
}
_ATTACHED: Final = {
    "span": "attached: ezlogs exports only events, on spans of its own",
    "log": "attached: ezlogs exports only events, as log records",
    "both": "attached: ezlogs exports only events, on spans of its own and as log records",
}
_WITHOUT: Final = {
    "span": "attached without an address: events ride on the spans that another pipeline exports",
    "log": "attached without an address: another pipeline exports the spans, and its log records if it has some",
    "both": "attached without an address: events ride on the spans and log records of another pipeline",
}


_NOT_READ: Final = {
    "OTEL_BSP_MAX_QUEUE_SIZE": "it counts spans, ezlogs events and bytes: see max_queue_size and max_queue_bytes",
    "OTEL_BSP_EXPORT_TIMEOUT": "see timeout, or OTEL_EXPORTER_OTLP_TIMEOUT",
}
"""Variables of OpenTelemetry's own processor that have no meaning here, and what has."""


def not_read(environ: Mapping[str, str]) -> list[Finding]:
    """Tell which variables are set that somebody might expect to be read.

    Args:
        environ: The environment.

    Example:
        >>> [finding.about for finding in not_read({"OTEL_BSP_MAX_QUEUE_SIZE": "2048"})]
        ['OTEL_BSP_MAX_QUEUE_SIZE']
    """
    return [
        Finding("note", name, "ezlogs does not read it", instead)
        for name, instead in _NOT_READ.items()
        if environ.get(name, "").strip()
    ]


def pipeline(loaded: Loaded, environ: Mapping[str, str], other: str | None) -> Finding:
    """Tell which mode the pipeline would have under ``opentelemetry-instrument``.

    Args:
        loaded: The settings.
        environ: The environment.
        other: The name of the other distribution that builds the SDK, if one does.
    """
    settings, source = loaded.settings, loaded.sources["pipeline"]
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if not settings.enabled:
        return Finding("warning", "", "ezlogs is switched off", f"see enabled ({loaded.sources['enabled']})")
    if settings.pipeline == "owned":
        return Finding("fine", "", f"{_OWNED[settings.carrier]} ({source})")
    if settings.pipeline == "attached":
        why = source
    elif environ.get("OTEL_CONFIG_FILE", "").strip():
        return Finding("note", "", "OTEL_CONFIG_FILE decides: owned where it names no exporter of spans, else attached")
    elif other:
        why = f"{other} exports the spans"
    elif exporter:
        why = f"OTEL_TRACES_EXPORTER={exporter}"
    else:
        return Finding("fine", "", f"{_OWNED[settings.carrier]}, as long as the application adds no other exporter")
    if loaded.explicit("endpoint"):
        return Finding("fine", "", f"{_ATTACHED[settings.carrier]} ({why})")
    return Finding("warning", "", f"{_WITHOUT[settings.carrier]} ({why})", "set EZLOGS_ENDPOINT for delivery by ezlogs")
