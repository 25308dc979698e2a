"""graphql-core as it is since 3.3, in the few names that are hooked: responses whole, sources not always awaited.

With graphql-core 3.3 itself `test_core` tests the same; where 3.2 is installed this stands in for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError, parse


class Variables(NamedTuple):
    """Variables, with where they are from."""

    coerced: Mapping[str, Any]


class Incremental(NamedTuple):
    """What comes in parts."""

    initial_result: Any
    subsequent_results: AsyncIterator[Any]


class Executor:
    """Executes one operation, by a function that stands for all resolvers."""

    is_awaitable = staticmethod(isawaitable)

    def __init__(self, operation: Any, resolve: Callable[[], Any]) -> None:
        self.operation, self.resolve = operation, resolve
        self.fragment_definitions: dict[str, Any] = {}
        self.fragments: dict[str, Any] = {}
        self.variable_values = Variables({"id": 7})

    @classmethod
    def build(cls, schema: Any, document: Any, *, resolve: Any = None, operation_name: str | None = None) -> Any:
        """Return an executor, or what is wrong."""
        if operation_name is not None:
            return [GraphQLError("unknown")]
        return cls(document.definitions[0], resolve)

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Return a whole response, or an awaitable of one."""
        try:
            return self.resolve()
        except LookupError as error:
            return ExecutionResult(None, [GraphQLError("x", original_error=error)])


def execute_subscription(executor: Executor) -> Any:
    """Return the source of a subscription, or an awaitable of it."""
    return executor.resolve()


def map_source_to_response_event(executor: Executor, source: Any) -> Any:
    """Return the results."""

    async def results() -> Any:
        async for value in source:
            yield ExecutionResult({"tick": value})

    return results()


def executor(source: str, resolve: Any) -> Any:
    """Return an executor of a document."""
    return Executor.build(None, parse(source), resolve=resolve)


def parts(*errors: Any) -> Any:
    """Return a response in parts, of which the second has errors."""

    async def subsequent() -> Any:
        yield SimpleNamespace(incremental=[SimpleNamespace(errors=list(errors))], completed=[])

    return Incremental(ExecutionResult({}), subsequent())


async def graphql_impl(schema: Any, source: Any, *args: Any, operation_name: str | None = None) -> Any:
    """Parse asynchronously, as a harness of the application's may."""
    try:
        document = parse(source)
    except GraphQLError as error:
        return ExecutionResult(None, [error])
    return Executor(document.definitions[0], lambda: ExecutionResult({})).execute_operation()
