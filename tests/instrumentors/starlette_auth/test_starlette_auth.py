"""Starlette's authentication: what it refuses is told, whom it knows acts; in its own applications and FastAPI's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette import authentication
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
    UnauthenticatedUser,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

import ezlogs
from ezlogs import Actor, Subject
from ezlogs.actor import with_acting
from ezlogs.scope import Scope
from ezlogs.testing import Captured
from ezlogs.trackers.auth import denied, refusable
from ezlogs_instrumentors.asgi import peek_at_user
from ezlogs_instrumentors.starlette_auth import StarletteAuthInstrumentor

NOBODY = Actor("anonymous")


@pytest.fixture
def instrumented() -> Iterator[StarletteAuthInstrumentor]:
    """The instrumentor at work."""
    instrumentor = StarletteAuthInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


class Backend(AuthenticationBackend):
    """Knows Ada by her name alone, and turns away everybody else who shows anything."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return Ada, or nobody for a request that shows nothing."""
        header = conn.headers.get("authorization")
        if header is None:
            return None
        if header != "Basic ada":
            raise AuthenticationError(f"no such credentials: {header}")
        return AuthCredentials(["authenticated"]), SimpleUser("ada")


@authentication.requires("authenticated")
async def private(request: Request) -> Response:
    """What only those may see whom the backend knows."""
    ezlogs.event("order.action", "placed", subject=("order", 42))
    return PlainTextResponse("private")


@authentication.requires(["authenticated", "admin"], status_code=404)
def hidden(request: Request) -> Response:
    """What the others shall not even know of, in a thread."""
    return PlainTextResponse("hidden")


@authentication.requires("admin", redirect="public")
async def redirected(request: Request) -> Response:
    """What the others are led away from."""
    return PlainTextResponse("redirected")


@authentication.requires("admin")
async def socket(websocket: WebSocket) -> None:
    """A websocket of administrators."""


async def public(request: Request) -> Response:
    """What anybody may see; administrators see more."""
    ezlogs.event("order.action", "placed", subject=("order", 42))
    return JSONResponse({"admin": authentication.has_required_scope(request, ["admin"])})


class InRequests:
    """The context that a request instrumentor makes, and its look at the response."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request, and tell a refusal by its status."""

        async def see(message: Any) -> None:
            if "status" in message:
                denied(status=message["status"])
            await send(message)

        with Scope(refusable(with_acting(peek=peek_at_user(scope)))):
            await self.app(scope, receive, see)


class Visitor:
    """A client of an application, in this process."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """Return the response to one request."""

        async def get() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
                return await http.get(path, headers=headers)

        return asyncio.run(get())

    def connect(self, path: str, *headers: tuple[bytes, bytes]) -> list[str]:
        """Ask for a websocket; return the types of the messages that the application sends."""
        sent = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b"", "subprotocols": []}
        asyncio.run(self.app(scope, receive, send))
        return sent


def client(**options: Any) -> Visitor:
    """Return a client of an application with all of these."""
    routes = [
        Route("/private", private),
        Route("/hidden", hidden),
        Route("/redirected", redirected),
        Route("/public", public, name="public"),
        WebSocketRoute("/socket", socket),
        Mount("/mounted", routes=[Route("/private", private)]),
    ]
    middleware = [Middleware(InRequests), Middleware(AuthenticationMiddleware, backend=Backend(), **options)]
    return Visitor(Starlette(routes=routes, middleware=middleware))


def only(captured: Captured) -> ezlogs.UniversalEvent:
    """Return the one sign-in."""
    [event] = captured.of("auth.session")
    return event


@pytest.mark.usefixtures("instrumented")
def test_whom_the_backend_knows_acts(captured: Captured) -> None:
    """In mounted applications too; a request that is let in is no login."""
    visitor = client()
    for path in ("/private", "/mounted/private"):
        assert visitor.get(path, headers={"authorization": "Basic ada"}).status_code == 200
    assert visitor.get("/public").json() == {"admin": False}
    actors = [event.actor for event in captured.of("order.action")]
    assert actors == [Actor("user", "ada", "ada"), Actor("user", "ada", "ada"), NOBODY]
    assert captured.of("auth.session") == []


@pytest.mark.usefixtures("instrumented")
def test_credentials_that_do_not_hold_are_a_failed_login(captured: Captured) -> None:
    """Of the header the scheme is told, of the error nothing: its text repeats what was sent."""
    response = client().get("/public", headers={"authorization": "Bearer hunter2"})
    assert (response.status_code, response.text) == (400, "no such credentials: Bearer hunter2")
    event = only(captured)
    assert (event.action, event.outcome, event.actor, event.subject) == ("login_failed", "failure", NOBODY, None)
    assert dict(event.metadata) == {
        "method": "bearer",
        "backend": f"{__name__}.Backend",
        "reason": "authentication_error",
    }
    captured.assert_absent("hunter2")


@pytest.mark.usefixtures("instrumented")
def test_an_applications_own_answer_to_them_is_given(captured: Captured) -> None:
    """And its 401 is not told a second time."""

    def answer(conn: HTTPConnection, error: Exception) -> Response:
        return PlainTextResponse("who are you?", status_code=401)

    response = client(on_error=answer).get("/public", headers={"authorization": "hunter2"})
    assert (response.status_code, response.text) == (401, "who are you?")
    assert "method" not in only(captured).metadata


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize(
    ("path", "status", "scopes"),
    [
        ("/private", 403, "authenticated"),
        ("/hidden", 404, "authenticated,admin"),
        ("/redirected", 303, "admin"),
        ("/mounted/private", 403, "authenticated"),
    ],
)
def test_missing_scopes_are_refused(captured: Captured, path: str, status: int, scopes: str) -> None:
    """Whatever the response is, and once: its status may say it again."""
    assert client().get(path).status_code == status
    event = only(captured)
    assert (event.action, event.outcome, event.actor) == ("permission_denied", "failure", NOBODY)
    assert (event.subject, event.metadata["reason"]) == (Subject("permission", scopes), "missing_scope")


@pytest.mark.usefixtures("instrumented")
def test_a_websocket_is_refused_too(captured: Captured) -> None:
    """It is closed before it was accepted, for want of a scope and for credentials that do not hold."""
    assert client().connect("/socket") == ["websocket.close"]
    assert client().connect("/socket", (b"authorization", b"Basic eve")) == ["websocket.close"]
    refused, failed = captured.of("auth.session")
    assert (refused.action, refused.subject) == ("permission_denied", Subject("permission", "admin"))
    assert (failed.action, failed.metadata["method"]) == ("login_failed", "basic")


@pytest.mark.usefixtures("instrumented")
def test_asking_for_a_scope_is_no_refusal(captured: Captured) -> None:
    """Applications show more to some."""
    assert client().get("/public", headers={"authorization": "Basic ada"}).json() == {"admin": False}
    assert captured.of("auth.session") == []


@pytest.mark.usefixtures("instrumented")
def test_fastapi_uses_the_same(captured: Captured) -> None:
    """Its routes are Starlette's."""
    app = FastAPI()
    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    app.add_middleware(InRequests)

    @app.get("/orders/{number}")
    @authentication.requires("authenticated")
    async def order(request: Request, number: int) -> dict[str, int]:
        return {"number": number}

    visitor = Visitor(app)
    assert visitor.get("/orders/42").status_code == 403
    assert visitor.get("/orders/42", headers={"authorization": "Basic ada"}).json() == {"number": 42}
    assert only(captured).subject == Subject("permission", "authenticated")


