"""Operations that are never executed: what each library does before it executes, seen where it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import wraps
from inspect import isawaitable
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers.graphql import Attempt, attempting, parsed, remember
from ezlogs.trackers.graphql_facts import persisted_hash
from ezlogs_instrumentors.hooks import Hooks

_OURS = "_ezlogs_sees_refusals"
"""Marks functions that other modules import by name: seen once is enough."""


def attach_to_validation(hooks: Hooks, module: ModuleType) -> None:
    """See each document that is validated, so that nobody parses it a second time."""

    def see(context: Any, _: None, schema: Any, document: Any, *args: Any, **kwargs: Any) -> None:
        parsed(document.definitions)

    hooks.after(module.ValidationContext, "__init__", see)


def attach_to_core(hooks: Hooks, module: ModuleType) -> None:
    """See what ``graphql()`` and ``graphql_sync()`` are asked for, and with them Graphene's ``Schema``."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def graphql_impl(schema: Any, source: Any, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active:
                return original(schema, source, *args, **kwargs)
            name = args[3] if len(args) > 3 else kwargs.get("operation_name")
            with Attempt(source, name) as attempt:
                result = original(schema, source, *args, **kwargs)
                if attempt.reached or not isawaitable(result):
                    attempt.result = result
                    return result
            return _awaited(attempt, result)

        return graphql_impl

    hooks.replace(module, "graphql_impl", make)


async def _awaited(attempt: Attempt, awaitable: Awaitable[Any]) -> Any:
    """Go on with an attempt whose document is parsed or validated asynchronously, as graphql-core 3.3 may."""
    with attempt:
        attempt.result = result = await awaitable
    return result


def attach_to_graphene(hooks: Hooks, module: ModuleType) -> None:
    """See what ``Schema.subscribe`` refuses, which parses and validates by itself."""
    _see_refusals(hooks, module, "parse", _parsing)
    _see_refusals(hooks, module, "validate", _validating)


def attach_to_ariadne(hooks: Hooks, module: ModuleType) -> None:
    """See the steps of ``graphql``, ``graphql_sync`` and ``subscribe``."""
    _see_refusals(hooks, module, "parse_query", _parsing_request)
    _see_refusals(hooks, module, "validate_query", _validating)
    for name in ("validate_operation_is_query", "validate_operation_is_not_subscription"):
        _see_refusals(hooks, module, name, _choosing)


def attach_to_ariadnes_handlers(hooks: Hooks, module: ModuleType) -> None:
    """See the documents that the handlers of websockets and server-sent events parse by themselves."""
    _see_refusals(hooks, module, "parse_query", _parsing_request)


def _see_refusals(hooks: Hooks, module: ModuleType, name: str, make: Callable[..., Callable[..., Any]]) -> None:
    if name not in vars(module) or hasattr(vars(module)[name], _OURS):
        return

    def marked(original: Callable[..., Any]) -> Callable[..., Any]:
        replacement = wraps(original)(make(hooks, original))
        setattr(replacement, _OURS, True)
        return replacement

    hooks.replace(module, name, marked)


