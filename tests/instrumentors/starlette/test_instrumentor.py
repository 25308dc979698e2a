"""The Starlette instrumentor itself: it imports nothing, takes everything back, and suits applications of any age."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from types import SimpleNamespace

import fastapi.routing
import pytest
import starlette.middleware.exceptions
import starlette.requests
import starlette.routing
from fastapi import FastAPI
from opentelemetry import context, trace
from starlette.applications import Starlette
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ezlogs.testing import capture
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.starlette import StarletteInstrumentor
from ezlogs_instrumentors.starlette.applications import StoryMiddleware
from ezlogs_instrumentors.starlette.requests import attach as attach_to_requests
from ezlogs_instrumentors.starlette.routes import attach_to_fastapi

from ..asgi.serving import ask, call

HOOKED = [
    (Starlette, "__call__"),
    *((getattr(starlette.routing, name), "handle") for name in ("Route", "WebSocketRoute", "Mount", "Host")),
    (starlette.requests.Request, "json"),
    (starlette.requests.Request, "_get_form"),
    (starlette.routing, "wrap_app_handling_exceptions"),
    (starlette.middleware.exceptions, "wrap_app_handling_exceptions"),
    *((fastapi.routing, name) for name in ("wrap_app_handling_exceptions", "_route_selected")),
]
HOOKED = [(owner, name) for owner, name in HOOKED if name in vars(owner)]  # some are in newer versions alone


def hooked():
    """Return what is in the places that are hooked."""
    return [vars(owner)[name] for owner, name in HOOKED]


def test_everything_is_hooked_and_put_back():
    """After uninstrument() every place holds the very object that it held before."""
    before = hooked()
    instrumentor = StarletteInstrumentor()
    instrumentor.instrument()
    assert all(now is not then for now, then in zip(hooked(), before, strict=True))
    instrumentor.uninstrument()
    assert all(now is then for now, then in zip(hooked(), before, strict=True))


def application(kind):
    """Return an application with one route."""
    app = kind()
    app.router.routes.append(Route("/orders/{number:int}", lambda request: PlainTextResponse("order")))
    return app


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
def test_on_and_off_and_on_again(captured, kind):
    """For an application that has answered before and goes on doing so."""
    app = application(kind)
    told = []
    for on in (False, True, False, True):
        instrumentor = StarletteInstrumentor()
        if on:
            instrumentor.instrument()
        before = context.get_current()
        assert ask(app, "GET", "/orders/7").text == "order"
        assert context.get_current() == before
        if on:
            instrumentor.uninstrument()
        told.append([event.action for event in captured.events])
        captured.clear()
    assert told == [[], ["GET /orders/{number}"], [], ["GET /orders/{number}"]]


def test_hooks_of_others_on_top_are_left_in_place(captured, instrumented, monkeypatch):
    """Where somebody wrapped our wrapper, theirs stays and ours below goes quiet."""
    ours, handle, parse = Starlette.__call__, Route.handle, starlette.routing.wrap_app_handling_exceptions

    async def theirs(app, scope, receive, send):
        await ours(app, scope, receive, send)

    def their_handle(route, scope, receive, send):
        return handle(route, scope, receive, send)

    def their_wrap(app, connection):
        return parse(app, connection)

    monkeypatch.setattr(Starlette, "__call__", theirs)
    monkeypatch.setattr(Route, "handle", their_handle)
    monkeypatch.setattr(starlette.routing, "wrap_app_handling_exceptions", their_wrap)
    assert ask(application(Starlette), "GET", "/orders/7").text == "order"
    assert len(captured.events) == 1
    instrumented.uninstrument()
    assert ask(application(Starlette), "GET", "/orders/7").text == "order"
    assert len(captured.events) == 1


def test_the_stack_stays_what_it_is(captured, instrumented):
    """Others look at the type of its outermost middleware."""
    app = application(FastAPI)
    ask(app, "GET", "/orders/7")
    assert type(app.middleware_stack) is ServerErrorMiddleware
    with pytest.raises(RuntimeError):
        app.add_middleware(ServerErrorMiddleware)


def test_middleware_may_lead_back_to_itself(captured, instrumented):
    """Its attributes are its own affair."""

    class Circular:
        def __init__(self, app):
            self.app, self.inner = self, app

        async def __call__(self, scope, receive, send):
            await self.inner(scope, receive, send)

    app = application(Starlette)
    app.add_middleware(Circular)
    assert ask(app, "GET", "/orders/7").text == "order"
    assert len(captured.events) == 1


def test_middleware_may_raise_when_it_is_looked_at(instrumented):
    """The application answers all the same."""

    class Closed:
        def __init__(self, app):
            self.inner = app

        async def __call__(self, scope, receive, send):
            await self.inner(scope, receive, send)

        @property
        def app(self):
            raise LookupError("closed")

    app = application(Starlette)
    app.add_middleware(Closed)
    with capture(strict=False) as captured:
        assert ask(app, "GET", "/orders/7").text == "order"
    assert captured.events == []


def test_a_stack_that_cannot_be_built_raises_what_it_did(captured, instrumented):
    """It is the application's error."""

    def broken(app):
        raise LookupError("middleware")

    app = application(Starlette)
    app.add_middleware(broken)
    with pytest.raises(LookupError):
        asyncio.run(call(app))
    assert captured.events == []


