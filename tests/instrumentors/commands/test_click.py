"""A program of click is told once, under the name of the command that it came to, and behaves as ever."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import click
import pytest
import rich_click
from flask import Flask
from flask.cli import FlaskGroup

import ezlogs
from ezlogs import Actor, Subject
from ezlogs.correlation import current
from ezlogs.testing import capture


@click.group()
@click.option("--config")
def shop(config: str | None) -> None:
    """Keep a shop."""
    ezlogs.event("config.action", "read")


@shop.group("import")
def import_() -> None:
    """Import."""


@import_.command()
@click.argument("files", nargs=-1)
@click.option("--dry-run", "-n", is_flag=True)
@click.option("--limit", type=int, default=10)
@click.option("--token", hide_input=True)
@click.option("--port", type=int)
def orders(files: tuple[str, ...], **options: Any) -> None:
    """Import orders."""
    ezlogs.event("order.action", "imported")
    click.echo(f"imported {len(files)}")


@import_.command()
@click.argument("how")
@click.pass_context
def leave(ctx: click.Context, how: str) -> Any:
    """End in some way."""
    raising: dict[str, BaseException] = {
        "usage": click.UsageError("not hunter2"),
        "own": click.ClickException("no such shop"),
        "abort": click.Abort(),
        "text": SystemExit("no such file"),
        "none": SystemExit(None),
        "error": ValueError("5"),
        "interrupt": KeyboardInterrupt(),
        "pipe": BrokenPipeError(32, "Broken pipe"),
    }
    if how in raising:
        raise raising[how]
    if how != "return":
        ctx.exit(int(how))
    return 7


@import_.command()
@click.pass_context
def everything(ctx: click.Context) -> None:
    """Call two others, one of which fails."""
    ctx.invoke(orders, files=("a.csv",))
    try:
        ctx.invoke(leave, how="3")
    except click.exceptions.Exit:
        ctx.forward(leave, how="none")


@pytest.fixture
def last(captured, run):
    """Run the shop and return its event."""

    def last(*args: str, program: Any = shop, **options: Any) -> Any:
        run(program, *args, **options)
        return captured.events[-1]

    return last


def test_a_run_is_told_once_and_by_the_commands_that_it_came_to(captured, run):
    """What happens in it, in groups too, is caused by it; no argument is told, and of options the names."""
    result = run(shop, "--config", "x.toml", "import", "orders", "-n", "--token", "--hunter2", "secret.csv")
    assert (result.exit_code, result.output) == (0, "imported 1\n")
    read, imported, ran = captured.events
    assert (ran.event_type, ran.action, ran.outcome) == ("cli.command", "shop import orders", "success")
    assert (ran.actor, ran.subject) == (Actor("cli", "ada"), Subject("command", "shop import orders"))
    assert ran.duration > 0
    assert ran.metadata == {"options": ("--config", "--dry-run", "--token"), "exit_code": 0}
    assert read.correlation.parent_event_id == imported.correlation.parent_event_id == ran.event_id
    assert read.correlation.correlation_id == imported.correlation.correlation_id == ran.correlation.correlation_id
    assert imported.actor == Actor("cli", "ada")
    assert current() is None


@pytest.mark.parametrize(
    ("how", "outcome", "exit_code", "error"),
    [
        ("0", "success", 0, None),
        ("5", "failure", 5, ("SystemExit", "5")),
        ("none", "success", 0, None),
        ("return", "success", 0, None),
        ("text", "failure", 1, ("SystemExit", "no such file")),
        ("usage", "failure", 2, ("click.exceptions.UsageError", None)),
        ("own", "failure", 1, ("click.exceptions.ClickException", "no such shop")),
        ("abort", "failure", 1, ("click.exceptions.Abort", None)),
        ("interrupt", "unknown", 1, ("KeyboardInterrupt", None)),
        ("pipe", "failure", 1, ("BrokenPipeError", "[Errno 32] Broken pipe")),
        ("error", "failure", None, ("ValueError", "5")),
    ],
)
def test_it_ends_as_its_exit_code_says(last, how, outcome, exit_code, error):
    """Also where click makes an exit code of an error; its message is left out where it repeats arguments."""
    ran = last("import", "leave", how)
    assert (ran.action, ran.outcome) == ("shop import leave", outcome)
    assert ran.metadata.get("exit_code") == exit_code
    assert ((ran.error.type, ran.error.message or None) if ran.error else None) == error


@pytest.mark.parametrize("how", ["5", "none", "return", "text", "usage", "own", "abort", "interrupt", "pipe", "error"])
def test_what_its_caller_sees_is_the_same_without_us(run, captured, instrumented, how):
    """Exit code, output and error."""
    with_us = run(shop, "import", "leave", how)
    instrumented.uninstrument()
    without = run(shop, "import", "leave", how)
    assert captured.of("cli.command")
    seen = [(result.exit_code, result.output, repr(result.exception)) for result in (with_us, without)]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("how", "outcome", "exit_code"),
    [
        ("0", "success", 0),
        ("5", "failure", 5),
        ("return", "success", 0),
        ("own", "failure", 1),
        ("usage", "failure", 2),
        ("abort", "failure", 1),
        ("interrupt", "unknown", 1),
        ("text", "failure", 1),
    ],
)
def test_a_program_that_returns_to_its_caller_ends_the_same(captured, how, outcome, exit_code):
    """An exit code that is only returned is one; what a command returns is none."""
    result = None
    with suppress(click.ClickException, click.Abort, SystemExit):
        result = shop.main(["import", "leave", how], prog_name="shop", standalone_mode=False)
    assert result == {"0": 0, "5": 5, "return": 7}.get(how)
    ran = captured.events[-1]
    assert (ran.outcome, ran.metadata["exit_code"]) == (outcome, exit_code)


@pytest.mark.parametrize(
    ("args", "action"),
    [
        (["--nope"], "shop"),
        (["nope"], "shop"),
        (["import", "nope"], "shop import"),
        (["import", "orders", "--port", "hunter2"], "shop import orders"),
    ],
)
def test_arguments_that_are_refused_are_told_as_a_failure(captured, last, args, action):
    """Without what they were."""
    ran = last(*args)
    assert (ran.action, ran.outcome, ran.metadata["exit_code"]) == (action, "failure", 2)
    assert ran.error.type.startswith("click.exceptions.")
    assert "hunter2" not in str(captured.events)


@pytest.mark.parametrize("args", [["--help"], ["import", "--help"], ["import", "orders", "--help"]])
def test_help_is_no_run_of_a_command_that_nobody_came_to(captured, run, args):
    """Of the groups on the way to it, it is one."""
    assert run(shop, *args).exit_code == 0
    assert [event.action for event in captured.events if event.event_type == "cli.command"] in (
        [],
        ["shop import"],
        ["shop import orders"],
    )
    assert all(event.outcome == "success" for event in captured.events)


def test_completion_is_no_run(captured, run):
    """A shell asks for it with each key."""
    run(shop, env={"_SHOP_COMPLETE": "bash_source"}, prog_name="shop")
    assert captured.events == []


def test_a_chain_is_one_run(captured):
    """Its last command names it, and all are listed."""

    @click.group(chain=True)
    def build() -> None:
        pass

    @build.command()
    def clean() -> None:
        ezlogs.event("build.action", "cleaned")

    @build.command()
    def make() -> None:
        ezlogs.event("build.action", "made")

    build.main(["clean", "make"], prog_name="build", standalone_mode=False)
    cleaned, made, ran = captured.events
    assert (ran.action, ran.metadata["commands"]) == ("build make", ("clean", "make"))
    assert cleaned.correlation.parent_event_id == made.correlation.parent_event_id == ran.event_id


def test_a_command_that_another_one_calls_is_its_child(captured, run):
    """In its story, and with its own end; the caller goes on."""
    with_us = run(shop, "import", "everything")
    assert with_us.exit_code == 0
    _, imported, inner, failing, forwarded, outer = captured.events
    assert [event.action for event in (inner, failing, forwarded, outer)] == [
        "shop orders",
        "shop leave",
        "shop leave",
        "shop import everything",
    ]
    assert imported.correlation.parent_event_id == inner.event_id
    assert {event.correlation.parent_event_id for event in (inner, failing, forwarded)} == {outer.event_id}
    assert [event.metadata["exit_code"] for event in (failing, forwarded, outer)] == [3, 0, 0]
    assert len({event.correlation.correlation_id for event in captured.events}) == 1


def test_a_program_in_somebodys_story_stays_in_it(captured, run):
    """As in a request, and so its actor."""
    with ezlogs.actor("user", 7), ezlogs.flow("signup", 1) as around:
        run(shop, "import", "orders")
    ran = next(event for event in captured.events if event.event_type == "cli.command")
    assert (ran.actor, ran.correlation) == (Actor("user", "7"), around.correlation)


def test_a_program_that_runs_a_program(captured, run):
    """Is one event each, the inner one a child."""

    @click.command()
    def both() -> None:
        shop.main(["import", "orders"], prog_name="shop", standalone_mode=False)

    run(both)
    inner, outer = captured.events[-2:]
    assert (inner.action, outer.action) == ("shop import orders", "both")
    assert inner.correlation.parent_event_id == outer.event_id


def test_a_prompt_for_commands_tells_each(captured, run):
    """As a command that makes contexts of its own does."""

    @click.group()
    def tool() -> None:
        pass

    @tool.group()
    def db() -> None:
        pass

    @db.command()
    def up() -> None:
        pass

    @tool.command()
    @click.pass_context
    def script(ctx: click.Context) -> None:
        with tool.make_context(None, ["db", "up"], parent=ctx.parent) as inner:
            tool.invoke(inner)

    run(tool, "script")
    inner, outer = captured.events
    assert (inner.action, outer.action) == ("tool db up", "tool script")
    assert inner.correlation.parent_event_id == outer.event_id


def test_a_command_without_main_is_told_too(captured):
    """Of a command that is invoked by hand all that is known."""
    with orders.make_context("orders", []) as ctx:
        orders.invoke(ctx)
    with shop.make_context("shop", ["import", "orders"]) as ctx:
        shop.invoke(ctx)
    with leave.make_context("leave", ["own"]) as ctx, pytest.raises(click.ClickException):
        leave.invoke(ctx)
    ran = [event for event in captured.events if event.event_type == "cli.command"]
    assert [(event.action, event.outcome) for event in ran] == [
        ("orders", "success"),
        ("shop import orders", "success"),
        ("leave", "failure"),
    ]


def test_a_main_of_its_own_hides_no_command(captured, run):
    """As that of rich-click."""

    @rich_click.group("tool", cls=rich_click.RichGroup)
    def tool() -> None:
        pass

    @tool.command(cls=rich_click.RichCommand)
    @click.pass_context
    def go(ctx: click.Context) -> None:
        ctx.exit(3)

    assert run(tool, "go").exit_code == 3
    (ran,) = captured.events
    assert (ran.action, ran.metadata["exit_code"]) == ("tool go", 3)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("python -m shop", "shop"),
        ("/usr/local/bin/shop", "shop"),
        ("shop.exe", "shop"),
        ("my shop", "my-shop"),
        ("", "shop"),
    ],
)
def test_a_program_is_named_alike_however_it_is_started(captured, name, told):
    """In one word."""
    with pytest.raises(SystemExit):
        shop.main(["import", "leave", "1"], prog_name=name)
    assert captured.events[-1].action == f"{told} import leave"


class Size(Enum):
    """A size."""

    SMALL = "s"


def test_values_of_options_are_told_on_request(run):
    """Never a hidden one, and privacy is asked about all."""
    has_choices_of_any_type = hasattr(click.Choice, "normalize_choice")  # since click 8.2

    @click.command()
    @click.option("--limit", type=int)
    @click.option("--size", type=click.Choice(Size) if has_choices_of_any_type else Size.__getitem__)
    @click.option("--into", type=click.Path(path_type=Path))
    @click.option("--file", type=click.File())
    @click.option("--api-key")
    @click.option("--pin", hide_input=True)
    @click.option("--note")
    @click.option("--level", default="high")
    @click.option("--fast/--slow")
    def work(**options: Any) -> None:
        pass

    wanted = ("limit", "--size", "into", "file", "api-key", "pin", "level", "slow")
    given = {"--limit": "5", "--size": "SMALL", "--into": "/tmp/x", "--file": "-", "--api-key": "hunter2", "--pin": "9"}
    with capture(command_options=wanted) as captured:
        result = run(work, *(word for pair in given.items() for word in pair), "--note", "n", "--slow", input="x")
    assert result.exit_code == 0, result.output
    (ran,) = captured.events
    told = {name: value for name, value in ran.metadata.items() if name.startswith("option.")}
    assert told.pop("option.api_key")
    assert told == {"option.limit": 5, "option.size": "s", "option.into": "/tmp/x", "option.slow": False}
    captured.assert_absent("hunter2")
    assert ran.metadata["options"] == (*given, "--note", "--fast")


@pytest.mark.parametrize("args", [("run",), ("shell",)])
def test_servers_of_flask_begin_no_story(captured, run, args):
    """What they serve begins its own; other commands of theirs are told."""
    flask = FlaskGroup(name="flask", create_app=lambda: Flask("shop"), add_default_commands=False)
    stories = []

    @flask.command(args[0])
    def serve() -> None:
        stories.append(current())

    @flask.command()
    def migrate() -> None:
        stories.append(current())

    assert run(flask, *args).exit_code == 0
    assert captured.events == []
    assert run(flask, "migrate").exit_code == 0
    assert [event.action for event in captured.events] == ["flask migrate"]
    assert stories[0] is None
    assert stories[1] is not None


def test_what_is_excluded_can_be_set(run):
    """Word for word; groups on the way begin nothing until it is clear that it is not."""
    stories = []

    @click.group()
    def tool() -> None:
        stories.append(current())

    @tool.group()
    def web() -> None:
        stories.append(current())

    @web.command()
    @click.pass_context
    def serve(ctx: click.Context) -> None:
        stories.append(current())
        ctx.invoke(status)

    @web.command()
    def status() -> None:
        pass

    with capture(excluded_commands="tool web s?rve,tool status") as captured:
        run(tool, "web", "serve")
        assert (captured.events, stories) == ([], [None, None, None])
        run(tool, "web", "status")
        assert [event.action for event in captured.events] == ["tool web status"]
    with capture(excluded_commands=()) as captured:
        run(tool, "web", "serve")
    assert [event.action for event in captured.events] == ["tool status", "tool web serve"]
    assert stories[-1] is not None


def test_excluded_commands_that_fail_are_not_told(captured, run):
    """Whatever their exit code."""

    @click.command()
    def uvicorn() -> None:
        raise SystemExit(3)

    assert run(uvicorn).exit_code == 3
    assert run(uvicorn, "--nope").exit_code == 2
    assert captured.events == []


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("uvicorn", ["no_such_module:app"]),
        ("flask", ["--app", "no_such_module", "run"]),
        ("celery", ["-A", "no_such_module", "worker"]),
        ("celery", ["beat", "--nope"]),
    ],
)
def test_real_servers_begin_nothing(captured, run, name, args):
    """The programs themselves, which then fail."""
    from celery.bin.celery import celery
    from flask.cli import cli
    from uvicorn.main import main

    assert run({"uvicorn": main, "flask": cli, "celery": celery}[name], *args, prog_name=name).exit_code != 0
    # An older celery loads the application while it reads its own options, before it comes to what it is to do.
    too_early = (
        name == "celery" and "no_such_module" in args and type(celery.params[0].type).__module__ == "celery.bin.celery"
    )
    assert [event.action for event in captured.events] == (["celery"] if too_early else [])


def test_other_commands_of_theirs_are_told(captured, run, tmp_path):
    """As those that users register."""
    from celery.bin.celery import celery
    from flask.cli import cli

    (tmp_path / "shop_app.py").write_text("""
