"""aiohttp's client: each request as it is sent, so each redirect and each retry by itself.

The hook sits below that of OpenTelemetry's instrumentor and below middlewares of the session: what they set is seen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing
from wrapt import when_imported

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import leaving
from ezlogs_instrumentors.django.hooks import Hooks


class AiohttpClientInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Carries stories to near hosts and keeps them from all others, for requests made by aiohttp.

    Example:
        >>> instrumentor = AiohttpClientInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    _hooks: Hooks

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions of aiohttp that this works with."""
        return ("aiohttp >= 3.9",)

    def _instrument(self, **kwargs: Any) -> None:
        if find_spec("aiohttp") is None:
            raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")
        self._hooks = hooks = Hooks()
        when_imported("aiohttp.client_reqrep")(lambda module: _attach(hooks, module))

    def _uninstrument(self, **kwargs: Any) -> None:
        self._hooks.undo()


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
