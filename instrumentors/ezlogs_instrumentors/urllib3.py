"""urllib3, and requests which is built on it: each request of a connection, so each redirect and each retry by itself.

The hooks sit below those of OpenTelemetry's instrumentors, whichever of them was first: what they injected is seen.
Events are told of the requests of pools, attempt by attempt; urllib3 has no public name for one, so that they are told
only where its pools have the method that tries once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from importlib.util import find_spec
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing
from wrapt import when_imported

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import answered, begun, calling, failed, leaving_by, telling, with_headers
from ezlogs_instrumentors.hooks import Hooks

if TYPE_CHECKING:
    from ezlogs.trackers.http_client import Sending

_TRY = ("conn", "method", "url", "body", "headers", "retries")
"""The parameters of the method of a pool that tries once."""


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
            when_imported("urllib3.connectionpool")(lambda module: _attach_to_pools(hooks, module))
            when_imported("urllib3.poolmanager")(lambda module: _attach_to_managers(hooks, module))
        self._users.add(user)

    def remove(self, user: str) -> None:
        """Take the hook back, unless another library still needs it."""
        self._users.discard(user)
        if not self._users:
            self._hooks.undo()

    def serves(self, user: str) -> bool:
        """Return whether a library needs the hook."""
        return user in self._users


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


def _attach_to_pools(hooks: Hooks, module: ModuleType) -> None:
    def make(attempt: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(attempt)
        def attempted(pool: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling():
                return attempt(pool, *args, **kwargs)
            request = _begun(pool, args, kwargs)
            try:
                response = attempt(pool, *args, **kwargs)
            except BaseException as error:
                failed(request, error)
                raise
            answered(request, response)
            return response

        return attempted

    def make_tunnel(prepare: Callable[..., None]) -> Callable[..., None]:
        @wraps(prepare)
        def prepared(pool: Any, /, *args: Any, **kwargs: Any) -> None:
            if not hooks.active or not telling():
                return prepare(pool, *args, **kwargs)
            began = perf_counter()
            try:
                return prepare(pool, *args, **kwargs)
            except BaseException as error:
                failed(_begun_by_tunnel(pool, began), error)
                raise

        return prepared

    for owner, name, wrapper in (
        (module.HTTPConnectionPool, "_make_request", make),
        (module.HTTPSConnectionPool, "_prepare_proxy", make_tunnel),
    ):
        if name in vars(owner):
            hooks.replace(owner, name, wrapper)


def _attach_to_managers(hooks: Hooks, module: ModuleType) -> None:
    def make(urlopen: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(urlopen)
        def opened(manager: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling() or not shared_hook.serves("urllib3"):
                return urlopen(manager, *args, **kwargs)
            call = {**dict(zip(("method", "url"), args, strict=False)), **kwargs}
            with calling("urllib3", method=call.get("method"), url=call.get("url")):
                return urlopen(manager, *args, **kwargs)

        return opened

    hooks.replace(module.PoolManager, "urlopen", make)


@guarded
def _begun(pool: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sending | None:
    if not _is_ours():
        return None
    from ezlogs.trackers.http_client import current_call

    call = {**dict(zip(_TRY, args, strict=False)), **kwargs}
    scheme, host, port, target = pool.scheme, pool.host, pool.port, call["url"]
    if not target.startswith("/"):  # an absolute one, for a proxy
        parts = urlsplit(target)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
        target = parts._replace(scheme="", netloc="", fragment="").geturl()
    attempt, redirects = _history(call.get("retries")) if current_call() is None else (None, 0)
    headers = call.get("headers") or {}
    length = headers.get("Content-Length") if call.get("body") is not None else None
    return begun(
        "urllib3",
        call["method"],
        scheme,
        host,
        port,
        target=target,
        length=length,
        attempt=attempt,
        redirects=redirects,
    )


@guarded
def _begun_by_tunnel(pool: Any, began: float) -> Sending | None:
    """Return a request that was not even sent: its call knows it, the pool only where to."""
    from ezlogs.trackers.http_client import current_call

    call = current_call()
    if call is None or not _is_ours():
        return None
    parts = urlsplit(call.url)
    target = parts._replace(scheme="", netloc="", fragment="").geturl() if parts.hostname == pool.host else ""
    return begun("urllib3", call.method, pool.scheme, pool.host, pool.port, target=target, began=began)


def _is_ours() -> bool:
    """Return whether urllib3 itself is instrumented, or what uses it here."""
    if shared_hook.serves("urllib3"):
        return True
    from ezlogs.trackers.http_client import current_call

    return current_call() is not None


def _history(retries: Any) -> tuple[int | None, int]:
    """Return which attempt at the same request it is, and how many redirects led to it."""
    history = getattr(retries, "history", ())
    redirects = [number for number, past in enumerate(history, 1) if past.redirect_location is not None]
    return len(history) - (redirects[-1] if redirects else 0) + 1, len(redirects)
