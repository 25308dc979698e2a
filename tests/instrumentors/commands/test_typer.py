"""A program of typer is told as one of click is, whether typer brings its own click or not."""

from __future__ import annotations

import click
import pytest
import typer
import typer.core

import ezlogs
from ezlogs.correlation import current
from ezlogs.testing import capture

shop = typer.Typer()
stock = typer.Typer()
shop.add_typer(stock, name="stock")


@shop.callback()
def begin(verbose: bool = False) -> None:
    """Keep a shop."""
    ezlogs.event("config.action", "read")


@shop.command()
def import_orders(token: str = typer.Option("", hide_input=True), limit: int = 10) -> None:
    """Import orders."""
    ezlogs.event("order.action", "imported")
    typer.echo("imported")


@stock.command()
def leave(how: str) -> None:
    """End in some way."""
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "abort":
        raise typer.Abort
    if how == "usage":
        raise typer.BadParameter("not hunter2")
    raise typer.Exit(int(how))


@stock.command()
def both(ctx: typer.Context) -> None:
    """Call another."""
    ctx.invoke(typer.main.get_command(shop).commands["import-orders"].callback, token="", limit=1)  # type: ignore[attr-defined]  # a group's


def test_a_run_is_told_once(run):
    """With groups, callbacks and options."""
    with capture(command_options="limit,token") as captured:
        result = run(shop, "--verbose", "import-orders", "--token", "hunter2", "--limit", "5", prog_name="shop")
    assert (result.exit_code, result.output) == (0, "imported\n")
    read, imported, ran = captured.events
    assert ran.action == "shop import-orders"
    assert ran.metadata == {"options": ("--verbose", "--token", "--limit"), "option.limit": 5, "exit_code": 0}
    assert read.correlation.parent_event_id == imported.correlation.parent_event_id == ran.event_id
    assert current() is None


@pytest.mark.parametrize(
    ("how", "end"),
    [
        ("0", ("success", 0)),
        ("5", ("failure", 5)),
        ("usage", ("failure", 2)),
        ("abort", ("failure", 1)),
        ("interrupt", ("unknown", None)),  # what typer makes of it: 130, and 1 before 0.10
    ],
)
def test_it_ends_as_its_exit_code_says(captured, run, instrumented, how, end):
    """Which is the same with us."""
    with_us = run(shop, "stock", "leave", how, prog_name="shop")
    ran = captured.events[-1]
    if end[1] is None:
        end = (end[0], with_us.exit_code)
    assert (ran.action, (ran.outcome, ran.metadata["exit_code"])) == ("shop stock leave", end)
    assert "hunter2" not in str(captured.events)
    instrumented.uninstrument()
    without = run(shop, "stock", "leave", how, prog_name="shop")
    assert (with_us.exit_code, with_us.output) == (without.exit_code, without.output)


def test_functions_that_a_command_calls_are_no_commands(captured, run):
    """They are what they are: functions."""
    assert run(shop, "stock", "both", prog_name="shop").exit_code == 0
    assert [event.action for event in captured.events] == ["read", "imported", "shop stock both"]


def test_a_program_that_is_one_command(captured, run):
    """Is its program's name."""
    app = typer.Typer()
    app.command()(lambda: None)
    assert run(app, prog_name="python -m tidy").exit_code == 0
    assert [event.action for event in captured.events] == ["tidy"]


def test_a_server_begins_no_story(captured, run):
    """As that of FastAPI's command."""
    fastapi, stories = typer.Typer(), []
    fastapi.command("dev")(lambda: stories.append(current()))
    fastapi.command("deploy")(lambda: stories.append(current()))
    run(fastapi, "dev", prog_name="fastapi")
    assert (captured.events, stories) == ([], [None])
    run(fastapi, "deploy", prog_name="fastapi")
    assert [event.action for event in captured.events] == ["fastapi deploy"]


def test_an_older_typer_is_built_on_the_click_that_is_installed(captured, instrumented):
    """It has a ``main`` of its own, and the rest from click."""
    from types import ModuleType

    from ezlogs_instrumentors.click_runs import attach_to_typer

    class TyperCommand(click.Command):
        def main(self, args: list[str], prog_name: str) -> object:  # type: ignore[override]  # what it is called with
            with self.make_context(prog_name, args) as ctx:
                return self.invoke(ctx)

    class TyperGroup(TyperCommand, click.Group):
        pass

    class Older(TyperGroup):
        main = TyperCommand.main

    TyperGroup.main = TyperCommand.main  # type: ignore[method-assign]  # each has its own
    module = ModuleType("typer.core")
    vars(module).update(TyperCommand=TyperCommand, TyperGroup=TyperGroup)
    attach_to_typer(instrumented._hooks, module)
    group = TyperGroup("shop", commands=[TyperCommand("go", callback=lambda: None)])
    group.main(["go"], "shop")
    TyperCommand("one", callback=lambda: None).main([], "one")
    assert [event.action for event in captured.events] == ["shop go", "one"]
