"""httpx: each request that its transports hand to httpcore, so each redirect by itself; sync and async.

The hook sits below those of OpenTelemetry's instrumentor, whichever of them was first: what it injected is seen.
Transports that send nothing over a network are left alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import copy
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import begun, calling, failed, leaving, telling
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

if TYPE_CHECKING:
    from ezlogs.trackers.http_client import Sending


class HttpxInstrumentor(HookingInstrumentor):
    """Carries stories to near hosts and keeps them from all others, for requests made by httpx; tells of these.

    Example:
        >>> instrumentor = HttpxInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "httpx"
    versions = ("httpx >= 0.25",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"httpcore": _attach, "httpx": _attach_to_clients}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(handle: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        @wraps(handle)
        def handled(pool: Any, request: Any) -> Any:
            if not hooks.active:
                return handle(pool, request)
            sent = _leaving(request) or request
            if not telling():
                return handle(pool, sent)
            under_way = _begun(request)
            try:
                response = handle(pool, sent)
            except BaseException as error:
                failed(under_way, error)
                raise
            _answered(under_way, response)
            return response

        return handled

    def make_async(handle: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        @wraps(handle)
        async def handled(pool: Any, request: Any) -> Any:
            if not hooks.active:
                return await handle(pool, request)
            sent = _leaving(request) or request
            if not telling():
                return await handle(pool, sent)
            under_way = _begun(request)
            try:
                response = await handle(pool, sent)
            except BaseException as error:
                failed(under_way, error)
                raise
            _answered(under_way, response)
            return response

        return handled

    hooks.replace(module.ConnectionPool, "handle_request", make)
    hooks.replace(module.AsyncConnectionPool, "handle_async_request", make_async)


def _attach_to_clients(hooks: Hooks, module: ModuleType) -> None:
    """Hook what the application calls, which follows redirects and signs in; OpenTelemetry's hooks are below."""

    def make(send: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send)
        def sent(client: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling():
                return send(client, *args, **kwargs)
            with calling("httpx"):
                return send(client, *args, **kwargs)

        return sent

    def make_async(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(send)
        async def sent(client: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling():
                return await send(client, *args, **kwargs)
            with calling("httpx"):
                return await send(client, *args, **kwargs)

        return sent

    hooks.replace(module.Client, "send", make)
    hooks.replace(module.AsyncClient, "send", make_async)


@guarded
def _begun(request: Any) -> Sending | None:
    url, length = request.url, _header(request.headers, b"content-length")
    method, scheme, host, target = (
        part.decode("latin-1") for part in (request.method, url.scheme, url.host, url.target)
    )
    return begun("httpx", method, scheme, host, url.port, target=target, length=length)


@guarded
def _answered(under_way: Sending | None, response: Any) -> None:
    if under_way is not None:
        location = _header(response.headers, b"location")
        under_way.answered(
            response.status,
            length=_header(response.headers, b"content-length"),
            location=None if location is None else location.decode("latin-1"),
        )


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    return next((value for key, value in headers if key.lower() == name), None)


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
