"""graphql-core's subscriptions: one operation from the first event to the end of the stream, however that comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.scope import Scope
from ezlogs.trackers.graphql import Operation, hand_over, taken_over
from ezlogs_instrumentors.hooks import Hooks

_OPERATION = "_ezlogs_operation"


def attach_before_33(hooks: Hooks, module: ModuleType) -> None:
    """See the streams of events being made, by graphql-core 3.2."""

    def make(original: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        @wraps(original)
        async def execute_subscription(context: Any, /, *args: Any, **kwargs: Any) -> Any:
            operation = _begun(context) if hooks.active else None
            if operation is None:
                return await original(context, *args, **kwargs)
            source = await operation.awaited(original(context, *args, **kwargs))
            _made(operation, source)
            return source

        return execute_subscription

    hooks.replace(module, "execute_subscription", make)


def attach_to_iterator(hooks: Hooks, module: ModuleType) -> None:
    """See the results of a subscription, with graphql-core 3.2: it may be closed while the next one is awaited."""

    def see(results: Any, _: None, iterable: Any, *args: Any, **kwargs: Any) -> None:
        operation = taken_over(iterable)
        if operation is not None:
            setattr(results, _OPERATION, operation)

    def make_next(original: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        @wraps(original)
        async def next_result(results: Any) -> Any:
            operation: Operation | None = getattr(results, _OPERATION, None)
            return await (original(results) if operation is None else operation.step(original(results)))

        return next_result

    def make_close(original: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        @wraps(original)
        async def aclose(results: Any) -> Any:
            operation: Operation | None = getattr(results, _OPERATION, None)
            return await (original(results) if operation is None else operation.close(lambda: original(results)))

        return aclose

    hooks.after(module.MapAsyncIterator, "__init__", see)
    hooks.replace(module.MapAsyncIterator, "__anext__", make_next)
    hooks.replace(module.MapAsyncIterator, "aclose", make_close)


def attach_since_33(hooks: Hooks, module: ModuleType) -> None:
    """See the streams of events being made and mapped to results, by graphql-core 3.3."""

    def make_source(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @wraps(original)
        def execute_subscription(executor: Any) -> Any:
            operation = _begun(executor) if hooks.active else None
            if operation is None:
                return original(executor)
            try:
                with Scope(operation.context):
                    source = original(executor)
            except BaseException as error:
                operation.finish(error=error)
                raise
            if executor.is_awaitable(source):
                return _awaited(operation, source)
            _made(operation, source)
            return source

        return execute_subscription

    def make_results(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def map_source_to_response_event(executor: Any, /, source: Any, *args: Any, **kwargs: Any) -> Any:
            operation = taken_over(source)
            results = original(executor, source, *args, **kwargs)
            return results if operation is None else operation.stream(results)

        return map_source_to_response_event

    hooks.replace(module, "execute_subscription", make_source)
    hooks.replace(module, "map_source_to_response_event", make_results)


def _begun(context: Any) -> Operation | None:
    from ezlogs_instrumentors.graphql.execution import begun  # it imports this module

    return begun(context, subscribing=True)


async def _awaited(operation: Operation, awaitable: Awaitable[Any]) -> Any:
    source = await operation.awaited(awaitable)
    _made(operation, source)
    return source


@guarded
def _made(operation: Operation, source: Any) -> None:
    if hasattr(type(source), "__aiter__"):
        hand_over(source, operation)
    else:
        operation.finish(error=TypeError("no stream of events"))
