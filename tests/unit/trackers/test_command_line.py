"""A program's run begins nothing too early, is told once, and always restores what was before."""

from __future__ import annotations

import contextvars

import pytest
from opentelemetry import context

import ezlogs
from ezlogs.correlation import current
from ezlogs.testing import Captured, capture
from ezlogs.trackers.command_line import MAX_COMMANDS, CommandLine, called


def test_it_begins_once_it_cannot_come_to_an_excluded_command(captured: Captured) -> None:
    """And goes on under the name of what it comes to."""
    line = CommandLine()
    line.came_to(("shop",), last=False)  # could be `shop serve`
    assert current() is None
    line.came_to(("shop", "import"), last=False)
    correlation = current()
    assert correlation is not None
    line.came_to(("shop", "import", "orders"), last=True)
    assert current() is correlation
    line.end()
    (ran,) = captured.events
    assert (ran.action, ran.event_id) == ("shop import orders", correlation.parent_event_id)
    assert (current(), CommandLine.current()) == (None, None)


def test_runs_nest(captured: Captured) -> None:
    """Each knows its own."""
    outer = CommandLine()
    outer.came_to(("manage.py", "load"), last=True)
    inner = CommandLine()
    inner.came_to(("shop",), last=True)
    assert CommandLine.current() is inner
    inner.end()
    assert CommandLine.current() is outer
    outer.end()
    first, second = captured.events
    assert first.correlation.parent_event_id == second.event_id


def test_the_error_that_became_an_exit_code_is_told(captured: Captured) -> None:
    """Unless it was taken back; an exit code that was only returned is one."""
    for noted, left in (
        (ValueError("5"), SystemExit(2)),
        (None, SystemExit(2)),
        (KeyboardInterrupt(), SystemExit(130)),
        (SystemExit(4), None),
        (ValueError("caught"), None),
    ):
        line = CommandLine()
        line.came_to(("shop",), last=True)
        line.failed(noted)
        line.end(left)
    told = [(event.outcome, event.metadata["exit_code"], event.error and event.error.type) for event in captured.events]
    assert told == [
        ("failure", 2, "ValueError"),
        ("failure", 2, "SystemExit"),
        ("unknown", 130, "KeyboardInterrupt"),
        ("failure", 4, "SystemExit"),
        ("success", 0, None),
    ]


def test_what_failed_before_it_came_to_a_command_is_told(captured: Captured) -> None:
    """By the name so far, if it has one and is not excluded."""
    for path in ((), ("shop",), ("shop", "serve")):
        line = CommandLine()
        line.path = path
        line.failed(ValueError("--hunter2"), without_message=True)
        line.end(SystemExit(2))
    (ran,) = captured.events
    assert ran.action == "shop"
    assert ran.error is not None
    assert (ran.error.type, ran.error.message) == ("ValueError", None)


def test_it_is_told_once(captured: Captured) -> None:
    """What it comes to afterwards is not."""
    line = CommandLine()
    line.came_to(("shop",), last=True)
    line.tell()
    line.came_to(("shop",), last=True)
    line.end(SystemExit(1))
    assert [event.outcome for event in captured.events] == ["success"]


def test_a_run_that_is_withdrawn_leaves_its_story(captured: Captured) -> None:
    """And nothing of it is told, whatever its end."""
    for begun in (True, False):
        line = CommandLine()
        if begun:
            line.came_to(("shop",), last=True)
        line.withdraw()
        assert current() is None
        line.end(SystemExit(3))
    assert captured.events == []


def test_a_chain_lists_its_commands_within_bounds(captured: Captured) -> None:
    """However long it is."""
    line = CommandLine()
    for number in range(100):
        line.came_to(("shop", str(number)), last=True)
    line.know_options([f"--{number}" for number in range(100)], {})
    line.end()
    (ran,) = captured.events
    assert ran.action == "shop 99"
    assert ran.metadata["commands"] == tuple(map(str, range(MAX_COMMANDS)))
    assert len(ran.metadata["options"]) == 64


def test_it_may_end_in_another_context(captured: Captured) -> None:
    """As where a framework copies contexts: nothing is left behind, and nothing raised."""
    line = contextvars.copy_context().run(CommandLine)
    line.came_to(("shop",), last=True)
    line.end()
    assert (current(), CommandLine.current()) == (None, None)
    assert len(captured.events) == 1


def test_commands_that_code_calls_can_be_excluded() -> None:
    """By the same names; without a runtime nothing is made."""
    assert called(("shop", "import")) is None
    with capture(excluded_commands="shop import") as captured:
        assert called(("shop", "import")) is None
        made = called(("shop", "load"))
        assert made is not None
        made.__exit__(None, None, None)
    assert [event.action for event in captured.events] == ["shop load"]


def test_without_a_runtime_a_run_is_silent() -> None:
    """It has begun before ezlogs, or goes on after it."""
    before = context.get_current()
    line = CommandLine()
    line.came_to(("shop",), last=False)
    line.came_to(("shop", "import"), last=True)
    line.end(SystemExit(1))
    line.end()
    assert context.get_current() == before


@pytest.mark.parametrize("disabled", [True, False])
def test_a_disabled_type_leaves_the_story(disabled: bool) -> None:
    """What happens in the command still belongs together, and has no parent that never comes."""
    with capture(disabled_events="cli.*" if disabled else ()) as captured:
        line = CommandLine()
        line.came_to(("shop",), last=True)
        ezlogs.event("order.action", "placed")
        ezlogs.event("order.action", "packed")
        line.end()
    first, second = captured.events[:2]
    assert first.correlation == second.correlation
    assert (first.correlation.parent_event_id is None) is disabled
