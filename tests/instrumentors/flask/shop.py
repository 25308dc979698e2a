"""A Flask application of the tests: blueprints, users, streams, files, errors, async views."""

from __future__ import annotations

import contextlib
import io

import flask
from flask_login import LoginManager, UserMixin, current_user, login_user

import ezlogs

LOADED: list[str] = []
"""The users that were loaded, each time."""


class User(UserMixin):
    """Somebody who logs in; where it is loaded is seen in `LOADED`."""

    def __init__(self, identifier):
        self.id = identifier


class OutOfStockError(Exception):
    """What a handler turns into a response."""


orders = flask.Blueprint("orders", __name__, url_prefix="/api/v2/orders")


@orders.get("/<int:id>/items/<any(small, large):size>")
def item(id, size):
    """Tell an event, and show where it is."""
    event = ezlogs.event("order.viewed", "viewed")
    return {"story": event.correlation.correlation_id, "parent": event.correlation.parent_event_id}


@orders.post("/")
def create():
    """Read a form or JSON."""
    data = flask.request.get_json(silent=True) or flask.request.form
    return {"fields": len(data)}, 201


streams = flask.Blueprint("streams", __name__)


@streams.get("/stream/<int:parts>")
def stream(parts):
    """Stream some parts, and tell an event with each."""

    def parts_of_it():
        for number in range(parts):
            ezlogs.event("order.part", f"part {number}")
            yield f"{number}\n"

    return flask.Response(parts_of_it())


@streams.get("/stream-in-context")
def stream_in_context():
    """Stream in the context of the request."""

    def parts_of_it():
        ezlogs.event("order.part", "first")
        yield flask.request.path
        ezlogs.event("order.part", "second")
        yield "!"

    return flask.Response(flask.stream_with_context(parts_of_it()))


@streams.get("/stream-in-pushed-context")
def stream_in_pushed_context():
    """Stream in a context that stays."""
    current = flask.globals.request_ctx._get_current_object()
    current.push()  # as `stream_with_context` does before Flask 3.1.2: what is torn down waits for the stream

    def parts_of_it():
        with contextlib.ExitStack() as stack:
            stack.callback(current.pop)
            ezlogs.event("order.part", "first")
            yield flask.request.path
            ezlogs.event("order.part", "second")
            yield "!"

    return flask.Response(parts_of_it())


@streams.get("/stream-broken")
def stream_broken():
    """Break in the middle."""

    def parts_of_it():
        yield "one"
        raise ZeroDivisionError("in the middle")

    return flask.Response(parts_of_it())


def create_app(name="shop", **config):
    """Make an application."""
    app = flask.Flask(name, static_folder=None)
    app.config.update(SECRET_KEY="only for tests", PROPAGATE_EXCEPTIONS=False, **config)
    app.register_blueprint(orders)
    app.register_blueprint(streams)
    logins = LoginManager(app)

    @logins.user_loader
    def load(identifier):
        LOADED.append(identifier)
        return User(identifier)

    @app.errorhandler(OutOfStockError)
    def out_of_stock(error):
        return "out of stock", 503

    @app.errorhandler(KeyError)
    def unknown(error):
        return "unknown", 404

    app.add_url_rule("/", view_func=lambda: "Hello", endpoint="hello")

    @app.get("/login/<name>")
    def login(name):
        login_user(User(name))
        return "welcome"

    @app.get("/who")
    def who():
        return str(current_user.is_authenticated)

    @app.get("/late-event")
    def late_event():
        response = flask.Response("ok")
        response.call_on_close(lambda: ezlogs.event("order.mail", "mailed"))
        return response

    @app.get("/broken")
    def broken():
        raise ZeroDivisionError("no orders")

    @app.get("/sold-out")
    def sold_out():
        raise OutOfStockError("none left")

    @app.get("/unknown")
    def not_there():
        raise KeyError("nobody")

    @app.get("/abort/<int:status>")
    def abort(status):
        flask.abort(status)

    @app.get("/exit")
    def leave():
        raise SystemExit(3)

    @app.get("/file")
    def file():
        return flask.send_file(io.BytesIO(b"12345"), mimetype="text/plain")

    @app.get("/async/<int:id>")
    async def coroutine(id):
        ezlogs.event("order.viewed", "viewed")
        return "ok"

    @app.get("/flash")
    def flash():
        flask.session["seen"] = True
        return "ok"

    @app.teardown_request
    def teardown(error):
        if flask.request.path == "/teardown":
            ezlogs.event("order.closed", "closed")

    @app.get("/teardown")
    def torn_down():
        return "ok"

    return app