import click
from flask import Flask
from flask.cli import AppGroup
app = Flask("shop")
db = AppGroup("db")
app.cli.add_command(db)
@db.command()
def upgrade():
    click.echo("upgraded")
""")
    result = run(cli, "--app", str(tmp_path / "shop_app.py"), "db", "upgrade", prog_name="python -m flask")
    assert (result.exit_code, result.output) == (0, "upgraded\n")
    assert run(celery, "report", prog_name="celery").exit_code == 0
    assert [event.action for event in captured.events] == ["flask db upgrade", "celery report"]


def test_ezlogs_never_tells_of_itself(captured, run):
    """Its command is one of click too."""
    from ezlogs.cli.app import app

    assert run(app, "--help").exit_code == 0
    assert run(app, "settings", "--help").exit_code == 0
    assert run(app, "settings").exit_code == 0
    assert run(app, "nope").exit_code == 2
    assert captured.events == []


def test_nothing_is_made_where_nobody_listens(run):
    """Without a runtime a program runs as if nothing were there."""
    assert run(shop, "import", "everything").exit_code == 0


def test_other_functions_that_a_context_invokes_are_no_commands(captured, run):
    """Such as the callbacks of results."""

    @click.command()
    @click.pass_context
    def work(ctx: click.Context) -> None:
        assert ctx.invoke(lambda number: number + 1, 1) == 2
        with pytest.raises(TypeError):
            ctx.invoke()  # type: ignore[call-arg]  # that is the point

    assert run(work).exit_code == 0
    assert len(captured.events) == 1


def hooked() -> list[object]:
    """Return what is in the places that are hooked."""
    import typer.core

    places: list[tuple[Any, str]] = [(click.Command, name) for name in ("main", "invoke", "make_context")]
    places += [(click.Group, "invoke"), (click.Context, "invoke")]
    places += [(typer.core.TyperCommand, "main"), (typer.core.TyperGroup, "main")]
    return [getattr(owner, name) for owner, name in places]


def test_everything_is_put_back(captured, run, instrumented):
    """And hooked again."""
    ours = hooked()
    instrumented.uninstrument()
    before = hooked()
    assert all(now is not then for now, then in zip(ours, before, strict=True))
    run(shop, "import", "everything")
    assert [event.event_type for event in captured.events] == ["config.action", "order.action"]
    instrumented.instrument()
    assert all(now is not then for now, then in zip(hooked(), before, strict=True))
    instrumented.uninstrument()
    assert all(now is then for now, then in zip(hooked(), before, strict=True))


def test_hooks_that_were_left_below_others_do_nothing(captured, instrumented, monkeypatch):
    """As somebody's wrapper around ours keeps them."""
    kept = {owner: dict(vars(owner)) for owner in (click.Command, click.Group, click.Context)}
    instrumented.uninstrument()
    for owner, names in kept.items():
        for name in ("main", "invoke", "make_context"):
            if name in names:
                monkeypatch.setattr(owner, name, names[name])
    with pytest.raises(SystemExit):
        shop.main(["import", "everything"], prog_name="shop", standalone_mode=False)
    assert [event.event_type for event in captured.events] == ["config.action", "order.action"]


