"""Flask beside OpenTelemetry's own instrumentor: its span is the hop, and the events are told while it is open."""

from __future__ import annotations

import threading
from contextlib import suppress
from urllib.request import Request, urlopen

import flask
import pytest
from opentelemetry import baggage, context, trace
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

import ezlogs
from ezlogs.testing import capture

from . import shop

contrib = pytest.importorskip("opentelemetry.instrumentation.flask")
pytestmark = pytest.mark.usefixtures("instrumented")

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SCOPE = "opentelemetry.instrumentation.flask"


@pytest.fixture
def make_app(provider):
    """Make an application that OpenTelemetry's instrumentor has in its hands, too."""

    def make(**options):
        app = shop.create_app()
        contrib.FlaskInstrumentor.instrument_app(app, tracer_provider=provider, **options)
        return app

    return make


@pytest.fixture
def told(monkeypatch):
    """The spans that were open when a request's event was told, with the event's name."""
    from ezlogs.trackers.http import request

    found = []
    record = request.record

    def see(*args, **kwargs):
        span = trace.get_current_span(kwargs["ctx"])
        found.append((args[1], f"{span.get_span_context().span_id:016x}", span.is_recording()))
        return record(*args, **kwargs)

    monkeypatch.setattr(request, "record", see)
    return found


def test_spans_that_were_switched_off_stay_off(provider, captured, spans):
    """Of new applications as well: a request is told without one, in its own story."""
    instrumentor = contrib.FlaskInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    instrumentor.uninstrument()
    shop.create_app().test_client().get("/", headers={"traceparent": TRACEPARENT})
    assert spans() == ()
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}
    assert [event.action for event in captured.of("http.request")] == ["GET /"]


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("/", "GET /"),
        ("/api/v2/orders/4/items/small", "GET /api/v2/orders/{id}/items/{size}"),
        ("/broken", "GET /broken"),
        ("/sold-out", "GET /sold-out"),
        ("/abort/503", "GET /abort/{status}"),
        ("/nowhere", "GET (unmatched)"),
        ("/async/4", "GET /async/{id}"),
        ("/login/ada", "GET /login/{name}"),
    ],
)
def test_its_span_is_the_hop_and_still_open_at_the_end(make_app, spans, told, path, action):
    """One SERVER span, which is contrib's, continues the caller's; the event is told in it."""
    with capture() as captured:
        make_app().test_client().get(path, headers={"traceparent": TRACEPARENT})
    (span,) = spans()
    assert (span.instrumentation_scope.name, span.kind.name) == (SCOPE, "SERVER")
    assert f"{span.context.trace_id:032x}" == TRACE
    (request,) = captured.of("http.request")
    assert request.action == action
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}
    assert told == [(action, f"{span.context.span_id:016x}", True)]


def test_a_file_that_the_server_sends_is_told_in_the_span(make_app, captured, told):
    """It is the server's from there on."""

    class Wrapper:
        def __init__(self, file, size):
            self.file = file

        def close(self):
            self.file.close()

        def __iter__(self):
            return iter([self.file.read()])

    environ = {"wsgi.file_wrapper": Wrapper}
    response = make_app().test_client().get("/file", environ_overrides=environ)
    assert response.data == b"12345"
    assert [(action, is_open) for action, _, is_open in told] == [("GET /file", True)]
    assert captured.events[0].metadata["response_bytes"] == 5


def test_the_story_that_came_in_baggage_goes_on(make_app, captured):
    """The application's own baggage stays, too."""
    seen = []
    app = make_app()
    app.add_url_rule("/baggage", view_func=lambda: str(seen.append(dict(baggage.get_all()))))
    carried = "ezlogs.parent_event_id=evt_1,tenant=7"
    app.test_client().get("/baggage", headers={"traceparent": TRACEPARENT, "baggage": carried})
    assert captured.events[0].correlation.parent_event_id == "evt_1"
    assert seen[0]["tenant"] == "7"


