"""What real applications of FastAPI's are put together of."""

from __future__ import annotations

from importlib.metadata import version

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.staticfiles import StaticFiles
from starlette.responses import PlainTextResponse

import ezlogs
from ezlogs.dev.receiver import Receiver

from ..asgi.serving import ask

pytestmark = pytest.mark.usefixtures("instrumented")


async def unit_of_work():
    """A dependency that does something after the view, too."""
    ezlogs.event("order.action", "begun")
    yield 1
    ezlogs.event("order.action", "ended")


@pytest.fixture
def app(tmp_path):
    """An application with a part of every kind."""
    app, inner, orders = FastAPI(), FastAPI(), APIRouter(prefix="/orders/{tenant}")
    (tmp_path / "report.bin").write_bytes(b"report")

    @orders.get("/{order}")
    async def order(tenant: str, order: int, background: BackgroundTasks, unit: int = Depends(unit_of_work)):
        background.add_task(ezlogs.event, "order.action", "mailed")
        return order

    @inner.get("/keys/{key}")
    async def key(key: str):
        raise KeyError(key)

    @inner.exception_handler(KeyError)
    async def missing(request, error):
        return PlainTextResponse("missing", 503)

    @app.get("/refused/{key}")
    async def refused(key: str):
        raise HTTPException(418)

    @app.post("/numbers/{number}")
    async def number(number: int):
        return number

    @app.middleware("http")
    async def around(request, call_next):
        if "boom" in request.query_params:
            raise RuntimeError("boom")
        ezlogs.event("order.action", "around")
        return await call_next(request)

    app.include_router(orders, prefix="/api")
    app.mount("/files", StaticFiles(directory=tmp_path))
    app.mount("/inner/{place}", inner)
    return app


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ("GET /api/orders/acme/42", 200, ("GET /api/orders/{tenant}/{order}", "success")),
        ("GET /api/orders/acme/42/", 307, ("GET (unmatched)", "success")),
        ("GET /refused/1", 418, ("GET /refused/{key}", "success")),
        ("POST /numbers/one", 422, ("POST /numbers/{number}", "success")),
        ("HEAD /refused/1", 405, ("HEAD /refused/{key}", "success")),
        ("BREW /refused/1", 405, ("_OTHER /refused/{key}", "success")),
        ("GET /refused/1?boom", 500, ("GET (unmatched)", "failure")),
        ("GET /files/report.bin", 200, ("GET /files/{path}", "success")),
        ("GET /files/%ff", 404, ("GET /files/{path}", "success")),
        pytest.param(
            *("GET /files/%ff%00", 404, ("GET /files/{path}", "success")),
            marks=pytest.mark.skipif(version("starlette") < "0.4", reason="Starlette 0.37 breaks on this path"),
        ),
        ("GET /inner/here/keys/7", 503, ("GET /inner/{place}/keys/{key}", "failure")),
    ],
)
def test_it_is_one_event_with_its_route(captured, app, asked, status, told):
    """Whoever answers: a dependency, a handler of errors, a middleware, what is mounted, FastAPI itself."""
    assert ask(app, *asked.split()).status_code == status
    (request,) = (event for event in captured.events if event.event_type == "http.request")
    assert ((request.action, request.outcome), request.metadata["status"]) == (told, status)
    for event in captured.events:
        if event is not request:
            assert event.correlation.parent_event_id == request.event_id


def test_what_comes_after_the_response_is_in_its_story(captured, app):
    """A task in the background, and what a dependency does after it has yielded."""
    ask(app, "GET", "/api/orders/acme/42")
    told = [event.action for event in captured.events]
    assert sorted(told) == ["GET /api/orders/{tenant}/{order}", "around", "begun", "ended", "mailed"]
    assert len({event.correlation.correlation_id for event in captured.events}) == 1


def test_what_receives_events_in_the_same_process_tells_none(captured):
    """Or each that is sent would make another one, for ever."""
    with Receiver() as receiver:
        answer = httpx.post(f"{receiver.endpoint}/v1/traces", json={}, trust_env=False)
    assert answer.status_code == 200
    assert captured.events == []
