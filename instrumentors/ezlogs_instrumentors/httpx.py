"""httpx: each request that its transports hand to httpcore, so each redirect by itself; sync and async.

The hook sits below those of OpenTelemetry's instrumentor, whichever of them was first: what it injected is seen.
Transports that send nothing over a network are left alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from copy import copy
from functools import wraps
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing
from wrapt import when_imported

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import leaving
from ezlogs_instrumentors.django.hooks import Hooks


class HttpxInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Carries stories to near hosts and keeps them from all others, for requests made by httpx.

    Example:
        >>> instrumentor = HttpxInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    _hooks: Hooks

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions of httpx that this works with."""
        return ("httpx >= 0.25",)

    def _instrument(self, **kwargs: Any) -> None:
        if find_spec("httpx") is None:
            raise ModuleNotFoundError("No module named 'httpx'", name="httpx")
        self._hooks = hooks = Hooks()
        when_imported("httpcore")(lambda module: _attach(hooks, module))

    def _uninstrument(self, **kwargs: Any) -> None:
        self._hooks.undo()


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(handle: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        @wraps(handle)
        def handled(pool: Any, request: Any) -> Any:
            return handle(pool, (_leaving(request) or request) if hooks.active else request)

        return handled

    def make_async(handle: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        @wraps(handle)
        async def handled(pool: Any, request: Any) -> Any:
            return await handle(pool, (_leaving(request) or request) if hooks.active else request)

        return handled

    hooks.replace(module.ConnectionPool, "handle_request", make)
    hooks.replace(module.AsyncConnectionPool, "handle_async_request", make_async)


@guarded
def _leaving(request: Any) -> Any:
    """Return a copy of a request with the headers that it may leave with, or None where it may leave as it is."""
    headers = leaving(request.headers, request.url.host.decode("ascii"))
    if headers is None:
        return None
    changed = copy(request)
    changed.headers = [(_bytes(name), _bytes(value)) for name, value in headers]
    return changed


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text
