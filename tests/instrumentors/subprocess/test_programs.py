"""Programs get the story of the one who starts them, in variables; nothing else about starting them changes."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider

from ezlogs.correlation import Correlation
from ezlogs.scope import CorrelationManager
from ezlogs_instrumentors.subprocess import SubprocessInstrumentor

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")
NAMES = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
OURS = "ezlogs.correlation_id=story-1,ezlogs.parent_event_id=evt_1"
PRINT = [sys.executable, "-S", "-c", f"import os; print([os.environ.get(name) for name in {NAMES}])"]


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument subprocess, and leave it and the environment as they were."""
    before, environ = vars(subprocess.Popen)["__init__"], [os.environ.get(name) for name in NAMES]
    SubprocessInstrumentor().instrument()
    yield
    SubprocessInstrumentor().uninstrument()
    assert vars(subprocess.Popen)["__init__"] is before
    assert [os.environ.get(name) for name in NAMES] == environ


@pytest.fixture
def story() -> Iterator[None]:
    """Run the test in a story, with a secret in the application's baggage."""
    token = context.attach(baggage.set_baggage("token", "hunter2"))
    with CorrelationManager.with_context(Correlation(correlation_id="story-1", parent_event_id="evt_1")):
        yield
    context.detach(token)


def test_a_program_gets_the_trace_and_the_story(story: None) -> None:
    """And nothing of the application's baggage."""
    with TRACER.start_as_current_span("request") as span:
        there = span.get_span_context()
        printed = subprocess.check_output(PRINT, text=True)
    assert printed.strip() == str(
        [f"00-{there.trace_id:032x}-{there.span_id:016x}-{there.trace_flags:02x}", None, OURS]
    )


def test_the_environment_that_was_given_stays_the_callers(story: None) -> None:
    """Its mapping is not changed, by name or by position; a value of its own wins."""
    env = {"MINE": "1"}
    assert OURS in subprocess.check_output(PRINT, env=env, text=True)
    with subprocess.Popen(
        PRINT, -1, None, None, subprocess.PIPE, None, None, True, False, None, env, text=True
    ) as process:
        assert OURS in process.communicate()[0]
    assert env == {"MINE": "1"}
    assert "b=2" in subprocess.check_output(PRINT, env={"BAGGAGE": "b=2"}, text=True)
    assert OURS not in subprocess.check_output(PRINT, env={"BAGGAGE": "b=2"}, text=True)


def test_asyncios_programs_get_it_too(story: None) -> None:
    """They are started by the same class."""

    async def main() -> str:
        process = await asyncio.create_subprocess_exec(*PRINT, stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0].decode()

    assert OURS in asyncio.run(main())


def test_outside_everything_a_program_is_left_alone() -> None:
    """It has the environment that it would have."""
    assert subprocess.check_output(PRINT, env={"BAGGAGE": "b=2"}, text=True).strip() == "[None, None, 'b=2']"


def test_telemetrys_own_programs_are_left_alone(story: None) -> None:
    """Those that are started while instrumentation is suppressed."""
    with suppress_instrumentation():
        assert OURS not in subprocess.check_output(PRINT, text=True)


def test_what_is_no_environment_is_refused_as_ever(story: None) -> None:
    """By Python, in its words."""
    with pytest.raises((AttributeError, TypeError), match=r"items|environment must be a mapping"):
        subprocess.Popen(PRINT, env=7)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(FileNotFoundError):
        subprocess.Popen(["/nonexistent"])


def test_a_class_of_its_own_is_carried_too(story: None) -> None:
    """Through the one that it extends; and the signature is what it was."""

    class Own(subprocess.Popen):  # type: ignore[type-arg]  # of either
        pass

    with Own(PRINT, stdout=subprocess.PIPE, text=True) as process:
        assert OURS in process.communicate()[0]
    assert "env" in inspect.signature(subprocess.Popen).parameters


def test_programs_are_started_by_the_fast_way_as_ever(story: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """posix_spawn takes an environment as well as any other."""
    spawned = []
    spawn = os.posix_spawn

    def posix_spawn(*args: object, **kwargs: object) -> int:
        spawned.append(args)
        return spawn(*args, **kwargs)  # type: ignore[arg-type]  # whatever it is

    monkeypatch.setattr(os, "posix_spawn", posix_spawn)
    monkeypatch.setattr(subprocess, "_USE_POSIX_SPAWN", True)
    with subprocess.Popen(PRINT, stdout=subprocess.PIPE, close_fds=False, text=True) as process:
        assert OURS in process.communicate()[0]
    assert len(spawned) == 1


def test_taken_back_below_somebody_elses_hook_it_does_nothing(story: None) -> None:
    """Whoever hooked on top keeps calling it."""
    ours = vars(subprocess.Popen)["__init__"]

    def theirs(self: object, *args: object, **kwargs: object) -> None:
        ours(self, *args, **kwargs)

    subprocess.Popen.__init__ = theirs  # type: ignore[method-assign,assignment]  # as other libraries do
    try:
        SubprocessInstrumentor().uninstrument()
        assert OURS not in subprocess.check_output(PRINT, text=True)
    finally:
        subprocess.Popen.__init__ = inspect.unwrap(ours)  # type: ignore[method-assign]  # as it was
        SubprocessInstrumentor().instrument()


def test_subprocess_needs_nothing_installed() -> None:
    """It is part of Python."""
    assert SubprocessInstrumentor().instrumentation_dependencies() == ()
    assert trace.get_current_span() is trace.INVALID_SPAN
