"""What is instrumented, what is not, and why: read from the entry points of what is installed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, version
from importlib.util import find_spec
from typing import Any, Final

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts, get_dist_dependency_conflicts

from ezlogs.doctor.finding import Finding
from ezlogs.launch.instrument import DISABLED, OWN_PREFIX, is_disabled, is_wanted
from ezlogs.settings import Loaded

CLIENTS: Final[Mapping[str, str]] = {
    "aiohttp": "aiohttp_client",
    "http.client": "urllib",
    "httpcore": "httpx",
    "httpx": "httpx",
    "niquests": "niquests",
    "pycurl": "pycurl",
    "requests": "requests",
    "urllib.request": "urllib",
    "urllib3": "urllib3",
}
"""The HTTP clients that are known, by module, each with the name that an instrumentor of it has."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def own(points: Iterable[EntryPoint], loaded: Loaded, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell of each of ezlogs' own instrumentors, the active ones first.

    Args:
        points: Every entry point of the group ``opentelemetry_instrumentor``.
        loaded: The settings.
        environ: The environment, which may disable instrumentors.
    """
    points = list(points)
    beside = {_plain(point.name) for point in points if not _is_own(point) and not is_disabled(point.name, environ)}
    findings = [_own(point, loaded, environ, beside) for point in points if _is_own(point)]
    yield from sorted(findings, key=lambda finding: (finding.verdict == "note", finding.about))


def foreign(points: Iterable[EntryPoint], loaded: Loaded, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell of everybody else's instrumentors together, but of each that is in conflict with its library by itself."""
    active, absent, disabled = [], [], []
    for point in sorted((point for point in points if not _is_own(point)), key=lambda point: point.name):
        conflict: Any = get_dist_dependency_conflicts(point.dist) if point.dist else None
        if is_disabled(point.name, environ):
            disabled.append(point.name)
        elif conflict and (conflict.found or conflict.found_any):
            yield Finding("warning", point.name, _conflict(conflict), "OpenTelemetry passes it over")
        elif conflict:
            absent.append(point.name)
        else:
            active.append(point.name)
    how = "" if loaded.settings.instrument == "all" else " under opentelemetry-instrument"
    if active:
        yield Finding("fine", "others", f"{', '.join(active)}{how}")
    if absent:
        yield Finding("note", "others", f"library not installed: {', '.join(absent)}")
    if disabled:
        yield Finding("note", "others", f"disabled by {DISABLED}: {', '.join(disabled)}")


def clients(points: Iterable[EntryPoint], loaded: Loaded, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which HTTP clients are installed that ezlogs does not hook."""
    hooked = {
        point.name.removeprefix(OWN_PREFIX)
        for point in points
        if _is_own(point) and not is_disabled(point.name, environ) and is_wanted(point.name, loaded.settings.instrument)
    }
    installed = {module: name for module, name in CLIENTS.items() if find_spec(module.partition(".")[0]) is not None}
    known = [module for module, name in installed.items() if name in hooked]
    unknown = [module for module, name in installed.items() if name not in hooked]
    if known:
        yield Finding("fine", "hooked", ", ".join(known))
    if unknown:
        yield Finding(
            "note",
            "not hooked",
            f"{', '.join(unknown)}: with their own requests a story is neither sent along nor held back",
        )


def _is_own(point: EntryPoint) -> bool:
    return point.name.startswith(OWN_PREFIX)


def _own(point: EntryPoint, loaded: Loaded, environ: Mapping[str, str], beside: Collection[str]) -> Finding:
    name = point.name
    if is_disabled(name, environ):
        return Finding("note", name, f"disabled by {DISABLED}")
    if not is_wanted(name, loaded.settings.instrument):
        return Finding("note", name, f"left out by the setting instrument ({loaded.sources['instrument']})")
    try:
        requirements = tuple(point.load()().instrumentation_dependencies())
    except ModuleNotFoundError as missing:
        return Finding("note", name, f"{missing.name or 'its library'} is not installed")
    except Exception as error:
        return Finding("problem", name, f"cannot be loaded: {type(error).__name__}", "the application runs without it")
    conflict: Any = get_dependency_conflicts(requirements)
    if conflict and conflict.found:
        return Finding("warning", name, _conflict(conflict), "it may not work")
    if conflict:
        return Finding("note", name, f"{_library(str(conflict.required))} is not installed")
    libraries = ", ".join(map(_installed, requirements)) or "standard library"
    spans = "; rides on the spans of OpenTelemetry's own" if _plain(name.removeprefix(OWN_PREFIX)) in beside else ""
    return Finding("fine", name, libraries + spans)


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _conflict(conflict: Any) -> str:
    needed = conflict.required or " or ".join(map(_without_marker, conflict.required_any))
    found = conflict.found or ", ".join(map(str, conflict.found_any))
    return f"needs {_without_marker(needed)}, and found {found}"


def _without_marker(requirement: object) -> str:
    return str(requirement).partition(";")[0]


def _library(requirement: str) -> str:
    found = _NAME.match(requirement)
    return found[0] if found else requirement


def _installed(requirement: str) -> str:
    name = _library(requirement)
    return f"{name} {version(name)}"