def test_applications_that_it_makes_itself_are_covered(provider, captured, spans):
    """`FlaskInstrumentor().instrument()` puts a class of its own in the place of Flask's."""
    instrumentor = contrib.FlaskInstrumentor()
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    try:
        app = flask.Flask("made")
        app.add_url_rule("/orders/<int:id>", view_func=lambda id: "ok")
        app.test_client().get("/orders/7", headers={"traceparent": TRACEPARENT})
    finally:
        instrumentor.uninstrument()
    assert [span.instrumentation_scope.name for span in spans()] == [SCOPE]
    assert captured.events[0].subject == ezlogs.Subject("order", "7")
    assert captured.events[0].correlation.correlation_id == TRACE


def test_an_application_that_was_instrumented_before_is_covered(instrumented, provider, captured, spans):
    """Whoever wrapped the application first has the original in hand."""
    instrumented.uninstrument()
    app = shop.create_app()
    contrib.FlaskInstrumentor.instrument_app(app, tracer_provider=provider)
    instrumented.instrument()
    app.test_client().get("/", headers={"traceparent": TRACEPARENT})
    b"".join(app.test_client().get("/stream/3", headers={"traceparent": TRACEPARENT}).response)
    assert [span.instrumentation_scope.name for span in spans()] == [SCOPE, SCOPE]
    assert [event.action for event in captured.of("http.request")] == ["GET /", "GET /stream/{parts}"]
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}


def test_what_it_excludes_has_no_span_but_an_event(make_app, captured, spans):
    """That there is to be no span is not for us to decide anew; events have exclusions of their own."""
    app = make_app(excluded_urls="orders")
    app.test_client().get("/api/v2/orders/4/items/small", headers={"traceparent": TRACEPARENT})
    assert spans() == ()
    viewed, request = captured.events
    assert request.metadata["status"] == 200
    assert viewed.correlation.parent_event_id == request.event_id
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}


def test_taken_away_from_an_application_again_it_is_gone(make_app, captured, spans):
    """Whoever does that wants no spans of it; its requests are told all the same."""
    app = make_app()
    contrib.FlaskInstrumentor.uninstrument_app(app)
    contrib.FlaskInstrumentor.instrument_app(app)
    app.test_client().get("/")
    contrib.FlaskInstrumentor.uninstrument_app(app)
    app.test_client().get("/")
    assert [span.instrumentation_scope.name for span in spans()] == [SCOPE]
    assert [event.action for event in captured.events] == ["GET /", "GET /"]


def test_a_function_that_answers_before_it_began_is_told(provider, captured, spans):
    """It opens no span then, and nor do we."""
    app = shop.create_app()
    app.before_request(lambda: "closed today")
    contrib.FlaskInstrumentor.instrument_app(app, tracer_provider=provider)
    assert app.test_client().get("/").data == b"closed today"
    assert captured.events[0].action == "GET /"
    assert captured.events[0].metadata["status"] == 200
    assert spans() == ()


def test_an_error_before_it_began_is_told(provider, captured, spans):
    """The same where such a function raises, or the session cannot be opened."""

    def fail():
        raise ZeroDivisionError("too early")

    app = shop.create_app()
    app.before_request(fail)
    contrib.FlaskInstrumentor.instrument_app(app, tracer_provider=provider)
    assert app.test_client().get("/").status_code == 500
    assert captured.events[0].error.type == "ZeroDivisionError"
    assert spans() == ()


def test_an_exception_that_goes_through_is_told_in_its_span(make_app, captured, told):
    """With PROPAGATE_EXCEPTIONS there is no response."""
    app = make_app()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/broken")
    assert captured.events[0].error.type == "ZeroDivisionError"
    assert "status" not in captured.events[0].metadata
    assert [is_open for _, _, is_open in told] == [True]


def test_an_exception_that_is_hidden_from_what_tears_down_is_told_all_the_same(make_app, captured):
    """Flask lets applications ignore some there."""
    app = make_app()
    app.should_ignore_error = lambda error: True
    with pytest.raises(SystemExit):
        app.test_client().get("/exit")
    assert (captured.events[0].action, captured.events[0].outcome) == ("GET /exit", "unknown")


