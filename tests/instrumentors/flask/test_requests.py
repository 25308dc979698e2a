"""Flask's requests: one story each, on the test client and on a real server."""

from __future__ import annotations

import http.client
import io
import json
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from urllib.request import Request, urlopen

import flask
import pytest
from flask.sessions import SessionInterface, SessionMixin
from opentelemetry import context
from werkzeug.datastructures import CallbackDict
from werkzeug.debug import DebuggedApplication
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

import ezlogs
from ezlogs.event import Failure
from ezlogs.testing import capture
from ezlogs_instrumentors.flask import template
from ezlogs_instrumentors.wsgi import WsgiMiddleware

from . import shop

pytestmark = pytest.mark.usefixtures("instrumented")

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def app():
    """The shop."""
    shop.LOADED.clear()
    return shop.create_app()


@pytest.fixture
def client(app):
    """A client of the shop's."""
    return app.test_client()


def told_by(captured):
    """Return the requests that are told, as soon as there are any: a server's thread may still be about to."""
    deadline = monotonic() + 20
    while not captured.of("http.request"):
        assert monotonic() < deadline, "the request was never told"
        sleep(0.01)
    return captured.of("http.request")


def test_a_request_is_the_parent_of_what_happens_in_it(client, captured):
    """The request's event comes last, with the id that everything inside had as its parent."""
    answer = client.get("/api/v2/orders/42/items/small", headers={"X-Request-ID": "req-1"}).json
    viewed, request = captured.events
    assert (request.event_type, request.action) == ("http.request", "GET /api/v2/orders/{id}/items/{size}")
    assert request.subject == ezlogs.Subject("item", "small")
    metadata = dict(request.metadata)
    assert metadata.pop("user_agent").startswith("Werkzeug/")
    assert metadata.pop("response_bytes") > 80
    assert metadata == {
        "method": "GET",
        "route": "/api/v2/orders/{id}/items/{size}",
        "status": 200,
        "client_address": "127.0.0.1",
        "api_version": "v2",
        "response_content_type": "application/json",
    }
    assert request.outcome == "success"
    assert request.duration > 0
    assert viewed.correlation.parent_event_id == request.event_id == answer["parent"]
    assert request.correlation.request_id == viewed.correlation.request_id == "req-1"
    assert request.correlation.correlation_id == viewed.correlation.correlation_id == answer["story"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("/", "/"),
        ("/orders/<id>", "/orders/{id}"),
        ("/<int(min=1, max=9):page>/<path:rest>", "/{page}/{rest}"),
        ("/<any('a>b', 'c'):kind>.<ending>", "/{kind}.{ending}"),
        ("/<uuid:order_id>-<_x>/", "/{order_id}-{_x}/"),
    ],
)
def test_rules_become_templates(rule, expected):
    """Converters of every kind become named parameters."""
    assert template(rule) == expected


@pytest.mark.parametrize(
    ("asked", "action", "status"),
    [
        ("GET /nowhere", "GET (unmatched)", 404),
        ("DELETE /broken", "DELETE (unmatched)", 405),
        ("POST /api/v2/orders", "POST (unmatched)", 308),
        ("OPTIONS /broken", "OPTIONS /broken", 200),
        ("HEAD /late-event", "HEAD /late-event", 200),
    ],
)
def test_what_no_route_matches_has_one_name(client, captured, asked, action, status):
    """Nor do redirects to the right slash, or methods that a route does not know, make up names."""
    method, path = asked.split()
    assert client.open(path, method=method).status_code == status
    (request,) = captured.of("http.request")
    assert (request.action, request.metadata["status"], request.outcome) == (action, status, "success")


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/broken", 500, "ZeroDivisionError"),
        ("/sold-out", 503, "tests.instrumentors.flask.shop.OutOfStockError"),
        ("/abort/503", 503, "werkzeug.exceptions.ServiceUnavailable"),
    ],
)
def test_what_ends_in_a_server_error_is_a_failure(client, captured, path, status, error):
    """Whether a handler of the application's made the response or Flask did, the exception is told."""
    assert client.get(path).status_code == status
    (request,) = captured.events
    assert (request.outcome, request.error.type, request.metadata["status"]) == ("failure", error, status)


