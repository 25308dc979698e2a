"""Flask: its requests become events, inside the span of OpenTelemetry's own instrumentation or with one of our own.

OpenTelemetry's opens its span as the first thing that an application does before a request, and ends it as the last
thing that is torn down after one. What happens in the span begins after the former and is told before the latter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import lru_cache, wraps
from types import ModuleType
from typing import Any, Final
from weakref import ref

from opentelemetry import context

from ezlogs.emit import guarded
from ezlogs.event import Actor
from ezlogs.otel_compat import current_context, is_switched_off, was_taken_in_hand
from ezlogs.stored import instance_dict
from ezlogs.trackers.http import CgiArrival, HttpTracker, Tracked
from ezlogs.trackers.http.arrival import MOUNTED
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks
from ezlogs_instrumentors.wsgi import Body, Environ, WsgiApplication, answered, is_file, watched

_CONTRIB: Final = "opentelemetry.instrumentation.flask"
_HANDLING: Final = "ezlogs.flask"
_VARIABLE = re.compile(r"<(?:[A-Za-z_]\w*(?:\(.*?\))?:)?([A-Za-z_]\w*)>")

_tracker = HttpTracker("flask")


class FlaskInstrumentor(HookingInstrumentor):
    """Instruments Flask 2.3 and later, beside OpenTelemetry's own instrumentor or without it.

    It does not matter whether an application is made before or after.

    Example:
        >>> instrumentor = FlaskInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "flask"
    versions = ("flask >= 2.3",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"flask.app": _attach, "werkzeug.middleware.dispatcher": _attach_to_dispatcher}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    flask = module.Flask

    def serve(original: WsgiApplication) -> WsgiApplication:
        @wraps(original)
        def wsgi_app(app: Any, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            if not hooks.active:
                return original(app, environ, start_response)  # type: ignore[call-arg,arg-type]  # a method
            return _Handling(app).serve(original, environ, start_response, begins=not _has_contrib(app))

        return wsgi_app  # type: ignore[return-value]  # a method

    def call(original: WsgiApplication) -> WsgiApplication:
        @wraps(original)
        def call_app(app: Any, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            if not hooks.active or getattr(app.wsgi_app, "__func__", None) is flask.wsgi_app:
                return original(app, environ, start_response)  # type: ignore[call-arg,arg-type]  # a method
            # Somebody has wrapped it, who may have done so before it was hooked.
            return _Handling(app).serve(original, environ, start_response, begins=False)

        return call_app  # type: ignore[return-value]  # a method

    def preprocess(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def preprocess_request(app: Any, /, *args: Any, **kwargs: Any) -> Any:
            handling = _handling(app) if hooks.active else None
            if handling is None:
                return original(app, *args, **kwargs)
            handling.dispatches(begins=not _has_contrib(app))
            result = original(app, *args, **kwargs)
            if not handling.is_dispatched:  # whatever OpenTelemetry's instrumentation did or did not do
                handling.dispatches()
            return result

        return preprocess_request

    def synchronise(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def ensure_sync(app: Any, function: Any) -> Any:
            call = original(app, function)
            if hooks.active and getattr(function, "__module__", None) == _CONTRIB:
                return _beside(app, call)
            return call

        return ensure_sync

    def fail(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def handle(app: Any, /, *args: Any, **kwargs: Any) -> Any:
            if hooks.active and (handling := _handling(app)) is not None:
                handling.fails(args[-1] if args else None)
            return original(app, *args, **kwargs)

        return handle

    hooks.replace(flask, "wsgi_app", serve)
    hooks.replace(flask, "__call__", call)
    hooks.replace(flask, "preprocess_request", preprocess)
    hooks.replace(flask, "ensure_sync", synchronise)
    hooks.replace(flask, "handle_user_exception", fail)
    hooks.replace(flask, "handle_exception", fail)
    hooks.after(flask, "finalize_request", _finalized)


def _attach_to_dispatcher(hooks: Hooks, module: ModuleType) -> None:
    """Let applications know below which prefix they are mounted: it is a constant, unlike a server's SCRIPT_NAME."""

    def make(original: WsgiApplication) -> WsgiApplication:
        @wraps(original)
        def dispatch(dispatcher: Any, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            if hooks.active:
                _dispatched(dispatcher.mounts, environ)
            return original(dispatcher, environ, start_response)  # type: ignore[call-arg,arg-type]  # a method

        return dispatch  # type: ignore[return-value]  # a method

    hooks.replace(module.DispatcherMiddleware, "__call__", make)


@guarded
def _dispatched(mounts: Mapping[str, object], environ: Environ) -> None:
    script = environ.get("PATH_INFO", "")
    while script not in mounts:
        if "/" not in script:
            return
        script = script.rpartition("/")[0]
    environ[MOUNTED] = environ.get(MOUNTED, "") + script


class _Handling:
    """A request in the hands of one application."""

    __slots__ = ("_app", "_context", "_is_under_way", "_is_whole", "_response", "_tracked", "_user")

    def __init__(self, app: Any) -> None:
        self._app = app
        self._user = _User()
        self._tracked: Tracked | None = None
        self._is_under_way = True
        self._context: Callable[[], Any] | None = None
        """The context of Flask's that it runs in; copies of it end earlier, in other threads."""
        self._response: Any = None
        self._is_whole = False
        """Whether nothing of the response is still to be made."""

    def is_of(self, app: Any) -> bool:
        """Return whether it is in this application's hands."""
        return self._app is app

    @property
    def is_dispatched(self) -> bool:
        """Whether it is known which route the application has matched."""
        return self._context is not None

    def serve(
        self, application: Any, environ: Environ, start_response: Callable[..., Any], *, begins: bool
    ) -> Iterable[bytes]:
        """Answer the request, from here on or from where it begins inside."""
        before, outer = current_context(), environ.get(_HANDLING)
        environ[_HANDLING] = self
        if begins:
            self._begin(environ)
        try:
            body: Iterable[bytes] = application(self._app, environ, self._watching(start_response))
        except BaseException as error:
            if self._tracked is not None:
                self._tracked.finish(error=error, broken=True)
            raise
        finally:
            self._is_under_way = False
            if outer is None:
                environ.pop(_HANDLING, None)
            else:
                environ[_HANDLING] = outer
        if self._tracked is None:
            return body
        body = self._answered(self._tracked, body, environ)
        if type(body) is Body and current_context() is not before:
            # OpenTelemetry's span is yet to be left, by what makes the body, in the body's own context.
            context.attach(before)
        return body

    def _watching(self, start_response: Callable[..., Any]) -> Callable[..., Any]:
        if self._tracked is not None:
            return watched(start_response, self._tracked)

        def begin_response(*args: Any, **kwargs: Any) -> Any:
            tracked = self._tracked
            return (start_response if tracked is None else watched(start_response, tracked))(*args, **kwargs)

        return begin_response

    def _answered(self, tracked: Tracked, body: Iterable[bytes], environ: Environ) -> Iterable[bytes]:
        if tracked.is_open and not self._is_whole:
            return answered(tracked, body, environ)
        tracked.finish()
        # What is to be done after the response is still in the request.
        return Body(tracked, body) if instance_dict(self._response).get("_on_close") else body

    @guarded
    def _begin(self, environ: Environ) -> None:
        self._tracked = _tracker.begin(
            CgiArrival(environ),
            peek=self._user,
            opens_span=not (was_taken_in_hand(self._app) or is_switched_off(_CONTRIB, "FlaskInstrumentor")),
            routes_soon=_opens_at_once(type(self._app.session_interface)),  # type: ignore[arg-type]  # classes are
        )

    @guarded
    def dispatches(self, *, begins: bool = True) -> None:
        """Say that the application has matched its route, and begin if that is not done yet."""
        if self._context is not None or (not begins and self._tracked is None) or not self._is_under_way:
            return
        current = _current()
        request = current.request
        if self._tracked is None:
            self._begin(request.environ)
        if (tracked := self._tracked) is None:
            return
        self._context, self._user.known = ref(current), _g()
        if request.url_rule is not None:
            tracked.matched(template(request.url_rule.rule), request.view_args)
        else:
            tracked.unmatched()
        if (key := _session(current).get("sid")) and self._app.config["SESSION_COOKIE_NAME"] in request.cookies:
            tracked.in_session(key)

    @guarded
    def fails(self, error: object) -> None:
        """Remember what the application is about to turn into a response; before anything else was done, too."""
        self.dispatches()
        if self._tracked is not None and isinstance(error, Exception):
            self._tracked.failed(error)

    def finalized(self, response: Any, made_of: Iterable[object]) -> None:
        """Say what the response is, and of what it was made: Flask makes an error's page an iterator."""
        if (tracked := self._tracked) is None:
            return
        self._response = response
        self._is_whole = not response.is_streamed or any(map(_is_page, made_of))
        current = _current()
        session = _session(current)
        if session.get("modified"):  # and so saved: before, nobody had it
            tracked.in_session(session.get("sid"))
        if (body := _parsed(current.request)) is not None:
            tracked.parsed(body)
        tracked.responds(response.status_code, response.headers.get)

    @guarded
    def tears_down(self, error: BaseException | None) -> None:
        """Tell the end, as long as OpenTelemetry's span is open, of what is not still to be made."""
        tracked, response = self._tracked, self._response
        if tracked is None or self._context is None or self._context() is not (current := _current()):
            return
        if error is not None:
            tracked.tell(error=error)
        elif response is not None:
            wrapper = current.request.environ.get("wsgi.file_wrapper")
            if self._is_whole or is_file(response.response, wrapper):
                tracked.tell()


class _User:
    """The user of a request, looked at when something happens in it: all that contexts keep of it."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: Mapping[str, object] = {}
        """What the application keeps in ``flask.g``."""

    def __call__(self) -> Actor | None:
        user = self.known.get("_login_user")
        if user is None:
            return None
        from ezlogs_instrumentors.flask_login import actor_of  # here, so that applications without users do not pay

        return actor_of(user)


def _found(app: Any) -> _Handling | None:
    """Return the handling of the present request by an application."""
    current = _current()
    found = None if current is None else current.request.environ.get(_HANDLING)
    return found if isinstance(found, _Handling) and found.is_of(app) else None


_handling = guarded(_found)


def _current() -> Any:
    """Return Flask's context of the present request; None outside."""
    current = _variables()[0].get(None)
    return current if current is None or getattr(current, "has_request", True) else None


def _g() -> Mapping[str, object]:
    """Return what the application keeps in ``flask.g``."""
    return instance_dict(_variables()[1].get().g)


@lru_cache(maxsize=1)
def _variables() -> tuple[ContextVar[Any], ContextVar[Any]]:
    """Return where Flask keeps the contexts of requests and of applications: after Flask 3.1, one is both."""
    from flask import globals as flask_globals

    application = flask_globals._cv_app
    return getattr(flask_globals, "_cv_request", application), application


def _finalized(app: Any, response: Any, *args: Any, **kwargs: Any) -> None:
    if (handling := _found(app)) is not None:
        handling.finalized(response, args)


def _is_page(source: object) -> bool:
    """Return whether a response was made of an exception that is a page by itself."""
    from werkzeug.exceptions import HTTPException

    return isinstance(source, HTTPException) and source.response is None


def _has_contrib(app: Any) -> bool:
    return bool(getattr(app, "_is_instrumented_by_opentelemetry", False))


@lru_cache(maxsize=32)
def _opens_at_once(sessions: type) -> bool:
    """Return whether sessions are in cookies: all else that Flask does before it matches the route takes no time."""
    from flask.sessions import SecureCookieSessionInterface

    return getattr(sessions, "open_session", None) is SecureCookieSessionInterface.open_session


def _beside(app: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return OpenTelemetry's function before or after a request, with ours on the side where its span is open."""

    def call(*args: Any) -> Any:
        handling = _handling(app)
        if handling is not None and args:
            handling.tears_down(args[0])
        result = function(*args)
        if handling is not None and not args:
            handling.dispatches()
        return result

    return call


def _session(current: Any) -> Mapping[str, Any]:
    """Return what a request's session says of itself, without accessing it: that would make the response vary."""
    known = vars(current)
    session = known.get("_session", known.get("session"))  # of Flask 3.1.3; before that
    return {} if session is None else instance_dict(session)


def _parsed(request: Any) -> object:
    """Return what the application has read of a request's body, as far as it has."""
    known = vars(request)
    form = known.get("form")
    if form:
        return form
    found = known.get("_cached_json")
    return next((value for value in found if value is not Ellipsis), None) if isinstance(found, tuple) else None


@lru_cache(maxsize=4096)
def template(rule: str) -> str:
    """Return a rule of Werkzeug's as a template.

    Example:
        >>> template("/orders/<int:id>/<any(open, closed):state>/<name>")
        '/orders/{id}/{state}/{name}'
    """
    return _VARIABLE.sub(r"{\1}", rule)
