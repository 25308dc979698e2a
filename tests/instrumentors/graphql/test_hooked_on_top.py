"""Other instrumentation on top of ours: once ours is switched off it stays below, and does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from graphql import GraphQLError, parse

from ezlogs.testing import capture
from ezlogs_instrumentors.graphql import GraphqlInstrumentor, refusals
from ezlogs_instrumentors.hooks import Hooks
from tests.instrumentors.graphql import test_ariadne, test_core, test_graphene, test_strawberry


def on_top(original: Any) -> Any:
    """Return the same function, wrapped once more."""
    if isinstance(original, classmethod):
        return classmethod(on_top(original.__func__))

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    return call


@pytest.fixture
def switched_off() -> Iterator[None]:
    """Hook on top of each of our hooks, switch ours off, and put everything back in the end."""
    instrumentor = GraphqlInstrumentor()
    instrumentor.instrument()
    hooked = [(owner, name, original) for owner, name, original, _ in instrumentor._hooks._replaced]
    for owner, name, _ in hooked:
        setattr(owner, name, on_top(vars(owner)[name]))
    instrumentor.uninstrument()
    yield
    for owner, name, original in hooked:
        setattr(owner, name, original)


def test_nothing_is_told_any_more(switched_off: None) -> None:
    """Every library works, executing and refusing, and nobody tells."""

    async def stream(results: Any) -> int:
        return len([one async for one in await results])

    async def main() -> None:
        for source in ("query Q { viewer }", "query Q { nothing }", "{"):
            await test_strawberry.SCHEMA.execute(source)
            await test_ariadne.graphql(test_ariadne.SCHEMA, {"query": source})
            await test_graphene.SCHEMA.subscribe(source)
        assert await stream(test_strawberry.SCHEMA.subscribe("subscription { ticks }")) == 3
        assert await stream(test_core.subscription("subscription { tick }")) == 3
        assert await stream(test_graphene.SCHEMA.subscribe("subscription { ticks }")) == 3

    with capture() as captured:
        asyncio.run(main())
        for source in ("query Q { viewer }", "query Q { nothing }", "query A { viewer } query B { viewer }", "{"):
            test_graphene.SCHEMA.execute(source)
            test_strawberry.SCHEMA.execute_sync(source.replace("viewer", "total"))
            test_core.graphql_sync(test_core.SCHEMA, source.replace("viewer", "me"))
            test_ariadne.graphql_sync(test_ariadne.SCHEMA, {"query": source})
        test_ariadne.graphql_sync(test_ariadne.SCHEMA, {"query": "subscription S { ticks }"})
    assert not captured.of("graphql.operation")


@pytest.mark.parametrize(("subscribing", "hooked"), [("_subscribe", "_subscribe"), ("other", "subscribe")])
def test_what_a_version_does_not_have_is_not_hooked(subscribing: str, hooked: str) -> None:
    """Names that came or went with a version are skipped, and those in their place are hooked."""
    hooks, older = Hooks(), ModuleType("older")
    methods = dict.fromkeys(("execute", "execute_sync", "subscribe", subscribing), lambda: None)
    older.Schema = type("Schema", (), methods)  # type: ignore[attr-defined]  # a module of the test's own
    refusals.attach_to_strawberry(hooks, older)
    refusals.attach_to_ariadnes_handlers(hooks, older)
    assert {name for _, name, _, _ in hooks._replaced} == {"execute", "execute_sync", hooked}
    hooks.undo()


@pytest.mark.parametrize("active", [True, False])
def test_older_methods_hand_the_document_to_functions(active: bool) -> None:
    """There it is seen, and what is refused is told by its name; switched off nothing is."""
    hooks, older, request = Hooks(), ModuleType("older"), SimpleNamespace(query="query Q { hunter2X }")
    request.graphql_document, request.operation_name = None, None
    result = SimpleNamespace(errors=[GraphQLError("no")], data=None)

    def execute_sync(*, execution_context: Any) -> Any:
        execution_context.graphql_document = parse(execution_context.query)
        return result

    class Schema:
        async def execute(self, query: str) -> Any:
            """Do the same."""
            return older.execute_sync(execution_context=request)

        def execute_sync(self, query: str) -> Any:
            """Make what is known of a request, and hand it on."""
            return older.execute_sync(execution_context=request)

        subscribe = execute

    vars(older).update(Schema=Schema, execute_sync=execute_sync)
    refusals.attach_to_strawberry(hooks, older)
    hooks.active = active
    with capture() as captured:
        assert Schema().execute_sync(request.query) is result
        assert older.execute_sync(execution_context=request) is result  # whoever calls it without the schema
    assert [event.action for event in captured.events] == ["query Q"] * active
    hooks.undo()
