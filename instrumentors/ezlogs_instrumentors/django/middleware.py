"""Django's requests: a middleware that no settings name, directly inside OpenTelemetry's own or outermost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from types import ModuleType, TracebackType
from typing import Any, cast

from opentelemetry.propagators.textmap import Getter

from ezlogs.emit import guarded
from ezlogs.trackers.http import HttpRequest, HttpTracker
from ezlogs_instrumentors.django.routes import template
from ezlogs_instrumentors.django.users import peek_at_user
from ezlogs_instrumentors.hooks import Hooks

MIDDLEWARE = f"{__name__}.StoryMiddleware"
CONTRIB_MIDDLEWARE = "opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware"

_tracker = HttpTracker("django")


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Let request handlers load the middleware too; the settings themselves are never touched."""
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
    """Makes each request a story's part, sync and async. Reads neither bodies nor sessions, adds no header."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction

        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Return the response, or an awaitable of it."""
        if self._is_async:
            return self._respond(request)
        with _Handling(request) as handling:
            handling.response = self._get_response(request)
        return handling.response

    async def _respond(self, request: Any) -> Any:
        with _Handling(request) as handling:
            handling.response = await cast(Awaitable[Any], self._get_response(request))
        return handling.response

    def process_view(self, request: Any, view: object, args: object, kwargs: object) -> None:
        """Tell which route matched, before its view runs."""
        request._ezlogs.routed()

    def process_exception(self, request: Any, exception: Exception) -> None:
        """Remember what a view raised, which Django is about to turn into a response."""
        request._ezlogs.error = exception


class _Handling:
    """A request in the middleware's hands, entered and left without ever raising."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._tracked: HttpRequest | None = None
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
            self._finish(self._tracked, error or self.error)
            self.error = None  # it holds this frame

    @guarded
    def _begin(self) -> None:
        meta = self._request.META
        self._tracked = _tracker.begin(
            self._request.method or "",
            self._request.path,
            meta,
            _headers,
            request_id=meta.get("HTTP_X_REQUEST_ID"),
            peek=peek_at_user(self._request),
        )

    @guarded
    def routed(self) -> None:
        """Tell which route matched."""
        if self._tracked is not None and (match := self._request.resolver_match) is not None:
            self._tracked.routed(template(match.route))

    @guarded
    def _finish(self, tracked: HttpRequest, error: BaseException | None) -> None:
        match = self._request.resolver_match
        tracked.finish(
            None if self.response is None else self.response.status_code,
            route=None if match is None else template(match.route),
            parameters=None if match is None else {**dict(enumerate_text(match.args)), **match.kwargs},
            error=error,
        )


def enumerate_text(values: Iterable[object]) -> Iterable[tuple[str, object]]:
    """Return the values of unnamed parameters under the names that `template` gives them: ``0``, ``1`` ..."""
    return ((str(index), value) for index, value in enumerate(values))


class Headers(Getter[dict[str, Any]]):
    """Reads headers from ``request.META``, which has them the way CGI does, in WSGI and in ASGI."""

    def get(self, carrier: dict[str, Any], key: str) -> list[str] | None:
        value = carrier.get("HTTP_" + key.upper().replace("-", "_"))
        return None if value is None else [value]

    def keys(self, carrier: dict[str, Any]) -> list[str]:
        return [name[5:].lower().replace("_", "-") for name in carrier if name.startswith("HTTP_")]


_headers = Headers()
