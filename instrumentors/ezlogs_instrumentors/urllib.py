"""urllib and http.client: each request of a connection, so each redirect by itself.

Below ``urllib.request``, and for whoever calls ``HTTPConnection.request`` directly. Not seen is what is written to a
connection line by line, by ``putrequest`` and ``putheader``. Events are told of what ``urllib.request`` sends.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ezlogs.emit import guarded
from ezlogs_instrumentors.clients import answered, begun, failed, leaving_by, telling, with_headers
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

if TYPE_CHECKING:
    from ezlogs.trackers.http_client import Sending


class UrllibInstrumentor(HookingInstrumentor):
    """Carries stories to near hosts and keeps them from all others, for requests made by the standard library.

    Example:
        >>> instrumentor = UrllibInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"http.client": _attach, "urllib.request": _attach_to_handlers}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(request: Callable[..., None]) -> Callable[..., None]:
        @wraps(request)
        def requested(connection: Any, /, *args: Any, **kwargs: Any) -> None:
            headers = leaving_by(connection, args, kwargs) if hooks.active else None
            if headers is not None:
                args, kwargs = with_headers(args, kwargs, _mapping(headers))
            return request(connection, *args, **kwargs)

        return requested

    hooks.replace(http.client.HTTPConnection, "request", make)


def _attach_to_handlers(hooks: Hooks, module: ModuleType) -> None:
    """Hook where each request is sent; OpenTelemetry's instrumentor hooks above, at the opener."""

    def make(do_open: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(do_open)
        def opened(handler: Any, /, http_class: Any, req: Any, **kwargs: Any) -> Any:
            if not hooks.active or not telling():
                return do_open(handler, http_class, req, **kwargs)
            request = _begun(req)
            try:
                response = do_open(handler, http_class, req, **kwargs)
            except BaseException as error:
                failed(request, _cause(error))
                raise
            answered(request, response)
            return response

        return opened

    hooks.replace(module.AbstractHTTPHandler, "do_open", make)


@guarded
def _begun(req: Any) -> Sending | None:
    parts = urlsplit(req.full_url)
    target = parts._replace(scheme="", netloc="", fragment="").geturl()
    length = req.get_header("Content-length") if req.data is not None else None
    redirects = sum(getattr(req, "redirect_dict", {}).values())
    return begun(
        "urllib",
        req.get_method(),
        parts.scheme,
        parts.hostname or "",
        parts.port,
        target=target,
        length=length,
        redirects=redirects,
    )


def _cause(error: BaseException) -> BaseException:
    """Return what an `OSError` was before it was made another one."""
    from urllib.error import URLError

    reason = error.reason if isinstance(error, URLError) else None
    return reason if isinstance(reason, BaseException) else error


def _mapping(headers: list[Any]) -> Any:
    """Return headers as ``request`` takes them; a message can hold a name more than once."""
    if len({name for name, _ in headers}) == len(headers):
        return dict(headers)
    message = http.client.HTTPMessage()
    for name, value in headers:
        message[name] = value
    return message
