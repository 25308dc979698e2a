"""Ariadne over Starlette and Flask: its servers, its functions, and persisted queries by a parser of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from inspect import signature
from typing import Any

import pytest
from ariadne import (
    MutationType,
    QueryType,
    SubscriptionType,
    graphql,
    graphql_sync,  # imported by name, before it is instrumented
    make_executable_schema,
    subscribe,
)
from ariadne.asgi import GraphQL
from ariadne.asgi.handlers import GraphQLTransportWSHandler, GraphQLWSHandler
from flask import Flask, jsonify, request
from graphql import GraphQLError, parse
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from werkzeug.test import Client

import ezlogs
from tests.instrumentors.graphql.conftest import TestClient, Told, asgi, wsgi

SHA = "f" * 64
query, mutation, subscription = QueryType(), MutationType(), SubscriptionType()


@query.field("viewer")
def viewer(*_: Any) -> str:
    """Return a name, with an event."""
    ezlogs.event("profile.action", "viewed")
    return "Ada"


@mutation.field("place")
async def place(*_: Any) -> int:
    """Do something, with an event."""
    await asyncio.sleep(0)
    ezlogs.event("order.action", "placed")
    return 1


@subscription.source("ticks")
async def ticks(*_: Any) -> AsyncIterator[int]:
    """Send numbers, each with an event."""
    for number in range(3):
        ezlogs.event("clock.action", "ticked")
        yield number


@subscription.field("ticks")
def tick(number: int, *_: Any) -> int:
    """Return a number that was sent."""
    return number


SCHEMA = make_executable_schema(
    "type Query { viewer: String total(of: Int): Int } type Mutation { place: Int } type Subscription { ticks: Int }",
    query,
    mutation,
    subscription,
)


def by_hash(_: Any, data: Any) -> Any:
    """Return the document that a hash stands for."""
    if data["extensions"]["persistedQuery"]["sha256Hash"] != SHA:
        raise GraphQLError("PersistedQueryNotFound", extensions={"code": "PERSISTED_QUERY_NOT_FOUND"})
    return parse("query Persisted { total }")


def client(**options: Any) -> TestClient:
    """Return a client of an application with the schema."""
    server: Any = GraphQL(SCHEMA, **options)
    app = Starlette(routes=[Mount("/graphql", server), WebSocketRoute("/graphql", server)])
    return TestClient(asgi(app))


def test_an_operation_is_caused_by_its_request(told: Told) -> None:
    """And causes what its resolvers do."""
    assert client().post("/graphql/", json={"query": "mutation Place { place }"}).json() == {"data": {"place": 1}}
    assert told.operation.action == "mutation Place"
    assert told.causes_of("graphql.operation") == ["POST /graphql/"]
    assert told.causes_of("order.action") == ["mutation Place"]


def test_a_function_that_a_view_calls(told: Told) -> None:
    """As Ariadne is used with Flask."""
    app = Flask(__name__)

    @app.post("/graphql")
    def view() -> Any:
        success, result = graphql_sync(SCHEMA, request.get_json())
        return jsonify(result), 200 if success else 400

    ask = Client(wsgi(app))
    assert ask.post("/graphql", json={"query": "query Me { viewer }"}).status_code == 200
    assert ask.post("/graphql", json={"query": "query Wrong { nothing }"}).status_code == 400
    assert [event.action for event in told.operations] == ["query Me", "query Wrong"]
    assert told.causes_of("graphql.operation") == ["POST /graphql"] * 2
    assert told.causes_of("profile.action") == ["query Me"]


@pytest.mark.parametrize(
    ("data", "action"),
    [
        ({"query": "{ hunter2X"}, "(unknown)"),
        ({"query": "query Q { hunter2X }"}, "query Q"),
        ({"query": "query Q { viewer }", "operationName": "Other"}, "(unknown)"),
        ({"query": "query Q($n: Int) { total(of: $n) }", "variables": {"n": "hunter2X"}}, "query Q"),
    ],
)
def test_what_never_reaches_execution(told: Told, data: Any, action: str) -> None:
    """One failure, whichever function was asked."""

    async def main() -> None:
        await graphql(SCHEMA, data)
        await subscribe(SCHEMA, data)

    graphql_sync(SCHEMA, data)
    asyncio.run(main())
    assert [(event.action, event.outcome) for event in told.operations] == [(action, "failure")] * 3
    told.captured.assert_absent("hunter2X")


@pytest.mark.skipif("require_query" not in signature(graphql_sync).parameters, reason="this Ariadne runs them all")
def test_operations_of_a_kind_that_is_not_allowed(told: Told) -> None:
    """A subscription that is no stream, and a mutation where only queries may come."""
    graphql_sync(SCHEMA, {"query": "subscription S { ticks }"})
    graphql_sync(SCHEMA, {"query": "mutation M { place }"}, require_query=True)
    assert [(event.action, event.outcome) for event in told.operations] == [
        ("subscription S", "failure"),
        ("mutation M", "failure"),
    ]


def test_a_request_for_nothing_is_no_operation(told: Told) -> None:
    """Neither is what is no request at all."""
    for data in ({}, {"query": 7}, []):
        graphql_sync(SCHEMA, data)
    assert not told.operations


def test_persisted_queries(told: Told) -> None:
    """The hash that stood for the document is told; one that nobody knows is a failure with its code."""
    for sha in (SHA, "0" * 64):
        data = {"query": "persisted", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha}}}
        graphql_sync(SCHEMA, data, query_parser=by_hash)
    graphql_sync(SCHEMA, {"query": "query Other { total }"})
    known, unknown, other = told.operations
    assert (known.action, known.metadata["persisted_query"]) == ("query Persisted", SHA)
    assert (unknown.outcome, unknown.metadata["persisted_query"]) == ("failure", "0" * 64)
    assert unknown.metadata["error_codes"] == ("PERSISTED_QUERY_NOT_FOUND",)
    assert "persisted_query" not in other.metadata


@pytest.mark.parametrize(
    ("handler", "protocol", "begin", "kind"),
    [
        (GraphQLTransportWSHandler, "graphql-transport-ws", "subscribe", "next"),
        (GraphQLWSHandler, "graphql-ws", "start", "data"),
    ],
)
def test_a_subscription_over_a_websocket(told: Told, handler: Any, protocol: str, begin: str, kind: str) -> None:
    """One event from its beginning to its end; what cannot be parsed is one failure."""
    ask = client(websocket_handler=handler())
    for source in ("subscription Clock { ticks }", "{"):
        with ask.websocket_connect("/graphql", subprotocols=[protocol]) as socket:
            socket.send_json({"type": "connection_init"})
            assert socket.receive_json()["type"] == "connection_ack"
            socket.send_json({"id": "1", "type": begin, "payload": {"query": source}})
            kinds = []
            while (kinds or [""])[-1] not in ("complete", "error"):
                kinds.append(socket.receive_json()["type"])
        assert kinds.count(kind) == (3 if source != "{" else 0)
    clock, wrong = told.operations
    assert (clock.action, clock.outcome, clock.metadata["messages"]) == ("subscription Clock", "success", 3)
    assert told.causes_of("clock.action") == ["subscription Clock"] * 3
    assert (wrong.action, wrong.outcome) == ("(unknown)", "failure")
