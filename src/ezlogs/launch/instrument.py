"""Instrumenting: runs ezlogs' own instrumentors, or everybody's, without ever failing the application."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from ezlogs.runtime import log

GROUP = "opentelemetry_instrumentor"
OWN_PREFIX = "ezlogs_"
DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


def instrument(which: str | tuple[str, ...], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Run instrumentors by entry point and return the names of those that took hold.

    Args:
        which: ``ezlogs`` for ezlogs' own, ``all`` for every one installed, ``none``, or names, with or without the
            ``ezlogs_`` prefix. A library that is not installed is passed over.
        environ: The environment; ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` disables as it does for OpenTelemetry.
    """
    return [
        point.name
        for point in (() if which == "none" else entry_points(group=GROUP))
        if is_wanted(point.name, which) and not is_disabled(point.name, environ) and _instrumented(point)
    ]


def withdraw(which: str | tuple[str, ...]) -> None:
    """Take back those of ezlogs' own instrumentors that are not asked for.

    ``opentelemetry-instrument`` runs all that are installed, whatever distribution is elected. Never raises.

    Args:
        which: As for `instrument`.
    """
    for point in entry_points(group=GROUP):
        if point.name.startswith(OWN_PREFIX) and not is_wanted(point.name, which):
            _uninstrumented(point)


def is_disabled(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether the environment disables an instrumentor for everybody, by its name or by ``*``.

    >>> is_disabled("ezlogs_django", {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "flask, ezlogs_django"})
    True
    """
    names = {word.strip() for word in environ.get(DISABLED, "").split(",")}
    return "*" in names or name in names


def is_wanted(name: str, which: str | tuple[str, ...]) -> bool:
    """Return whether the setting ``instrument`` asks for an instrumentor.

    >>> is_wanted("ezlogs_django", ("django", "celery")), is_wanted("django", "ezlogs")
    (True, False)
    """
    if which == "ezlogs":
        return name.startswith(OWN_PREFIX)
    return which == "all" or name in which or name.removeprefix(OWN_PREFIX) in which


def _instrumented(point: Any) -> bool:
    try:
        instrumentor = point.load()()
        if point.name.startswith(OWN_PREFIX) and _is_missing(instrumentor):
            return False
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument()
    except ModuleNotFoundError:  # the library is not installed
        return False
    except Exception:
        log.exception("ezlogs: instrumenting %s failed; the application goes on without it", point.name)
        return False
    return True


def _is_missing(instrumentor: Any) -> bool:
    """Tell whether an instrumentor of ours has no library to instrument, of which OpenTelemetry would log an error."""
    is_installed = getattr(instrumentor, "is_installed", None)
    return is_installed is not None and not is_installed()


def _uninstrumented(point: Any) -> None:
    try:
        instrumentor = point.load()()
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
    except ModuleNotFoundError:  # the library is not installed
        pass
    except Exception:
        log.exception("ezlogs: %s could not be taken back; it stays active", point.name)
