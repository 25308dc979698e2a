"""click and typer, instrumented for each test and left as they were; programs run as Ada."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click.testing
import pytest
import typer.testing
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ezlogs_instrumentors.click import ClickInstrumentor


@pytest.fixture(autouse=True)
def instrumented(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClickInstrumentor]:
    """The instrumentor at work."""
    monkeypatch.setenv("LOGNAME", "ada")
    instrumentor = ClickInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a program of click or typer as its users' tests do."""

    def run(program: Any, *args: str, **options: Any) -> Any:
        testing = typer.testing if isinstance(program, typer.Typer) else click.testing
        return testing.CliRunner().invoke(program, list(args), **options)  # type: ignore[arg-type]  # either's own

    return run


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[ReadableSpan, ...]]]:
    """The spans that are finished, of a real SDK."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter.get_finished_spans
    provider.shutdown()