@pytest.mark.parametrize("path", ["/stream/3", "/stream-in-context", "/stream-in-pushed-context", "/stream-broken"])
def test_streams_leave_no_context_behind(make_app, captured, path):
    """Its span may only end inside the stream; what the thread does next is not in it."""
    app = make_app()
    for ends in (list, next):
        answer = Client(app).get(path, headers={"traceparent": TRACEPARENT}, buffered=False)
        with suppress(ZeroDivisionError):
            ends(iter(answer.response))
        answer.close()
        assert context.get_current() == {}
    assert len(captured.of("http.request")) == 2
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}


def test_a_stream_is_told_at_its_end(make_app, captured, serve, spans):
    """The story and the span's ids stay when the span has ended."""
    app = make_app()
    request = Request(f"{serve(app)}/stream/3", headers={"traceparent": TRACEPARENT})
    with urlopen(request, timeout=20) as response:
        assert response.read() == b"0\n1\n2\n"
    *parts, told = captured.events
    assert [part.action for part in parts] == ["part 0", "part 1", "part 2"]
    assert {part.correlation.parent_event_id for part in parts} == {told.event_id}
    assert told.metadata["response_bytes"] == 6
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}
    assert [span.instrumentation_scope.name for span in spans()] == [SCOPE]


def test_a_copy_of_its_context_that_ends_earlier_ends_nothing(make_app, captured, told):
    """`copy_current_request_context` tears down in another thread, in the middle of the request."""
    app = make_app()

    @app.get("/copies")
    def copies():
        thread = threading.Thread(target=flask.copy_current_request_context(lambda: None))
        thread.start()
        thread.join()
        ezlogs.event("order.viewed", "viewed")
        return "ok", 202

    app.test_client().get("/copies")
    assert [event.event_type for event in captured.events] == ["order.viewed", "http.request"]
    assert captured.events[1].metadata["status"] == 202


def test_behind_a_proxy_the_client_is_who_the_proxy_says(make_app, captured):
    """What wraps the application may have rewritten where the request comes from."""
    app = make_app()
    app.wsgi_app = ProxyFix(app.wsgi_app)
    app.test_client().get("/", headers={"X-Forwarded-For": "203.0.113.0"})
    assert captured.events[0].metadata["client_address"].startswith("203.0.113.")


def test_within_opentelemetrys_wsgi_middleware_its_span_is_the_hop(provider, captured, spans):
    """Around the application, or in it as its WSGI application."""
    wsgi = pytest.importorskip("opentelemetry.instrumentation.wsgi")
    inside = shop.create_app()
    inside.wsgi_app = wsgi.OpenTelemetryMiddleware(inside.wsgi_app, tracer_provider=provider)
    for app in (wsgi.OpenTelemetryMiddleware(shop.create_app(), tracer_provider=provider), inside):
        for path in ("/login/ada", "/stream/2"):
            Client(app).get(path, headers={"traceparent": TRACEPARENT}).get_data()
    assert [span.instrumentation_scope.name for span in spans()] == ["opentelemetry.instrumentation.wsgi"] * 4
    actions = ["GET /login/{name}", "GET /stream/{parts}"] * 2
    assert [event.action for event in captured.of("http.request")] == actions
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE}
    assert context.get_current() == {}


@pytest.mark.usefixtures("stopped_clock")
def test_responses_are_the_same_with_and_without(make_app, instrumented, captured):
    """Beside OpenTelemetry's, too."""
    app = make_app()

    def visit():
        client = app.test_client()
        answers = [client.get(path) for path in ("/", "/login/ada", "/who", "/broken", "/flash", "/stream/3")]
        return [(answer.status, list(answer.headers), answer.data) for answer in answers]

    with_ezlogs = visit()
    assert len(captured.of("http.request")) == 6
    instrumented.uninstrument()
    assert visit() == with_ezlogs


def test_nothing_listens_nothing_happens(make_app):
    """Without a runtime requests go through."""
    assert make_app().test_client().get("/broken").status_code == 500


def test_at_the_edge_the_story_alone_begins_anew(make_app, spans):
    """Its span is in the caller's trace already."""
    with capture(trust_inbound="link") as captured:
        make_app().test_client().get("/", headers={"traceparent": TRACEPARENT})
    (span,) = spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert captured.events[0].correlation.linked_correlation_id == TRACE
