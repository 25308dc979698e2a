"""Operations in the requests of frameworks that are instrumented themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import fastapi
import flask
import pytest
import strawberry
from strawberry.fastapi import GraphQLRouter
from strawberry.flask.views import GraphQLView

import ezlogs
from ezlogs_instrumentors.flask import FlaskInstrumentor
from ezlogs_instrumentors.starlette import StarletteInstrumentor

from ..asgi.serving import ask
from .conftest import Told

Ask = Callable[[str], str]
QUERY = "query Order($id: Int!) { order(id: $id) }"


@strawberry.type
class Query:
    """What there is."""

    @strawberry.field
    def order(self, id: int) -> int:
        """Return an order."""
        ezlogs.event("order.action", "seen")
        return id


def in_flask() -> Ask:
    """Ask an application of Flask's."""
    app = flask.Flask("shop")
    app.add_url_rule("/graphql", view_func=GraphQLView.as_view("graphql", schema=strawberry.Schema(Query)))
    return lambda body: app.test_client().post("/graphql", data=body, content_type="application/json").text


def in_fastapi() -> Ask:
    """Ask an application of FastAPI's."""
    app = fastapi.FastAPI()
    app.include_router(GraphQLRouter(strawberry.Schema(Query)), prefix="/graphql")
    headers = {"content-type": "application/json"}
    return lambda body: ask(app, "POST", "/graphql", content=body, headers=headers).text


@pytest.fixture
def frameworks() -> Iterator[None]:
    """Both frameworks, instrumented."""
    instrumentors = [FlaskInstrumentor(), StarletteInstrumentor()]
    for instrumentor in instrumentors:
        instrumentor.instrument()
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("make", [in_flask, in_fastapi])
def test_an_operation_is_between_its_request_and_what_happens_in_it(told: Told, make: Callable[[], Ask]) -> None:
    """One event each, caused one by the other; nothing is told of the variables."""
    answer = make()(json.dumps({"query": QUERY, "variables": {"id": 4242}}))
    assert json.loads(answer) == {"data": {"order": 4242}}
    seen, operation, request = told.captured.events
    assert (operation.action, request.action) == ("query Order", "POST /graphql")
    assert seen.correlation is not None
    assert operation.correlation is not None
    assert seen.correlation.parent_event_id == operation.event_id
    assert operation.correlation.parent_event_id == request.event_id
    assert "4242" not in repr((operation.metadata, request.metadata))
