"""What real applications of Flask's do around their views."""

from __future__ import annotations

import flask
import pytest
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

import ezlogs
from ezlogs.testing import capture

pytestmark = pytest.mark.usefixtures("instrumented")


@pytest.fixture
def client():
    """An application with a function for everything."""
    app = flask.Flask("shop")
    tenants = flask.Blueprint("tenants", __name__, url_prefix="/tenants/<tenant>")

    @app.before_request
    def answer_early():
        if "early" in flask.request.args:
            return "early"
        if "refused" in flask.request.args:
            flask.abort(403)
        return None

    @tenants.errorhandler(KeyError)
    def missing(error):
        return "missing", 503

    @tenants.get("/keys/<int:key>")
    def key(tenant, key):
        raise KeyError(key)

    @app.get("/aborts/<key>")
    def aborts(key):
        flask.abort(418)

    @app.get("/late/<key>")
    def late(key):
        @flask.after_this_request
        def after(response):
            ezlogs.event("order.action", "seen")
            return response

        return "ok"

    @app.get("/streams/<key>")
    def streams(key):
        @flask.stream_with_context
        def chunks():
            yield flask.request.path
            ezlogs.event("order.action", "seen")
            yield "!"

        return flask.Response(chunks())

    @app.get("/inner/<key>")
    def inner(key):
        return flask.current_app.test_client().get("/late/2").text

    @app.get("/slash/<key>/")
    @app.post("/posts/<key>")
    def ok(key):
        return "ok"

    app.register_blueprint(tenants)
    app.wsgi_app = ProxyFix(app.wsgi_app)
    return app.test_client()


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/late/1?early", 200, ("GET /late/{key}", "success")),
        ("/late/1?refused", 403, ("GET /late/{key}", "success")),
        ("/tenants/acme/keys/7", 503, ("GET /tenants/{tenant}/keys/{key}", "failure")),
        ("/aborts/1", 418, ("GET /aborts/{key}", "success")),
        ("/late/1", 200, ("GET /late/{key}", "success")),
        ("/streams/1", 200, ("GET /streams/{key}", "success")),
        ("/slash/1", 308, ("GET (unmatched)", "success")),
        ("/posts/1", 405, ("GET (unmatched)", "success")),
        ("/%ff%fe/%0d%0a", 404, ("GET (unmatched)", "success")),
    ],
)
def test_it_is_one_event_with_its_route(captured, client, path, status, told):
    """Whoever answers: what comes before a view, an error's handler, Flask itself."""
    response = client.get(path, headers={"X-Forwarded-For": "198.51.100.7"})
    assert (response.status_code, response.data is not None) == (status, True)
    (request,) = (event for event in captured.events if event.event_type == "http.request")
    assert ((request.action, request.outcome), request.metadata["status"]) == (told, status)
    assert request.metadata["client_address"] == "198.51.100.0"
    for event in captured.events:
        if event is not request:
            assert event.correlation.parent_event_id == request.event_id


def test_a_request_that_a_view_makes_of_its_own_application_is_another_one(captured, client):
    """Caused by the one in which it was made."""
    assert client.get("/inner/1").text == "ok"
    seen, made, whole = captured.events
    assert (made.action, whole.action) == ("GET /late/{key}", "GET /inner/{key}")
    assert seen.correlation.parent_event_id == made.event_id
    assert made.correlation.parent_event_id == whole.event_id


class SlowSessions(SecureCookieSessionInterface):
    """Sessions that are kept by a server, which may be slow."""

    def open_session(self, app, request):
        """Open one."""
        return super().open_session(app, request)


@pytest.mark.parametrize(
    ("sessions", "asked", "noted"),
    [
        (SecureCookieSessionInterface, "/orders/7", ["GET /orders/{id}"]),
        (SecureCookieSessionInterface, "/nowhere", ["GET (unmatched)"]),
        (SlowSessions, "/orders/7", ["GET (unmatched)", "GET /orders/{id}"]),
        (SlowSessions, "/nowhere", ["GET (unmatched)"]),
    ],
)
@pytest.mark.usefixtures("instrumented")
def test_what_the_journal_knows_of_a_request_under_way(sessions, asked, noted):
    """Its route, or that there is none; before that only where the session is waited for."""
    app = flask.Flask("noted")
    app.session_interface = sessions()
    app.add_url_rule("/orders/<int:id>", "order", lambda id: "ok")
    notes = []
    with capture() as captured:
        captured.notes_openings = True
        captured.opened = lambda note, ctx, with_span=False: notes.append(note)
        app.test_client().get(asked)
    (event,) = captured.events
    assert [(note.action, note.event_id, note.outcome) for note in notes] == [
        (action, event.event_id, "unknown") for action in noted
    ]
