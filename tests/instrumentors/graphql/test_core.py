"""graphql-core: each operation is one event, sync and async, whatever becomes of it, and nothing else changes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import graphql
import graphql.execution.execute  # imported before it is instrumented, as an application may
import pytest
from graphql import GraphQLError, build_schema, execute, execute_sync, graphql_sync, parse, subscribe
from opentelemetry import context

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.graphql import GraphqlInstrumentor
from tests.instrumentors.graphql.conftest import Told

SCHEMA = build_schema(
    """
    type Query { me: String orders: [String!] broken: String required: String! number(n: Int): Int slow(ms: Int): String
        self: Query! }
    type Mutation { createOrder(sku: String): String }
    type Subscription { tick(until: Int): Int }
    """
)


def me(_: Any) -> str:
    """Resolve a field with an event."""
    ezlogs.event("profile.action", "viewed")
    return "Ada"


def broken(_: Any) -> str:
    """Fail."""
    raise LookupError("out of stock")


def coded(_: Any) -> str:
    """Fail with a code."""
    raise GraphQLError("no", extensions={"code": "FORBIDDEN"})


async def slow(_: Any, ms: int) -> str:
    """Resolve a field with an event, after others had their turn."""
    await asyncio.sleep(ms / 1000)
    ezlogs.event("profile.action", f"viewed_{ms}")
    return str(ms)


async def tick(_: Any, until: int = 3) -> AsyncIterator[dict[str, int]]:
    """Send numbers."""
    for number in range(until):
        ezlogs.event("clock.action", "ticked")
        yield {"tick": number}
        await asyncio.sleep(0)


ROOT: dict[str, Any] = {"me": me, "broken": broken, "required": broken, "number": 1, "slow": slow, "tick": tick}


async def subscription(source: str, root: Any = None) -> Any:
    """Return the stream of a subscription's results, or the result that says why there is none."""
    results: Any = subscribe(SCHEMA, parse(source), ROOT if root is None else root)
    return await results if hasattr(results, "__await__") else results


@pytest.mark.parametrize(
    "run",
    [
        lambda source: graphql_sync(SCHEMA, source, ROOT),
        lambda source: execute(SCHEMA, parse(source), ROOT),
        lambda source: execute_sync(SCHEMA, parse(source), ROOT),
        lambda source: asyncio.run(graphql.graphql(SCHEMA, source, ROOT)),
    ],
)
def test_an_operation_is_one_event_and_the_parent_of_its_resolvers(told: Told, run: Callable[[str], Any]) -> None:
    """However graphql-core is called."""
    assert run("query Profile { me }").data == {"me": "Ada"}
    event = told.operation
    assert (event.action, event.outcome) == ("query Profile", "success")
    assert told.causes_of("profile.action") == ["query Profile"]


def test_a_resolver_that_fails(told: Told) -> None:
    """The operation failed in part; its failure is that of the resolver."""
    graphql_sync(SCHEMA, "{ me broken }", {**ROOT})
    event = told.operation
    assert (event.outcome, event.metadata["error_count"], event.metadata["partial"]) == ("failure", 1, True)
    assert event.error is not None
    assert (event.error.type, event.error.message) == ("LookupError", "out of stock")


def test_a_field_that_must_not_be_null(told: Told) -> None:
    """Without data it failed as a whole."""
    assert graphql_sync(SCHEMA, "{ me required broken }", ROOT).data is None
    event = told.operation
    assert event.outcome == "failure"
    assert "partial" not in event.metadata
    assert event.metadata["error_count"] == 1


def test_codes_of_errors_are_told(told: Told) -> None:
    """Each once."""
    graphql_sync(SCHEMA, "{ a: broken b: broken }", {"broken": coded})
    assert (told.operation.metadata["error_count"], told.operation.metadata["error_codes"]) == (2, ("FORBIDDEN",))


