"""Fixtures for every test: no runtime and no scope may leak from one test into the next."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry import context, trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.util._once import Once

import ezlogs_pytest
from ezlogs.runtime import current_runtime, install
from ezlogs.testing import Captured, capture

# How long an example takes is the machine's affair, and machines are shared.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Journals of tests, and of the programs that they start, are nobody else's.
_state = tempfile.TemporaryDirectory(prefix="ezlogs-tests-")
os.environ.setdefault("EZLOGS_STATE_DIR", _state.name)


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Let these tests send, after the plugin has said otherwise: the receivers are theirs."""
    ezlogs_pytest.sending = True


def active_instrumentors() -> set[BaseInstrumentor]:
    """Return the instrumentors of ours that are at work: there is one of each class in a process."""
    kinds = BaseInstrumentor.__subclasses__()
    for kind in kinds:  # which grows by the subclasses of those
        kinds += kind.__subclasses__()
    made = (vars(kind).get("_instance") for kind in kinds if kind.__module__.startswith("ezlogs_instrumentors."))
    return {one for one in made if one is not None and one.is_instrumented_by_opentelemetry}


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Fail a test that leaves a runtime installed or a context attached; providers and instrumentors are taken back."""
    instrumented = active_instrumentors()
    before, provider, once = context.get_current(), trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE
    trace._TRACER_PROVIDER_SET_ONCE = Once()
    if provider is not None:
        trace._TRACER_PROVIDER_SET_ONCE.do_once(bool)
    yield
    for instrumentor in active_instrumentors() - instrumented:
        instrumentor.uninstrument()
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = provider, once
    leaked, after = install(None), context.get_current()
    assert leaked is None, "the test left ezlogs running"
    assert after == before, f"the test left a context attached: {after}"
    assert current_runtime() is None


@pytest.fixture(scope="module", autouse=True)
def nothing_is_found_open_later() -> Iterator[None]:
    """Have the connections that clients of Redis forget found here, and not by whatever test comes next."""
    yield
    if "redis" in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture
def captured(request: pytest.FixtureRequest) -> Iterator[Captured]:
    """Capture the events that the test's code emits; those of exceptions where the test is marked ``errors_told``."""
    errors = "unhandled" if request.node.get_closest_marker("errors_told") else "none"
    with capture(errors=errors) as found:
        yield found
