"""Starlette and FastAPI: requests and WebSockets become events, one each, however applications are put together.

OpenTelemetry's own instrumentors, and what FastAPI measures by itself, go first: ours is inside their span.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs import runtime as process
from ezlogs.emit import guarded
from ezlogs.identity import Identity, register_identity
from ezlogs.trackers.http import HttpRequest, tracked_in
from ezlogs_instrumentors.asgi import AsgiApplication, AsgiMiddleware, AsgiScope, Exchange, Receive, Send
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

Handle = Callable[[Any, AsgiScope, Receive, Send], Awaitable[None]]

_CONTRIB = "opentelemetry.instrumentation.asgi"
_REST = "/{path}"
"""What the template of a mount ends in."""


class StarletteInstrumentor(HookingInstrumentor):
    """Instruments Starlette and what is built on it, such as FastAPI, also applications that are there already.

    Example:
        >>> instrumentor = StarletteInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "starlette"
    versions = ("starlette >= 0.37",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return _ATTACH


class StoryMiddleware(AsgiMiddleware):
    """Tells the requests of one application, until its instrumentor is taken back.

    Inside of OpenTelemetry's middleware it tells none that this one excludes.
    """

    def __init__(self, app: AsgiApplication, hooks: Hooks, framework: str, contrib: Any = None) -> None:
        super().__init__(app, framework=framework)
        self._hooks = hooks
        self._error_status = None if contrib is None else 500  # by the stack's outermost middleware, further out
        if (excluded := getattr(contrib, "excluded_urls", None)) is not None:
            self._exclude = lambda arrival: excluded.url_disabled(arrival.url())

    def _begin(self, scope: AsgiScope, receive: Receive, send: Send) -> Exchange | None:
        exchange = super()._begin(scope, receive, send) if self._hooks.active else None
        if exchange is not None:
            exchange.error_status = self._error_status
        return exchange


class _Place:
    """Where an application's requests are told: around its stack of middleware as it was built, or somewhere in it."""

    def __init__(self, hooks: Hooks, stack: Any, around: StoryMiddleware | None) -> None:
        self.hooks, self.stack, self.around = hooks, stack, around


def attach_to_applications(hooks: Hooks, module: ModuleType) -> None:
    """Tell all that an application is called for, but for its lifespan."""

    def make(original: Handle) -> Handle:
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
            await (original(app, scope, receive, send) if place.around is None else place.around(scope, receive, send))

        return call

    hooks.replace(module.Starlette, "__call__", make)


def _placed(hooks: Hooks, app: Any, original: Handle) -> _Place:
    """Put a middleware inside of OpenTelemetry's, wherever that is, else around the whole stack.

    Outermost it sees what the error handlers respond. The stack is left as it is: others look at its type.
    """
    kind = type(app)
    is_fastapi = any(base.__module__ == "fastapi.applications" for base in kind.__mro__)
    framework = "fastapi" if is_fastapi else "starlette"
    contrib, layer = None, app.middleware_stack
    while layer is not None:
        if type(layer).__module__.startswith(_CONTRIB):
            contrib = layer
        layer = getattr(layer, "app", None)
    if contrib is None:
        stack = app.middleware_stack
        return _Place(hooks, stack, StoryMiddleware(original.__get__(app, kind), hooks, framework))
    inner = contrib.app
    while type(inner) is StoryMiddleware:  # of an instrumentor that was taken back
        inner = inner.app
    contrib.app = StoryMiddleware(inner, hooks, framework, contrib)
    return _Place(hooks, app.middleware_stack, None)


def attach_to_routes(hooks: Hooks, module: ModuleType) -> None:
    """Tell which route matched, before any dependency or endpoint of it runs."""
    _before(hooks, module.Route, _matched)
    _before(hooks, module.WebSocketRoute, _matched)
    _before(hooks, module.Mount, _mounted)
    _before(hooks, module.Host, _hosted)
    attach_to_handlers(hooks, module)


def attach_to_fastapi(hooks: Hooks, module: ModuleType) -> None:
    """Tell the routes that FastAPI handles in ways of its own: of included routers, and of frontends."""
    _before(hooks, module.APIRoute, _included)
    _replace(hooks, module, "_route_selected", partial(_seeing_frontends, hooks))
    attach_to_handlers(hooks, module)


def attach_to_handlers(hooks: Hooks, module: ModuleType) -> None:
    """See exceptions that an exception handler is about to turn into a response."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def handle_exceptions(app: AsgiApplication, connection: Any) -> Any:
            request = tracked_in(connection.scope) if hooks.active else None
            return original(app if request is None else _seen(app, request), connection)

        return handle_exceptions

    _replace(hooks, module, "wrap_app_handling_exceptions", make)


def attach_to_requests(hooks: Hooks, module: ModuleType) -> None:
    """See what the application parsed of a body, which is never read for us."""

    def make(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(original)
        async def parse(request: Any, *args: Any, **kwargs: Any) -> Any:
            body = await original(request, *args, **kwargs)
            if hooks.active:
                _parsed(request.scope, body)
            return body

        return parse

    for name in ("json", "_get_form"):
        _replace(hooks, module.Request, name, make)


def attach_to_users(hooks: Hooks, module: ModuleType) -> None:
    """Make Starlette's own users known, wherever they are given as an actor."""
    register_identity(module.SimpleUser, lambda user: Identity("user", vars(user).get("username")))
    register_identity(module.UnauthenticatedUser, lambda user: Identity("anonymous"))


_ATTACH: dict[str, Callable[[Hooks, ModuleType], None]] = {
    "starlette.applications": attach_to_applications,
    "starlette.routing": attach_to_routes,
    "starlette.middleware.exceptions": attach_to_handlers,
    "starlette.requests": attach_to_requests,
    "starlette.authentication": attach_to_users,
    "fastapi.routing": attach_to_fastapi,
}


def _replace(hooks: Hooks, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Hook into what not every version has."""
    if name in vars(owner):
        hooks.replace(owner, name, make)


def _before(hooks: Hooks, owner: Any, see: Callable[[HttpRequest, Any, AsgiScope], None]) -> None:
    """See each request that a route is about to handle; its own coroutine is returned."""
    see = guarded(see)

    def make(original: Handle) -> Handle:
        @wraps(original)
        def handle(route: Any, scope: AsgiScope, receive: Receive, send: Send) -> Awaitable[None]:
            if hooks.active and (request := tracked_in(scope)) is not None:
                see(request, route, scope)
            return original(route, scope, receive, send)

        return handle

    _replace(hooks, owner, "handle", make)


def _matched(request: HttpRequest, route: Any, scope: AsgiScope) -> None:
    request.matched(route.path_format, scope.get("path_params"))


def _included(request: HttpRequest, route: Any, scope: AsgiScope) -> None:
    """Tell the whole template of a route that a router brought along; of any other its base class tells."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    if included is not None and included.original_route is route:
        _matched(request, included, scope)


def _mounted(request: HttpRequest, route: Any, scope: AsgiScope) -> None:
    request.mounted(route.path_format.removesuffix(_REST), scope.get("path_params"))


def _hosted(request: HttpRequest, route: Any, scope: AsgiScope) -> None:
    request.mounted("", scope.get("path_params"))


def _seeing_frontends(hooks: Hooks, original: Callable[..., None]) -> Callable[..., None]:
    @guarded
    def see(scope: AsgiScope, path: str | None) -> None:
        request = tracked_in(scope)
        if request is not None and path is not None and path.endswith(_REST):
            request.matched(path)

    @wraps(original)
    def select(*, scope: AsgiScope, path: str | None, mount: bool = False) -> None:
        original(scope=scope, path=path, mount=mount)
        if hooks.active and not mount:
            see(scope, path)

    return select


def _seen(app: AsgiApplication, request: HttpRequest) -> AsgiApplication:
    async def see(scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            if request.is_open:
                request.failed(error)
            raise

    return see


@guarded
def _parsed(scope: AsgiScope, body: Any) -> None:
    request, runtime = tracked_in(scope), process.current
    if request is None or runtime is None or not runtime.settings.request_fields:
        return
    if hasattr(body, "multi_items"):  # a form, in which a field may come more than once
        found: dict[str, list[object]] = {}
        for name, value in body.multi_items():
            found.setdefault(name, []).append(value)
        body = {name: values[0] if len(values) == 1 else values for name, values in found.items()}
    request.parsed(body)
