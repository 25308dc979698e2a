"""The WSGI middleware, with applications that do all that PEP 3333 lets them do."""

from __future__ import annotations

import gc
import io
import re
import sys
import weakref

import bottle
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors.wsgi import Body, WsgiMiddleware

PLAIN = [("Content-Type", "text/plain")]
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def hello(environ, start_response):
    """Answer with a list."""
    start_response("200 OK", PLAIN)
    return [b"Hello, ", b"world"]


@pytest.fixture
def only(captured):
    """Return the one event, once it is there."""

    def event():
        (found,) = captured.of("http.request")
        return found

    return event


@pytest.mark.parametrize("kind", [list, tuple])
def test_what_is_there_as_a_whole_stays_what_it_is(ask, only, kind):
    """Servers look at whether a body is a list, and at its length."""
    body = kind([b"Hello, ", b"world"])

    def app(environ, start_response):
        hello(environ, start_response)
        return body

    assert ask(WsgiMiddleware(app)).body is body
    assert only().metadata == {
        "method": "GET",
        "status": 200,
        "response_content_type": "text/plain",
        "response_bytes": 12,
    }
    assert (only().action, only().outcome) == ("GET (unmatched)", "success")


def test_a_list_of_something_else_is_the_server_s_to_complain_about(ask, only):
    """Not ours."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        return [None]

    assert ask(WsgiMiddleware(app)).body == [None]
    assert "response_bytes" not in only().metadata


def test_a_body_that_knows_its_length_still_does(ask, only):
    """wsgiref sends a Content-Length where there is one part only."""

    class Parts(list):
        def __iter__(self):
            ezlogs.event("order.part", "made")
            return super().__iter__()

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        return Parts([b"one"])

    answer = ask(WsgiMiddleware(app))
    assert len(answer.body) == 1
    assert answer.read() == b"one"
    assert only().metadata["response_bytes"] == 3


def test_an_application_that_is_a_generator_begins_late(ask, captured):
    """Its response, its route and its events come while the server reads."""

    def app(environ, start_response):
        environ["route"] = "/orders/{id}"
        ezlogs.event("order.viewed", "viewed")
        start_response("201 Created", PLAIN)
        yield b"one"
        ezlogs.event("order.viewed", "again")
        yield b"two"

    answer = ask(WsgiMiddleware(app, route=lambda environ: environ.get("route") and (environ["route"], {"id": 7})))
    assert captured.events == []
    assert context.get_current() == {}
    assert answer.read() == b"onetwo"
    first, second, request = captured.events
    assert (request.action, request.metadata["status"], request.metadata["response_bytes"]) == (
        "GET /orders/{id}",
        201,
        6,
    )
    assert request.subject == ezlogs.Subject("order", "7")
    assert request.metadata["time_to_first_byte"] > 0
    assert first.correlation.parent_event_id == second.correlation.parent_event_id == request.event_id
    assert context.get_current() == {}


def test_what_is_written_is_counted(ask, only):
    """By the callable that start_response returns; by hand, as old applications do."""

    def app(environ, start_response):
        write = start_response("200 OK", headers_of(), exc_info=None)
        write(b"one")
        write(b"two")
        return [b"!"]

    def headers_of():
        return list(PLAIN)

    assert ask(WsgiMiddleware(app)).read() == b"onetwo!"
    assert only().metadata["response_bytes"] == 7


def test_a_client_that_goes_away_while_something_is_written_leaves_the_outcome_unknown(only):
    """The server's exception goes through the application."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)(b"one")
        return []

    def gone(data):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        WsgiMiddleware(app)({"REQUEST_METHOD": "GET"}, lambda status, headers: gone)
    assert (only().outcome, only().metadata["reason"]) == ("unknown", "disconnected")


def test_a_server_without_write_has_none(captured):
    """The test clients of some frameworks return nothing."""

    def app(environ, start_response):
        assert start_response("200 OK", PLAIN) is None
        return []

    assert WsgiMiddleware(app)({"REQUEST_METHOD": "GET"}, lambda status, headers: None) == []


