"""The ASGI middleware: any application, whatever its framework."""

from __future__ import annotations

import asyncio
from types import coroutine
from typing import Any

import pytest
from litestar import Litestar, Request, WebSocket, get, websocket
from opentelemetry import context
from opentelemetry.instrumentation.utils import suppress_instrumentation

import ezlogs
from ezlogs.event import Failure
from ezlogs.testing import capture
from ezlogs_instrumentors.asgi import AsgiMiddleware

from .serving import ask, call, scope_of, serving, until


async def hello(scope, receive, send):
    """Answer."""
    ezlogs.event("order.action", "viewed")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"Hello"})


def template(scope):
    """Return Litestar's route, and its parameters."""
    return scope.get("path_template"), scope.get("path_params")


@get("/orders/{number:int}", sync_to_thread=False)
def order(request: Request[Any, Any, Any]) -> int:
    """Answer."""
    ezlogs.event("order.action", "viewed")
    return request.path_params["number"]


@get("/broken")
async def broken() -> None:
    """Fail."""
    raise LookupError("no orders")


@websocket("/talk/{room:str}")
async def talk(socket: WebSocket[Any, Any, Any]) -> None:
    """Say a word."""
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def litestar():
    """Return an application of Litestar's."""
    app = Litestar([order, broken], openapi_config=None, logging_config=None)
    return AsgiMiddleware(app, framework="litestar", route=template)


def test_litestar_is_told_by_its_templates(captured):
    """A framework without an instrumentor needs a function of two lines."""
    assert ask(litestar(), "GET", "/orders/42").json() == 42
    viewed, request = captured.events
    assert request.metadata["route"] == "/orders/{number}"
    assert request.subject == ezlogs.Subject("order", "42")
    assert viewed.correlation.parent_event_id == request.event_id


@pytest.mark.parametrize("found", [(None, None), (), None])
def test_a_route_that_is_not_known_is_none(captured, found):
    """As where an older framework does not say what a function looks for."""
    assert ask(AsgiMiddleware(hello, route=lambda scope: found), "GET", "/orders/42").status_code == 200
    assert captured.of("http.request")[0].metadata.get("route") is None


def test_litestars_errors_are_told(captured):
    """It responds while it handles them."""
    assert ask(litestar(), "GET", "/broken").status_code == 500
    (request,) = captured.events
    assert request.outcome == "failure"
    assert request.error == Failure("LookupError", "no orders")


def test_of_two_middlewares_the_outer_tells(captured):
    """Once."""
    assert ask(AsgiMiddleware(AsgiMiddleware(hello, route=lambda scope: "/{word}")), "GET", "/hello").text == "Hello"
    viewed, request = captured.events
    assert request.action == "GET /{word}"
    assert viewed.correlation.parent_event_id == request.event_id


def test_lifespans_and_unknown_protocols_pass_through(captured):
    """Whatever they are."""
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, receive, send))

    for kind in ("lifespan", "lambda"):
        asyncio.run(AsgiMiddleware(app)({"type": kind}, 1, 2))
    assert seen == [({"type": "lifespan"}, 1, 2), ({"type": "lambda"}, 1, 2)]
    assert captured.events == []


def test_without_a_runtime_an_application_gets_the_servers_own_functions():
    """Nothing is in between."""
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, receive, send))

    scope = scope_of()
    asyncio.run(AsgiMiddleware(app)(scope, 1, 2))
    assert seen == [(scope, 1, 2)]
    assert scope == scope_of()


def test_an_application_that_never_responds_is_a_failure(captured):
    """The server has nothing to send."""

    async def silent(scope, receive, send):
        """Say nothing."""

    asyncio.run(call(AsgiMiddleware(silent)))
    (request,) = captured.events
    assert (request.outcome, request.metadata.get("status"), request.error) == ("failure", None, None)


@pytest.mark.parametrize("part", [0, 1])
def test_a_server_that_lost_the_client_raises(captured, part):
    """Some say so when the application sends."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    sent = []

    async def send(message):
        if len(sent) > part:
            raise BrokenPipeError
        sent.append(message)

    with pytest.raises(BrokenPipeError):
        asyncio.run(call(AsgiMiddleware(app), send=send))
    assert (captured.events[0].outcome, captured.events[0].metadata["reason"]) == ("unknown", "disconnected")


def test_a_disconnect_after_the_last_byte_is_no_loss(captured):
    """Servers tell the application that its response is over in the same way."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one"})
        assert (await receive())["type"] == "http.disconnect"

    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def early(scope, receive, send):
        listening = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one"})
        await listening

    async def send(message):
        if message["type"] == "http.response.body":
            gone.set()
            await asyncio.sleep(0.01)

    async def both():
        for one in (app, early):
            gone.clear()
            await call(AsgiMiddleware(one), receive=receive, send=send)

    asyncio.run(both())
    assert [event.outcome for event in captured.events] == ["success", "success"]