@pytest.mark.parametrize(("path", "status"), [("/unknown", 404), ("/abort/403", 403)])
def test_refusals_are_successes(client, captured, path, status):
    """A handler that makes a 4xx of an exception has dealt with it."""
    assert client.get(path).status_code == status
    (request,) = captured.of("http.request")
    assert (request.outcome, request.error) == ("success", None)


def test_an_exception_reaches_tests_unchanged(app, captured):
    """What propagates is a failure and still raised."""
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = None
    with pytest.raises(ZeroDivisionError, match="no orders"):
        app.test_client().get("/broken")
    (request,) = captured.events
    assert request.error == Failure("ZeroDivisionError", "no orders")
    assert "status" not in request.metadata


def test_the_end_of_the_process_is_no_failure(client, captured):
    """SystemExit goes through; nobody knows what was done."""
    with pytest.raises(SystemExit):
        client.get("/exit")
    assert (captured.events[0].outcome, captured.events[0].metadata["reason"]) == ("unknown", "cancelled")
    assert context.get_current() == {}


def test_an_error_in_what_comes_after_the_view_is_a_failure(app, captured):
    """Also after the response was made: by a function after the request, or one that tears down."""
    app.add_url_rule("/late", "late", lambda: "ok")

    @app.after_request
    def fail(response):
        if flask.request.path == "/late":
            raise ZeroDivisionError("too late")
        return response

    @app.teardown_request
    def fail_again(error):
        if flask.request.path == "/":
            raise ZeroDivisionError("still later")

    assert app.test_client().get("/late").status_code == 500
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/")
    assert [(event.outcome, event.error.message) for event in captured.events] == [
        ("failure", "too late"),
        ("failure", "still later"),
    ]


def test_a_session_that_cannot_be_opened_is_a_failure(app, captured):
    """Before anything of the application has run."""

    class Broken(SessionInterface):
        def open_session(self, app, request):
            raise ConnectionError("no store")

    app.session_interface = Broken()
    assert app.test_client().get("/").status_code == 500
    (request,) = captured.events
    assert (request.action, request.error.type) == ("GET (unmatched)", "ConnectionError")


def test_async_views_are_covered(client, captured):
    """They run in a thread's event loop."""
    client.get("/async/7")
    viewed, request = captured.events
    assert request.subject == ezlogs.Subject("async", "7")
    assert viewed.correlation.parent_event_id == request.event_id


def test_what_is_torn_down_is_in_the_request(client, captured):
    """And so is what is done once the response has gone."""
    client.get("/teardown")
    client.get("/late-event").close()
    closed, first, second, mailed = captured.events
    assert closed.correlation.parent_event_id == first.event_id
    assert mailed.correlation.parent_event_id == second.event_id
    assert context.get_current() == {}


def test_streams_are_told_at_their_end(app, captured, serve):
    """With their size and the time of the first byte; what the generator does is in the request."""
    with urlopen(f"{serve(app)}/stream/3", timeout=20) as response:
        assert response.read() == b"0\n1\n2\n"
    *parts, request = captured.events
    assert [part.action for part in parts] == ["part 0", "part 1", "part 2"]
    assert {part.correlation.parent_event_id for part in parts} == {request.event_id}
    assert request.metadata["response_bytes"] == 6
    assert request.metadata["time_to_first_byte"] > 0
    assert request.outcome == "success"


@pytest.mark.parametrize("path", ["/stream-in-context", "/stream-in-pushed-context"])
def test_streams_in_flasks_context_are_told_at_their_end(client, captured, path):
    """`stream_with_context` keeps Flask's own context open for as long."""
    assert client.get(path).data == f"{path}!".encode()
    first, second, request = captured.events
    assert first.correlation.parent_event_id == second.correlation.parent_event_id == request.event_id


def test_a_stream_that_breaks_is_a_failure(client, captured):
    """Whatever it had begun with."""
    with pytest.raises(ZeroDivisionError):
        client.get("/stream-broken").get_data()
    (request,) = captured.events
    assert (request.outcome, request.error.type, request.metadata["status"]) == ("failure", "ZeroDivisionError", 200)