@pytest.mark.parametrize(
    ("source", "options", "action", "stage"),
    [
        ("{ hunter2X", {}, "(unknown)", "parsing"),
        ("query Q { hunter2X }", {}, "query Q", "validation"),
        ("query A { me } query B { me }", {"operation_name": "C"}, "(unknown)", "selection"),
        ("query A { me } query B { me }", {}, "(unknown)", "selection"),
        ("query A($n: Int) { number(n: $n) }", {"variable_values": {"n": "hunter2X"}}, "query A", "variables"),
    ],
)
def test_what_never_reaches_execution(told: Told, source: str, options: Any, action: str, stage: str) -> None:
    """One event, a failure, with neither the document nor the variables."""
    assert graphql_sync(SCHEMA, source, ROOT, **options).errors
    asyncio.run(graphql.graphql(SCHEMA, source, ROOT, **options))
    for event in told.operations:
        assert (event.action, event.outcome, event.metadata["stage"]) == (action, "failure", stage)
        assert event.metadata["error_count"] == 1
        assert event.error is not None
        assert event.error.message is None
    assert len(told.operations) == 2
    told.captured.assert_absent("hunter2X")


def test_operations_at_the_same_time_are_not_mixed_up(told: Told) -> None:
    """Each of many has what happened in it, and nothing of it stays in the context around."""

    async def main() -> None:
        before = context.get_current()
        numbers = [(7 * number) % 50 for number in range(50)]
        sources = [f"query Q{number} {{ slow(ms: {number}) other: slow(ms: {number}) }}" for number in numbers]
        await asyncio.gather(*(graphql.graphql(SCHEMA, source, ROOT) for source in sources))
        assert context.get_current() == before

    asyncio.run(main())
    assert len(told.operations) == 50
    viewed = told.captured.of("profile.action")
    assert len(viewed) == 100
    for event in viewed:
        cause = told.cause(event)
        assert cause is not None
        assert cause.action == f"query Q{event.action.removeprefix('viewed_')}"


def test_what_is_loaded_together_belongs_to_the_operation(told: Told) -> None:
    """A data loader's batch runs later, in the operation that asked first."""
    waiting: list[asyncio.Future[str]] = []

    def load() -> None:
        ezlogs.event("loader.action", "loaded")
        for future in waiting:
            future.set_result("Ada")

    def later(_: Any) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        if not waiting:
            loop.call_soon(load)
        waiting.append(loop.create_future())
        return waiting[-1]

    result = asyncio.run(graphql.graphql(SCHEMA, "query Q { a: me b: me }", {"me": later}))
    assert result.data == {"a": "Ada", "b": "Ada"}
    assert told.causes_of("loader.action") == ["query Q"]


def test_operations_inside_operations(told: Told) -> None:
    """An operation that a resolver runs is an event of its own, caused by the outer one."""

    def nested(_: Any) -> Any:
        graphql_sync(SCHEMA, "query Broken {", ROOT)
        return graphql_sync(SCHEMA, "query Inner { me }", ROOT).data["me"]  # type: ignore[index]  # it has some

    graphql_sync(SCHEMA, "query Outer { me }", {"me": nested})
    refused, inner, outer = told.operations
    assert [event.action for event in (refused, inner, outer)] == ["(unknown)", "query Inner", "query Outer"]
    assert told.cause(refused) == told.cause(inner) == outer


def test_an_operation_that_is_cancelled(told: Told) -> None:
    """Nobody knows how it would have ended."""

    async def main() -> None:
        task = asyncio.ensure_future(graphql.graphql(SCHEMA, "{ slow(ms: 60000) }", ROOT))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert (told.operation.outcome, told.operation.metadata["reason"]) == ("unknown", "cancelled")


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_an_operation_that_nobody_awaits(told: Told) -> None:
    """It is told once it is given up."""
    result: Any = execute(SCHEMA, parse("{ slow(ms: 1) }"), ROOT)
    result.close()
    del result
    gc.collect()
    assert (told.operation.outcome, told.operation.metadata["reason"]) == ("unknown", "abandoned")


def test_what_execution_raises_goes_on(told: Told) -> None:
    """What a resolver raises that is no `Exception` ends the operation as unknown, and reaches the caller."""

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graphql_sync(SCHEMA, "{ me }", {"me": interrupt})
    assert (told.operation.outcome, told.operation.metadata["reason"]) == ("unknown", "interrupted")


