"""Instrumenting chooses instrumentors by name, and never fails the application."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from ezlogs.launch import instrument as module
from ezlogs.launch.instrument import GROUP, instrument, withdraw
from ezlogs_instrumentors.hooks import HookingInstrumentor


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
    taken_back = 0

    def uninstrument(self) -> None:
        """Count it."""
        type(self).taken_back += 1


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


@pytest.mark.parametrize("disabled", ["ezlogs_one", "other, ezlogs_one"])
def test_what_the_environment_disables_stays_off(disabled: str) -> None:
    """OpenTelemetry's variable holds however the program starts."""
    assert instrument("ezlogs", {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled}) == ["ezlogs_running"]
    assert instrument("ezlogs", {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}) == []


@pytest.mark.parametrize(("which", "times"), [("none", 1), (("one",), 1), (("running",), 0), ("ezlogs", 0), ("all", 0)])
def test_what_was_not_asked_for_is_taken_back(which: str | tuple[str, ...], times: int) -> None:
    """The launcher runs all that is installed; the setting then has the last word, and missing libraries none."""
    before = Running.taken_back
    withdraw(which)
    assert Running.taken_back == before + times


def test_one_that_cannot_be_taken_back_stays(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The application goes on with it; a library that is missing is not worth a word."""

    def broken(self: Running) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(Running, "uninstrument", broken)
    points = [
        EntryPoint("ezlogs_running", f"{__name__}:Running", GROUP),
        EntryPoint("ezlogs_absent", "no_such_module:Instrumentor", GROUP),
    ]
    monkeypatch.setattr(module, "entry_points", lambda group: points)
    withdraw("none")
    assert [entry.getMessage() for entry in caplog.records] == [
        "ezlogs: ezlogs_running could not be taken back; it stays active"
    ]


class Absent(HookingInstrumentor):
    """Of a library that is not installed."""

    package = "no_such_library"
    versions = ("no-such-library >= 1",)


def test_a_library_that_is_not_installed_is_nothing_to_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Most applications use a few of all that can be instrumented."""
    points = [EntryPoint("ezlogs_absent", f"{__name__}:Absent", GROUP)]
    monkeypatch.setattr(module, "entry_points", lambda group: points)
    assert instrument("ezlogs") == []
    assert not caplog.records
