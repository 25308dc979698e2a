"""Greenlets go on in the context of the one who spawns them; nothing else about them changes."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from contextvars import Context as Variables
from contextvars import ContextVar
from functools import partialmethod

import gevent
import gevent.pool
import gevent.threadpool
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

from ezlogs.correlation import Correlation, current
from ezlogs.scope import CorrelationManager
from ezlogs_instrumentors.gevent import GeventInstrumentor

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")
STORY = Correlation(correlation_id="story-1", parent_event_id="evt_1")
MINE: ContextVar[str] = ContextVar("mine", default="unset")


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument gevent, and leave it as it was."""
    before = vars(gevent.threadpool.ThreadPool)["spawn"]
    GeventInstrumentor().instrument()
    yield
    GeventInstrumentor().uninstrument()
    assert vars(gevent.threadpool.ThreadPool)["spawn"] is before


def seen() -> tuple[Correlation | None, object]:
    """Return the story and the span, after others had their turn."""
    gevent.sleep(0)
    return current(), trace.get_current_span()


def started(greenlet: gevent.Greenlet) -> gevent.Greenlet:
    """Start a greenlet."""
    greenlet.start()
    return greenlet


WAYS = {
    "spawn": lambda: gevent.spawn(seen),
    "spawn_later": lambda: gevent.spawn_later(0.001, seen),
    "class": lambda: started(gevent.Greenlet(seen)),
    "pool": lambda: gevent.pool.Pool(1).spawn(seen),
    "group": lambda: gevent.pool.Group().apply_async(seen),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_greenlet_is_in_the_context_of_the_one_who_spawns_it(way) -> None:
    """However it is spawned, also when its spawner has left the story by the time that it runs."""
    with TRACER.start_as_current_span("request") as span, CorrelationManager.with_context(STORY):
        greenlet = way()
    assert greenlet.get() == (STORY, span)
    assert way().get() == (None, trace.INVALID_SPAN)


def test_greenlets_that_run_at_once_are_each_in_their_own_story() -> None:
    """However they take turns; a scope that one opens is nobody else's."""

    def request(number: int) -> str | None:
        with CorrelationManager.start_request_context(f"req-{number}"):
            gevent.sleep(0)
            correlation = gevent.spawn(seen).get()[0]
            return correlation.request_id if correlation else None

    assert [one.get() for one in [gevent.spawn(request, number) for number in range(10)]] == [
        f"req-{number}" for number in range(10)
    ]
    assert current() is None


def test_only_opentelemetrys_context_is_given() -> None:
    """Other context variables begin as they always began, and those that somebody gave to a greenlet stay."""
    token = MINE.set("spawner's")
    with CorrelationManager.with_context(STORY):
        assert gevent.spawn(MINE.get).get() == "unset"
        own = gevent.Greenlet(lambda: (MINE.get(), current()))
        own.gr_context = Variables()
        own.gr_context.run(MINE.set, "given")
        assert started(own).get() == ("given", None)
    MINE.reset(token)


def test_a_killed_greenlet_restores_what_was_before() -> None:
    """GreenletExit leaves a scope as any exception does."""
    left = []

    def waits() -> None:
        try:
            with CorrelationManager.start_request_context("req-1"):
                gevent.sleep(60)
        finally:
            left.append(current())

    greenlet = gevent.spawn(waits)
    gevent.sleep(0)
    greenlet.kill()
    assert left == [None]


def test_a_call_in_a_native_thread_is_in_the_context_of_the_one_who_gives_it() -> None:
    """In each of the ways; the next call is in none, and wrong calls are as ever."""
    pool = gevent.threadpool.ThreadPool(1)
    with CorrelationManager.with_context(STORY):
        inside = [pool.spawn(current).get(), pool.apply(current), pool.map(lambda _: current(), [1])[0]]
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            pool.spawn()
    assert inside == [STORY] * 3
    assert pool.apply(context.get_current) == {}
    pool.kill()


def test_taken_back_it_does_nothing() -> None:
    """Also below a hook that somebody set on top."""
    ours = vars(gevent.threadpool.ThreadPool)["spawn"]
    gevent.threadpool.ThreadPool.spawn = partialmethod(ours)
    pool = gevent.threadpool.ThreadPool(1)
    try:
        GeventInstrumentor().uninstrument()
        with CorrelationManager.with_context(STORY):
            assert gevent.spawn(seen).get()[0] is None
            assert pool.apply(current) is None
    finally:
        pool.kill()
        gevent.threadpool.ThreadPool.spawn = inspect.unwrap(ours)
        GeventInstrumentor().instrument()


def test_without_gevent_it_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the error that OpenTelemetry's loader knows."""
    GeventInstrumentor().uninstrument()
    monkeypatch.setattr("ezlogs_instrumentors.hooks.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="gevent"):
        GeventInstrumentor().instrument()
    monkeypatch.undo()
    GeventInstrumentor().instrument()


def test_taken_back_before_gevent_is_imported_it_never_hooks_anything() -> None:
    """Instrumenting imports no gevent, and an import that comes later finds nothing to do."""
    program = (
        "import sys\n"
        "from ezlogs_instrumentors.gevent import GeventInstrumentor\n"
        "GeventInstrumentor().instrument()\n"
        "assert 'gevent' not in sys.modules\n"
        "GeventInstrumentor().uninstrument()\n"
        "import gevent.threadpool\n"
        "from ezlogs.scope import CorrelationManager, current\n"
        "with CorrelationManager.start_request_context():\n"
        "    assert gevent.spawn(current).get() is gevent.threadpool.ThreadPool(1).apply(current) is None\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_it_says_what_it_works_with() -> None:
    """The versions of gevent in which a greenlet's context variables can be given."""
    assert GeventInstrumentor().instrumentation_dependencies() == ("gevent >= 23.9",)