def test_only_what_is_stored_of_a_user_is_read(instrumented: StarletteAuthInstrumentor) -> None:
    """Properties are the application's code; an id counts over a name."""

    class Own(BaseUser):
        def __init__(self, **stored: object) -> None:
            vars(self).update(stored)

        @property
        def identity(self) -> str:
            raise RuntimeError("the application's code ran")

    @dataclass
    class Record(BaseUser):
        id: int
        username: object = None

    for user, expected in (
        (Own(id=7, username="ada"), Actor("user", "7", "ada")),
        (Own(user_id=7), Actor("user", "7")),
        (Own(username="ada"), Actor("user", "ada", "ada")),
        (Own(id=object(), username=object()), Actor("user")),
        (Own(), Actor("user")),
        (Record(7, "ada"), Actor("user", "7", "ada")),
        (Record(7), Actor("user", "7")),
        (UnauthenticatedUser(), NOBODY),
        (object(), None),
        (None, None),
    ):
        assert peek_at_user({"user": user})() == expected
    assert peek_at_user({})() is None


def test_responses_are_the_same_with_and_without(instrumented: StarletteAuthInstrumentor, captured: Captured) -> None:
    """And nothing is told once the hooks are gone, by middleware that was made before either."""
    made_before = client()

    def visit(visitor: Visitor) -> list[tuple[int, bytes]]:
        answers = [
            visitor.get(path, headers=headers)
            for path in ("/private", "/hidden", "/public")
            for headers in ({}, {"authorization": "Basic ada"}, {"authorization": "Basic eve"})
        ]
        return [(answer.status_code, answer.content) for answer in answers]

    with_ezlogs = visit(made_before)
    count = len(captured.of("auth.session"))
    assert count == 6
    instrumented.uninstrument()
    captured.clear()
    assert visit(made_before) == visit(client()) == with_ezlogs
    assert {event.metadata["reason"] for event in captured.of("auth.session")} == {"forbidden"}  # by the status


def test_instrumenting_again_tells_everything_once(instrumented: StarletteAuthInstrumentor, captured: Captured) -> None:
    """Switched off and on, as reloaders do."""
    instrumented.uninstrument()
    instrumented.instrument()
    client().get("/private")
    client().get("/public", headers={"authorization": "Basic eve"})
    assert [event.action for event in captured.of("auth.session")] == ["permission_denied", "login_failed"]


@pytest.mark.usefixtures("instrumented")
def test_users_who_come_at_once_are_not_mixed_up(captured: Captured) -> None:
    """Two hundred requests on one event loop, half of them with credentials that do not hold."""
    app = client().app

    async def visit() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            await asyncio.gather(
                *(http.get("/private", headers={"authorization": f"Basic {who}"}) for who in ("ada", "eve") * 100)
            )

    asyncio.run(visit())
    assert {event.actor.id for event in captured.of("order.action")} == {"ada"}
    assert len(captured.of("order.action")) == 100
    assert [event.action for event in captured.of("auth.session")] == ["login_failed"] * 100
