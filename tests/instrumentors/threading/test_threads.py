"""Threads and timers go on in the context of the one who starts them; nothing else about them changes."""

from __future__ import annotations

import contextvars
import functools
import gc
import inspect
import logging.handlers
import queue
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest
import wrapt
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider

from ezlogs.correlation import Correlation, current
from ezlogs.scope import CorrelationManager, Scope
from ezlogs_instrumentors.threading import ThreadingInstrumentor, others_carry

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")
STORY = Correlation(correlation_id="story-1", parent_event_id="evt_1")


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument threading, and leave it as it was."""
    before = threading.Thread.__dict__["start"]
    ThreadingInstrumentor().instrument()
    yield
    ThreadingInstrumentor().uninstrument()
    assert threading.Thread.__dict__["start"] is before


@pytest.fixture
def story() -> Iterator[Correlation]:
    """Run the test in a story."""
    with CorrelationManager.with_context(STORY) as correlation:
        yield correlation


def finish(thread: threading.Thread) -> None:
    """Start a thread and wait for its end."""
    thread.start()
    thread.join()


def test_a_thread_is_in_the_context_of_the_one_who_starts_it(story: Correlation) -> None:
    """The story, the current span, the baggage and the application's own values."""
    seen = []
    with TRACER.start_as_current_span("request") as span:
        token = context.attach(baggage.set_baggage("tenant", "acme", context.set_value("mine", 7)))
        finish(
            threading.Thread(
                target=lambda: seen.extend(
                    [current(), trace.get_current_span(), baggage.get_baggage("tenant"), context.get_value("mine")]
                )
            )
        )
        context.detach(token)
    assert seen == [story, span, "acme", 7]


def test_the_context_is_that_of_the_start_not_that_of_the_making() -> None:
    """A thread may be made long before."""
    seen: list[Correlation | None] = []
    with CorrelationManager.with_context(STORY):
        made = threading.Thread(target=lambda: seen.append(current()))
    finish(made)
    assert seen == [None]


def test_a_timer_is_in_the_context_of_the_one_who_starts_it(story: Correlation) -> None:
    """However much later it fires; the starter may have left by then."""
    seen, fired = [], threading.Event()
    timer = threading.Timer(0.01, lambda: (seen.append(current()), fired.set()))
    timer.start()
    assert fired.wait(10)
    timer.join()
    assert seen == [story]


def test_a_cancelled_timer_never_fires(story: Correlation) -> None:
    """As ever."""
    fired: list[int] = []
    timer = threading.Timer(60, fired.append, [1])
    timer.start()
    timer.cancel()
    timer.join()
    assert fired == []


def test_a_class_that_overrides_run_is_carried_too(story: Correlation) -> None:
    """Also where it calls the one it overrides."""
    seen = []

    class Worker(threading.Thread):
        def run(self) -> None:
            seen.append(current())
            super().run()

    finish(Worker(target=lambda: seen.append(current())))
    assert seen == [story, story]


def test_a_run_of_the_threads_own_is_called_and_stays(story: Correlation) -> None:
    """Some libraries put one on the thread itself."""
    seen: list[object] = []
    thread = threading.Thread()
    run = functools.partial(seen.append, 1)
    thread.run = run  # type: ignore[method-assign]  # that is the point
    finish(thread)
    assert seen == [1]
    assert thread.run is run


def test_a_thread_looks_as_ever(story: Correlation) -> None:
    """While it runs and afterwards it has the attributes that it would have, and no other."""
    running, go_on = threading.Event(), threading.Event()

    def work() -> None:
        running.set()
        assert go_on.wait(10)

    bare = threading.Thread(target=work, name="worker-7", daemon=True)
    names = set(vars(bare))
    bare.start()
    assert running.wait(10)
    assert set(vars(bare)) <= names
    assert repr(bare).startswith("<Thread(worker-7, started daemon")
    assert (bare.name, bare.daemon) == ("worker-7", True)
    go_on.set()
    bare.join()
    assert "run" not in vars(bare)
    assert inspect.signature(threading.Thread.start) == inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    )


def test_a_thread_can_be_started_once(story: Correlation) -> None:
    """The second time raises what it raises, and leaves the thread alone."""
    thread = threading.Thread(target=int)
    finish(thread)
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()
    assert "run" not in vars(thread)


def test_a_class_that_forgets_to_call_init_is_told_so(story: Correlation) -> None:
    """By Python, in its words."""

    class Forgetful(threading.Thread):
        def __init__(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="not called"):
        Forgetful().start()