def test_a_stream_whose_client_goes_away_is_unknown(app, captured, serve):
    """Nobody knows what has arrived."""
    seen = []

    @app.get("/endless")
    def endless():
        def parts():
            try:
                while True:
                    yield "x" * 65536
            finally:
                seen.append(ezlogs.event("order.left", "left"))

        return flask.Response(parts())

    connection = http.client.HTTPConnection(serve(app).removeprefix("http://"), timeout=20)
    connection.request("GET", "/endless")
    connection.getresponse().read(10)
    connection.close()
    (request,) = told_by(captured)
    assert (request.outcome, request.metadata["reason"]) == ("unknown", "disconnected")
    assert seen[0].correlation.parent_event_id == request.event_id


@pytest.mark.parametrize(("headers", "status", "size"), [({}, 200, 5), ({"Range": "bytes=1-2"}, 206, 2)])
def test_files_are_sent_as_ever(client, captured, headers, status, size):
    """As a whole or in part."""
    response = client.get("/file", headers=headers)
    assert response.data == b"12345"[1 if headers else 0 :][:size]
    assert (captured.events[0].metadata["status"], captured.events[0].metadata["response_bytes"]) == (status, size)


def test_a_user_that_nobody_asked_for_is_unknown(client, captured):
    """Looking at who acts loads no user."""
    client.get("/login/ada")
    captured.clear()
    client.get("/")
    client.get("/api/v2/orders/1/items/small")
    assert shop.LOADED == []
    assert {event.actor.type for event in captured.events} == {"unknown"}


def test_a_user_that_the_view_asked_for_acts(client, captured):
    """Whoever Flask-Login has loaded, or has just logged in."""
    client.get("/login/ada")
    client.get("/who")
    assert shop.LOADED == ["ada"]
    assert [event.actor for event in captured.of("http.request")] == [ezlogs.Actor("user", "ada")] * 2


def test_nobody_is_anonymous(client, captured):
    """The application has asked, and nobody is logged in."""
    client.get("/who")
    assert captured.events[0].actor == ezlogs.Actor("anonymous")


def test_a_user_without_an_id_is_a_user(app, captured):
    """The class is the application's own."""

    class Somebody:
        __slots__ = ()

    app.add_url_rule("/odd", view_func=lambda: setattr(flask.g, "_login_user", Somebody()) or "ok", endpoint="odd")
    app.test_client().get("/odd")
    assert captured.events[0].actor == ezlogs.Actor("user")


def test_a_user_that_says_who_it_is_acts(app, captured):
    """As anywhere else."""
    known = ezlogs.Actor("service", "billing")
    app.add_url_rule("/odd", view_func=lambda: setattr(flask.g, "_login_user", known) or "ok", endpoint="odd")
    app.add_url_rule(
        "/nobody", view_func=lambda: setattr(flask.g, "_login_user", ezlogs.Actor("anonymous")) or "", endpoint="nobody"
    )
    app.test_client().get("/odd")
    app.test_client().get("/nobody")
    assert [event.actor for event in captured.events] == [known, ezlogs.Actor("anonymous")]


class Stored(CallbackDict, SessionMixin):
    """A session that is kept on the server, as Flask-Session's are."""

    def __init__(self, sid, initial=None):
        super().__init__(initial or (), self.change)
        self.sid, self.modified = sid, False

    @staticmethod
    def change(session):
        """Remember that it is to be saved."""
        session.modified = True


class Store(SessionInterface):
    """Keeps sessions."""

    def __init__(self):
        self.kept = {}

    def open_session(self, app, request):
        """Return a session that is there, or a new one."""
        sid = request.cookies.get(app.config["SESSION_COOKIE_NAME"]) or "secret-key"
        return Stored(sid, self.kept.get(sid))

    def save_session(self, app, session, response):
        """Keep a session that has changed."""
        if session.modified:
            self.kept[session.sid] = dict(session)
            response.set_cookie(app.config["SESSION_COOKIE_NAME"], session.sid)


