"""aiohttp's client: each request as it is sent, so each redirect and each retry by itself.

The hook sits below that of OpenTelemetry's instrumentor and below middlewares of the session: what they set is seen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import leaving
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class AiohttpClientInstrumentor(HookingInstrumentor):
    """Carries stories to near hosts and keeps them from all others, for requests made by aiohttp.

    Example:
        >>> instrumentor = AiohttpClientInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "aiohttp"
    versions = ("aiohttp >= 3.9",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"aiohttp.client_reqrep": _attach}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(send)
        async def sent(request: Any, /, *args: Any, **kwargs: Any) -> Any:
            if hooks.active:
                _prepare(request)
            return await send(request, *args, **kwargs)

        return sent

    hooks.replace(module.ClientRequest, "send", make)


@guarded
def _prepare(request: Any) -> None:
    """Change the headers of a request, which are its own: a copy of what the application gave."""
    if request.method == "CONNECT":  # it is for the proxy
        return
    headers = leaving(request.headers.items(), request.url.raw_host or "")
    if headers is not None:
        request.headers.clear()
        request.headers.extend(headers)