def test_a_generator_that_is_closed_late_leaves_no_trace(captured):
    """A coroutine that is thrown away in the middle is told as cancelled."""

    async def app(scope, receive, send):
        await receive()

    @coroutine
    def receive():
        yield

    running = AsgiMiddleware(app)(scope_of("/orders"), receive, never)
    before = context.get_current()
    running.send(None)
    running.close()
    assert context.get_current() == before
    (request,) = captured.events
    assert (request.outcome, request.metadata["reason"]) == ("unknown", "cancelled")


def test_nothing_of_ours_reaches_the_application():
    """A function of the user's that fails costs the route alone."""

    def route(scope):
        raise ZeroDivisionError

    with capture(strict=False) as captured:
        assert ask(AsgiMiddleware(hello, route=route), "GET", "/hello").text == "Hello"
    assert [event.action for event in captured.of("http.request")] == ["GET (unmatched)"]


def never():
    """Return what is never there."""
    return asyncio.Event().wait()


def test_sessions_of_litestar_are_told_on_a_real_server(captured):
    """A framework's own classes are of no account."""
    from websockets.sync.client import connect

    talking = Litestar([talk], openapi_config=None, logging_config=None)
    with serving(AsgiMiddleware(talking, route=template)) as where:
        with connect(f"ws://{where}/talk/lobby") as session:
            assert session.recv(30) == "hello"
        until(lambda: captured.events)
    (event,) = captured.events
    assert event.action == "WEBSOCKET /talk/{room}"
    assert (event.metadata["messages_sent"], event.metadata["close_code"]) == (1, 1000)


def test_a_cancelled_session_is_unknown(captured):
    """As a request is."""

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        raise asyncio.CancelledError

    async def send(message):
        """Take it."""

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(AsgiMiddleware(app)({"type": "websocket", "path": "/", "headers": []}, never, send))
    assert (captured.events[0].outcome, captured.events[0].metadata["reason"]) == ("unknown", "cancelled")


def test_a_session_that_is_refused_by_a_response_has_its_status(captured):
    """Where the server lets applications send one."""

    async def app(scope, receive, send):
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    async def send(message):
        """Take it."""

    asyncio.run(AsgiMiddleware(app)({"type": "websocket", "path": "/", "headers": []}, never, send))
    assert (captured.events[0].outcome, captured.events[0].metadata["status"]) == ("success", 401)


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ({"code": 1000}, "success"),
        ({"code": 1005, "reason": ""}, "success"),
        ({"code": 1005}, "unknown"),
        ({}, "unknown"),
        ({"code": 1001}, "success"),
        ({"code": 1006, "reason": ""}, "unknown"),
        ({"code": 1012}, "unknown"),
    ],
)
def test_a_session_whose_client_is_gone_is_unknown(message, outcome):
    """Servers have several ways to say that a connection broke, and that they end."""

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        await receive()

    async def receive():
        return {"type": "websocket.disconnect", **message}

    async def send(message):
        """Take it."""

    with capture() as captured:
        asyncio.run(AsgiMiddleware(app)({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert captured.events[0].outcome == outcome


def test_a_session_inside_another_middleware_is_told_once(captured):
    """By what the inner one knows of its route."""

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1011})

    async def send(message):
        """Take it."""

    inner = AsgiMiddleware(app, route=lambda scope: ("/talk/{room}", {"room": "lobby"}))
    asyncio.run(AsgiMiddleware(inner)({"type": "websocket", "path": "/", "headers": []}, never, send))
    (event,) = captured.events
    assert (event.action, event.outcome) == ("WEBSOCKET /talk/{room}", "failure")
    assert event.subject == ezlogs.Subject("talk", "lobby")


def test_messages_of_extensions_pass_through(captured):
    """Hints before a response, trailers after it; and a route that is none."""

    async def app(scope, receive, send):
        await send({"type": "http.response.early_hint", "links": []})
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"Hello"})
        await send({"type": "http.response.trailers", "headers": []})

    sent = asyncio.run(call(AsgiMiddleware(app, route=lambda scope: None)))
    assert [message["type"].rpartition(".")[2] for message in sent] == ["early_hint", "start", "body", "trailers"]
    assert [event.action for event in captured.events] == ["GET (unmatched)"]


def test_what_is_not_to_be_instrumented_is_not():
    """As OpenTelemetry's key says."""
    with capture() as captured, suppress_instrumentation():
        assert asyncio.run(call(AsgiMiddleware(hello)))[1]["body"] == b"Hello"
    assert captured.events == []


def test_the_first_to_close_gives_the_code(captured):
    """What the other end answers is no loss."""

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001})
        await receive()

    async def receive():
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(message):
        """Take it."""

    asyncio.run(AsgiMiddleware(app)({"type": "websocket", "path": "/", "headers": []}, receive, send))
    (event,) = captured.events
    assert (event.outcome, event.metadata["close_code"]) == ("success", 4001)
