"""Beside OpenTelemetry's own instrumentors, and what FastAPI measures by itself: their span is the hop, always."""

from __future__ import annotations

import asyncio

import fastapi
import pytest
from fastapi import FastAPI
from opentelemetry import baggage
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import ezlogs
from ezlogs.event import Failure
from ezlogs.testing import capture
from ezlogs_instrumentors.asgi import AsgiMiddleware

from ..asgi.serving import ask

pytestmark = pytest.mark.usefixtures("instrumented")

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "baggage": "shop=books"}


def show(request):
    """Tell an event, and what came along."""
    ezlogs.event("order.action", "viewed")
    return JSONResponse(baggage.get_baggage("shop"))


def fail(request):
    """Fail."""
    raise LookupError("no orders")


def application(kind, **options):
    """Return an application with a route that answers and one that fails."""
    app = kind(**options)
    app.router.routes.extend([Route("/orders/{number:int}", show), Route("/broken", fail)])
    return app


@pytest.fixture
def carried(captured, monkeypatch):
    """The spans that were current, and still recording, when events were carried."""
    found = []
    carry = captured.carry

    def note(event, ctx):
        from opentelemetry import trace

        found.append(trace.get_current_span(ctx))
        assert found[-1].is_recording(), f"the span of {event.action} has ended"
        carry(event, ctx)

    monkeypatch.setattr(captured, "carry", note)
    return found


def servers(spans):
    """Return the spans of hops."""
    return [span for span in spans() if span.kind is SpanKind.SERVER]


def asked(app, captured, carried, spans):
    """Ask for what answers and what fails; return the names of the tracers of both hops."""
    assert ask(app, "GET", "/orders/7", headers=CALLED).json() == "books"
    assert ask(app, "GET", "/broken", headers=CALLED).status_code == 500
    assert [event.action for event in captured.events] == ["viewed", "GET /orders/{number}", "GET /broken"]
    assert captured.events[2].error == Failure("LookupError", "no orders")
    assert [event.metadata["status"] for event in captured.of("http.request")] == [200, 500]
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}
    hops = servers(spans)
    assert {f"{span.context.trace_id:032x}" for span in hops} == {TRACE}
    assert [carried[1].get_span_context(), carried[2].get_span_context()] == [span.context for span in hops]
    return [span.instrumentation_scope.name for span in hops]


@pytest.mark.parametrize(("kind", "tracer"), [(Starlette, "ezlogs.starlette"), (FastAPI, "ezlogs.fastapi")])
def test_alone_the_hop_is_ours(captured, carried, spans, kind, tracer):
    """Named by the framework."""
    assert asked(application(kind), captured, carried, spans) == [tracer, tracer]
    assert [span.name for span in servers(spans)] == ["GET /orders/{number}", "GET /broken"]


def test_fastapis_own_span_is_the_hop(captured, carried, spans, provider):
    """Newer versions make one wherever somebody configured OpenTelemetry."""
    if "telemetry" not in FastAPI.__init__.__annotations__:
        pytest.skip("this FastAPI measures nothing by itself")
    app = application(FastAPI, telemetry={"tracer_provider": provider})
    assert asked(app, captured, carried, spans) == ["fastapi", "fastapi"]


@pytest.fixture
def contrib_fastapi():
    """OpenTelemetry's own instrumentor of FastAPI, where it is installed."""
    return pytest.importorskip("opentelemetry.instrumentation.fastapi").FastAPIInstrumentor


@pytest.fixture
def contrib_starlette():
    """OpenTelemetry's own instrumentor of Starlette, where it is installed."""
    return pytest.importorskip("opentelemetry.instrumentation.starlette").StarletteInstrumentor


@pytest.fixture
def contrib_asgi():
    """OpenTelemetry's own middleware, where it is installed."""
    return pytest.importorskip("opentelemetry.instrumentation.asgi").OpenTelemetryMiddleware


@pytest.mark.parametrize("late", [False, True])
def test_contribs_span_of_fastapi_is_the_hop(  # noqa: PLR0917  # fixtures
    contrib_fastapi, instrumented, captured, carried, spans, provider, late
):
    """Whoever came first; its spans of sending and receiving are there as ever."""
    if late:
        instrumented.uninstrument()
    app = application(FastAPI)
    contrib_fastapi.instrument_app(app, tracer_provider=provider)
    if late:
        instrumented.instrument()
    try:
        name = "opentelemetry.instrumentation.fastapi"
        assert asked(app, captured, carried, spans) == [name, name]
        assert sum(span.name.endswith("http send") for span in spans()) == 4
    finally:
        contrib_fastapi.uninstrument_app(app)


