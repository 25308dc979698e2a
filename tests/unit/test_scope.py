"""Scopes end in any order, any number of times and anywhere: each context is left as it was, without a word."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

from ezlogs.correlation import current
from ezlogs.scope import CorrelationManager, Scope

VALUE = context.create_key("test-value")


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which OpenTelemetry says that a context could not be detached."""
    yield
    assert caplog.records == []


def opened(value: object) -> Scope:
    """Open a scope whose context holds a value."""
    return Scope(context.set_value(VALUE, value))


def value() -> object:
    """Return the value of the present context."""
    return context.get_value(VALUE)


class Plain:
    """What scopes mean, written plainly: a context is the path of scopes that it is in, innermost last."""

    def __init__(self) -> None:
        self.paths: list[tuple[int, ...]] = [()]
        self.own: list[list[int]] = [[]]
        """The scopes that each context has opened itself and that are still open in it."""
        self.around: list[tuple[int, ...]] = []
        """The path in which each scope was opened."""
        self.ended: set[int] = set()

    def open(self, where: int) -> None:
        """Open a scope in a context."""
        self.around.append(self.paths[where])
        self.own[where].append(len(self.around) - 1)
        self.paths[where] = (*self.paths[where], len(self.around) - 1)

    def copy(self, where: int) -> None:
        """Copy a context, as a new task does: it is in the same scopes, and none is its own."""
        self.paths.append(self.paths[where])
        self.own.append([])

    def close(self, scope: int, where: int) -> None:
        """Close a scope in a context."""
        own = self.own[where]
        if scope in own:
            del own[own.index(scope) :]
            self.ended.add(scope)
            self.paths[where] = self.around[scope]
        elif self.paths[where][-1:] == (scope,) and scope not in self.ended:
            self.paths[where] = self.around[scope]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "open", "close", "close", "copy"]), st.integers(0, 9), st.integers(0, 9)),
        max_size=40,
    )
)
def test_any_program_of_scopes_over_several_contexts_agrees_with_the_plain_meaning(
    program: list[tuple[str, int, int]],
) -> None:
    """Whatever is opened, closed and copied in whatever order; and what a context opened itself leaves nothing."""
    plain = Plain()
    contexts = [contextvars.copy_context()]
    scopes: list[Scope] = []
    for operation, first, second in program:
        where = first % len(contexts)
        if operation == "open":
            plain.open(where)
            scopes.append(contexts[where].run(opened, len(scopes)))
        elif operation == "copy":
            plain.copy(where)
            contexts.append(contexts[where].run(contextvars.copy_context))
        elif scopes:
            plain.close(second % len(scopes), where)
            contexts[where].run(scopes[second % len(scopes)].close)
        for path, there in zip(plain.paths, contexts, strict=True):
            assert there.run(value) == (path[-1] if path else None)

    for scope in scopes:
        for there in contexts:
            there.run(scope.close)
    assert contexts[0].run(context.get_current) == context.get_current()


def test_closing_an_outer_scope_ends_what_is_open_inside_it() -> None:
    """The inner one has nothing left to restore, and does not bring the outer one back."""
    outer, inner = opened("outer"), opened("inner")
    outer.close()
    assert value() is None
    inner.close()
    assert value() is None


def test_a_scope_that_ended_with_what_it_was_in_does_not_disturb_a_later_one() -> None:
    """It is closed late, inside a scope that has nothing to do with it."""
    outer, inner = opened("outer"), opened("inner")
    outer.close()
    with opened("later"):
        inner.close()
        outer.close()
        assert value() == "later"
    assert value() is None


def test_a_scope_that_outlives_the_span_it_was_opened_in_does_not_bring_the_span_back() -> None:
    """The span has ended: nothing that happens later belongs to it."""
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("short"):
        scope = opened("inside")
    scope.close()
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert value() is None


def test_a_span_opened_in_a_scope_is_left_with_it() -> None:
    """A context that is derived from the scope's is in the scope."""
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("outer") as span:
        with opened("scope"):
            context.attach(trace.set_span_in_context(trace.INVALID_SPAN))  # and its token is lost
        assert trace.get_current_span() is span


def test_a_context_that_somebody_put_over_a_scope_is_theirs_to_take_away() -> None:
    """Servers that begin from nothing do so: what they attach holds no scope."""
    scope = opened("scope")
    token = context.attach(context.Context())
    scope.close()
    assert context.get_current() == {}
    context.detach(token)
    scope.close()
    assert value() is None