def test_a_thread_that_cannot_start_keeps_nothing(story: Correlation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has no more threads: the error is the caller's, and the thread can be started later."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
    seen: list[Correlation | None] = []
    thread, apart = (threading.Thread(target=lambda: seen.append(current())) for _ in range(2))
    apart._context = contextvars.Context()  # type: ignore[attr-defined]  # where Python 3.14 keeps what it was given
    with monkeypatch.context() as patch:
        patch.setattr(threading, name, refuse)
        for refused in (thread, apart):
            with pytest.raises(RuntimeError, match="can't start new thread"):
                refused.start()
    assert "run" not in {*vars(thread), *vars(apart)}
    finish(thread)
    finish(apart)
    assert seen == [story, None]


def test_an_exception_is_reported_as_ever(story: Correlation, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same hook, with the same traceback."""
    reported: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)

    def fail() -> None:
        raise KeyError("mine")

    finish(threading.Thread(target=fail))
    names = [frame.name for frame in traceback.extract_tb(reported[0].exc_traceback)]
    ours = [] if sys.version_info >= (3, 11) else ["__call__"]  # Python 3.10 cannot be kept from telling of ours
    assert names == ["_bootstrap_inner", *ours, "run", "fail"]
    assert current() == story


def test_a_finished_thread_keeps_no_context() -> None:
    """Neither the thread nor anything that it left behind, without the collector's help."""

    class Big:
        """Something in the context."""

    gc.disable()
    try:
        big = Big()
        gone = weakref.ref(big)
        with Scope(context.set_value("big", big)):
            thread = threading.Thread(target=int)
            finish(thread)
        del big
        assert gone() is None
    finally:
        gc.enable()


def test_outside_everything_a_thread_is_left_alone() -> None:
    """There is nothing to hand over."""
    seen = []
    finish(threading.Thread(target=lambda: seen.append(context.get_current())))
    assert seen == [{}]


def test_a_pools_thread_does_not_stay_in_the_context_of_its_first_user(story: Correlation) -> None:
    """Pools start their threads when somebody comes; the next one is somebody else."""
    with ThreadPoolExecutor(1) as executor, ThreadPool(1) as pool:
        assert executor.submit(current).result() is None
        assert pool.apply(current) is None


def test_a_thread_of_a_queue_serves_everybody(story: Correlation) -> None:
    """Such as the one that logging starts for its listener."""
    seen = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(current())

    records: queue.Queue[logging.LogRecord] = queue.Queue()
    listener = logging.handlers.QueueListener(records, Handler())
    listener.start()
    records.put(logging.makeLogRecord({}))
    listener.stop()
    assert seen == [None]


def test_a_context_that_was_given_to_the_thread_is_the_one(story: Correlation) -> None:
    """Python 3.14 lets the one who makes a thread say what it runs in."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(current()))
    thread._context = contextvars.Context()  # type: ignore[attr-defined]  # where Python 3.14 keeps it
    finish(thread)
    assert seen == [None]


def test_taken_back_below_somebody_elses_hook_it_does_nothing(story: Correlation) -> None:
    """Whoever hooked on top keeps calling it; threads begin empty again."""
    ours = threading.Thread.start
    seen: list[Correlation | None] = []

    def theirs(thread: threading.Thread) -> None:
        ours(thread)

    threading.Thread.start = theirs  # type: ignore[method-assign]  # as other libraries do
    try:
        ThreadingInstrumentor().uninstrument()
        finish(threading.Thread(target=lambda: seen.append(current())))
        assert seen == [None]
    finally:
        threading.Thread.start = inspect.unwrap(ours)  # type: ignore[method-assign]  # as it was
        ThreadingInstrumentor().instrument()


def test_a_start_that_another_library_wrapped_before_is_called_with_its_thread(story: Correlation) -> None:
    """Whatever it wrapped it with."""
    ThreadingInstrumentor().uninstrument()
    plain, wrapped_for, seen = threading.Thread.start, [], []

    def theirs(start: Callable[[], None], thread: threading.Thread, args: tuple[()], kwargs: dict[str, object]) -> None:
        wrapped_for.append(thread)
        start(*args, **kwargs)

    wrapt.wrap_function_wrapper(threading.Thread, "start", theirs)
    ThreadingInstrumentor().instrument()
    try:
        thread = threading.Thread(target=lambda: seen.append(current()))
        finish(thread)
        assert (wrapped_for, seen) == ([thread], [story])
    finally:
        ThreadingInstrumentor().uninstrument()
        threading.Thread.start = plain  # type: ignore[method-assign]  # as it was
        ThreadingInstrumentor().instrument()


@pytest.mark.parametrize("ours_first", [True, False])
def test_beside_opentelemetrys_own_instrumentor_each_thread_is_carried_once(
    ours_first: bool, story: Correlation
) -> None:
    """In either order, and where one of them is taken back; a thread whose run is overridden is carried by ezlogs."""
    module = pytest.importorskip("opentelemetry.instrumentation.threading")
    other, timers, depths = module.ThreadingInstrumentor(), {*vars(threading.Timer)}, []
    handed = context.get_current()

    class Worker(threading.Thread):
        def run(self) -> None:
            depths.append(current())

    class Late(threading.Timer):
        def run(self) -> None:
            depths.append(current())

    if not ours_first:
        ThreadingInstrumentor().uninstrument()
    other.instrument()
    if not ours_first:
        ThreadingInstrumentor().instrument()
    try:
        assert others_carry()
        finish(threading.Thread(target=lambda: depths.append(context.get_current() is handed)))
        finish(threading.Timer(0, lambda: depths.append(context.get_current() is handed)))
        finish(Worker())
        finish(Late(0, int))
        assert depths == [True, True, story, story]
    finally:
        if not ours_first:
            ThreadingInstrumentor().uninstrument()
        other.uninstrument()
        for name in {*vars(threading.Timer)} - timers:  # it leaves a `start` there
            delattr(threading.Timer, name)
        if not ours_first:
            ThreadingInstrumentor().instrument()
    assert not others_carry()
    finish(Worker())
    assert depths[4:] == [story]


def test_threading_needs_nothing_installed() -> None:
    """It is part of Python."""
    assert ThreadingInstrumentor().instrumentation_dependencies() == ()
