"""Fixtures of the tests that deliver: a real OTLP endpoint, and a global tracer provider for one test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import ezlogs
from ezlogs.dev.receiver import Receiver

from .orders import UseProvider


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A local OTLP endpoint."""
    with Receiver() as running:
        yield running


@pytest.fixture
def use_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[UseProvider]:
    """Make a tracer provider the global one, for this test only; ezlogs ends before it does."""
    providers = []

    def use(**options: Any) -> TracerProvider:
        provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), **options)
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
        providers.append(provider)
        return provider

    yield use
    ezlogs.shutdown()
    for provider in providers:
        provider.shutdown()


@pytest.fixture
def nobody_named_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for ezlogs nor for everybody."""
    for name in ("", "TRACES_", "LOGS_"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT", raising=False)
