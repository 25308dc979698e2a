"""Starlette instrumented for each test, and tracer providers of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ezlogs_instrumentors.starlette import StarletteInstrumentor


@pytest.fixture
def instrumented() -> Iterator[StarletteInstrumentor]:
    """The instrumentor at work."""
    instrumentor = StarletteInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
