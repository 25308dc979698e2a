"""What is submitted to a pool of threads or processes happens in the context of its submitter; nothing else changes."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import multiprocessing
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import ContextVar

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider

from ezlogs.actor import actor, current_actor
from ezlogs.correlation import Correlation, current
from ezlogs.event import Actor
from ezlogs.scope import CorrelationManager, Scope
from ezlogs_instrumentors.futures import FuturesInstrumentor

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")
STORY = Correlation(correlation_id="story-1", parent_event_id="evt_1", flow_type="checkout", flow_id="checkout:42")
MINE: ContextVar[str] = ContextVar("mine", default="unset")


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument pools, and leave them as they were."""
    kinds = (ThreadPoolExecutor, ProcessPoolExecutor)
    before = [vars(kind)["submit"] for kind in kinds]
    FuturesInstrumentor().instrument()
    yield
    FuturesInstrumentor().uninstrument()
    assert [vars(kind)["submit"] for kind in kinds] == before


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """A pool of one thread, which is there already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        yield pool


def test_each_call_is_in_the_context_of_its_submitter(threads: ThreadPoolExecutor) -> None:
    """One after the other, and none in between."""
    with CorrelationManager.with_context(STORY) as story:
        first = threads.submit(current)
    with TRACER.start_as_current_span("other") as span:
        second = threads.submit(trace.get_current_span)
        mapped = list(threads.map(lambda number: (number, trace.get_current_span()), [1, 2]))
    third = threads.submit(context.get_current)
    assert (first.result(), second.result(), third.result()) == (story, span, {})
    assert mapped == [(1, span), (2, span)]


def test_run_in_executor_is_in_the_context_of_its_caller(threads: ThreadPoolExecutor) -> None:
    """In the loop's own pool, and in one of the application's."""

    async def main() -> list[Correlation | None]:
        loop = asyncio.get_running_loop()
        with CorrelationManager.with_context(STORY):
            inside = [await loop.run_in_executor(pool, current) for pool in (None, threads)]
        return [*inside, await loop.run_in_executor(None, current)]

    assert asyncio.run(main()) == [STORY, STORY, None]


def test_a_worker_keeps_what_its_initializer_and_its_calls_set() -> None:
    """Only OpenTelemetry's context is another one; a worker's own context variables stay the worker's."""
    with (
        CorrelationManager.with_context(STORY),
        ThreadPoolExecutor(1, initializer=MINE.set, initargs=("init",)) as pool,
    ):
        assert pool.submit(MINE.get).result() == "init"
        pool.submit(MINE.set, "call").result()
        assert pool.submit(MINE.get).result() == "call"


def test_what_a_call_leaves_attached_does_not_reach_the_next(threads: ThreadPoolExecutor) -> None:
    """As somebody who forgets to detach would."""
    with CorrelationManager.with_context(STORY):
        threads.submit(lambda: context.attach(context.set_value("left", 1))).result()
    assert threads.submit(context.get_current).result() == {}


def test_errors_and_wrong_calls_are_as_ever(threads: ThreadPoolExecutor) -> None:
    """The traceback of an error shows the application's frames alone."""

    def fail() -> None:
        raise KeyError("mine")

    with CorrelationManager.with_context(STORY):
        failed = threads.submit(fail)
        with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'fn'"):
            threads.submit()  # type: ignore[call-arg]  # that is the point
        with pytest.raises(TypeError, match="not callable"):
            threads.submit(7).result()  # type: ignore[arg-type]  # that is the point
    error = failed.exception()
    assert isinstance(error, KeyError)
    ours = [] if sys.version_info >= (3, 11) else ["__call__"]  # Python 3.10 cannot be kept from telling of ours
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == ["run", *ours, "fail"]
    assert list(inspect.signature(ThreadPoolExecutor.submit).parameters) == ["self", "fn", "args", "kwargs"]


def test_arguments_arrive_as_they_were_given(threads: ThreadPoolExecutor) -> None:
    """Names like those of the pool's own included."""
    with CorrelationManager.with_context(STORY):
        call = threads.submit(lambda *args, **kwargs: (args, kwargs), 1, self=2, fn=3)
        partial = threads.submit(functools.partial(int, base=2), "10")
    assert (call.result(), partial.result()) == (((1,), {"self": 2, "fn": 3}), 2)


def test_a_pool_that_is_shut_down_says_so(threads: ThreadPoolExecutor) -> None:
    """By itself."""
    threads.shutdown()
    with CorrelationManager.with_context(STORY), pytest.raises(RuntimeError, match="after shutdown"):
        threads.submit(int)


def test_a_class_that_overrides_submit_sees_what_it_was_given() -> None:
    """What it hands on is carried."""
    given = []

    class Own(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):  # as the class it extends
            given.append(fn)
            return super().submit(fn, *args, **kwargs)

    with Own(1) as pool, CorrelationManager.with_context(STORY):
        assert pool.submit(current).result() == STORY
    assert given == [current]


def test_a_finished_call_keeps_no_context(threads: ThreadPoolExecutor) -> None:
    """Neither its future nor the worker, which waits for the next; without the collector's help."""

    class Big:
        """Something in the context."""

    gc.disable()
    try:
        big = Big()
        gone = weakref.ref(big)
        with Scope(context.set_value("big", big)):
            future = threads.submit(int)
        assert future.result() == 0
        threads.submit(int).result()
        del big
        assert gone() is None
    finally:
        gc.enable()