def test_without_starlette_instrumenting_says_so(monkeypatch):
    """A loader that runs every instrumentor passes over this one."""
    monkeypatch.setattr("ezlogs_instrumentors.hooks.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="starlette"):
        StarletteInstrumentor().instrument(skip_dep_check=True)


def test_instrumenting_imports_neither_starlette_nor_fastapi():
    """Hooks wait for their modules, and are there when these come."""
    program = """
import sys
from ezlogs_instrumentors.starlette import StarletteInstrumentor
StarletteInstrumentor().instrument()
assert not any(name.partition(".")[0] in ("starlette", "fastapi") for name in sys.modules), "it was imported"
assert "ezlogs.trackers.http" not in sys.modules, "what only requests need was imported"
import asyncio, httpx
from fastapi import FastAPI
from ezlogs.testing import capture
app = FastAPI()
@app.get("/orders/{number}")
def orders(number: int):
    return number
async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        await client.get("/orders/7")
with capture() as captured:
    asyncio.run(ask())
print([event.action for event in captured.events])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout.strip() == "['GET /orders/{number}']", done.stderr


def test_what_a_version_does_not_have_is_not_hooked():
    """FastAPI and Starlette change; each hook is missed alone."""
    hooks = Hooks()
    older = SimpleNamespace(APIRoute=type("APIRoute", (), {}))
    attach_to_fastapi(hooks, older)
    attach_to_requests(hooks, SimpleNamespace(Request=type("Request", (), {})))
    assert vars(older).keys() == {"APIRoute"}
    hooks.undo()


class Theirs:
    """A middleware that looks as OpenTelemetry's does."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Pass on, in a span."""
        with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False))):
            await self.app(scope, receive, send)


@pytest.mark.usefixtures("instrumented")
def test_opentelemetrys_middleware_excludes_for_ours_too(captured, monkeypatch):
    """Whoever asks for no trace of a page gets none."""
    monkeypatch.setattr(Theirs, "__module__", "opentelemetry.instrumentation.asgi")
    excluded = SimpleNamespace(url_disabled=lambda url: url == "http://testserver/orders/7")
    monkeypatch.setattr(Theirs, "excluded_urls", excluded, raising=False)
    app = application(FastAPI)
    app.add_middleware(Theirs)
    assert [ask(app, "GET", f"/orders/{number}").text for number in (7, 8)] == ["order", "order"]
    assert [event.subject.id for event in captured.events] == ["8"]


def test_opentelemetrys_middleware_stays_outside(captured, monkeypatch):
    """Within one stack, while ours is switched on and off; also for what nothing responds to but the stack."""
    monkeypatch.setattr(Theirs, "__module__", "opentelemetry.instrumentation.asgi")
    app = application(FastAPI)
    app.add_middleware(Theirs)
    app.router.routes.append(Route("/broken", lambda request: 1 / 0))
    for on in (True, False, True):
        instrumentor = StarletteInstrumentor()
        if on:
            instrumentor.instrument()
        assert ask(app, "GET", "/orders/7").text == "order"
        assert ask(app, "GET", "/broken").status_code == 500
        if on:
            instrumentor.uninstrument()
    assert [event.metadata["status"] for event in captured.events] == [200, 500, 200, 500]
    assert {event.correlation.correlation_id for event in captured.events} == {f"{1:032x}"}
    assert captured.events[1].error.type == "ZeroDivisionError"
    layer, ours = app.middleware_stack, 0
    while layer is not None:
        ours += type(layer) is StoryMiddleware
        layer = getattr(layer, "app", None)
    assert ours == 1
