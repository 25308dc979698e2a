"""One run of one suite: a process of its own, and what it reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contrib.suites import Mode, Suite

ROOT = Path(__file__).parents[2]
LONGEST = 300.0
"""Seconds that a suite may take."""


class Run(NamedTuple):
    """What a suite came to in one mode."""

    outcomes: Mapping[str, str]
    """By test: passed, failed or skipped."""

    ezlogs: Mapping[str, Any] | None = None
    """What ezlogs did; None in a run without it."""

    trouble: str = ""
    """Why there is no report."""

    def number(self, outcome: str) -> int:
        """Return how many tests came to an outcome."""
        return sum(1 for one in self.outcomes.values() if one == outcome)


def run(folder: Path, mode: Mode | None, endpoint: str) -> Run:
    """Run the suite in a folder of sources.

    Args:
        folder: Where ``tests`` is.
        mode: How ezlogs is active; None for a run without it.
        endpoint: Where ezlogs may send to.
    """
    with tempfile.TemporaryDirectory(prefix="ezlogs-contrib-") as scratch:
        report = Path(scratch) / "report.json"
        told = {"settings": settings(mode, endpoint), "report": str(report)}
        command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:ezlogs", "-p", "benchmarks.contrib.plugin"]
        command += ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "tests"]
        environ = environment(os.environ, {"EZ_CONTRIB_RUN": json.dumps(told), "EZLOGS_STATE_DIR": scratch})
        if mode is None:
            environ["EZLOGS_ENABLED"] = "false"  # tests of auto-instrumentation start whatever is installed
        try:
            done = subprocess.run(
                command, cwd=folder, env=environ, capture_output=True, text=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return Run({}, trouble=f"did not end within {LONGEST:.0f} s")
        if not report.exists():
            lines = (done.stderr or done.stdout).strip().splitlines()
            return Run({}, trouble=f"ended with {done.returncode}: {lines[-1] if lines else 'and said nothing'}")
        found = json.loads(report.read_text(encoding="utf-8"))
        return Run(found["outcomes"], found["ezlogs"])


def settings(mode: Mode | None, endpoint: str) -> dict[str, Any] | None:
    """Return the settings of ezlogs in a mode; None in a run without it.

    >>> settings(Mode("log", {"carrier": "log"}), "http://127.0.0.1:4318")
    {'carrier': 'log', 'endpoint': 'http://127.0.0.1:4318'}
    """
    if mode is None:
        return None
    return {**mode.settings, **({"endpoint": endpoint} if mode.delivers else {})}


def environment(environ: Mapping[str, str], further: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nobody's settings change what the tests find."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("OTEL_", "EZLOGS_", "DJANGO_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **further}


def troubles(run: Run, suite: Suite, mode: Mode) -> list[str]:
    """Return what is wrong with ezlogs in a run, whatever became of the tests."""
    if run.trouble:
        return [run.trouble]
    told = run.ezlogs
    if told is None or not told["running"]:
        return ["ezlogs was not active to the end"]
    found = []
    if suite.ours and suite.ours not in told["instrumentors"]:
        found.append(f"{suite.ours} was not active")
    if suite.tells and not told["events"].get(suite.tells):
        found.append(f"no {suite.tells} was told of, only {told['events'] or 'nothing'}")
    # Suites that tell of nothing put sockets of their own in the place of all, the collector's among them.
    if mode.delivers and suite.tells and (told["lost"] or told["delivered"] != told["emitted"]):
        found.append(f"{told['delivered']} of {told['emitted']} events were delivered; lost: {told['lost']}")
    found += [f"{told[name]} {name}" for name in ("internal_errors", "privacy_errors") if told[name]]
    return found