def test_sessions_with_an_id_are_told_by_a_digest(app, captured):
    """From when somebody has one: not those that are made anew with each visit and thrown away."""
    app.session_interface = Store()
    client = app.test_client()
    for path in ("/", "/flash", "/api/v2/orders/1/items/small"):
        client.get(path)
    before, begins, viewed, after = captured.events
    assert before.correlation.session_id is None
    assert begins.correlation.session_id == after.correlation.session_id == viewed.correlation.session_id
    assert len(after.correlation.session_id) == 32
    assert context.get_current() == {}


def test_sessions_in_cookies_have_no_id(client, captured):
    """Flask's own."""
    client.get("/flash")
    client.get("/flash")
    assert {event.correlation.session_id for event in captured.events} == {None}


class Counting(io.BytesIO):
    """A request's body that counts how often somebody reads it."""

    reads = 0

    def read(self, *size):
        """Count."""
        self.reads += 1
        return super().read(*size)

    readline = readlines = readinto = read1 = None


@pytest.mark.parametrize("path", ["/who", "/sold-out", "/nowhere"])
def test_bodies_that_the_application_does_not_read_nobody_reads(app, path):
    """Whatever fields are allowed."""
    body = Counting(b'{"note": "express"}')
    with capture(request_fields=("note",)) as captured:
        environ = {"wsgi.input": body, "CONTENT_LENGTH": "19", "CONTENT_TYPE": "application/json"}
        app.test_client().get(path, environ_overrides=environ)
    assert body.reads == 0
    assert "body" not in captured.events[0].metadata


@pytest.mark.parametrize("sent", [{"data": {"note": "express"}}, {"json": {"note": "express"}}], ids=["form", "json"])
def test_fields_that_the_application_has_read_are_told_if_they_are_named(client, sent):
    """Forms and JSON; the rest of them is not."""
    field = next(iter(sent.values()))
    field["card"] = "4111111111111111"
    with capture(request_fields=("note",)) as captured:
        assert client.post("/api/v2/orders/", **sent).json == {"fields": 2}
    told = dict(captured.events[0].metadata["body"])
    assert told in ({"note": "express"}, {"note": ("express",)})


def test_parameters_that_are_named_are_told(client):
    """Of the query and of the route."""
    with capture(request_parameters=("page", "size")) as captured:
        client.get("/api/v2/orders/4/items/small?page=2&token=x")
    assert captured.of("http.request")[0].metadata["parameters"] == {"page": "2", "size": "small"}


def test_the_request_id_goes_out_only_if_asked(client):
    """What came in, or one that was made."""
    with capture():
        assert "X-Request-ID" not in client.get("/", headers={"X-Request-ID": "r-1"}).headers
    with capture(send_request_id=True) as captured:
        assert client.get("/", headers={"X-Request-ID": "r-1"}).headers.getlist("X-Request-ID") == ["r-1"]
        made = client.get("/stream/1").headers["X-Request-ID"]
    assert captured.events[-1].correlation.request_id == made


def test_responses_are_the_same_with_and_without(app, instrumented, captured):
    """Headers and bodies do not tell whether ezlogs is there."""
    paths = ("/", "/login/ada", "/who", "/broken", "/nowhere", "/flash", "/stream/3", "/file", "/late-event")

    def plain():
        """An application in which nobody asks for the session."""
        made = flask.Flask("plain")
        made.secret_key = "only for tests"
        made.add_url_rule("/", view_func=lambda: "ok")
        made.session_interface = Store()
        return made

    def visit():
        answers = [app.test_client().get(path) for path in paths]
        client = plain().test_client()
        client.set_cookie("session", "k-1")
        answers.append(client.get("/"))
        return [
            (answer.status, [pair for pair in answer.headers if pair[0] not in ("Date", "Set-Cookie")], answer.data)
            for answer in answers
        ] + [len(answer.headers.getlist("Set-Cookie")) for answer in answers]

    with_ezlogs = visit()
    assert len(captured.of("http.request")) == len(paths) + 1
    assert not any(name == "Vary" for name, _ in with_ezlogs[len(paths)][1])
    instrumented.uninstrument()
    assert visit() == with_ezlogs
    assert len(captured.of("http.request")) == len(paths) + 1


