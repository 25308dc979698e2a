"""Processes and pools of them go on in the story of the one who starts or gives; nothing else about them changes."""

from __future__ import annotations

import inspect
import json
import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterator
from functools import partialmethod
from multiprocessing.pool import Pool, ThreadPool
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

from ezlogs.actor import actor, current_actor
from ezlogs.correlation import Correlation, current
from ezlogs.ids import new_event_id, new_span_id, new_trace_id
from ezlogs.scope import CorrelationManager, Scope
from ezlogs_instrumentors.multiprocessing import MultiprocessingInstrumentor

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")
STORY = Correlation(correlation_id="story-1", parent_event_id="evt_1", attempt=2)
METHODS = multiprocessing.get_all_start_methods()


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Instrument multiprocessing, and leave it as it was."""
    before = {**vars(BaseProcess)}, {**vars(Pool)}
    MultiprocessingInstrumentor().instrument()
    yield
    MultiprocessingInstrumentor().uninstrument()
    assert ({**vars(BaseProcess)}, {**vars(Pool)}) == before


def seen(_: object = None, __: object = None) -> tuple[Any, ...]:
    """Return what there is of the one who started or gave this."""
    who = current_actor()
    return current(), trace.get_current_span().get_span_context().trace_id, who.type, who.id


def tell(path: Path, *_: object) -> None:
    """Write down what there is of the one who started this, and some ids."""
    correlation, *rest = seen()
    ids = [new_trace_id(), new_span_id(), new_event_id()[-16:]]
    told = [correlation and [correlation.correlation_id, correlation.parent_event_id, correlation.attempt], *rest]
    path.write_text(json.dumps({"told": told, "ids": ids, "own": sorted(vars(multiprocessing.current_process()))}))


def fails() -> None:
    """Raise an error."""
    raise KeyError("mine")


class Telling:
    """A process whose ``run`` is its own."""

    path: Path

    def run(self) -> None:
        """Write down."""
        tell(self.path)


class SpawnTelling(Telling, multiprocessing.get_context("spawn").Process):  # type: ignore[misc,name-defined]  # a class at run time
    pass


class ForkTelling(Telling, multiprocessing.get_context("fork").Process):  # type: ignore[misc,name-defined]  # as above
    pass


class ForkserverTelling(Telling, multiprocessing.get_context("forkserver").Process):  # type: ignore[misc,name-defined]  # as above
    pass


def finish(process: BaseProcess) -> None:
    """Start a process and wait for its end."""
    process.start()
    process.join(30)
    assert process.exitcode == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_process_goes_on_in_the_story_of_the_one_who_starts_it(method: str, tmp_path: Path) -> None:
    """However it is started; its trace and its actor too, and its object looks as ever."""
    path = tmp_path / "told"
    process = multiprocessing.get_context(method).Process(target=tell, args=(path,))
    with TRACER.start_as_current_span("request") as span, CorrelationManager.with_context(STORY), actor("user", 7):
        before = set(vars(process)) - {"_target", "_args", "_kwargs"}
        finish(process)
        assert set(vars(process)) - before == {"_sentinel"}
    assert json.loads(path.read_text())["told"] == [
        ["story-1", "evt_1", 2],
        span.get_span_context().trace_id,
        "user",
        "7",
    ]


@pytest.mark.parametrize("kind", [SpawnTelling, ForkTelling, ForkserverTelling])
def test_a_class_that_overrides_run_is_carried_too(kind: Any, tmp_path: Path) -> None:
    """It runs in the story as any other."""
    process = kind()
    process.path = tmp_path / "told"
    with CorrelationManager.with_context(STORY):
        finish(process)
    assert json.loads(process.path.read_text())["told"][0] == ["story-1", "evt_1", 2]


@pytest.mark.parametrize("method", METHODS)
def test_outside_everything_a_process_is_left_alone(method: str, tmp_path: Path) -> None:
    """It begins in no story."""
    path = tmp_path / "told"
    finish(multiprocessing.get_context(method).Process(target=tell, args=(path,)))
    assert json.loads(path.read_text())["told"] == [None, 0, "system", "system"]


@pytest.mark.parametrize("method", METHODS)
def test_the_ids_of_processes_differ(method: str, tmp_path: Path) -> None:
    """Also of those that began as copies of one another."""
    new_trace_id(), new_event_id()
    for number in range(2):
        finish(multiprocessing.get_context(method).Process(target=tell, args=(tmp_path / str(number),)))
    first, second = (json.loads((tmp_path / str(number)).read_text())["ids"] for number in range(2))
    here = [new_trace_id(), new_span_id(), new_event_id()[-16:]]
    assert all(len({*three}) == 3 for three in zip(first, second, here, strict=True))


def test_a_process_that_cannot_start_keeps_nothing() -> None:
    """The error is the caller's."""
    process = multiprocessing.get_context("spawn").Process(target=lambda: None)
    with CorrelationManager.with_context(STORY), pytest.raises(Exception, match=r"Can't (pickle|get local object)"):
        process.start()
    assert "_ezlogs_context" not in vars(process)


