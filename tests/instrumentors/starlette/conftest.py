"""Starlette instrumented for each test, and tracer providers of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ezlogs_instrumentors.starlette import StarletteInstrumentor


@pytest.fixture
def instrumented() -> Iterator[StarletteInstrumentor]:
    """The instrumentor at work."""
    instrumentor = StarletteInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """A tracer provider of this test's own."""
    provider = TracerProvider()

    def get_tracer(name, version=None, tracer_provider=None, schema_url=None):
        return (tracer_provider or provider).get_tracer(name, version, schema_url)

    monkeypatch.setattr(trace, "get_tracer", get_tracer)
    yield provider
    provider.shutdown()


@pytest.fixture
def spans(provider: TracerProvider) -> Callable[[], tuple[ReadableSpan, ...]]:
    """The spans that are finished."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter.get_finished_spans