def test_a_response_that_is_taken_back_is_a_failure(ask, only):
    """start_response a second time, with exc_info, as long as nothing is sent."""

    def app(environ, start_response):
        start_response("200 OK", PLAIN)
        try:
            raise ZeroDivisionError("no orders")
        except ZeroDivisionError:
            start_response("500 Internal Server Error", PLAIN, sys.exc_info())
        return [b"sorry"]

    assert ask(WsgiMiddleware(app)).status.startswith("500")
    assert (only().outcome, only().error.type, only().metadata["status"]) == ("failure", "ZeroDivisionError", 500)


def test_a_response_that_cannot_be_taken_back_any_more_breaks(ask, only):
    """The server raises the exception again; the status is the one that went out."""

    def app(environ, start_response):
        write = start_response("200 OK", PLAIN)
        write(b"one")
        try:
            raise ZeroDivisionError("no orders")
        except ZeroDivisionError:
            start_response("500 Internal Server Error", PLAIN, sys.exc_info())
        return []

    with pytest.raises(ZeroDivisionError):
        ask(WsgiMiddleware(app))
    assert (only().outcome, only().error.type, only().metadata["status"]) == ("failure", "ZeroDivisionError", 200)


class Wrapper:
    """A server's wrapper of files."""

    def __init__(self, file, size=8192):
        self.file, self.size = file, size

    def __iter__(self):
        return iter(lambda: self.file.read(self.size), b"")


@pytest.mark.parametrize("wrapper", [Wrapper, lambda file, size=0: file], ids=["class", "function"])
def test_what_the_server_sends_from_a_file_is_the_very_object(ask, only, wrapper):
    """Servers know it by its class or, where the wrapper is a function, by itself."""
    made = []

    def app(environ, start_response):
        start_response("200 OK", [*PLAIN, ("Content-Length", "5")])
        made.append(environ["wsgi.file_wrapper"](io.BytesIO(b"12345")))
        return made[0]

    answer = ask(WsgiMiddleware(app), **{"wsgi.file_wrapper": wrapper})
    assert answer.body is made[0]
    assert only().metadata["response_bytes"] == 5


class Part:
    """A body that counts how often it is closed."""

    def __init__(self, *parts, error=None):
        self.parts, self.error, self.closed = iter(parts), error, 0

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self.parts)
        if isinstance(part, BaseException):
            raise part
        return part

    def close(self):
        """Count, and perhaps raise."""
        self.closed += 1
        ezlogs.event("order.closed", "closed")
        if self.error is not None:
            raise self.error


def streaming(part, status="200 OK"):
    """Return an application that answers with a body."""

    def app(environ, start_response):
        start_response(status, PLAIN)
        return part

    return WsgiMiddleware(app)


def test_a_body_is_closed_once_in_its_request(ask, captured):
    """What it does then is in the request still."""
    part = Part(b"one", b"two")
    assert ask(streaming(part)).read() == b"onetwo"
    assert part.closed == 1
    request, closed = captured.events
    assert closed.correlation.parent_event_id == request.event_id
    assert request.outcome == "success"


def test_an_exception_in_the_middle_is_a_failure(ask, captured, only):
    """Although the status was 200."""
    part = Part(b"one", ZeroDivisionError("in the middle"))
    with pytest.raises(ZeroDivisionError):
        ask(streaming(part)).read()
    assert part.closed == 1
    assert (only().outcome, only().error.type, only().metadata["status"]) == ("failure", "ZeroDivisionError", 200)
    assert context.get_current() == {}


def test_an_exception_while_closing_is_a_failure_if_nothing_was_told(ask, only):
    """And goes through to the server."""
    part = Part(b"one", b"two", error=ZeroDivisionError("at the end"))
    answer = ask(streaming(part))
    assert next(iter(answer.body)) == b"one"
    with pytest.raises(ZeroDivisionError):
        answer.close()
    assert (only().outcome, only().error.type) == ("failure", "ZeroDivisionError")


