"""urllib3, and requests which is built on it: each request of a connection, so each redirect and each retry by itself.

The hook sits below those of OpenTelemetry's instrumentors, whichever of them was first: what they injected is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing
from wrapt import when_imported

from ezlogs_instrumentors.clients import leaving_by, with_headers
from ezlogs_instrumentors.hooks import Hooks


class SharedHook:
    """The hook into urllib3's connections, which stays as long as any library that is built on them needs it."""

    def __init__(self) -> None:
        self._users: set[str] = set()
        self._hooks = Hooks()

    def add(self, user: str) -> None:
        """Hook for a library, if it is installed."""
        if find_spec(user) is None:
            raise ModuleNotFoundError(f"No module named '{user}'", name=user)
        if not self._users:
            self._hooks = hooks = Hooks()
            when_imported("urllib3.connection")(lambda module: _attach(hooks, module))
        self._users.add(user)

    def remove(self, user: str) -> None:
        """Take the hook back, unless another library still needs it."""
        self._users.discard(user)
        if not self._users:
            self._hooks.undo()


shared_hook = SharedHook()


class Urllib3Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Carries stories to near hosts and keeps them from all others, for requests made by urllib3.

    Example:
        >>> instrumentor = Urllib3Instrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions of urllib3 that this works with."""
        return ("urllib3 >= 2",)

    def _instrument(self, **kwargs: Any) -> None:
        shared_hook.add("urllib3")

    def _uninstrument(self, **kwargs: Any) -> None:
        shared_hook.remove("urllib3")


def _attach(hooks: Hooks, module: ModuleType) -> None:
    from urllib3 import HTTPHeaderDict

    def make(request: Callable[..., None]) -> Callable[..., None]:
        @wraps(request)
        def requested(connection: Any, /, *args: Any, **kwargs: Any) -> None:
            headers = leaving_by(connection, args, kwargs) if hooks.active else None
            if headers is not None:
                args, kwargs = with_headers(args, kwargs, HTTPHeaderDict(headers))  # type: ignore[arg-type]  # bytes too
            return request(connection, *args, **kwargs)

        return requested

    hooks.replace(module.HTTPConnection, "request", make)
