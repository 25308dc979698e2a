"""requests: it sends by urllib3, whose hooks serve it; what it asks urllib3 for is told as its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping
from functools import wraps
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing
from wrapt import when_imported

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import calling, telling
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.urllib3 import shared_hook


class RequestsInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Carries stories to near hosts and keeps them from all others, for requests made by requests; tells of these.

    Example:
        >>> instrumentor = RequestsInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    _hooks: Hooks

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions of requests that this works with."""
        return ("requests >= 2.30",)

    def _instrument(self, **kwargs: Any) -> None:
        shared_hook.add("requests")
        self._hooks = hooks = Hooks()
        redirects: MutableMapping[Any, int] = WeakKeyDictionary()
        when_imported("requests.adapters")(lambda module: _attach_to_adapters(hooks, redirects, module))
        when_imported("requests.sessions")(lambda module: _attach_to_sessions(hooks, redirects, module))

    def _uninstrument(self, **kwargs: Any) -> None:
        shared_hook.remove("requests")
        self._hooks.undo()


def _attach_to_adapters(hooks: Hooks, redirects: MutableMapping[Any, int], module: ModuleType) -> None:
    """Hook where each request is sent; OpenTelemetry's instrumentor hooks above, at the session."""

    def make(send: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send)
        def sent(adapter: Any, /, request: Any, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling():
                return send(adapter, request, *args, **kwargs)
            with calling("requests", **(_known(request, redirects) or {})):
                return send(adapter, request, *args, **kwargs)

        return sent

    hooks.replace(module.HTTPAdapter, "send", make)


def _attach_to_sessions(hooks: Hooks, redirects: MutableMapping[Any, int], module: ModuleType) -> None:
    """Hook where a session makes the request that follows a redirect."""

    @guarded
    def follow(request: Any, response: Any) -> None:
        redirects[request] = redirects.get(response.request, 0) + 1

    def make(rebuild: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(rebuild)
        def rebuilt(session: Any, prepared_request: Any, response: Any) -> Any:
            if hooks.active and telling():
                follow(prepared_request, response)
            return rebuild(session, prepared_request, response)

        return rebuilt

    hooks.replace(module.SessionRedirectMixin, "rebuild_method", make)


@guarded
def _known(request: Any, redirects: MutableMapping[Any, int]) -> dict[str, Any]:
    return {"method": request.method, "url": request.url, "redirects": redirects.get(request, 0)}