def test_a_pool_of_interpreters_is_left_alone() -> None:
    """What is given to it goes into another interpreter, since Python 3.14."""

    class Interpreters(ThreadPoolExecutor):
        pass

    Interpreters.__module__ = "concurrent.futures.interpreter"
    with Interpreters(1) as pool, CorrelationManager.with_context(STORY):
        assert pool.submit(current).result() is None


def seen() -> tuple[object, ...]:
    """Return what there is of the submitter's context."""
    span = trace.get_current_span().get_span_context()
    return current(), span.trace_id, span.span_id, baggage.get_baggage("tenant"), current_actor()


def fails() -> None:
    """Raise an error."""
    raise KeyError("mine")


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_call_in_another_process_is_in_the_story_of_its_submitter(method: str) -> None:
    """With its trace, its flow, its cause, the application's baggage and who acts; the next call is in none."""
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        with TRACER.start_as_current_span("request") as span, CorrelationManager.with_context(STORY):
            token = context.attach(baggage.set_baggage("tenant", "acme", baggage.set_baggage("odd", object())))
            with actor("user", 7, "Ada", on_behalf_of="user:8"):
                first = pool.submit(seen)
                mapped = pool.map(abs, [-1, 2])
                failed = pool.submit(fails)
            context.detach(token)
        there = span.get_span_context()
        assert first.result() == (
            STORY,
            there.trace_id,
            there.span_id,
            "acme",
            Actor("user", "7", on_behalf_of="user:8"),
        )
        assert list(mapped) == [1, 2]
        told = "".join(traceback.format_exception(failed.exception()))
        assert ("in __call__" in told) is (sys.version_info < (3, 11))
        assert pool.submit(seen).result() == (None, 0, 0, None, Actor("system", "system"))
        assert pool.submit(context.get_current).result() == {}


def test_a_function_that_cannot_go_to_another_process_is_refused_as_ever() -> None:
    """By name."""
    with ProcessPoolExecutor(1) as pool, CorrelationManager.with_context(STORY):
        future: Future[None] = pool.submit(lambda: None)
        with pytest.raises(Exception, match=r"Can't (pickle|get local object).*<lambda>"):
            future.result()


def test_a_pool_whose_process_dies_is_broken_as_ever() -> None:
    """The error is the pool's own."""
    with ProcessPoolExecutor(1) as pool, CorrelationManager.with_context(STORY), pytest.raises(BrokenExecutor):
        pool.submit(exit_at_once).result()


def exit_at_once() -> None:
    """End the process, as a crash does."""
    import os

    os._exit(1)


def test_taken_back_below_somebody_elses_hook_it_does_nothing(threads: ThreadPoolExecutor) -> None:
    """Whoever hooked on top keeps calling it."""
    ours = ThreadPoolExecutor.submit

    def theirs(self: ThreadPoolExecutor, /, *args: object, **kwargs: object) -> object:
        return ours(self, *args, **kwargs)  # type: ignore[arg-type]  # whatever it is

    ThreadPoolExecutor.submit = theirs  # type: ignore[method-assign,assignment]  # as other libraries do
    try:
        FuturesInstrumentor().uninstrument()
        with CorrelationManager.with_context(STORY):
            assert threads.submit(current).result() is None
    finally:
        ThreadPoolExecutor.submit = inspect.unwrap(ours)  # type: ignore[method-assign]  # as it was
        FuturesInstrumentor().instrument()


@pytest.mark.parametrize("ours_first", [True, False])
def test_beside_opentelemetrys_own_instrumentor_each_call_is_carried_once(ours_first: bool) -> None:
    """In either order: the context in the call is the very one of the submitter."""
    module = pytest.importorskip("opentelemetry.instrumentation.threading")
    other, timers = module.ThreadingInstrumentor(), {*vars(threading.Timer)}
    if not ours_first:
        FuturesInstrumentor().uninstrument()
    other.instrument()
    if not ours_first:
        FuturesInstrumentor().instrument()
    try:
        with ThreadPoolExecutor(1) as pool, CorrelationManager.with_context(STORY):
            handed = context.get_current()
            assert pool.submit(lambda: context.get_current() is handed).result()
    finally:
        if not ours_first:
            FuturesInstrumentor().uninstrument()
        other.uninstrument()
        for name in {*vars(threading.Timer)} - timers:  # it leaves a `start` there
            delattr(threading.Timer, name)
        if not ours_first:
            FuturesInstrumentor().instrument()
    with ThreadPoolExecutor(1) as pool, CorrelationManager.with_context(STORY):
        assert pool.submit(current).result() == STORY


def test_no_thread_is_added(threads: ThreadPoolExecutor) -> None:
    """Carrying is done by those who work."""
    before = threading.active_count()
    with CorrelationManager.with_context(STORY):
        threads.submit(current).result()
    assert threading.active_count() == before


def test_pools_need_nothing_installed() -> None:
    """They are part of Python."""
    assert FuturesInstrumentor().instrumentation_dependencies() == ()
