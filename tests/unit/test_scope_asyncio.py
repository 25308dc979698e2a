"""asyncio keeps a story by itself, in the context that each task and callback has a copy of."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from ezlogs.correlation import Correlation, current
from ezlogs.scope import CorrelationManager

STORY = Correlation(correlation_id="story-1")
with_context = CorrelationManager.with_context


async def seen() -> Correlation | None:
    """Return the story, after others had their turn."""
    await asyncio.sleep(0)
    return current()


async def apart(name: str) -> tuple[str, str | None]:
    """Return the request that a task is in, entered while others enter theirs."""
    with CorrelationManager.start_request_context(name) as scope:
        await asyncio.sleep(0)
        assert current() == scope.correlation
        return name, scope.correlation.request_id if scope.correlation else None


async def in_a_task() -> Correlation | None:
    """Go on in a task."""
    with with_context(STORY):
        task = asyncio.create_task(seen())
    return await task


async def gathered() -> Correlation | None:
    """Go on in tasks that are awaited together."""
    with with_context(STORY):
        first, second = await asyncio.gather(seen(), seen())
    assert first == second
    return first


async def in_a_group() -> Correlation | None:
    """Go on in the tasks of a group."""
    with with_context(STORY):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(seen())
    return task.result()


async def in_a_thread() -> Correlation | None:
    """Go on in a thread."""
    with with_context(STORY):
        return await asyncio.to_thread(current)


async def with_a_timeout() -> Correlation | None:
    """Go on in what is waited for."""
    with with_context(STORY):
        return await asyncio.wait_for(seen(), 10)


def called(schedule: Callable[[asyncio.AbstractEventLoop], Callable[..., object]]) -> Callable[..., object]:
    """Return a coroutine function that goes on in a callback of the loop."""

    async def main() -> Correlation | None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Correlation | None] = loop.create_future()
        with with_context(STORY):
            schedule(loop)(lambda: future.set_result(current()))
        return await future

    return main


async def in_a_done_callback() -> Correlation | None:
    """Go on when a future is done."""
    done, told = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    with with_context(STORY):
        done.add_done_callback(lambda _: told.set_result(current()))
    done.set_result(None)
    return await told


async def in_an_async_generator() -> Correlation | None:
    """Go on in a generator that is run by the one who is in the story."""

    async def stream() -> AsyncIterator[Correlation | None]:
        yield await seen()

    with with_context(STORY):
        (found,) = [found async for found in stream()]
    return found


async def in_an_async_context_manager() -> Correlation | None:
    """Go on in the story that a context manager has entered for its block."""

    @asynccontextmanager
    async def entered() -> AsyncIterator[None]:
        with with_context(STORY):
            yield

    async with entered():
        return await seen()


WAYS = [
    in_a_task,
    gathered,
    pytest.param(in_a_group, marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="since Python 3.11")),
    in_a_thread,
    with_a_timeout,
    called(lambda loop: loop.call_soon),
    called(lambda loop: loop.call_soon_threadsafe),
    called(lambda loop: lambda callback: loop.call_later(0, callback)),
    called(lambda loop: lambda callback: loop.call_at(loop.time(), callback)),
    in_a_done_callback,
    in_an_async_generator,
    in_an_async_context_manager,
]


@pytest.mark.parametrize("way", WAYS)
def test_the_story_goes_on(way: Callable[[], Coroutine[None, None, Correlation | None]]) -> None:
    """And afterwards nobody is in it."""

    async def main() -> tuple[Correlation | None, Correlation | None]:
        return await way(), current()

    assert asyncio.run(main()) == (STORY, None)


def test_tasks_that_run_at_once_are_each_in_their_own() -> None:
    """However they take turns."""

    async def main() -> list[tuple[str, str | None]]:
        return await asyncio.gather(*(apart(f"req-{number}") for number in range(20)))

    assert asyncio.run(main()) == [(f"req-{number}", f"req-{number}") for number in range(20)]


def test_a_task_that_was_cancelled_in_a_group_leaves_the_others_in_theirs() -> None:
    """A failure cancels its siblings; each leaves its scope as it goes."""
    left: list[Correlation | None] = []

    async def waits() -> None:
        try:
            with CorrelationManager.start_request_context("waits"):
                await asyncio.Event().wait()
        finally:
            left.append(current())

    async def main() -> Correlation | None:
        with with_context(STORY):
            tasks = [asyncio.create_task(waits()) for _ in range(3)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return current()

    assert asyncio.run(main()) == STORY
    assert left == [STORY] * 3


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are there since Python 3.12")
def test_an_eager_task_begins_in_the_story_and_leaves_nothing_in_it() -> None:
    """It runs inside its creator until it first waits, but in a context of its own."""

    async def main() -> tuple[Correlation | None, Correlation | None]:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # since 3.12
        with with_context(STORY):
            await asyncio.create_task(apart("eager"))
            return await asyncio.create_task(seen()), current()

    assert asyncio.run(main()) == (STORY, STORY)
