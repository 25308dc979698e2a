"""How events would leave: alone, or beside another pipeline, as far as settings and packages tell before a start."""

from __future__ import annotations

from collections.abc import Mapping

from ezlogs.doctor.finding import Finding
from ezlogs.settings import Loaded

_OWNED = "owned: ezlogs exports the spans and the events on them"
_ATTACHED = "attached: ezlogs exports only events, on spans of its own"
_WITHOUT = "attached without an address: events ride on the spans that another pipeline exports"


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
        return Finding("fine", "", f"{_OWNED} ({source})")
    if settings.pipeline == "attached":
        why = source
    elif environ.get("OTEL_CONFIG_FILE", "").strip():
        return Finding("note", "", "OTEL_CONFIG_FILE decides: owned where it names no exporter of spans, else attached")
    elif other:
        why = f"{other} exports the spans"
    elif exporter:
        why = f"OTEL_TRACES_EXPORTER={exporter}"
    else:
        return Finding("fine", "", f"{_OWNED}, as long as the application adds no other exporter")
    if loaded.explicit("endpoint"):
        return Finding("fine", "", f"{_ATTACHED} ({why})")
    return Finding("warning", "", f"{_WITHOUT} ({why})", "set EZLOGS_ENDPOINT for delivery by ezlogs")