def test_a_client_that_goes_away_leaves_the_outcome_unknown(ask, only):
    """The server closes what it has begun to read."""
    part = Part(b"one", b"two")
    answer = ask(streaming(part))
    next(iter(answer.body))
    answer.close()
    assert part.closed == 1
    assert (only().outcome, only().metadata["reason"]) == ("unknown", "disconnected")
    assert only().metadata["response_bytes"] == 3


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified"), ("GET", "200 OK")])
def test_a_body_that_nobody_reads_has_not_broken_off(ask, only, method, status):
    """HEAD, what has not changed, and what somebody further out answers in its place."""
    part = Part(b"one")
    answer = WsgiMiddleware(streaming(part, status)._app)
    ask(answer, method=method).close()
    assert part.closed == 1
    assert (only().outcome, only().metadata["status"]) == ("success", int(status[:3]))
    assert "reason" not in only().metadata


def test_a_body_that_is_never_closed_holds_nothing(ask, captured):
    """A server that forgets it leaves no context, no event and no memory behind."""
    answer = ask(streaming(Part(b"one", b"two")))
    next(iter(answer.body))
    body = weakref.ref(answer.body)
    assert isinstance(answer.body, Body)
    assert context.get_current() == {}
    del answer
    gc.collect()
    assert body() is None
    assert captured.events == []


def test_a_body_that_is_closed_late_is_told_in_its_own_story(ask, captured):
    """Other requests may have come in between."""
    late = ask(streaming(Part(b"one", b"two")), HTTP_X_REQUEST_ID="late")
    next(iter(late.body))
    ask(WsgiMiddleware(hello), HTTP_X_REQUEST_ID="between").read()
    late.close()
    between, closed, request = captured.events
    assert [between.correlation.request_id, request.correlation.request_id] == ["between", "late"]
    assert closed.correlation.parent_event_id == request.event_id


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("begun", [False, True])
def test_an_exception_goes_through_and_is_told(ask, only, error, begun):
    """Before the response and after: what ends the process, or a greenlet, leaves the outcome unknown."""

    def app(environ, start_response):
        if begun:
            start_response("200 OK", PLAIN)
        raise error

    with pytest.raises(type(error)) as raised:
        ask(WsgiMiddleware(app, route=lambda environ: "/orders/"))
    assert raised.value is error
    assert only().action == "GET /orders/"
    if isinstance(error, ZeroDivisionError):
        assert (only().outcome, only().error.type) == ("failure", "ZeroDivisionError")
    else:
        assert (only().outcome, only().metadata["reason"]) == ("unknown", "cancelled")
    assert context.get_current() == {}


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_ends_the_process_in_a_stream_leaves_the_outcome_unknown(ask, only, error):
    """The same while the body is made."""
    with pytest.raises(type(error)):
        ask(streaming(Part(b"one", error))).read()
    assert (only().outcome, only().metadata["reason"]) == ("unknown", "cancelled")


def test_headers_are_left_as_they_are(ask):
    """Nothing is added to a list of the application's, which may be the same one each time."""
    mine = [("Content-Type", "text/plain"), ("X-Mine", "1")]

    def app(environ, start_response):
        start_response("200 OK", mine)
        return [b""]

    with capture():
        assert ask(WsgiMiddleware(app), HTTP_X_REQUEST_ID="r-1").headers is mine
    with capture(send_request_id=True) as captured:
        first, second = (ask(WsgiMiddleware(app), HTTP_X_REQUEST_ID=name) for name in ("r-1", "r-2"))
        made = ask(WsgiMiddleware(app))
    assert [answer.headers[-1] for answer in (first, second)] == [("X-Request-ID", "r-1"), ("X-Request-ID", "r-2")]
    assert made.headers[-1] == ("X-Request-ID", captured.events[2].correlation.request_id)
    assert len(mine) == 2


def test_an_application_that_says_its_request_id_itself_says_it(ask):
    """Once."""

    def app(environ, start_response):
        start_response("200 OK", [("x-request-ID", "own")])
        return []

    with capture(send_request_id=True):
        assert ask(WsgiMiddleware(app)).headers == [("x-request-ID", "own")]


class Counting:
    """An input that counts how often it is read."""

    def __init__(self):
        self.reads = 0

    def read(self, *size):
        """Count."""
        self.reads += 1
        return b""

    readline = readlines = __iter__ = read


def test_the_body_of_a_request_is_not_read(ask, only):
    """Nor wrapped: the application gets the very object."""
    body = Counting()

    def app(environ, start_response):
        assert environ["wsgi.input"] is body
        return hello(environ, start_response)

    ask(WsgiMiddleware(app), method="POST", CONTENT_LENGTH="5", CONTENT_TYPE="text/csv", **{"wsgi.input": body}).read()
    assert body.reads == 0
    assert (only().metadata["request_bytes"], only().metadata["request_content_type"]) == (5, "text/csv")


