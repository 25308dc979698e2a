"""Graphene over Flask: its schema's methods, sync, async and for subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import graphene
import pytest
from flask import Flask, request
from werkzeug.test import Client

import ezlogs
from tests.instrumentors.graphql.conftest import Told, wsgi


class Query(graphene.ObjectType):
    """What can be asked."""

    viewer = graphene.String()

    def resolve_viewer(self, info: Any) -> str:
        """Return a name, with an event."""
        ezlogs.event("profile.action", "viewed")
        return "Ada"


class Subscription(graphene.ObjectType):
    """What can be followed."""

    ticks = graphene.Int()

    async def subscribe_ticks(self, info: Any) -> AsyncIterator[int]:
        """Send numbers."""
        for number in range(3):
            yield number


SCHEMA = graphene.Schema(query=Query, subscription=Subscription)


def ask(body: dict[str, Any]) -> Any:
    """Send a request to a view that executes with the schema."""
    app = Flask(__name__)

    @app.post("/graphql")
    def view() -> Any:
        asked = request.get_json()
        result = SCHEMA.execute(asked["query"], operation=asked.get("operationName"))
        return {"data": result.data, "failed": bool(result.errors)}

    return Client(wsgi(app)).post("/graphql", json=body).get_json()


def test_an_operation_is_caused_by_its_request(told: Told) -> None:
    """And causes what its resolvers do."""
    assert ask({"query": "query Me { viewer }"}) == {"data": {"viewer": "Ada"}, "failed": False}
    assert told.operation.action == "query Me"
    assert told.causes_of("graphql.operation") == ["POST /graphql"]
    assert told.causes_of("profile.action") == ["query Me"]


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"query": "{ hunter2X"}, "(unknown)"),
        ({"query": "query Q { hunter2X }"}, "query Q"),
        ({"query": "query Q { viewer }", "operationName": "Other"}, "(unknown)"),
    ],
)
def test_what_never_reaches_execution(told: Told, body: Any, action: str) -> None:
    """One failure, whichever method was asked."""
    assert ask(body)["failed"]

    async def main() -> None:
        name = body.get("operationName")
        assert (await SCHEMA.execute_async(body["query"], operation=name)).errors
        assert (await SCHEMA.subscribe(body["query"], operation=name)).errors

    asyncio.run(main())
    assert [(event.action, event.outcome) for event in told.operations] == [(action, "failure")] * 3
    assert told.causes_of("graphql.operation")[0] == "POST /graphql"
    told.captured.assert_absent("hunter2X")


def test_a_subscription_is_one_event(told: Told) -> None:
    """With the number of its messages."""

    async def main() -> int:
        return len([one async for one in await SCHEMA.subscribe("subscription Clock { ticks }")])

    assert asyncio.run(main()) == 3
    event = told.operation
    assert (event.action, event.outcome, event.metadata["messages"]) == ("subscription Clock", "success", 3)
