"""The Flask instrumentor itself: it imports no Flask, takes everything back, and never gets into the way."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import flask
import pytest
from opentelemetry import context
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

import ezlogs
from ezlogs.testing import capture
from ezlogs_instrumentors import flask as instrumentor_module
from ezlogs_instrumentors.flask import FlaskInstrumentor, _Handling

from . import shop

HOOKED = [
    *((flask.Flask, name) for name in ("wsgi_app", "__call__", "preprocess_request", "ensure_sync")),
    *((flask.Flask, name) for name in ("handle_user_exception", "handle_exception", "finalize_request")),
    (DispatcherMiddleware, "__call__"),
]


def hooked():
    """Return what is in the places that are hooked."""
    return [vars(owner)[name] for owner, name in HOOKED]


def test_everything_is_hooked_and_put_back():
    """After uninstrument() every place holds the very object that it held before."""
    before = hooked()
    instrumentor = FlaskInstrumentor()
    instrumentor.instrument()
    assert all(now is not then for now, then in zip(hooked(), before, strict=True))
    instrumentor.uninstrument()
    assert all(now is then for now, then in zip(hooked(), before, strict=True))


def test_hooks_of_others_on_top_are_left_in_place(captured):
    """Where somebody wrapped ours, theirs stays and ours below goes quiet."""
    originals = [(owner, name, vars(owner)[name]) for owner, name in HOOKED]
    instrumentor = FlaskInstrumentor()
    instrumentor.instrument()
    try:
        for owner, name, _ in originals:
            ours = vars(owner)[name]
            setattr(owner, name, lambda *args, _ours=ours, **kwargs: _ours(*args, **kwargs))
        instrumentor.uninstrument()
        client = Client(DispatcherMiddleware(shop.create_app(), {}))
        assert client.get("/").data == b"Hello"
        assert client.get("/broken").status_code == 500
        assert client.get("/async/1").data == b"ok"
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)
    assert [event.event_type for event in captured.events] == ["order.viewed"]


def test_an_error_of_ours_never_reaches_the_application(instrumented, monkeypatch):
    """Requests are answered as ever whatever goes wrong in here."""

    def fail(*args, **kwargs):
        raise RuntimeError("ours")

    for name in ("_current", "_g", "_session", "_parsed", "template"):
        monkeypatch.setattr(instrumentor_module, name, fail)
    monkeypatch.setattr(instrumentor_module._tracker, "begin", fail)
    app = shop.create_app()
    with capture(strict=False):
        client = Client(DispatcherMiddleware(app, {"/again": app}))
        assert client.get("/again/").data == b"Hello"
        assert client.get("/broken").status_code == 500
        assert client.get("/stream/2").data == b"0\n1\n"
    monkeypatch.undo()
    monkeypatch.setattr(_Handling, "_begin", lambda self, environ: None)
    with capture(strict=False) as captured:
        assert app.test_client().get("/").data == b"Hello"
    assert captured.events == []
    assert context.get_current() == {}


def test_what_a_request_leaves_behind_holds_no_response(instrumented, captured):
    """Its context may live on in tasks for long."""
    kept, held = [], []
    app = shop.create_app()

    class Big(flask.Response):
        pass

    @app.get("/big")
    def big():
        kept.append(context.get_current())
        response = Big("x" * 100)
        held.append(weakref.ref(response))
        return response

    app.test_client().get("/big").close()
    gc.collect()
    assert kept
    assert held[0]() is None


def test_without_flask_instrumenting_says_so(monkeypatch):
    """A loader that runs every instrumentor passes over this one."""
    monkeypatch.setattr("ezlogs_instrumentors.hooks.find_spec", lambda name: None)
    instrumentor = FlaskInstrumentor()
    with pytest.raises(ModuleNotFoundError, match="flask"):
        instrumentor.instrument(skip_dep_check=True)


def test_it_says_what_it_works_with():
    """For `ezlogs doctor`."""
    assert FlaskInstrumentor().instrumentation_dependencies() == ("flask >= 2.3",)


def test_flask_after_3_1_has_one_context_for_both(monkeypatch):
    """There is no other variable any more, and contexts without a request."""
    from flask import globals as flask_globals

    class Both:
        has_request = False

    token = flask_globals._cv_app.set(Both())
    monkeypatch.delattr(flask_globals, "_cv_request")
    instrumentor_module._variables.cache_clear()
    try:
        assert instrumentor_module._current() is None
        Both.has_request = True
        assert type(instrumentor_module._current()) is Both
    finally:
        flask_globals._cv_app.reset(token)
        instrumentor_module._variables.cache_clear()


def test_instrumenting_comes_before_flask():
    """Hooks wait for Flask's modules."""
    program = """
import sys
from ezlogs_instrumentors.flask import FlaskInstrumentor
instrumentor = FlaskInstrumentor()
instrumentor.instrument()
instrumentor.uninstrument()
instrumentor.instrument()
assert not any(name.partition(".")[0] in ("flask", "werkzeug") for name in sys.modules), "Flask was imported"
from flask import Flask
from ezlogs.testing import capture
app = Flask("made")
app.add_url_rule("/<int:id>", view_func=lambda id: "ok")
with capture() as captured:
    app.test_client().get("/7")
print([event.action for event in captured.events])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout.strip() == "['GET /{id}']", done.stderr


def test_what_happens_outside_of_requests_is_nobody_s(instrumented, captured):
    """In an application's context alone, as in its commands."""
    app = shop.create_app()
    with app.app_context():
        ezlogs.event("order.viewed", "viewed")
        assert app.ensure_sync(len)([]) == 0
    assert captured.events[0].correlation.parent_event_id is None