def test_a_document_without_its_source(told: Told) -> None:
    """Its hash is that of the document as graphql-core prints it."""
    execute(SCHEMA, parse("query Q { ...F } fragment F on Query { me }", no_location=True), ROOT)
    assert len(str(told.operation.metadata["document_hash"])) == 64
    assert told.operation.metadata["fields"] == ("me",)


def test_a_subscription_is_one_event(told: Told) -> None:
    """From its first event to its end, with the number of messages; it is the parent of all that they do."""

    async def main() -> list[Any]:
        before = context.get_current()
        found = []
        async for message in await subscription("subscription Clock { tick }"):
            assert context.get_current() == before
            found.append(message.data)
        return found

    assert asyncio.run(main()) == [{"tick": 0}, {"tick": 1}, {"tick": 2}]
    event = told.operation
    assert (event.action, event.outcome, event.metadata["messages"]) == ("subscription Clock", "success", 3)
    assert told.causes_of("clock.action") == ["subscription Clock"] * 3


def test_errors_of_messages_are_those_of_the_subscription(told: Told) -> None:
    """A resolver that fails for a message."""

    async def failing(_: Any) -> AsyncIterator[Any]:
        yield {"tick": 1}
        yield {"tick": broken}

    async def main() -> list[Any]:
        return [message.errors async for message in await subscription("subscription { tick }", {"tick": failing})]

    assert [bool(errors) for errors in asyncio.run(main())] == [False, True]
    event = told.operation
    assert (event.outcome, event.metadata["messages"], event.metadata["error_count"]) == ("failure", 2, 1)


def test_subscriptions_that_do_not_begin(told: Told) -> None:
    """A source that fails, one that is none, an operation that is not found: one failure each."""

    async def failing(_: Any) -> None:
        raise LookupError

    for source, root in (
        ("subscription { tick }", {"tick": broken}),
        ("subscription { tick }", {"tick": failing}),
        ("subscription A { tick } subscription B { tick }", ROOT),
    ):
        assert asyncio.run(subscription(source, root)).errors
    assert [event.outcome for event in told.operations] == ["failure"] * 3
    assert [event.metadata.get("messages") for event in told.operations] == [0, 0, None]


def test_a_source_that_is_none(told: Told) -> None:
    """graphql-core says so, by raising or in a result, and the event is a failure."""

    async def main() -> None:
        result = await subscription("subscription { tick }", {"tick": 7})
        raise TypeError(result.errors)

    with pytest.raises(TypeError):
        asyncio.run(main())
    assert told.operation.outcome == "failure"


def test_a_subscription_whose_source_fails(told: Told) -> None:
    """What ends the stream is the failure of the subscription."""

    async def failing(_: Any) -> AsyncIterator[Any]:
        yield {"tick": 1}
        raise LookupError("no more")

    async def main() -> None:
        async for _ in await subscription("subscription { tick }", {"tick": failing}):
            pass

    with pytest.raises(LookupError):
        asyncio.run(main())
    event = told.operation
    assert (event.outcome, event.metadata["messages"]) == ("failure", 1)
    assert event.error is not None
    assert event.error.type == "LookupError"


def test_subscriptions_that_are_ended_from_outside(told: Told) -> None:
    """By closing the stream, by cancelling who reads it, and by forgetting it: unknown, each for its reason."""

    async def endless(_: Any) -> AsyncIterator[Any]:
        yield {"tick": 1}
        await asyncio.sleep(60)

    async def read(results: Any) -> None:
        async for _ in results:
            pass

    async def main() -> None:
        root = {"tick": endless}
        closed = await subscription("subscription Closed { tick }", root)
        await closed.__anext__()
        await closed.aclose()
        reader = asyncio.ensure_future(read(await subscription("subscription Cancelled { tick }", root)))
        await asyncio.sleep(0.01)
        reader.cancel()
        await asyncio.wait([reader])
        forgotten = await subscription("subscription Forgotten { tick }", root)
        del forgotten
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    ends = {event.action: event.metadata["reason"] for event in told.operations}
    assert ends.pop("subscription Forgotten") in ("abandoned", "closed")
    assert ends == {"subscription Closed": "closed", "subscription Cancelled": "cancelled"}
    assert {event.outcome for event in told.operations} == {"unknown"}


