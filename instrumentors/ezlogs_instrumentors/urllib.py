"""urllib and http.client: each request of a connection, so each redirect by itself.

Below ``urllib.request``, and for whoever calls ``HTTPConnection.request`` directly. Not seen is what is written to a
connection line by line, by ``putrequest`` and ``putheader``.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing

from ezlogs_instrumentors.clients import leaving_by, with_headers
from ezlogs_instrumentors.django.hooks import Hooks


class UrllibInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Carries stories to near hosts and keeps them from all others, for requests made by the standard library.

    Example:
        >>> instrumentor = UrllibInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    _hooks: Hooks

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: http.client is always there."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._hooks = hooks = Hooks()

        def make(request: Callable[..., None]) -> Callable[..., None]:
            @wraps(request)
            def requested(connection: Any, /, *args: Any, **kwargs: Any) -> None:
                headers = leaving_by(connection, args, kwargs) if hooks.active else None
                if headers is not None:
                    args, kwargs = with_headers(args, kwargs, _mapping(headers))
                return request(connection, *args, **kwargs)

            return requested

        hooks.replace(http.client.HTTPConnection, "request", make)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._hooks.undo()


def _mapping(headers: list[Any]) -> Any:
    """Return headers as ``request`` takes them; a message can hold a name more than once."""
    if len({name for name, _ in headers}) == len(headers):
        return dict(headers)
    message = http.client.HTTPMessage()
    for name, value in headers:
        message[name] = value
    return message
