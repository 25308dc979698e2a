"""The report: everything that the doctor looks at, in one pass, and whether all is well."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import msgspec

from ezlogs.doctor import exposure, privacy
from ezlogs.doctor.distributions import GROUPS, elect, told
from ezlogs.doctor.endpoint import endpoints
from ezlogs.doctor.finding import Finding
from ezlogs.doctor.instrumentation import clients, foreign, own
from ezlogs.doctor.journal import journal
from ezlogs.doctor.pipeline import not_read, pipeline
from ezlogs.doctor.sampling import sampling
from ezlogs.launch import rules
from ezlogs.launch.instrument import GROUP
from ezlogs.runtime import scrubber_of
from ezlogs.settings import Loaded, load
from ezlogs.settings.files import find_files
from ezlogs.settings.problem import Problem
from ezlogs.version import __version__


class Report(msgspec.Struct, frozen=True):
    """What the doctor found."""

    versions: Mapping[str, str]
    """Of ezlogs, Python and OpenTelemetry."""

    directory: str
    """Where it looked: the working directory."""

    loaded: Loaded
    """The settings that a program started here would have."""

    findings: Mapping[str, tuple[Finding, ...]]
    """By subject, in the order in which they are told."""

    @property
    def problems(self) -> int:
        """How many problems there are."""
        return self._number("problem")

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return self._number("warning")

    def document(self) -> dict[str, Any]:
        """Return the report as it is written to JSON; secrets are masked."""
        return {
            "versions": dict(self.versions),
            "directory": self.directory,
            "files": list(self.loaded.files),
            "settings": self.loaded.document(),
            "findings": {subject: msgspec.to_builtins(found) for subject, found in self.findings.items()},
            "problems": self.problems,
            "warnings": self.warnings,
        }

    def _number(self, verdict: str) -> int:
        return sum(finding.verdict == verdict for found in self.findings.values() for finding in found)


def examine(environ: Mapping[str, str] = os.environ, *, connect: bool = True) -> Report:
    """Look at everything that decides what ezlogs would do in a program that is started here.

    Args:
        environ: The environment of that program.
        connect: Whether to see if the endpoint answers.

    Example:
        >>> report = examine({"EZLOGS_TIMEOUT": "soon"}, connect=False)
        >>> print(report.findings["settings"][0])
        EZLOGS_TIMEOUT in the environment: timeout 'soon': not a number; use 0.001 to 600 seconds
    """
    loaded = load(environ, files=find_files(environ))
    points = list(entry_points(group=GROUP))
    groups = {group: list(entry_points(group=group)) for group in GROUPS}
    enabled = loaded.settings.enabled
    findings = {
        "settings": _settings(loaded),
        "delivery": endpoints(loaded) if connect and enabled else (),
        "journal": journal(loaded, environ, sys.platform),
        "pipeline": [pipeline(loaded, environ, _other(groups, environ)), *not_read(environ)],
        "sampling": sampling(loaded, environ),
        "launch": _launch(groups, environ),
        "instrumentation": [*own(points, loaded, environ), *foreign(points, loaded, environ)],
        "HTTP clients": clients(points, loaded, environ),
    }
    return _report(loaded, findings)


def examine_privacy(environ: Mapping[str, str] = os.environ) -> Report:
    """Look at what privacy does in a program that is started here, and scrub a sample of each kind as it would.

    Args:
        environ: The environment of that program.

    Example:
        >>> report = examine_privacy({"EZLOGS_REDACTION": "email=keep"})
        >>> report.problems, str(report.findings["self-test"][1])
        (1, 'e-mail address: gets through; redaction lets it (EZLOGS_REDACTION in the environment)')
    """
    loaded = load(environ, files=find_files(environ))
    groups = {group: list(entry_points(group=group)) for group in GROUPS}
    others = privacy.installed(entry_points(group=rules.GROUP))
    further = tuple(rule for one in others for rule in one.rules)
    scrubber = scrubber_of(loaded.settings, lambda: further)
    findings = {
        "exporters": exposure.exporters(environ, _other(groups, environ)),
        "captured": exposure.captured(environ),
        "settings": [*_switched_off(loaded), *_settings(loaded)],
        "rules": privacy.rules(scrubber, others),
        "names": privacy.names(loaded),
        "redaction": privacy.redaction(loaded, scrubber),
        "self-test": privacy.self_test(loaded, further),
    }
    return _report(loaded, findings)


def _report(loaded: Loaded, findings: Mapping[str, Iterable[Finding]]) -> Report:
    return Report(
        {"ezlogs": __version__, "Python": platform.python_version(), "OpenTelemetry": version("opentelemetry-sdk")},
        _directory(),
        loaded,
        {subject: found for subject, some in findings.items() if (found := tuple(some))},
    )


def _switched_off(loaded: Loaded) -> Iterator[Finding]:
    if not loaded.settings.enabled:
        text = f"false ({loaded.sources['enabled']}): ezlogs exports nothing, so it scrubs nothing"
        yield Finding("warning", "enabled", text)


def _settings(loaded: Loaded) -> Iterator[Finding]:
    for problem in loaded.problems:
        yield _of(problem, "problem")
    for warning in loaded.warnings:
        yield _of(warning, "warning")
    read = ", ".join(loaded.files)
    yield Finding("fine", "files", read) if read else Finding("note", "files", "none found")


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "a directory that was removed"


def _of(problem: Problem, verdict: Any) -> Finding:
    return Finding(verdict, problem.source, ": ".join(filter(None, (problem.given, problem.reason))))


def _launch(groups: Mapping[str, list[EntryPoint]], environ: Mapping[str, str]) -> Iterator[Finding]:
    for group, variable in GROUPS.items():
        yield from told(group.removeprefix("opentelemetry_"), groups[group], environ.get(variable))


def _other(groups: Mapping[str, list[EntryPoint]], environ: Mapping[str, str]) -> str | None:
    """Return the name of the other distribution that builds the SDK, if one does."""
    group = "opentelemetry_configurator"
    runs = elect(groups[group], environ.get(GROUPS[group])).runs
    return None if runs is None or runs.value.startswith("ezlogs.") else runs.dist.name if runs.dist else runs.value
