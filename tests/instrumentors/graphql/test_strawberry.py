"""Strawberry over FastAPI: requests, batches, websockets, server-sent events of its own, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import nullcontext, suppress
from inspect import signature
from typing import Any

import pytest
import strawberry
from fastapi import FastAPI
from graphql import ExecutionResult, GraphQLSyntaxError
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache
from strawberry.extensions.tracing import OpenTelemetryExtensionSync
from strawberry.fastapi import GraphQLRouter
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

import ezlogs
from tests.instrumentors.graphql.conftest import TestClient, Told, asgi

SHA = "f" * 64
HAS_BATCHES = "batching_config" in signature(StrawberryConfig).parameters


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    async def viewer(self) -> str:
        """Return a name, with an event."""
        await asyncio.sleep(0)
        ezlogs.event("profile.action", "viewed")
        return "Ada"

    @strawberry.field
    def total(self, of: int = 1) -> int:
        """Return a number, or fail."""
        if of < 0:
            raise LookupError("no such total")
        return of


@strawberry.type
class Mutation:
    """What can be done."""

    @strawberry.mutation
    async def create_order(self, sku: str) -> str:
        """Return an id, with an event."""
        ezlogs.event("order.action", "placed")
        return sku


@strawberry.type
class Subscription:
    """What can be followed."""

    @strawberry.subscription
    async def ticks(self, until: int = 3) -> AsyncGenerator[int, None]:
        """Send numbers, each with an event; without end for 0."""
        number = 0
        while number < until or not until:
            ezlogs.event("clock.action", "ticked")
            yield number
            number += 1
            await asyncio.sleep(0 if until else 60)


class Persisted(SchemaExtension):
    """Documents by their hash."""

    def on_operation(self) -> Any:
        """Put the document where it belongs."""
        asked = (self.execution_context.operation_extensions or {}).get("persistedQuery", {})
        if asked.get("sha256Hash") == SHA:
            self.execution_context.query = "query Persisted { total }"
        yield


def schema(*extensions: Any) -> strawberry.Schema:
    """Return the schema with extensions."""
    config = StrawberryConfig(**({"batching_config": {"max_operations": 10}} if HAS_BATCHES else {}))
    return strawberry.Schema(Query, Mutation, Subscription, extensions=extensions, config=config)


SCHEMA = schema()


def client(of: strawberry.Schema = SCHEMA) -> TestClient:
    """Return a client of an application with a schema."""
    app = FastAPI()
    app.include_router(GraphQLRouter(of, allow_queries_via_get=True), prefix="/graphql")
    return TestClient(asgi(app), raise_server_exceptions=False)


def test_an_operation_is_caused_by_its_request(told: Told) -> None:
    """And causes what its resolvers do; all is one story."""
    answer = client().post("/graphql", json={"query": 'mutation Place { createOrder(sku: "7") }'})
    assert answer.json() == {"data": {"createOrder": "7"}}
    event = told.operation
    assert (event.action, event.outcome, event.metadata["fields"]) == ("mutation Place", "success", ("createOrder",))
    assert told.causes_of("graphql.operation") == ["POST /graphql"]
    assert told.causes_of("order.action") == ["mutation Place"]
    assert len({one.correlation.correlation_id for one in told.captured.events}) == 1


@pytest.mark.skipif(not HAS_BATCHES, reason="this Strawberry answers no batches")
def test_a_batch_has_an_event_for_each_operation(told: Told) -> None:
    """Also for those that are refused."""
    sources = ["query A { viewer }", "{ total }", "query C { nothing }", "query D { total(of: -1) }", "{"]
    client().post("/graphql", json=[{"query": source} for source in sources])
    outcomes = {event.action: event.outcome for event in told.operations}
    assert outcomes == {
        "query A": "success",
        "query {total}": "success",
        "query C": "failure",
        "query D": "failure",
        "(unknown)": "failure",
    }
    assert told.causes_of("graphql.operation") == ["POST /graphql"] * 5
    assert told.causes_of("profile.action") == ["query A"]


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"query": "{ hunter2X"}, "(unknown)"),
        ({"query": "query Q { hunter2X }"}, "query Q"),
        ({"query": "query Q { total }", "operationName": "Other"}, "(unknown)"),
        ({"query": "query Q($n: Int!) { total(of: $n) }", "variables": {"n": "hunter2X"}}, "query Q"),
    ],
)
def test_what_never_reaches_execution(told: Told, body: Any, action: str) -> None:
    """One failure, in the request, without any text of the client's; over HTTP, sync and streaming alike."""
    client().post("/graphql", json=body)
    assert told.causes_of("graphql.operation") == ["POST /graphql"]
    arguments = {"variable_values": body.get("variables"), "operation_name": body.get("operationName")}

    async def stream() -> None:
        results = await SCHEMA.subscribe(body["query"], **arguments)
        if not isinstance(results, ExecutionResult):  # which older versions return, unless they raise the error
            async for _ in results:
                pass

    with suppress(GraphQLSyntaxError):
        asyncio.run(stream())
    unknown = pytest.raises(Exception, match=r"Other|operation type") if "operationName" in body else nullcontext()
    with unknown:
        SCHEMA.execute_sync(body["query"], **arguments)
    assert len(told.operations) == 3
    for event in told.operations:
        assert event.outcome == "failure"
        assert event.metadata["error_count"] == 1
    assert {event.action for event in told.operations[::2]} == {action}
    told.captured.assert_absent("hunter2X")


