"""aiohttp's client: each request as it is sent, so each redirect and each retry by itself.

The hooks sit below that of OpenTelemetry's instrumentor and below middlewares of the session: what they set is seen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import answered, begun, calling, failed, leaving, telling
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

if TYPE_CHECKING:
    from ezlogs.trackers.http_client import Sending


class AiohttpClientInstrumentor(HookingInstrumentor):
    """Carries stories to near hosts and keeps them from all others, for requests made by aiohttp; tells of these.

    Example:
        >>> instrumentor = AiohttpClientInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "aiohttp"
    versions = ("aiohttp >= 3.9",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {
            "aiohttp.client_reqrep": _attach,
            "aiohttp.connector": _attach_to_connectors,
            "aiohttp.client": _attach_to_sessions,
        }


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(send)
        async def sent(request: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active:
                return await send(request, *args, **kwargs)
            _prepare(request)
            if not telling():
                return await send(request, *args, **kwargs)
            try:
                response = await send(request, *args, **kwargs)
            except BaseException as error:
                _failed(request, error)
                raise
            _handed_on(request, response)
            return response

        return sent

    def make_start(start: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(start)
        async def started(response: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling():
                return await start(response, *args, **kwargs)
            try:
                result = await start(response, *args, **kwargs)
            except BaseException as error:
                _failed(response, error)
                raise
            _answered(response)
            return result

        return started

    hooks.replace(module.ClientRequest, "send", make)
    hooks.replace(module.ClientResponse, "start", make_start)


def _attach_to_connectors(hooks: Hooks, module: ModuleType) -> None:
    def make(connect: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(connect)
        async def connected(connector: Any, /, req: Any, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling():
                return await connect(connector, req, *args, **kwargs)
            _begun(req)
            try:
                return await connect(connector, req, *args, **kwargs)
            except BaseException as error:
                _failed(req, error)
                raise

        return connected

    hooks.replace(module.BaseConnector, "connect", make)


def _attach_to_sessions(hooks: Hooks, module: ModuleType) -> None:
    """Hook what follows redirects and tries again on a connection that was closed."""

    def make(request: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(request)
        async def requested(session: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling():
                return await request(session, *args, **kwargs)
            with calling("aiohttp_client"):
                return await request(session, *args, **kwargs)

        return requested

    if "_request" in vars(module.ClientSession):  # which has no public name for it
        hooks.replace(module.ClientSession, "_request", make)


_under_way: MutableMapping[Any, Sending] = WeakKeyDictionary()
"""Requests by the client's own, and from when they are sent by their responses, whose headers are still to come."""


@guarded
def _begun(request: Any) -> None:
    url, length = request.url, request.headers.get("Content-Length")
    begin = begun(
        "aiohttp_client",
        request.method,
        url.scheme,
        url.raw_host or "",
        url.port,
        target=url.raw_path_qs,
        length=length,
    )
    if begin is not None:
        _under_way[request] = begin


@guarded
def _handed_on(request: Any, response: Any) -> None:
    begin = _under_way.pop(request, None)
    if begin is not None:
        _under_way[response] = begin


@guarded
def _failed(about: Any, error: BaseException) -> None:
    """Tell of a request, or of what should have become its response, that no answer came.

    A timeout of the session cancels the task, which becomes a `TimeoutError` further up only.
    """
    import asyncio

    timed_out = isinstance(error, asyncio.CancelledError) and getattr(
        getattr(about, "_timer", None), "_cancelled", False
    )
    failed(_under_way.pop(about, None), TimeoutError() if timed_out else error)


@guarded
def _answered(response: Any) -> None:
    answered(_under_way.pop(response, None), response)


@guarded
def _prepare(request: Any) -> None:
    """Change the headers of a request, which are its own: a copy of what the application gave."""
    if request.method == "CONNECT":  # it is for the proxy
        return
    headers = leaving(request.headers.items(), request.url.raw_host or "")
    if headers is not None:
        request.headers.clear()
        request.headers.extend(headers)
