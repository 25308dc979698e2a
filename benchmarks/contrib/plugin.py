"""The pytest plugin in a suite's process: has ezlogs active where it is to be, and notes what became of each test.

``EZ_CONTRIB_RUN`` tells it what to do, as JSON: ``settings``, those of ezlogs or null for a run without it, and
``report``, the file to write.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

_RANKS = {"skipped": 0, "passed": 1, "failed": 2}


class Outcomes:
    """What became of each test: failed where any part of it did."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test's call, and of what prepares and follows it where that is not as it should be."""
        if report.when == "call" or not report.passed:
            self._note(report.nodeid, report.outcome)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot even be imported."""
        if report.failed:
            self._note(report.nodeid, "failed")

    def _note(self, test: str, outcome: str) -> None:
        self.of[test] = max(outcome, self.of.get(test, outcome), key=_RANKS.__getitem__)


class Active:
    """ezlogs as an application has it: configured once, and put on whatever tracer provider takes another's place."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from opentelemetry import trace

        import ezlogs
        from ezlogs.runtime import current_runtime

        self.events: Counter[str] = Counter()
        self.warnings: list[str] = []
        log = logging.Handler(logging.WARNING)
        log.emit = lambda record: self.warnings.append(record.getMessage())  # type: ignore[method-assign]  # all it has
        logging.getLogger("ezlogs").addHandler(log)
        ezlogs.configure(service_name="contrib", instrument="ezlogs", **settings)

        runtime = current_runtime()
        assert runtime is not None
        assert runtime.carrier is not None
        # What a process does once must not make tests fail that look whether a span has ended yet.
        ezlogs.event("contrib.suite", "begun", outcome="failure", error=RuntimeError("none"))
        carry = runtime.carrier.carry

        def counting(event: Any, ctx: Any) -> None:
            self.events[event.event_type] += 1
            carry(event, ctx)

        runtime.carrier.carry = counting  # type: ignore[method-assign]  # counted on its way
        self._runtime = runtime
        trace.set_tracer_provider = _then(trace.set_tracer_provider, ezlogs.configure)

    def told(self) -> dict[str, Any]:
        """Return what ezlogs did, once all of it has gone out."""
        import ezlogs
        from ezlogs.runtime import current_runtime

        end = monotonic() + 20
        while not (ezlogs.flush(20) and not ezlogs.health()["pending"]) and monotonic() < end:
            sleep(0.05)  # a worker's thread of the suite's has yet to end a span, on which an event rides
        health: dict[str, Any] = ezlogs.health()
        counts = ("emitted", "delivered", "handed_over", "lost", "internal_errors", "privacy_errors")
        return {
            "running": current_runtime() is self._runtime,
            "events": dict(self.events),
            "instrumentors": sorted(_active()),
            "warnings": self.warnings,
            **{name: health.get(name, 0) for name in counts},
        }


def _then(call: Callable[..., None], further: Callable[[], None]) -> Callable[..., None]:
    def both(*args: Any, **kwargs: Any) -> None:
        call(*args, **kwargs)
        further()

    return both


def _active() -> list[str]:
    """Return the names of ezlogs' instrumentors that are active; not those of libraries that are not installed."""
    found = []
    for point in entry_points(group="opentelemetry_instrumentor"):
        if point.name.startswith("ezlogs_"):
            try:
                if point.load()().is_instrumented_by_opentelemetry:
                    found.append(point.name)
            except ModuleNotFoundError:
                continue
    return found


class Report:
    """Starts ezlogs before the suite's modules are imported, and writes the report when all tests have run."""

    def __init__(self, settings: dict[str, Any] | None, report: str) -> None:
        self.outcomes = Outcomes()
        self._active = Active(settings) if settings is not None else None
        self._file = Path(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        ezlogs = self._active.told() if self._active else None
        self._file.write_text(json.dumps({"outcomes": self.outcomes.of, "ezlogs": ezlogs}), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Begin, before anything of the suite is imported."""
    report = Report(**json.loads(os.environ["EZ_CONTRIB_RUN"]))
    config.pluginmanager.register(report.outcomes)
    config.pluginmanager.register(report)