def test_who_the_application_has_resolved_acts(ask, captured):
    """Looked at when something happens."""

    def app(environ, start_response):
        environ["user"] = ezlogs.Actor("user", "7")
        return hello(environ, start_response)

    ask(WsgiMiddleware(app, peek=lambda environ: lambda: environ.get("user"))).read()
    assert captured.events[0].actor == ezlogs.Actor("user", "7")


def test_a_middleware_inside_another_tells_what_it_knows_there(ask, captured):
    """One event, with the route of the inner one."""
    inner = WsgiMiddleware(hello, framework="inner", route=lambda environ: "/orders/")
    assert ask(WsgiMiddleware(inner)).read() == b"Hello, world"
    (request,) = captured.events
    assert request.action == "GET /orders/"
    assert context.get_current() == {}


def test_nothing_listens_nothing_happens(ask):
    """Without a runtime it hands everything through."""
    answer = ask(WsgiMiddleware(hello))
    assert (answer.headers, answer.read()) == (PLAIN, b"Hello, world")


def test_within_a_span_that_is_open_none_is_made(ask, captured, monkeypatch):
    """Whoever opened it - OpenTelemetry's middleware, say - has the hop; without one it is made here."""
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    seen = []

    def app(environ, start_response):
        seen.append(trace.get_current_span())
        return hello(environ, start_response)

    with provider.get_tracer("somebody's").start_as_current_span("hop") as hop:
        ask(WsgiMiddleware(app), HTTP_TRACEPARENT=TRACEPARENT)
    ask(WsgiMiddleware(app), HTTP_TRACEPARENT=TRACEPARENT)
    assert seen[0] is hop
    assert captured.events[0].correlation.correlation_id == f"{hop.get_span_context().trace_id:032x}"
    assert f"{seen[1].get_span_context().trace_id:032x}" == TRACE
    assert captured.events[1].correlation.correlation_id == TRACE


def test_beside_opentelemetrys_middleware_its_span_is_the_hop(ask, captured):
    """One SERVER span, which is its own."""
    contrib = pytest.importorskip("opentelemetry.instrumentation.wsgi")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = contrib.OpenTelemetryMiddleware(WsgiMiddleware(hello), tracer_provider=provider)
    environ = {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1"}
    assert ask(app, HTTP_TRACEPARENT=TRACEPARENT, **environ).read() == b"Hello, world"
    (span,) = exporter.get_finished_spans()
    assert (span.kind.name, f"{span.context.trace_id:032x}") == ("SERVER", TRACE)
    assert captured.events[0].correlation.correlation_id == TRACE


shop = bottle.Bottle()


@shop.get("/orders/<number:int>/<part>")
def order(number, part):
    """Answer."""
    ezlogs.event("order.viewed", "viewed")
    return f"{number} {part}"


@shop.get("/broken")
def broken():
    """Fail, which Bottle makes a page of."""
    raise ZeroDivisionError("no orders")


def bottles_route(environ):
    """Return the route that Bottle matched, as a template, and its parameters."""
    route = environ.get("bottle.route")
    if route is None:
        return None
    return re.sub(r"<(\w+)[^<>]*>", r"{\1}", route.rule), environ.get("route.url_args", {})


def test_bottle_is_covered_by_one_function(ask, captured):
    """Any framework is that says which route it matched."""
    app = WsgiMiddleware(shop, framework="bottle", route=bottles_route)
    assert ask(app, "/orders/42/lid").read() == b"42 lid"
    assert ask(app, "/nowhere").status.startswith("404")
    assert ask(app, "/broken", **{"wsgi.errors": io.StringIO()}).status.startswith("500")
    viewed, request, nowhere, failed = captured.events
    assert (request.action, request.subject) == ("GET /orders/{number}/{part}", ezlogs.Subject("order", "42"))
    assert viewed.correlation.parent_event_id == request.event_id
    assert nowhere.action == "GET (unmatched)"
    assert (failed.action, failed.outcome) == ("GET /broken", "failure")