def test_neither_click_nor_typer_is_imported():
    """Nor needed, one without the other."""
    program = """
import sys
from ezlogs.testing import capture
from ezlogs_instrumentors.click import ClickInstrumentor
ClickInstrumentor().instrument()
assert not {"click", "typer"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)


def test_without_either_instrumenting_says_so(monkeypatch, instrumented):
    """A loader that runs every instrumentor passes over this one."""
    instrumented.uninstrument()
    there = {"click", "typer"}
    monkeypatch.setattr("ezlogs_instrumentors.click.find_spec", lambda name: name if name in there else None)
    assert instrumented.instrumentation_dependencies() == ("click >= 8.1",)
    there.remove("click")
    assert instrumented.instrumentation_dependencies() == ("typer >= 0.9",)
    there.clear()
    monkeypatch.setattr("ezlogs_instrumentors.hooks.find_spec", lambda name: None)
    assert not instrumented.is_installed()
    with pytest.raises(ModuleNotFoundError, match="click"):
        instrumented.instrument(skip_dep_check=True)


@pytest.mark.parametrize("name", ["_path", "_options", "_kinds", "_word"])
def test_our_errors_never_reach_a_command(captured, run, monkeypatch, name):
    """It then runs as ever, told or not."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    reported = []
    monkeypatch.setattr("ezlogs.runtime.Runtime.report", lambda _, what, problem: reported.append(problem))
    monkeypatch.setattr(f"ezlogs_instrumentors.click_runs.{name}", broken)
    assert run(shop, "import", "orders").output == "imported 0\n"
    assert run(shop, "import", "everything").exit_code == 0
    assert run(shop, "import", "leave", "4").exit_code == 4
    assert run(shop, "nope").exit_code == 2
    assert {type(problem) for problem in reported} == {ZeroDivisionError}
    assert current() is None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot be kept from telling of ours")
def test_a_traceback_shows_none_of_our_frames(captured, instrumented):
    """What nobody catches is printed as ever."""
    with pytest.raises(ValueError, match="5") as ours:
        shop.main(["import", "leave", "error"], prog_name="shop")
    instrumented.uninstrument()
    with pytest.raises(ValueError, match="5") as plain:
        shop.main(["import", "leave", "error"], prog_name="shop")
    assert [str(entry.path) for entry in ours.traceback] == [str(entry.path) for entry in plain.traceback]
    assert len(captured.of("cli.command")) == 1
