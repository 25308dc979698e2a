"""Beside OpenTelemetry's own instrumentation of click its span is the hop, whichever of the two came first.

Where it is not installed, something that wraps the same method and opens the same spans stands in for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import click
import pytest
import typer
from opentelemetry import trace
from opentelemetry.instrumentation.utils import unwrap
from wrapt import wrap_function_wrapper

import ezlogs
from ezlogs_instrumentors.click_runs import CONTRIB


class StandIn:
    """Opens a span for each plain command, with its exit code."""

    is_instrumented_by_opentelemetry = False

    def instrument(self) -> None:
        """Wrap."""
        self.is_instrumented_by_opentelemetry = True
        wrap_function_wrapper(click.core.Command, "invoke", self._invoke)

    def uninstrument(self) -> None:
        """Unwrap."""
        self.is_instrumented_by_opentelemetry = False
        unwrap(click.core.Command, "invoke")

    def _invoke(self, invoke: Any, command: Any, args: Any, kwargs: Any) -> Any:
        if type(command) is not click.Command:
            return invoke(*args, **kwargs)
        with trace.get_tracer("contrib").start_as_current_span(args[0].info_name) as span:
            span.set_attribute("process.exit.code", 0)
            try:
                return invoke(*args, **kwargs)
            except Exception as error:
                span.set_attribute("process.exit.code", getattr(error, "exit_code", 1))
                raise


@pytest.fixture(params=["before", "after"])
def beside(request, spans, instrumented, monkeypatch) -> Iterator[None]:
    """Contrib's instrumentor at work, on top of ours or below."""
    if find_spec(CONTRIB) is None:
        contrib = StandIn()
        monkeypatch.setitem(sys.modules, CONTRIB, SimpleNamespace(ClickInstrumentor=lambda: contrib))
    else:
        from opentelemetry.instrumentation.click import ClickInstrumentor

        contrib = ClickInstrumentor()
    if request.param == "before":
        instrumented.uninstrument()
    contrib.instrument()
    if request.param == "before":
        instrumented.instrument()
    yield
    if request.param == "before":  # who came last goes first
        instrumented.uninstrument()
    if contrib.is_instrumented_by_opentelemetry:
        contrib.uninstrument()
    unwrap(click.core.Command, "invoke")  # which it could not while ours was on top


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


@pytest.mark.usefixtures("beside")
def test_servers_begin_nothing(captured, run):
    """Neither theirs nor ours."""
    assert run(click.Command("uvicorn", callback=lambda: None)).exit_code == 0
    assert captured.events == []


def test_who_takes_it_back_leaves_one_span(captured, run, beside, spans):
    """Ours, or still contrib's where our hook is on top of it."""
    sys.modules[CONTRIB].ClickInstrumentor().uninstrument()
    assert run(shop, "leave").exit_code == 3
    (span,) = spans()
    assert span.attributes["process.exit.code"] == 3
    assert [(event.action, event.metadata["exit_code"]) for event in captured.events] == [("shop leave", 3)]