def test_a_story_that_arrives_is_continued(client, captured, spans):
    """W3C headers make the request part of the caller's trace; without anybody else's span there is ours."""
    client.get("/", headers={"traceparent": TRACEPARENT, "baggage": "ezlogs.parent_event_id=evt_1"})
    client.get("/broken", headers={"traceparent": TRACEPARENT})
    first, second = spans()
    assert f"{first.context.trace_id:032x}" == TRACE
    assert (first.name, first.kind.name, first.attributes["http.route"]) == ("GET /", "SERVER", "/")
    assert second.attributes["error.type"] == "ZeroDivisionError"
    assert captured.events[0].correlation.correlation_id == TRACE
    assert captured.events[0].correlation.parent_event_id == "evt_1"


def test_a_route_is_sampled_by_its_rate_before_anything_runs(app):
    """The application's functions before a request are in it, too."""
    held = []

    @app.before_request
    def look():
        ezlogs.event("order.action", "watched")
        held.append(ezlogs.health()["held"])

    with capture(sample_routes={"GET /nowhere-else": 0}) as captured:
        app.test_client().get("/")
    assert len(captured.of("order.action")) == 1
    assert held == [0]


def test_excluded_requests_give_no_event(app, captured):
    """But what happens in them has its story and its actor."""
    app.add_url_rule(
        "/healthz", view_func=lambda: str(ezlogs.event("order.viewed", "viewed").correlation), endpoint="h"
    )
    assert app.test_client().get("/healthz").status_code == 200
    (viewed,) = captured.events
    assert viewed.correlation.parent_event_id is None


def test_mounted_applications_are_told_once_with_their_prefix(app, captured):
    """By the one that matched, wherever it is mounted; what a server puts before the path is no part of the name."""
    other = flask.Flask("other")
    other.add_url_rule("/users/<int:id>", view_func=lambda id: "ok")
    mounted = DispatcherMiddleware(app, {"/admin": DispatcherMiddleware(other, {"/again": app})})
    client = Client(mounted)
    client.get("/admin/users/7", environ_overrides={"SCRIPT_NAME": "/served/42"})
    client.get("/admin/again/api/v2/orders/1/items/small")
    client.get("/login/ada")
    client.get("/admin/nowhere")
    assert [event.action for event in captured.of("http.request")] == [
        "GET /admin/users/{id}",
        "GET /admin/again/api/v2/orders/{id}/items/{size}",
        "GET /login/{name}",
        "GET /admin/{path}",
    ]


def test_an_application_inside_a_view_is_the_same_request(app, captured):
    """Handed on with the very environment; the inner one knows the route."""
    inner = flask.Flask("inner")
    inner.add_url_rule("/legacy/<int:id>", view_func=lambda id: str(ezlogs.event("order.viewed", "viewed").action))

    @app.get("/legacy/<path:rest>")
    def hand_on(rest):
        response = flask.Response.from_app(inner, flask.request.environ)
        ezlogs.event("order.viewed", "again")
        return response

    assert app.test_client().get("/legacy/7").data == b"viewed"
    inside, after, request = captured.events
    assert request.action == "GET /legacy/{id}"
    assert inside.correlation.parent_event_id == after.correlation.parent_event_id == request.event_id


@pytest.mark.parametrize("is_around", [True, False])
def test_inside_another_middleware_it_is_told_once(app, captured, is_around):
    """Of ours: around the application, or between it and Flask."""
    if is_around:
        served = WsgiMiddleware(app)
    else:
        app.wsgi_app, served = WsgiMiddleware(app.wsgi_app), app
    client = Client(served)
    assert client.get("/login/ada").data == b"welcome"
    assert client.get("/stream/2").data == b"0\n1\n"
    with pytest.raises(SystemExit):
        client.get("/exit")
    requests = captured.of("http.request")
    assert [event.action for event in requests] == ["GET /login/{name}", "GET /stream/{parts}", "GET /exit"]
    assert [event.metadata.get("response_bytes") for event in requests] == [7, 4, None]
    assert requests[0].actor == ezlogs.Actor("user", "ada")
    assert context.get_current() == {}