def test_a_mutation_that_is_refused_for_its_method(told: Told) -> None:
    """Strawberry does not run mutations that come by GET."""
    assert client().get("/graphql", params={"query": 'mutation M { createOrder(sku: "7") }'}).status_code == 400
    assert (told.operation.action, told.operation.outcome) == ("mutation M", "failure")
    assert not told.captured.of("order.action")


def test_a_request_for_nothing_is_no_operation(told: Told) -> None:
    """There is nothing to tell of it but the request."""
    assert client().post("/graphql", json={"query": ""}).status_code == 400
    assert not told.operations


def test_sync_execution(told: Told) -> None:
    """As Django and Flask use it."""
    result = SCHEMA.execute_sync("query Q { total }")
    assert result.data == {"total": 1}
    assert told.operation.action == "query Q"


@pytest.mark.skipif(not hasattr(ExecutionContext, "operation_extensions"), reason="this Strawberry has no such queries")
def test_persisted_queries(told: Told) -> None:
    """The hash that stood for the document is told; one that nobody knows is a failure."""
    ask = client(schema(Persisted))
    for sha in (SHA, "0" * 64):
        ask.post("/graphql", json={"query": "", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha}}})
    known, unknown = told.operations
    assert (known.action, known.metadata["persisted_query"]) == ("query Persisted", SHA)
    assert (unknown.outcome, unknown.metadata["persisted_query"]) == ("failure", "0" * 64)


def test_documents_that_strawberry_remembers(told: Told) -> None:
    """With caches for parsing and validation nothing is missed, and nothing told twice."""
    parsing, validation = ParserCache(), ValidationCache()
    # In older versions instances are as good as classes, and only these can be made.
    ask = client(schema(*((lambda: parsing, lambda: validation) if HAS_BATCHES else (parsing, validation))))
    for _ in range(2):
        ask.post("/graphql", json={"query": "query Q { viewer }"})
        ask.post("/graphql", json={"query": "query Wrong { nothing }"})
    assert [event.action for event in told.operations] == ["query Q", "query Wrong"] * 2
    assert told.causes_of("profile.action") == ["query Q"] * 2


def test_what_an_extension_answers(told: Told) -> None:
    """An operation that a cache answers is told, though nothing is executed."""

    class Cache(SchemaExtension):
        def on_execute(self) -> Any:
            self.execution_context.result = ExecutionResult({"total": 8})
            yield

    answer = client(schema(Cache)).post("/graphql", json={"query": "query Q { total }"})
    assert answer.json()["data"] == {"total": 8}
    assert (told.operation.action, told.operation.outcome) == ("query Q", "success")
    assert told.operation.metadata["fields"] == ("total",)


def test_a_subscription_without_messages(told: Told) -> None:
    """It is one event all the same."""

    async def main() -> list[Any]:
        return [one async for one in await SCHEMA.subscribe("subscription S { ticks(until: -1) }")]

    assert asyncio.run(main()) == []
    assert (told.operation.outcome, told.operation.metadata["messages"]) == ("success", 0)


def test_no_span_is_made(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Strawberry's own extension for OpenTelemetry there are its spans, and without it none."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name, *_, **__: provider.get_tracer(name))
    schema().execute_sync("query Q { total }")
    assert not exporter.get_finished_spans()
    schema(OpenTelemetryExtensionSync).execute_sync("query Q { total }")
    assert {span.instrumentation_scope.name for span in exporter.get_finished_spans()} == {"strawberry"}
    assert len(told.operations) == 2
    provider.shutdown()


def follow(socket: Any, source: str) -> None:
    """Begin a subscription over the protocol graphql-transport-ws."""
    socket.send_json({"type": "connection_init"})
    assert socket.receive_json() == {"type": "connection_ack"}
    socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": source}})


def test_a_subscription_over_a_websocket(told: Told) -> None:
    """One event from its beginning to its end."""
    with client().websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        follow(socket, "subscription Clock { ticks }")
        kinds = [socket.receive_json()["type"] for _ in range(4)]
    assert kinds == ["next", "next", "next", "complete"]
    event = told.operation
    assert (event.action, event.outcome, event.metadata["messages"]) == ("subscription Clock", "success", 3)
    assert told.causes_of("clock.action") == ["subscription Clock"] * 3


@pytest.mark.parametrize("leaving", ["complete", "disconnect"])
def test_a_client_that_leaves(told: Told, leaving: str) -> None:
    """The end of its subscription is unknown, and the reason is told."""
    with client().websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        follow(socket, "subscription Clock { ticks(until: 0) }")
        assert socket.receive_json()["type"] == "next"
        if leaving == "complete":
            socket.send_json({"id": "1", "type": "complete"})
    event = told.operation
    assert (event.outcome, event.metadata["messages"]) == ("unknown", 1)
    assert event.metadata["reason"] in ("cancelled", "closed")


def test_queries_over_a_websocket(told: Told) -> None:
    """Each is an operation, also one that is refused."""
    for source in ("query Q { viewer }", "query Wrong { nothing }"):
        with client().websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
            follow(socket, source)
            assert socket.receive_json()["type"] in ("next", "error")
    assert [(event.action, event.outcome) for event in told.operations] == [
        ("query Q", "success"),
        ("query Wrong", "failure"),
    ]
