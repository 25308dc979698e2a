"""Beside OpenTelemetry's own instrumentation of click its span is the hop, whichever of the two came first."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
import typer

import ezlogs

contrib = pytest.importorskip("opentelemetry.instrumentation.click", reason="contrib is in .venv-neighbours only")


@pytest.fixture(params=["before", "after"])
def beside(request, spans, instrumented) -> Iterator[None]:
    """Contrib's instrumentor at work, on top of ours or below."""
    if request.param == "before":
        instrumented.uninstrument()
    contrib.ClickInstrumentor().instrument()
    if request.param == "before":
        instrumented.instrument()
    yield
    contrib.ClickInstrumentor().uninstrument()


@click.group()
def shop() -> None:
    """Keep a shop."""


@shop.command()
def orders() -> None:
    """Import orders."""
    ezlogs.event("order.action", "imported")


@shop.command()
@click.pass_context
def leave(ctx: click.Context) -> None:
    """Fail."""
    ctx.exit(3)


@shop.command()
def outer() -> None:
    """Run a program."""
    shop.main(["orders"], prog_name="shop", standalone_mode=False)


@pytest.mark.usefixtures("beside")
def test_its_span_is_the_hop(captured, run, spans):
    """The story is its trace's, and there is no second span."""
    assert run(shop, "orders").exit_code == 0
    (span,) = spans()
    imported, ran = captured.events
    assert (span.name, span.attributes["process.exit.code"]) == ("orders", 0)
    assert ran.action == "shop orders"
    assert imported.correlation.parent_event_id == ran.event_id
    assert imported.correlation.correlation_id == f"{span.context.trace_id:032x}"
    assert ran.correlation.correlation_id == f"{span.context.trace_id:032x}"


@pytest.mark.usefixtures("beside")
def test_an_exit_code_is_told_by_both(captured, run, spans):
    """And once by us, although ``main`` goes on."""
    assert run(shop, "leave").exit_code == 3
    assert [span.attributes["process.exit.code"] for span in spans()] == [3]
    assert [(event.action, event.metadata["exit_code"]) for event in captured.events] == [("shop leave", 3)]


@pytest.mark.usefixtures("beside")
def test_a_program_in_a_program_has_one_span_each(captured, run, spans):
    """Both of them contrib's."""
    assert run(shop, "outer").exit_code == 0
    assert [span.name for span in spans()] == ["orders", "outer"]
    _, inner, outer = captured.events
    assert inner.correlation.parent_event_id == outer.event_id
    assert outer.correlation.correlation_id == f"{spans()[-1].context.trace_id:032x}"


@pytest.mark.usefixtures("beside")
def test_what_it_leaves_out_has_a_span_of_ours(captured, run, spans):
    """Commands of another class, arguments that were refused, and typer, which has a click of its own."""

    class Own(click.Command):
        pass

    shop.add_command(Own("own", callback=lambda: None))
    try:
        run(shop, "own")
        run(shop, "nope")
    finally:
        del shop.commands["own"]
    app = typer.Typer()
    app.command("tidy")(lambda: None)
    run(app, prog_name="tidy")
    assert [span.name for span in spans()] == ["shop own", "shop", "tidy"]
    assert [event.action for event in captured.events] == ["shop own", "shop", "tidy"]


@pytest.mark.usefixtures("beside")
def test_a_chain_is_one_story_over_its_spans(captured, spans):
    """Ours is around those of the commands, which are contrib's."""

    @click.group(chain=True)
    def build() -> None:
        pass

    build.add_command(click.Command("clean", callback=lambda: None))
    build.add_command(click.Command("make", callback=lambda: ezlogs.event("build.action", "made")))
    build.main(["clean", "make"], prog_name="build", standalone_mode=False)
    made, ran = captured.events
    assert (ran.action, ran.metadata["commands"]) == ("build make", ("clean", "make"))
    assert made.correlation.parent_event_id == ran.event_id
    assert [span.name for span in spans()] == ["clean", "make", "build make"]
