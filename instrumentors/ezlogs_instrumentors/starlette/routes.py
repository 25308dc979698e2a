"""Routes of Starlette and FastAPI: which one matched, before it runs, and what its exception handlers answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers.http import HttpRequest, tracked_in
from ezlogs_instrumentors.asgi import AsgiApplication, AsgiScope, Receive, Send
from ezlogs_instrumentors.hooks import Hooks

Handle = Callable[[Any, AsgiScope, Receive, Send], Awaitable[None]]

_REST = "/{path}"
"""What the template of a mount ends in."""


def attach_to_starlette(hooks: Hooks, module: ModuleType) -> None:
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
