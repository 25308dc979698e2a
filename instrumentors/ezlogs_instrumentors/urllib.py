"""urllib and http.client: each request of a connection, so each redirect by itself.

Below ``urllib.request``, and for whoever calls ``HTTPConnection.request`` directly. Not seen is what is written to a
connection line by line, by ``putrequest`` and ``putheader``.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs_instrumentors.clients import leaving_by, with_headers
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class UrllibInstrumentor(HookingInstrumentor):
    """Carries stories to near hosts and keeps them from all others, for requests made by the standard library.

    Example:
        >>> instrumentor = UrllibInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"http.client": _attach}


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


def _mapping(headers: list[Any]) -> Any:
    """Return headers as ``request`` takes them; a message can hold a name more than once."""
    if len({name for name, _ in headers}) == len(headers):
        return dict(headers)
    message = http.client.HTTPMessage()
    for name, value in headers:
        message[name] = value
    return message
