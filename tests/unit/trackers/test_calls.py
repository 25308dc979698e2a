"""Each call of a function is work of its own, whatever kind of function it is; its consumer is not part of it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import threading
import weakref
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from opentelemetry import context

import ezlogs
from ezlogs.correlation import current
from ezlogs.testing import Captured

tracked = ezlogs.tracked("report.action", "streamed")


@tracked
def lines(number: int) -> Generator[int, str, str]:
    """Stream some lines; what is sent in is told."""
    for index in range(number):
        sent = yield index
        ezlogs.event("line.action", "written", metadata={"sent": sent})
    return "done"


@tracked
async def rows(number: int) -> Any:
    """Stream some rows; what is sent in is told."""
    for index in range(number):
        sent = yield index
        ezlogs.event("line.action", "written", metadata={"sent": sent})


def test_functions_keep_their_kind_and_name() -> None:
    """Frameworks look at them: dependencies, fixtures, views."""

    @tracked
    async def fetch() -> None:
        """Fetch it."""

    assert inspect.isgeneratorfunction(lines)
    assert inspect.isasyncgenfunction(rows)
    assert inspect.iscoroutinefunction(fetch)
    assert (lines.__name__, rows.__name__, fetch.__doc__) == ("lines", "rows", "Fetch it.")


def test_methods_of_a_class_stay_such(captured: Captured) -> None:
    """In whichever order the decorators stand."""

    class Report:
        @tracked
        @classmethod
        def named(cls) -> str:
            return cls.__name__

        @tracked
        @staticmethod
        def fixed() -> str:
            return "fixed"

        @staticmethod
        @tracked
        def also() -> str:
            return "also"

        @tracked
        def own(self) -> str:
            return type(self).__name__

    assert [Report.named(), Report().fixed(), Report.also(), Report().own()] == ["Report", "fixed", "also", "Report"]
    assert len(captured.events) == 4


def test_a_function_that_calls_itself_is_told_each_time(captured: Captured) -> None:
    """The outer call is the cause of the inner one."""

    @tracked
    def walk(depth: int) -> int:
        return depth and walk(depth - 1)

    assert walk(2) == 0
    inmost, inner, outer = captured.events
    assert inmost.correlation.parent_event_id == inner.event_id
    assert inner.correlation.parent_event_id == outer.event_id


def test_calls_at_one_time_do_not_meet(captured: Captured) -> None:
    """In threads and in tasks each call has an event and a story of its own."""
    together = threading.Barrier(3, timeout=10)

    @tracked
    def wait() -> None:
        together.wait()

    @tracked
    async def pause() -> None:
        await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(pause(), pause())

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(both())
    assert len({event.event_id for event in captured.events}) == 5
    assert len({event.correlation.correlation_id for event in captured.events}) == 5


def test_a_generator_is_told_once_for_its_whole_life(captured: Captured) -> None:
    """It begins with its first step; its consumer between two steps is outside; what is sent arrives."""
    stream = lines(2)
    assert captured.events == []
    assert next(stream) == 0
    assert current() is None
    ezlogs.event("consumer.action", "looked")
    assert stream.send("a") == 1
    with pytest.raises(StopIteration) as stop:
        stream.send("b")
    assert stop.value.value == "done"
    looked, first, second, streamed = captured.events
    assert looked.correlation.parent_event_id is None
    assert first.correlation.parent_event_id == second.correlation.parent_event_id == streamed.event_id
    assert [event.metadata["sent"] for event in (first, second)] == ["a", "b"]
    assert streamed.outcome == "success"


def test_a_generator_keeps_the_scopes_that_it_opened(captured: Captured) -> None:
    """A flow over several steps holds until it ends, and no longer."""

    @tracked
    def stream() -> Iterator[object]:
        with ezlogs.flow("export", 1):
            yield current()
            yield current()
        yield current()

    with ezlogs.flow("around", 2) as around:
        seen: list[Any] = []
        for found in stream():
            assert current() == around.correlation
            seen.append(found)
    assert [found.flow_id for found in seen] == ["export:1", "export:1", "around:2"]


@pytest.mark.parametrize("end", ["close", "collect"])
def test_a_generator_that_is_left_early_has_an_unknown_outcome(captured: Captured, end: str) -> None:
    """It was closed, or collected, and runs what it must."""
    cleaned: list[object] = []

    @tracked
    def stream() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            cleaned.append(current())

    running: Any = stream()
    next(running)
    if end == "close":
        running.close()
    del running
    gc.collect()
    (event,) = captured.events
    assert (event.outcome, event.error and event.error.type) == ("unknown", "GeneratorExit")
    assert [found.parent_event_id for found in cleaned] == [event.event_id]  # type: ignore[attr-defined]  # a correlation


def test_a_generator_that_was_never_started_is_not_told(captured: Captured) -> None:
    """Nothing of it happened."""
    lines(3).close()
    assert captured.events == []


def test_what_is_thrown_into_a_generator_arrives(captured: Captured) -> None:
    """It may go on; what it raises is its failure."""

    @tracked
    def stream() -> Iterator[str]:
        try:
            yield "a"
        except LookupError:
            yield "caught"
        raise ValueError("broken")

    running: Any = stream()
    next(running)
    assert running.throw(LookupError("consumer")) == "caught"
    with pytest.raises(ValueError, match="broken"):
        next(running)
    assert captured.events[0].outcome == "failure"


def test_a_context_manager_may_be_tracked(captured: Captured) -> None:
    """An error of the block is one of its work, unless it deals with it."""

    @contextmanager
    @tracked
    def opened(*, forgiving: bool) -> Iterator[str]:
        try:
            yield "file"
        except OSError:
            if not forgiving:
                raise

    with opened(forgiving=True) as file:
        assert file == "file"
        raise OSError("forgiven")
    with pytest.raises(OSError, match="not forgiven"), opened(forgiving=False):
        raise OSError("not forgiven")
    assert [event.outcome for event in captured.events] == ["success", "failure"]


def test_an_error_that_went_through_a_generator_is_let_go(captured: Captured) -> None:
    """With all that its frames hold, and not only when the collector comes."""

    class BlockError(Exception):
        pass

    @tracked
    def stream() -> Iterator[None]:
        yield

    @tracked
    async def stream_later() -> AsyncIterator[None]:
        yield

    def use() -> weakref.ref[BlockError] | None:
        running: Any = stream()
        next(running)
        try:
            running.throw(BlockError())
        except BlockError as error:
            return weakref.ref(error)

    async def use_later() -> weakref.ref[BlockError] | None:
        running: Any = stream_later()
        await running.__anext__()
        try:
            await running.athrow(BlockError())
        except BlockError as error:
            return weakref.ref(error)

    gc.collect()
    gc.disable()
    try:
        for reference in (use(), asyncio.run(use_later())):
            assert reference is not None
            assert reference() is None
    finally:
        gc.enable()


def test_a_generator_consumed_in_another_context_leaves_it_alone(captured: Captured) -> None:
    """As a server does that iterates a response in a thread of its own."""
    stream = lines(2)
    next(stream)
    elsewhere = contextvars.copy_context()
    assert elsewhere.run(next, stream) == 1
    assert elsewhere.run(current) is None
    stream.close()
    assert context.get_current() == {}
    assert captured.events[-1].outcome == "unknown"


def test_an_async_generator_is_told_once_for_its_whole_life(captured: Captured) -> None:
    """As a sync one is."""

    async def consume() -> None:
        stream = rows(2)
        assert await stream.__anext__() == 0
        assert current() is None
        assert await stream.asend("a") == 1
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()

    asyncio.run(consume())
    first, second, streamed = captured.events
    assert first.correlation.parent_event_id == second.correlation.parent_event_id == streamed.event_id
    assert [event.metadata["sent"] for event in (first, second)] == ["a", None]
    assert streamed.outcome == "success"


def test_an_async_generator_that_is_left_early_has_an_unknown_outcome(captured: Captured) -> None:
    """It was closed; it may still wait for what it closes itself."""
    cleaned: list[bool] = []

    @tracked
    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    async def consume() -> None:
        running: Any = stream()
        await running.__anext__()
        await running.aclose()

    asyncio.run(consume())
    assert cleaned == [True]
    assert [event.outcome for event in captured.events] == ["unknown"]


def test_an_async_context_manager_may_be_tracked(captured: Captured) -> None:
    """What its block raises arrives in it."""

    @asynccontextmanager
    @tracked
    async def opened() -> AsyncIterator[str]:
        try:
            yield "file"
        except OSError:
            ezlogs.event("file.action", "recovered")

    async def use() -> None:
        async with opened():
            raise OSError

    asyncio.run(use())
    assert [event.action for event in captured.events] == ["recovered", "streamed"]


def test_an_async_generator_that_fails_or_is_cancelled(captured: Captured) -> None:
    """A failure is its own; a cancelled task does not tell how far it came."""

    @tracked
    async def stream(started: asyncio.Event) -> AsyncIterator[int]:
        yield 1
        if started.is_set():
            raise ValueError("broken")
        started.set()
        await asyncio.Event().wait()

    async def consume(started: asyncio.Event) -> None:
        async for _ in stream(started):
            pass

    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(consume(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ValueError, match="broken"):
            await consume(started)

    asyncio.run(main())
    assert [event.outcome for event in captured.events] == ["unknown", "failure"]
