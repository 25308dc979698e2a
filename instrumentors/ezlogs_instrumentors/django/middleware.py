"""Django's requests: a middleware that no settings name, directly inside OpenTelemetry's own or outermost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from importlib.util import find_spec
from types import ModuleType, TracebackType
from typing import Any, cast

from ezlogs.emit import guarded
from ezlogs.otel_compat import is_switched_off
from ezlogs.trackers.http import CgiArrival, HttpTracker, Tracked
from ezlogs_instrumentors.asgi import AsyncBody
from ezlogs_instrumentors.django.routes import template
from ezlogs_instrumentors.django.users import peek_at_user
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.wsgi import Body

MIDDLEWARE = f"{__name__}.StoryMiddleware"
_CONTRIB = "opentelemetry.instrumentation.django"
CONTRIB_MIDDLEWARE = f"{_CONTRIB}.middleware.otel_middleware._DjangoMiddleware"

_tracker = HttpTracker("django")
_last: list[Hooks] = []
"""The hooks of whoever instrumented last: handlers keep their middleware when instrumenting is taken back."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Let request handlers load the middleware too; the settings themselves are never touched."""
    _last[:] = [hooks]
    hooks.replace(module, "settings", SettingsWithStory)


class SettingsWithStory:
    """Django's settings as its request handlers read them: with `StoryMiddleware` in the list of middleware."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings

    @property
    def MIDDLEWARE(self) -> list[str]:  # noqa: N802  # the name of Django's setting
        """The middleware of the project and ours."""
        return with_story(self._settings.MIDDLEWARE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._settings, name)


def with_story(middleware: Iterable[str]) -> list[str]:
    """Return the middleware with ours directly inside OpenTelemetry's, else outermost, else where the user put it."""
    paths = list(middleware)
    if MIDDLEWARE not in paths:
        paths.insert(paths.index(CONTRIB_MIDDLEWARE) + 1 if CONTRIB_MIDDLEWARE in paths else 0, MIDDLEWARE)
    return paths


class StoryMiddleware:
    """Makes each request a story's part, sync and async. Reads neither bodies nor sessions; adds no header unasked."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction
        from django.conf import settings

        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        # OpenTelemetry's middleware, where it is around this one and can be, decides which requests have spans.
        is_able = not self._is_async or find_spec("opentelemetry.instrumentation.asgi") is not None
        self._opens_spans = CONTRIB_MIDDLEWARE not in settings.MIDDLEWARE or not is_able

    def __call__(self, request: Any) -> Any:
        """Return the response, or an awaitable of it."""
        if _last and not _last[0].active:
            return self._get_response(request)
        if self._is_async:
            return self._respond(request)
        with _Handling(request, opens_span=self._opens_spans) as handling:
            response = handling.response = self._get_response(request)
        return response

    async def _respond(self, request: Any) -> Any:
        with _Handling(request, opens_span=self._opens_spans) as handling:
            response = handling.response = await cast(Awaitable[Any], self._get_response(request))
        return response

    def process_view(self, request: Any, view: object, args: object, kwargs: object) -> None:
        """Tell which route matched, before its view runs."""
        if (handling := getattr(request, "_ezlogs", None)) is not None:
            handling.routed()

    def process_exception(self, request: Any, exception: Exception) -> None:
        """Remember what a view raised, which Django is about to turn into a response."""
        if (handling := getattr(request, "_ezlogs", None)) is not None:
            handling.error = exception


class _Handling:
    """A request in the middleware's hands, entered and left without ever raising."""

    def __init__(self, request: Any, *, opens_span: bool) -> None:
        self._request = request
        self._opens_span = opens_span
        self._tracked: Tracked | None = None
        self._match: Any = None
        """The route that was told."""
        self.response: Any = None
        self.error: BaseException | None = None
        request._ezlogs = self

    def __enter__(self) -> _Handling:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tracked is not None:
            self._end(self._tracked, error or self.error)
            self._tracked.leave()
        vars(self._request).pop("_ezlogs", None)  # which holds it: without that both go as soon as nobody needs them
        self.error = None  # it holds this frame

    @guarded
    def _begin(self) -> None:
        request = self._request
        arrival = CgiArrival(request.META, method=request.method or "", path=request.path, scheme=_scheme(request))
        opens_span = self._opens_span and not is_switched_off(_CONTRIB, "DjangoInstrumentor")
        self._tracked = _tracker.begin(arrival, peek=peek_at_user(request), opens_span=opens_span, routes_soon=True)

    def parsed(self, body: Any) -> None:
        """Tell what the application has read of the body."""
        if self._tracked is not None:
            self._tracked.parsed(body)

    @guarded
    def routed(self) -> None:
        """Tell which route matched, and which session the request is of, before its view runs."""
        if self._tracked is None:
            return
        self._say_route(self._tracked)
        if (session := vars(self._request).get("session")) is not None:
            self._tracked.in_session(session.session_key)  # which is read from nowhere but the cookie

    def _say_route(self, tracked: Tracked) -> None:
        match = self._request.resolver_match
        if match is not None and match is not self._match:
            self._match = match
            tracked.matched(template(match.route), _parameters(match))

    @guarded
    def _end(self, tracked: Tracked, error: BaseException | None) -> None:
        self._say_route(tracked)
        if form := vars(self._request).get("_post"):
            self.parsed(form)
        response = self.response
        if response is None:
            tracked.tell(error=error)
            return
        if error is not None:
            tracked.failed(error)
        if tracked.sends_id and tracked.request_id and not response.has_header("X-Request-ID"):
            response["X-Request-ID"] = tracked.request_id
        tracked.responds(response.status_code, response.get)
        if not tracked.is_open or not response.streaming:
            if not response.streaming:
                tracked.sends(len(response.content), first=False)
            tracked.tell()
        elif hasattr(response, "file_to_stream"):  # to be sent by the server, which must be left the file as it is
            tracked.tell()
        else:
            body = AsyncBody if response.is_async else Body
            response.streaming_content = body(tracked, response.streaming_content)


def _scheme(request: Any) -> str | None:
    """Return the scheme that the client used; None where a wrong setting keeps Django from knowing it."""
    try:
        return str(request.scheme)
    except Exception as problem:
        from django.core.exceptions import ImproperlyConfigured  # here: each request would look for it

        if isinstance(problem, ImproperlyConfigured):
            return None
        raise


def _parameters(match: Any) -> dict[str, object]:
    """Return the values of a route's parameters; unnamed ones as `template` names them: ``0``, ``1`` ..."""
    if not match.args:
        return dict(match.kwargs)
    return {**{str(index): value for index, value in enumerate(match.args)}, **match.kwargs}
