"""Applications of Starlette: where in their middleware, or around it, requests are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from itertools import islice
from types import ModuleType
from typing import Any

from ezlogs import runtime as process
from ezlogs.emit import guarded
from ezlogs.otel_compat import was_taken_in_hand
from ezlogs.trackers.http import tracked_in
from ezlogs_instrumentors.asgi import AsgiApplication, AsgiMiddleware, AsgiScope, Exchange, Receive, Send
from ezlogs_instrumentors.hooks import Hooks

Call = Callable[[Any, AsgiScope, Receive, Send], Awaitable[None]]

_CONTRIB = "opentelemetry.instrumentation.asgi"
_MAX_LAYERS = 200
"""Middleware of one application that is looked at: somebody's may lead back to itself."""


class StoryMiddleware(AsgiMiddleware):
    """Tells the requests of one application, until its instrumentor is taken back.

    Inside of OpenTelemetry's middleware it tells none that this one excludes.
    """

    def __init__(self, app: AsgiApplication, hooks: Hooks, framework: str, whole: object, contrib: Any = None) -> None:
        super().__init__(app, framework=framework)
        self._hooks, self._whole = hooks, whole
        self._error_status = None if contrib is None else 500  # by the stack's outermost middleware, further out
        if (excluded := getattr(contrib, "excluded_urls", None)) is not None:
            self._exclude = lambda arrival: excluded.url_disabled(arrival.url())

    def _opens_spans(self) -> bool:
        return not was_taken_in_hand(self._whole)

    def _begin(self, scope: AsgiScope, receive: Receive, send: Send) -> Exchange | None:
        exchange = super()._begin(scope, receive, send) if self._hooks.active else None
        if exchange is not None:
            exchange.error_status = self._error_status
        return exchange


class _Place:
    """Where an application's requests are told: around its stack of middleware as it was built, or somewhere in it."""

    def __init__(self, hooks: Hooks, stack: Any, around: StoryMiddleware | None) -> None:
        self.hooks, self.stack, self.around = hooks, stack, around


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Tell all that an application is called for, but for its lifespan."""

    def make(original: Call) -> Call:
        @wraps(original)
        async def call(app: Any, scope: AsgiScope, receive: Receive, send: Send) -> None:
            is_new = scope["type"] != "lifespan" and tracked_in(scope) is None
            if not is_new or process.current is None or not hooks.active:
                await original(app, scope, receive, send)
                return
            if app.middleware_stack is None:
                app.middleware_stack = app.build_middleware_stack()
            place = vars(app).get("_ezlogs_place")
            if place is None or place.stack is not app.middleware_stack or place.hooks is not hooks:
                place = app._ezlogs_place = _placed(hooks, app, original)
            around = None if place is None else place.around
            await (original(app, scope, receive, send) if around is None else around(scope, receive, send))

        return call

    hooks.replace(module.Starlette, "__call__", make)


@guarded
def _placed(hooks: Hooks, app: Any, original: Call) -> _Place:
    """Put a middleware inside of OpenTelemetry's, wherever that is, else around the whole stack.

    Outermost it sees what the error handlers respond. The stack is left as it is: others look at its type.
    """
    kind = type(app)
    is_fastapi = any(base.__module__ == "fastapi.applications" for base in kind.__mro__)
    framework = "fastapi" if is_fastapi else "starlette"
    layers = list(islice(_layers(app.middleware_stack), _MAX_LAYERS))
    contrib = next((one for one in reversed(layers) if type(one).__module__.startswith(_CONTRIB)), None)
    if contrib is None:
        stack = app.middleware_stack
        return _Place(hooks, stack, StoryMiddleware(original.__get__(app, kind), hooks, framework, app))
    inner = contrib.app
    while type(inner) is StoryMiddleware:  # of an instrumentor that was taken back
        inner = inner.app
    contrib.app = StoryMiddleware(inner, hooks, framework, app, contrib)
    return _Place(hooks, app.middleware_stack, None)


def _layers(stack: Any) -> Iterator[Any]:
    """Yield a stack's middleware from the outermost inwards."""
    while stack is not None:
        yield stack
        stack = getattr(stack, "app", None)