def _parsing(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    def parse(source: Any, *args: Any, **kwargs: Any) -> Any:
        attempt = Attempt(source)
        try:
            return original(source, *args, **kwargs)
        except Exception as error:
            if hooks.active:
                attempt.tell([error])
            raise

    return parse


def _parsing_request(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    def parse_query(context_value: Any, query_parser: Any, data: Any) -> Any:
        attempt = _requested(data) or Attempt()
        try:
            document = original(context_value, query_parser, data)
        except Exception as error:
            if hooks.active:
                attempt.tell([error])
            raise
        if hooks.active:
            _remembered(document, attempt)
        return document

    return parse_query


@guarded
def _requested(data: Any) -> Attempt:
    return Attempt(data.get("query"), data.get("operationName"), persisted_hash(data.get("extensions")))


@guarded
def _remembered(document: Any, attempt: Attempt) -> None:
    remember(document.definitions, attempt.persisted)


def _validating(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    def validate(schema: Any, document: Any, *args: Any, **kwargs: Any) -> Any:
        attempt = Attempt()
        errors = original(schema, document, *args, **kwargs)
        if errors and hooks.active:
            _refused(attempt, document, None, errors)
        return errors

    return validate


def _choosing(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    def validate_operation(document: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
        attempt = Attempt()
        try:
            return original(document, name, *args, **kwargs)
        except Exception as error:
            if hooks.active:
                _refused(attempt, document, name, [error])
            raise

    return validate_operation


@guarded
def _refused(attempt: Attempt, document: Any, name: Any, errors: list[Any]) -> None:
    attempt.definitions, attempt.name = document.definitions, name
    attempt.tell(errors)


def attach_to_strawberry(hooks: Hooks, module: ModuleType) -> None:
    """See what the methods of ``Schema`` are asked for."""

    def make_sync(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def execute_sync(schema: Any, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active:
                return original(schema, *args, **kwargs)
            with _asked(args, kwargs) as attempt:
                attempt.result = result = original(schema, *args, **kwargs)
            return result

        return execute_sync

    def make_async(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        async def execute(schema: Any, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active:
                return await original(schema, *args, **kwargs)
            with _asked(args, kwargs) as attempt:
                attempt.result = result = await original(schema, *args, **kwargs)
            return result

        return execute

    def make_stream(original: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        @wraps(original)
        def stream(schema: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            results = original(schema, *args, **kwargs)
            return _first_seen(results, _asked(args, kwargs)) if hooks.active else results

        return stream

    def see_request(schema: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        attempt = attempting()
        if isinstance(attempt, _Asked):
            attempt.request = request

    hooks.replace(module.Schema, "execute", make_async)
    hooks.replace(module.Schema, "execute_sync", make_sync)
    streams = [name for name in ("_stream", "_subscribe") if name in vars(module.Schema)]
    for name in streams:
        hooks.replace(module.Schema, name, make_stream)
    if not streams:  # in older versions, whose `subscribe` looks at the first result by itself
        hooks.replace(module.Schema, "subscribe", make_async)
    if "_create_execution_context" in vars(module.Schema):
        hooks.after(module.Schema, "_create_execution_context", see_request)
    else:  # in older versions, whose methods make it by themselves and hand it to functions

        def make_seen(original: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(original)
            def seen(*args: Any, execution_context: Any, **kwargs: Any) -> Any:
                if hooks.active:
                    see_request(None, execution_context)
                return original(*args, execution_context=execution_context, **kwargs)

            return seen

        for name in {"execute", "execute_sync"} & vars(module).keys():
            hooks.replace(module, name, make_seen)


class _Asked(Attempt):
    """What a method of Strawberry's ``Schema`` was asked for."""

    request: Any = None
    """What Strawberry knows of it, whose document is filled in once it is parsed, also by its extensions."""

    def tell(self, errors: Iterable[Any], stage: str | None = None) -> None:
        self._describe()
        super().tell(errors, stage)

    @guarded
    def _describe(self) -> None:
        request = self.request
        document = getattr(request, "graphql_document", None)
        if document is not None:
            self.definitions, self.name = document.definitions, request.operation_name
        self.source = getattr(request, "query", None) or self.source


def _asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Asked:
    first = args[0] if args else kwargs.get("query", kwargs.get("execution_context"))
    request = first if hasattr(first, "graphql_document") else None
    extensions = kwargs.get("operation_extensions") or getattr(request, "operation_extensions", None)
    attempt = _Asked(first if request is None else None, kwargs.get("operation_name"), persisted_hash(extensions))
    attempt.request = request
    return attempt


async def _first_seen(results: Any, attempt: Attempt) -> AsyncIterator[Any]:
    """Go on with a stream of results; what is refused has one result that says so."""
    try:
        with attempt:
            try:
                attempt.result = first = await results.__anext__()
            except StopAsyncIteration:
                return
        yield first
        async for result in results:
            yield result
    finally:
        await results.aclose()
