"""graphql-core's execution: each operation that it runs, however it was called; sync, async and incremental."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.scope import Scope
from ezlogs.trackers.graphql import Operation, begin, not_built
from ezlogs_instrumentors.graphql.subscriptions import attach_since_33
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See operations being found and executed."""
    executor = vars(module).get("ExecutionContext") or vars(module)["Executor"]

    def make_build(original: Any) -> Any:
        build = original.__func__

        @wraps(build)
        def built(cls: Any, /, schema: Any, document: Any, *args: Any, **kwargs: Any) -> Any:
            context = build(cls, schema, document, *args, **kwargs)
            if type(context) is list and hooks.active:
                _not_built(document, args, kwargs, context)
            return context

        return classmethod(built)

    def make_execute(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def execute_operation(context: Any, /, *args: Any, **kwargs: Any) -> Any:
            operation = begun(context) if hooks.active else None
            if operation is None:
                return original(context, *args, **kwargs)
            try:
                with Scope(operation.context):
                    result = original(context, *args, **kwargs)
            except BaseException as error:
                _failed(context, operation, error)
                raise
            if context.is_awaitable(result):
                return _awaited(context, operation, result)
            return _finished(context, operation, result)

        return execute_operation

    hooks.replace(executor, "build", make_build)
    hooks.replace(executor, "execute_operation", make_execute)
    if "map_source_to_response_event" in vars(module):
        attach_since_33(hooks, module)


def begun(context: Any, *, subscribing: bool = False) -> Operation | None:
    """Begin the operation of an execution; None where it is not to be told."""
    return begin(
        context.operation,
        getattr(context, "fragment_definitions", None) or context.fragments,
        lambda: _printed(context),
        variables=_variables(context),
        subscribing=subscribing,
        has_field=_fields_of(context),
    )


def _fields_of(context: Any) -> Callable[[str], bool] | None:
    """Return what says whether the schema has a field where the operation begins."""
    schema = getattr(context, "schema", None)
    if schema is None:
        return None
    root = getattr(schema, f"{context.operation.operation.value}_type")

    def has(name: str) -> bool:
        return root is not None and (name in root.fields or name in ("__schema", "__type", "__typename"))

    return has


def _variables(context: Any) -> Mapping[str, object]:
    values = context.variable_values
    found: Mapping[str, object] = getattr(values, "coerced", values)  # since 3.3 they keep where they are from
    return found


def _printed(context: Any) -> str:
    from graphql import print_ast

    fragments = getattr(context, "fragment_definitions", None) or context.fragments
    return "\n\n".join(print_ast(node) for node in (context.operation, *fragments.values()))


@guarded
def _not_built(document: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], errors: list[Any]) -> None:
    name = args[3] if len(args) > 3 else kwargs.get("operation_name")
    not_built(document.definitions, name, errors)


async def _awaited(context: Any, operation: Operation, awaitable: Any) -> Any:
    try:
        with Scope(operation.context):
            result = await awaitable
    except BaseException as error:
        _failed(context, operation, error)
        raise
    return _finished(context, operation, result)


@guarded
def _failed(context: Any, operation: Operation, error: BaseException) -> None:
    """Tell what was raised: before 3.3 also the error of a field that must not be null, which nulls all."""
    operation.finish(_collected(context), error=error)


def _collected(context: Any) -> list[Any]:
    collected = getattr(context, "collected_errors", None)
    errors: list[Any] = context.errors if collected is None else collected.errors
    return errors


def _finished(context: Any, operation: Operation, result: Any) -> Any:
    """Tell the result, and return it, or the same with a stream of parts that tells it when it ends."""
    return _told(context, operation, result) or result


@guarded
def _told(context: Any, operation: Operation, result: Any) -> Any:
    if hasattr(result, "subsequent_results"):
        operation.sent(result.initial_result)
        return result._replace(subsequent_results=operation.stream(result.subsequent_results))
    if hasattr(result, "errors"):  # since 3.3 it is the whole response, before that its data
        operation.finish(result.errors, data=result.data)
    else:
        operation.finish(_collected(context), data=result)
    return None