def test_a_process_can_be_started_once(tmp_path: Path) -> None:
    """The second time raises what it raises."""
    process = multiprocessing.get_context("fork").Process(target=tell, args=(tmp_path / "told",))
    with CorrelationManager.with_context(STORY):
        finish(process)
        with pytest.raises(AssertionError, match="cannot start a process twice"):
            process.start()


def gives(pool: Pool) -> list[Any]:
    """Give a pool work in each way there is, and return what came back."""
    return [
        pool.apply(seen),
        pool.apply_async(func=seen).get(),
        pool.map(seen, [1, 2])[1],
        pool.map_async(seen, [1]).get()[0],
        pool.starmap(seen, [(1, 2)])[0],
        pool.starmap_async(seen, [(1, 2)]).get()[0],
        *pool.imap(seen, [1]),
        *pool.imap_unordered(seen, [1], chunksize=2),
    ]


@pytest.mark.parametrize("method", [*METHODS, "threads"])
def test_what_a_pool_is_given_is_in_the_story_of_the_one_who_gives_it(method: str) -> None:
    """In whatever way it is given; the workers are in no story, also where the pool was made in one."""
    with CorrelationManager.start_request_context("made-in"):
        pool = ThreadPool(1) if method == "threads" else multiprocessing.get_context(method).Pool(1)
    with pool:
        with TRACER.start_as_current_span("request") as span, CorrelationManager.with_context(STORY), actor("user", 7):
            inside = gives(pool)
            failed = pool.apply_async(fails)
        assert inside == [(STORY, span.get_span_context().trace_id, "user", "7")] * 8
        with pytest.raises(KeyError) as raised:
            failed.get()
        told = "".join(traceback.format_exception(raised.value))
        assert ("in __call__" in told) is (sys.version_info < (3, 11))
        assert pool.apply(seen) == (None, 0, "system", "system")
        with CorrelationManager.with_context(STORY), pytest.raises(TypeError, match="missing 1 required"):
            pool.apply_async()  # type: ignore[call-arg]  # that is the point


def test_a_forked_process_has_the_very_context_of_its_parent() -> None:
    """With all that the application keeps in it."""
    reader, writer = os.pipe()

    def tell_value() -> None:
        os.write(writer, str(context.get_value("mine")).encode())

    with Scope(context.set_value("mine", 7)):
        finish(multiprocessing.get_context("fork").Process(target=tell_value))
    os.close(writer)
    assert os.read(reader, 10) == b"7"
    os.close(reader)


def test_taken_back_below_somebody_elses_hook_it_does_nothing() -> None:
    """Whoever hooked on top keeps calling it."""
    ours = Pool.apply_async, BaseProcess.start
    for kind, name, hook in zip((Pool, BaseProcess), ("apply_async", "start"), ours, strict=True):
        setattr(kind, name, partialmethod(hook))  # as other libraries do
    try:
        MultiprocessingInstrumentor().uninstrument()
        with CorrelationManager.with_context(STORY), multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(seen)[0] is None
    finally:
        Pool.apply_async, BaseProcess.start = map(inspect.unwrap, ours)  # type: ignore[method-assign]  # as it was
        MultiprocessingInstrumentor().instrument()


def test_multiprocessing_needs_nothing_installed() -> None:
    """It is part of Python."""
    assert MultiprocessingInstrumentor().instrumentation_dependencies() == ()