def test_two_applications_in_one_process_do_not_mix(captured):
    """Of one factory."""
    first, second = shop.create_app("first"), shop.create_app("second")
    second.add_url_rule("/only/<here>", view_func=lambda here: first.test_client().get("/").data, endpoint="only")
    second.test_client().get("/only/x")
    inner, outer = captured.events
    assert (inner.action, outer.action) == ("GET /", "GET /only/{here}")
    assert inner.correlation.parent_event_id == outer.event_id
    assert inner.correlation.correlation_id == outer.correlation.correlation_id


def test_off_and_on_again(app, instrumented, captured):
    """Also where somebody wrapped the application before, or while it was on."""
    app.wsgi_app = ProxyFix(app.wsgi_app)
    client = app.test_client()
    client.get("/")
    instrumented.uninstrument()
    client.get("/login/off")
    instrumented.instrument()
    client.get("/broken")
    client.get("/stream/1").get_data()
    client.get("/nowhere", headers={"X-Forwarded-For": "203.0.113.0"})
    requests = captured.of("http.request")
    assert [event.action for event in requests] == ["GET /", "GET /broken", "GET /stream/{parts}", "GET (unmatched)"]
    assert requests[1].error.type == "ZeroDivisionError"
    assert requests[3].metadata["client_address"].startswith("203.0.113.")
    assert context.get_current() == {}


def test_an_application_in_a_debugger_is_covered(app, captured):
    """Werkzeug's debugger runs the application while its response is read."""
    app.wsgi_app = DebuggedApplication(app.wsgi_app)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    assert app.test_client().get("/").data == b"Hello"
    assert b"ZeroDivisionError" in app.test_client().get("/broken").data
    fine, broken = captured.events
    assert (fine.action, fine.outcome) == ("GET /", "success")
    assert (broken.action, broken.error.type) == ("GET /broken", "ZeroDivisionError")
    assert context.get_current() == {}


def test_a_debugger_around_what_was_made_before_does_no_harm(app, instrumented, captured):
    """What begins after its response was handed out is not told, and nothing of it stays."""
    instrumented.uninstrument()
    app.wsgi_app = DebuggedApplication(app.wsgi_app)
    instrumented.instrument()
    assert app.test_client().get("/").data == b"Hello"
    assert captured.events == []
    assert context.get_current() == {}


def test_a_client_that_keeps_flasks_context_leaves_nothing(app, captured):
    """`with client` keeps it open after the response, for tests to look at."""
    with app.test_client() as client:
        client.get("/who")
        assert flask.request.path == "/who"
        assert captured.events[0].action == "GET /who"
    assert context.get_current() == {}


def test_contexts_of_tests_are_no_requests(app, captured):
    """`test_request_context` makes a request that nobody sends."""
    with app.test_request_context("/who"):
        assert app.preprocess_request() is None
        assert app.full_dispatch_request().status_code == 200
    assert captured.events == []


def test_nothing_listens_nothing_happens(client):
    """Without a runtime requests go through."""
    assert client.get("/broken").status_code == 500
    assert client.get("/stream/2").data == b"0\n1\n"


def test_twenty_concurrent_requests_never_mix_their_stories(app, captured, serve):
    """On a threaded server each request's events belong to its own story."""
    address = serve(app)

    def get(number):
        traceparent = f"00-{number:032x}-{number:016x}-01"
        url = f"{address}/api/v2/orders/{number}/items/small"
        with urlopen(Request(url, headers={"traceparent": traceparent}), timeout=30) as response:
            return number, json.load(response)["story"]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(get, range(1, 21)))
    assert all(story == f"{number:032x}" for number, story in answers)
    assert len(captured.events) == 40
    by_story = {event.correlation.correlation_id for event in captured.events}
    assert by_story == {f"{number:032x}" for number in range(1, 21)}


def test_a_request_that_is_given_up_is_no_error_that_nobody_handled(app, instrumented):
    """Its view has chosen the response; what it did not choose is one."""
    with capture() as captured:
        app.test_client().get("/abort/503")
        assert captured.of("system.error") == []
        app.test_client().get("/broken")
    assert [event.error.type for event in captured.of("system.error")] == ["ZeroDivisionError"]
