"""Instrumenting chooses instrumentors by name, and never fails the application."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from ezlogs.launch import instrument as module
from ezlogs.launch.instrument import GROUP, instrument


class Instrumentor:
    """Counts how often it ran."""

    runs = 0
    is_instrumented_by_opentelemetry = False

    def instrument(self) -> None:
        """Run."""
        type(self).runs += 1


class Running(Instrumentor):
    """Runs already."""

    is_instrumented_by_opentelemetry = True


class Missing(Instrumentor):
    """Its library is not installed."""

    def instrument(self) -> None:
        """Say so."""
        raise ModuleNotFoundError("no such library")


class Failing(Instrumentor):
    """Has a bug."""

    def instrument(self) -> None:
        """Raise."""
        raise RuntimeError("bug")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install five instrumentors, four of them ezlogs' own."""
    points = [
        EntryPoint(name, f"{__name__}:{kind.__name__}", GROUP)
        for name, kind in (
            ("ezlogs_one", Instrumentor),
            ("ezlogs_running", Running),
            ("ezlogs_missing", Missing),
            ("ezlogs_failing", Failing),
            ("foreign", Instrumentor),
        )
    ]
    monkeypatch.setattr(module, "entry_points", lambda group: points)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("none", []),
        ("ezlogs", ["ezlogs_one", "ezlogs_running"]),
        ("all", ["ezlogs_one", "ezlogs_running", "foreign"]),
        (("one",), ["ezlogs_one"]),
        (("ezlogs_one", "foreign"), ["ezlogs_one", "foreign"]),
    ],
)
def test_instrumentors_are_chosen_by_name(which: str | tuple[str, ...], expected: list[str]) -> None:
    """ezlogs' own, everybody's, nobody's, or a list with or without the prefix."""
    assert instrument(which) == expected


def test_one_that_runs_already_is_left_alone() -> None:
    """Instrumenting twice changes nothing."""
    before = Running.runs
    assert instrument(("running",)) == ["ezlogs_running"]
    assert Running.runs == before


def test_one_that_fails_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    """The application goes on without it; a missing library is not worth a word."""
    assert instrument(("failing", "missing", "one")) == ["ezlogs_one"]
    assert [entry.getMessage() for entry in caplog.records] == [
        "ezlogs: instrumenting ezlogs_failing failed; the application goes on without it"
    ]
