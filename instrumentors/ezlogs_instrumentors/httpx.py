"""httpx: each request that its transports hand to httpcore, so each redirect by itself; sync and async.

The hook sits below those of OpenTelemetry's instrumentor, whichever of them was first: what it injected is seen.
Transports that send nothing over a network are left alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import leaving
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class HttpxInstrumentor(HookingInstrumentor):
    """Carries stories to near hosts and keeps them from all others, for requests made by httpx.

    Example:
        >>> instrumentor = HttpxInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "httpx"
    versions = ("httpx >= 0.25",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"httpcore": _attach}


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
