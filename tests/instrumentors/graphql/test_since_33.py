"""What graphql-core does otherwise since 3.3: whole responses, responses in parts, sources that are not awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError, parse

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.graphql import execution, refusals
from ezlogs_instrumentors.hooks import Hooks
from tests.instrumentors.graphql import since_33
from tests.instrumentors.graphql.conftest import Told


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    """Hook into the stand-in for the length of a test."""
    hooks = Hooks()
    execution.attach(hooks, since_33)
    refusals.attach_to_core(hooks, since_33)
    yield hooks
    hooks.undo()


@pytest.fixture
def told(hooks: Hooks) -> Iterator[Told]:
    """Capture what is told."""
    with capture(graphql_variables=("id",)) as found:
        yield Told(found)


def resolve() -> Any:
    """Return a response, with an event."""
    ezlogs.event("profile.action", "viewed")
    return ExecutionResult({"a": 1}, [GraphQLError("x")])


async def resolve_later() -> Any:
    """Return a response, with an event, once it is awaited."""
    return resolve()


async def ticks() -> Any:
    """Send numbers, each with an event."""
    for number in range(2):
        ezlogs.event("profile.action", "viewed")
        yield number


async def ticks_later() -> Any:
    """Return a source once it is awaited."""
    return ticks()


async def fail_later() -> Any:
    """Fail once it is awaited."""
    raise LookupError


def fail() -> Any:
    """Fail."""
    raise LookupError


def test_responses(told: Told) -> None:
    """Their data and errors are told, at once or awaited, and variables by their values."""
    since_33.executor("query Q { a }", resolve).execute_operation()
    asyncio.run(since_33.executor("query Q { a }", resolve_later).execute_operation())
    assert told.causes_of("profile.action") == ["query Q"] * 2
    for event in told.operations:
        assert (event.outcome, event.metadata["partial"]) == ("failure", True)
        assert dict(event.metadata["variables"]) == {"id": 7}  # type: ignore[arg-type]  # a mapping


def test_an_operation_that_is_not_found(told: Told) -> None:
    """It is refused."""
    since_33.Executor.build(None, parse("query Q { a }"), operation_name="Other")
    assert (told.operation.outcome, told.operation.metadata["stage"]) == ("failure", "selection")


def test_responses_in_parts(told: Told) -> None:
    """They are one operation, until the last part."""

    async def main() -> None:
        response = since_33.executor("query Q { a }", lambda: since_33.parts(GraphQLError("x"))).execute_operation()
        assert not told.operations
        assert [part async for part in response.subsequent_results]

    asyncio.run(main())
    assert (told.operation.outcome, told.operation.metadata["messages"]) == ("failure", 2)


@pytest.mark.parametrize("source", [ticks, ticks_later])
def test_subscriptions(told: Told, source: Any) -> None:
    """One event, whether their source is awaited or not."""

    async def main() -> int:
        executor = since_33.executor("subscription S { a }", source)
        events = since_33.execute_subscription(executor)
        events = await events if executor.is_awaitable(events) else events
        return len([one async for one in since_33.map_source_to_response_event(executor, events)])

    assert asyncio.run(main()) == 2
    assert (told.operation.outcome, told.operation.metadata["messages"]) == ("success", 2)
    assert told.causes_of("profile.action") == ["subscription S"] * 2


def test_sources_that_fail(told: Told) -> None:
    """At once, awaited, and by being none."""
    with pytest.raises(LookupError):
        since_33.execute_subscription(since_33.executor("subscription S { a }", fail))
    with pytest.raises(LookupError):
        asyncio.run(since_33.execute_subscription(since_33.executor("subscription S { a }", fail_later)))
    assert since_33.execute_subscription(since_33.executor("subscription S { a }", lambda: 7)) == 7
    assert [event.outcome for event in told.operations] == ["failure"] * 3


def test_documents_that_are_parsed_asynchronously(told: Told) -> None:
    """What is refused meanwhile is told too, and what runs once."""
    for source in ("{", "query Q { a }"):
        asyncio.run(since_33.graphql_impl(None, source))
    assert [event.action for event in told.operations] == ["(unknown)", "query Q"]


def test_nothing_is_told_any_more(hooks: Hooks) -> None:
    """Where another hook is on top of ours, ours stays, and does nothing."""
    hooks.active = False

    async def main() -> None:
        executor = since_33.executor("subscription S { a }", ticks)
        executor.execute_operation()
        results = since_33.map_source_to_response_event(executor, since_33.execute_subscription(executor))
        assert len([one async for one in results]) == 2
        since_33.Executor.build(None, parse("{a}"), operation_name="Other")
        await since_33.graphql_impl(None, "{")

    with capture() as captured:
        asyncio.run(main())
    assert not captured.of("graphql.operation")
    hooks.active = True