def test_contrib_may_instrument_everything_by_itself(contrib_fastapi, captured, carried, spans, provider):
    """As opentelemetry-instrument has it; an application that is mounted has an inner span, and no event."""
    instrumentor = contrib_fastapi()
    instrumentor.instrument(tracer_provider=provider)
    try:
        name = "opentelemetry.instrumentation.fastapi"
        app = application(fastapi.FastAPI)
        assert asked(app, captured, carried, spans) == [name, name]
        captured.clear()
        outer = fastapi.FastAPI()
        outer.mount("/shops/{shop}", app)
        assert ask(outer, "GET", "/shops/a/orders/7", headers=CALLED).json() == "books"
        assert [event.action for event in captured.events] == ["viewed", "GET /shops/{shop}/orders/{number}"]
        assert len(servers(spans)) == 3
        assert carried[-1].get_span_context() == servers(spans)[-1].context
    finally:
        instrumentor.uninstrument()


def test_what_contrib_was_told_to_exclude_has_no_span_of_ours(contrib_fastapi, captured, spans, provider):
    """Nor an event: whoever asks for no trace of a page gets none; what happens in it has its story."""
    app = application(FastAPI)
    contrib_fastapi.instrument_app(app, tracer_provider=provider, excluded_urls="orders")
    try:
        assert ask(app, "GET", "/orders/7", headers=CALLED).status_code == 200
        assert [event.action for event in captured.events] == ["viewed"]
        assert captured.events[0].correlation.correlation_id == TRACE
        assert servers(spans) == []
    finally:
        contrib_fastapi.uninstrument_app(app)


def test_contrib_may_come_and_go(contrib_fastapi, captured, spans, provider):
    """An application whose stack is built anew is told once; whoever took contrib's spans back gets none of ours."""
    app = application(FastAPI)
    contrib_fastapi.instrument_app(app, tracer_provider=provider)
    ask(app, "GET", "/orders/7")
    contrib_fastapi.uninstrument_app(app)
    ask(app, "GET", "/orders/7")
    assert len(captured.of("http.request")) == 2
    names = [span.instrumentation_scope.name for span in servers(spans)]
    assert names == ["opentelemetry.instrumentation.fastapi"]


def test_ours_may_come_and_go_inside_contribs(contrib_fastapi, instrumented, captured, spans, provider):
    """Within one stack, that is never built anew."""
    app = application(FastAPI)
    contrib_fastapi.instrument_app(app, tracer_provider=provider)
    try:
        told = []
        for on in (True, False, True):
            if on and not instrumented.is_instrumented_by_opentelemetry:
                instrumented.instrument()
            elif not on:
                instrumented.uninstrument()
            assert ask(app, "GET", "/orders/7").status_code == 200
            told.append(len(captured.of("http.request")))
        assert told == [1, 1, 2]
        assert len(servers(spans)) == 3
    finally:
        contrib_fastapi.uninstrument_app(app)


def test_contribs_span_of_starlette_is_the_hop(contrib_starlette, captured, carried, spans, provider):
    """Its middleware is the user's outermost; the error handlers are outside."""
    app = application(Starlette)
    contrib_starlette.instrument_app(app, tracer_provider=provider)
    try:
        name = "opentelemetry.instrumentation.starlette"
        assert asked(app, captured, carried, spans) == [name, name]
    finally:
        contrib_starlette.uninstrument_app(app)


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
@pytest.mark.parametrize("place", ["around", "among"])
def test_contribs_middleware_is_the_hop(  # noqa: PLR0917  # fixtures
    contrib_asgi, captured, carried, spans, provider, kind, place
):
    """Around the application, or among its middleware."""
    app = application(kind)
    if place == "among":
        app.add_middleware(contrib_asgi, tracer_provider=provider)
    else:
        app = contrib_asgi(app, tracer_provider=provider)
    name = "opentelemetry.instrumentation.asgi"
    assert asked(app, captured, carried, spans) == [name, name]


def test_the_plain_middleware_is_inside_contribs_span_too(contrib_asgi, captured, carried, spans, provider):
    """Also for sessions."""

    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"Hello"})

    told = contrib_asgi(AsgiMiddleware(app), tracer_provider=provider)
    ask(told, "GET", "/")

    async def send(message):
        """Take it."""

    asyncio.run(told({"type": "websocket", "path": "/", "headers": []}, None, send))
    assert [event.action for event in captured.events] == ["GET (unmatched)", "WEBSOCKET (unmatched)"]
    assert [span.get_span_context() for span in carried] == [span.context for span in servers(spans)]


def test_at_the_edge_the_story_alone_begins_anew(contrib_fastapi, spans, provider):
    """Contrib's span is in the caller's trace already."""
    app = application(FastAPI)
    contrib_fastapi.instrument_app(app, tracer_provider=provider)
    try:
        with capture(trust_inbound="link") as captured:
            ask(app, "GET", "/orders/7", headers=CALLED)
    finally:
        contrib_fastapi.uninstrument_app(app)
    assert {event.correlation.linked_correlation_id for event in captured.events} == {TRACE}
    assert TRACE not in {event.correlation.correlation_id for event in captured.events}
