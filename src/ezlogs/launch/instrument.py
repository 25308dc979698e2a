"""Instrumenting: runs ezlogs' own instrumentors, or everybody's, without ever failing the application."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from ezlogs.runtime import log

GROUP = "opentelemetry_instrumentor"
OWN_PREFIX = "ezlogs_"


def instrument(which: str | tuple[str, ...]) -> list[str]:
    """Run instrumentors by entry point and return the names of those that took hold.

    Args:
        which: ``ezlogs`` for ezlogs' own, ``all`` for every one installed, ``none``, or names, with or without the
            ``ezlogs_`` prefix. A library that is not installed is passed over.
    """
    if which == "none":
        return []
    return [point.name for point in entry_points(group=GROUP) if _wanted(point.name, which) and _instrumented(point)]


def _wanted(name: str, which: str | tuple[str, ...]) -> bool:
    if which == "ezlogs":
        return name.startswith(OWN_PREFIX)
    return which == "all" or name in which or name.removeprefix(OWN_PREFIX) in which


def _instrumented(point: Any) -> bool:
    try:
        instrumentor = point.load()()
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument()
    except ModuleNotFoundError:  # the library is not installed
        return False
    except Exception:
        log.exception("ezlogs: instrumenting %s failed; the application goes on without it", point.name)
        return False
    return True