@pytest.mark.skipif(graphql.version_info >= (3, 3), reason="generators cannot be closed while they run")
def test_a_subscription_that_is_closed_while_it_waits(told: Told) -> None:
    """As servers close those of clients that leave."""

    async def endless(_: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(60)
        yield {"tick": 1}

    async def main() -> None:
        results = await subscription("subscription { tick }", {"tick": endless})
        reader = asyncio.ensure_future(results.__anext__())
        await asyncio.sleep(0.01)
        await results.aclose()
        with pytest.raises(StopAsyncIteration):
            await reader

    asyncio.run(main())
    assert (told.operation.outcome, told.operation.metadata["reason"]) == ("unknown", "closed")


@pytest.mark.skipif(graphql.version_info < (3, 3), reason="graphql-core 3.2 has no incremental delivery")
def test_incremental_delivery_is_one_operation(told: Told) -> None:
    """It ends with its last part, whose errors count too."""
    schema = build_schema(
        "directive @defer(label: String, if: Boolean! = true) on FRAGMENT_SPREAD | INLINE_FRAGMENT\n"
        "type Query { me: String broken: String }"
    )

    async def main() -> int:
        run: Any = graphql.experimental_execute_incrementally  # type: ignore[attr-defined]  # not in 3.2
        result = run(schema, parse("query Q { me ... @defer { broken } }"), ROOT)
        result = await result if hasattr(result, "__await__") else result
        assert not told.operations
        return len([part async for part in result.subsequent_results])

    parts = asyncio.run(main())
    event = told.operation
    assert (event.outcome, event.metadata["error_count"], event.metadata["messages"]) == ("failure", 1, parts + 1)


def test_errors_of_our_own_never_reach_the_application(
    instrumented: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Operations run as if nothing had happened."""

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("ours")

    async def main() -> int:
        return len([message async for message in await subscription("subscription { tick }")])

    with capture(strict=False, debug=False) as captured:
        for name in ("shape_of", "told_errors"):
            with monkeypatch.context() as patch:
                patch.setattr(f"ezlogs.trackers.graphql.{name}", fail)
                assert graphql_sync(SCHEMA, "{ me }", ROOT).data == {"me": "Ada"}
                assert graphql_sync(SCHEMA, "{", ROOT).errors
                assert asyncio.run(main()) == 3
    assert not captured.of("graphql.operation") or caplog.records


def test_uninstrumenting_restores_everything() -> None:
    """Nothing of ours is left in graphql-core, and nothing is told any more."""
    import sys

    modules = {name: dict(vars(module)) for name, module in sys.modules.items() if name.startswith("graphql")}
    classes = [one for names in modules.values() for one in names.values() if isinstance(one, type)]
    before = {one: dict(vars(one)) for one in classes if one.__module__.startswith("graphql")}
    instrumentor = GraphqlInstrumentor()
    instrumentor.instrument()
    instrumentor.uninstrument()
    for name, names in modules.items():
        assert vars(sys.modules[name]) == names
    for one, members in before.items():
        assert dict(vars(one)) == members
    with capture() as captured:
        graphql_sync(SCHEMA, "{ me }", ROOT)
        graphql_sync(SCHEMA, "{", ROOT)
    assert not captured.of("graphql.operation")


@pytest.mark.parametrize("document", ["{ me hunter2X }", "subscription { hunter2X }"])
def test_fields_that_the_schema_does_not_have_are_not_told(told: Told, document: str) -> None:
    """Not everybody validates what is executed: what is asked for is then whatever a client came up with."""
    run = subscribe if document.startswith("subscription") else execute
    result = run(SCHEMA, parse(document), {"me": me})
    if not isinstance(result, graphql.ExecutionResult):
        asyncio.run(_awaited(result))
    assert "fields" not in told.operation.metadata
    told.captured.assert_absent("hunter2X")


async def _awaited(result: Any) -> Any:
    return await result