def test_scopes_end_with_exceptions() -> None:
    """The exception is the caller's, and the context is what it was."""
    with pytest.raises(KeyError, match="mine"), opened("outer"), opened("inner"):
        raise KeyError("mine")
    assert value() is None


def test_a_scope_closed_in_another_thread_stays_open_where_it_is() -> None:
    """The other thread never was in it; the one that opened it can still leave it."""
    scope, seen = opened("mine"), []
    thread = threading.Thread(target=lambda: (scope.close(), seen.append(value())))
    thread.start()
    thread.join()
    assert (seen, value()) == ([None], "mine")
    scope.close()
    assert value() is None


def test_a_task_can_leave_the_scope_that_it_was_started_in() -> None:
    """As a background task does that shall not be part of the request; the request stays in it."""

    async def main() -> tuple[object, object]:
        with opened("request") as scope:

            async def background() -> object:
                scope.close()
                return value()

            return await asyncio.create_task(background()), value()

    assert asyncio.run(main()) == (None, "request")
    assert value() is None


def test_a_thread_that_works_in_a_scope_of_its_own_is_not_taken_out_of_it() -> None:
    """A worker that runs in a handed context, and closes a scope of the one who handed it, keeps its own."""
    with opened("request") as request:
        handed = context.get_current()
    seen = []

    def work() -> None:
        with Scope(handed):
            request.close()
            seen.append(value())
        seen.append(value())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["request", None]


def test_a_generator_that_is_closed_restores_what_was_before() -> None:
    """GeneratorExit leaves a scope as any exception does."""

    def stream() -> Iterator[int]:
        with opened("stream"):
            yield 1

    running = stream()
    next(running)
    running.close()
    assert value() is None


def test_a_generator_that_is_collected_inside_another_scope_ends_that_too_and_leaves_nothing() -> None:
    """A generator's scope is its caller's, so whatever the caller opened since is inside it."""

    def stream() -> Iterator[int]:
        with opened("stream"):
            yield 1

    running = stream()
    next(running)
    with opened("later"):
        del running
        gc.collect()
    assert value() is None


def test_an_async_generator_that_the_loop_finalises_leaks_into_nobody() -> None:
    """The loop closes it in a task of its own, with another context."""
    ended = []

    async def stream() -> AsyncIterator[int]:
        try:
            with opened("stream"):
                yield 1
        finally:
            ended.append(value())

    async def abandon() -> None:
        async for _ in stream():
            break

    async def main() -> object:
        await asyncio.create_task(abandon())
        gc.collect()
        while not ended:
            await asyncio.sleep(0)
        return value()

    assert asyncio.run(main()) is None
    assert value() is None


def test_an_async_generator_continued_by_another_task_leaks_into_nobody() -> None:
    """One task begins it, another one ends it: the latter never was in its scope."""

    async def stream() -> AsyncIterator[object]:
        with opened("stream"):
            yield value()
            yield value()

    async def main() -> list[object]:
        running = stream()
        seen = [await asyncio.create_task(anext(running))]
        seen.append(await asyncio.create_task(anext(running)))
        await running.aclose()
        return [*seen, value()]

    assert asyncio.run(main()) == ["stream", None, None]


def test_a_cancelled_task_restores_what_was_before() -> None:
    """What runs in it afterwards is outside again."""
    seen = []

    async def work(begun: asyncio.Event) -> None:
        try:
            with CorrelationManager.start_request_context("req-1"):
                begun.set()
                await asyncio.Event().wait()
        finally:
            seen.append(current())

    async def main() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(work(begun))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == [None]


def test_a_chain_of_tasks_does_not_keep_the_scopes_of_the_first() -> None:
    """Work that schedules itself again from within a scope, for as long as the process lives, grows nothing."""

    class Big:
        """Something that a context holds."""

    first = weakref.ref(big := Big())

    def tick(held: object, there: contextvars.Context) -> contextvars.Context:
        def inside() -> contextvars.Context:
            with opened(held):
                return contextvars.copy_context()

        return there.run(inside)

    there = tick(big, contextvars.copy_context())
    del big
    for turn in range(3):
        there = tick(turn, there)
    gc.collect()
    assert first() is None
