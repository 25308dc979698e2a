"""Calls: a function each of whose calls is a stretch of work, whatever kind of function it is."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import context

from ezlogs.otel_compat import leave

if TYPE_CHECKING:
    from ezlogs.trackers.work import Work

F = TypeVar("F", bound=Callable[..., Any])


def each_call(function: F, make: Callable[[], Work]) -> F:
    """Return a function that does as the given one, each call as work of its own; name, kind and signature stay.

    The work of a generator, sync or async, is its whole life: from its first step to its exhaustion, its exception or
    its being closed. What its consumer does between two steps is not part of it.

    Args:
        function: A function, coroutine function, generator function or async generator function; also as a
            ``classmethod`` or ``staticmethod``.
        make: Returns the work of one call.
    """
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(each_call(function.__func__, make))
    if inspect.isasyncgenfunction(function):
        return _asynchronous_generator(function, make)  # type: ignore[return-value]  # wraps keeps the signature
    if inspect.isgeneratorfunction(function):
        return _generator(function, make)  # type: ignore[return-value]  # wraps keeps the signature
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with make():
                return await function(*args, **kwargs)

        return run_async  # type: ignore[return-value]  # wraps keeps the signature

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with make():
            return function(*args, **kwargs)

    return run  # type: ignore[return-value]  # wraps keeps the signature


class _Steps:
    """The steps of a generator. Each is run in the work's context, as the step before it left that; and only each step.

    A generator runs in the context of its consumer, who must not find itself in the generator's work. No scope will do
    for that: a scope of the generator's own, left open over a step, would count as ended with it.
    """

    def __init__(self, work: Work) -> None:
        self._context = work.context

    def __enter__(self) -> None:
        self._token = context.attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._context = context.get_current()
        leave(self._token)


def _generator(function: Callable[..., Generator[Any, Any, Any]], make: Callable[[], Work]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        work = make()
        work.begin()
        try:
            result = yield from _stepping(function(*args, **kwargs), _Steps(work))
        except BaseException as error:
            work.end(error)
            raise
        work.end()
        return result

    return run


def _stepping(inner: Generator[Any, Any, Any], steps: _Steps) -> Generator[Any, Any, Any]:
    resume: Callable[[], Any] = partial(next, inner)
    while True:
        try:
            with steps:
                item = resume()
        except StopIteration as stop:
            return stop.value
        finally:
            del resume  # it may hold an error, whose traceback holds this frame
        try:
            sent = yield item
        except GeneratorExit:
            with steps:
                inner.close()
            raise
        except BaseException as error:  # thrown in by the consumer
            resume = partial(inner.throw, error)
        else:
            resume = partial(inner.send, sent)


def _asynchronous_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], make: Callable[[], Work]
) -> Callable[..., Any]:
    @wraps(function)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        work = make()
        work.begin()
        try:
            inner, steps = function(*args, **kwargs), _Steps(work)
            resume: Callable[[], Any] = inner.__anext__
            while True:
                try:
                    with steps:
                        item = await resume()
                except StopAsyncIteration:
                    break
                finally:
                    del resume  # as above
                try:
                    sent = yield item
                except GeneratorExit:
                    with steps:
                        await inner.aclose()
                    raise
                except BaseException as error:  # thrown in by the consumer
                    resume = partial(inner.athrow, error)
                else:
                    resume = partial(inner.asend, sent)
        except BaseException as error:
            work.end(error)
            raise
        work.end()

    return run
