"""A command's run begins a story or goes on with its process's, ends as its exit code says, and tells no value."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from enum import Enum
from pathlib import PurePath

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

import ezlogs
from ezlogs import Actor, Subject
from ezlogs.testing import Captured, capture
from ezlogs.trackers.command import MAX_OPTIONS, harmless, option_names, option_values, os_user

USER_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as Ada."""
    for name in USER_NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "ada")


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Return where the finished spans of `tracer` go."""
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


@pytest.fixture
def tracer(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracer]:
    """Return a tracer of a real SDK, which commands use too."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer", lambda name, version=None, *_, **__: provider.get_tracer(name, version))
    yield provider.get_tracer("application")
    provider.shutdown()


def test_a_command_begins_a_story(captured: Captured) -> None:
    """The operating system's user acts; what happens in it is caused by it."""
    with ezlogs.command("manage.py migrate", argv=["--plan"], metadata={"database": "default"}):
        ezlogs.event("schema.action", "changed")
    changed, ran = captured.events
    assert (ran.event_type, ran.action) == ("cli.command", "manage.py migrate")
    assert changed.correlation.parent_event_id == ran.event_id
    assert ran.actor == changed.actor == Actor("cli", "ada")
    assert ran.subject == Subject("command", "manage.py migrate")
    assert ran.metadata == {"database": "default", "options": ("--plan",), "exit_code": 0}


@pytest.mark.parametrize(
    ("error", "outcome", "exit_code"),
    [
        (SystemExit(0), "success", 0),
        (SystemExit(2), "failure", 2),
        (SystemExit("no such file"), "failure", 1),
        (ValueError("5"), "failure", None),
        (KeyboardInterrupt(), "unknown", None),
    ],
)
@pytest.mark.usefixtures("tracer")
def test_a_command_ends_as_its_exit_code_says(
    captured: Captured,
    spans: InMemorySpanExporter,
    error: BaseException,
    outcome: str,
    exit_code: int | None,
) -> None:
    """One that an exception leaves has no exit code yet: whoever catches it decides."""
    with pytest.raises(type(error)), ezlogs.command("import-orders"):
        raise error
    (event,), (span,) = captured.events, spans.get_finished_spans()
    assert (event.outcome, event.metadata.get("exit_code")) == (outcome, exit_code)
    assert (span.attributes or {}).get("process.exit.code") == exit_code


def test_the_application_may_know_the_exit_code_better(captured: Captured) -> None:
    """As a command does that returns a number; it holds for one run."""
    command = ezlogs.command("import-orders")
    with command as run:
        run.exit_code = 3
    with command:
        pass
    assert [(event.outcome, event.metadata["exit_code"]) for event in captured.events] == [
        ("failure", 3),
        ("success", 0),
    ]


def test_a_nested_command_stays_in_its_callers_story(captured: Captured) -> None:
    """As ``call_command`` in a request does."""
    with ezlogs.actor("user", 7), ezlogs.flow("signup", 1) as around:
        with ezlogs.command("warm_cache", nested=True):
            pass
        with ezlogs.command("warm_cache"):
            pass
    _, nested, own, _ = captured.events
    assert nested.actor == Actor("user", "7")
    assert around.correlation is not None
    assert nested.correlation == around.correlation
    assert own.correlation.correlation_id != around.correlation.correlation_id


def test_a_span_around_the_whole_command_is_its_hop(
    captured: Captured, tracer: Tracer, spans: InMemorySpanExporter
) -> None:
    """Whoever instruments commands has made one: its trace is the story's, and there is no second one."""
    command = ezlogs.command("import-orders")
    with tracer.start_as_current_span("import-orders") as around, command:
        pass
    assert [span.name for span in spans.get_finished_spans()] == ["import-orders"]
    assert captured.events[0].correlation.correlation_id == f"{around.get_span_context().trace_id:032x}"
    assert captured.events[0].actor == Actor("cli", "ada")
    with command:  # and without one it makes its own
        pass
    with tracer.start_as_current_span("import-orders"), command:
        pass
    assert len(spans.get_finished_spans()) == 3


def test_only_the_names_of_options_are_told() -> None:
    """Each once, and not without end."""
    assert option_names(["--token=hunter2", "-psecret", "--token", "x", "-5", "-", 7, "--x y"]) == ("--token", "-p")
    assert option_names(["--a", "--", "--b"]) == ("--a",)
    assert len(option_names(f"--option-{number}" for number in range(1000))) == MAX_OPTIONS


def test_values_of_options_are_told_on_request() -> None:
    """Where they cannot be mistaken for anything else; privacy is asked about them."""
    argv = ["--limit=5", "--dry-run", "orders.csv", "--api-key=hunter2", "--limit", "6", "-limit=7", "--", "--note=no"]
    with capture(command_options="limit,--dry-run,api_key,note") as captured, ezlogs.command("import", argv=[*argv, 5]):
        pass
    (ran,) = captured.events
    assert {name: value for name, value in ran.metadata.items() if name.startswith("option.")} == {
        "option.limit": "5",
        "option.api_key": "hunter2",
    }
    captured.assert_absent("hunter2")
    assert option_values(["--limit=5"]) == {}


def test_only_plain_values_are_told() -> None:
    """Whatever a parser has made of them."""
    assert harmless(date(2026, 1, 2)) == "2026-01-02"
    assert harmless(Outcome.GOOD) == 1
    assert harmless([PurePath("a"), object(), None, (1.5, True)]) == ("a", (1.5, True))


class Outcome(Enum):
    GOOD = 1


@pytest.mark.usefixtures("tracer")
def test_a_command_may_learn_its_name_late(captured: Captured, spans: InMemorySpanExporter) -> None:
    """Its span with it; without one too."""
    with ezlogs.command("shop") as run:
        run.rename("shop import")
        run.know({"rows": 3})
    (span,) = spans.get_finished_spans()
    (ran,) = captured.events
    assert (ran.action, ran.subject, span.name) == ("shop import", Subject("command", "shop import"), "shop import")
    assert ran.metadata == {"rows": 3, "exit_code": 0}


def test_a_command_may_be_withdrawn(captured: Captured, tracer: Tracer, spans: InMemorySpanExporter) -> None:
    """Its span ends then, and nothing is told; the next run is."""
    command = ezlogs.command("shop")
    with command as run:
        run.withdraw()
        assert len(spans.get_finished_spans()) == 1
    with command:
        pass
    with tracer.start_as_current_span("around"), command as run:
        run.withdraw()
    assert [event.action for event in captured.events] == ["shop"]
    assert len(spans.get_finished_spans()) == 3


def test_a_nested_command_may_have_a_span_already(
    captured: Captured, tracer: Tracer, spans: InMemorySpanExporter
) -> None:
    """Of somebody who instruments commands; it is the hop."""
    with ezlogs.command("outer"), tracer.start_as_current_span("inner"):
        inner = ezlogs.command("inner", nested=True)
        inner.spanned = True
        with inner:
            pass
    assert [span.name for span in spans.get_finished_spans()] == ["inner", "outer"]
    assert captured.events[0].correlation.parent_event_id == captured.events[1].event_id


def test_the_systems_user_is_looked_up_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names it, else the system its number, else nobody does."""
    assert os_user() == "ada"
    monkeypatch.setenv("LOGNAME", "not a name\n")
    assert os_user() == "ada"
    monkeypatch.delenv("USER")
    assert os_user() == str(os.getuid())
    monkeypatch.delattr(os, "getuid")
    assert os_user() is None
