"""HTTP clients: what their instrumentors share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled

from ezlogs.emit import guarded
from ezlogs.propagation.egress import Header, departing
from ezlogs.propagation.hosts import host_of

_REQUEST = ("method", "url", "body", "headers")
"""The parameters of ``HTTPConnection.request``, in the standard library and in urllib3."""


@guarded
def leaving(headers: Iterable[Header], host: str) -> list[Header] | None:
    """Return the headers with which a request may leave for a host, or None where they may leave as they are.

    Nothing is put into requests for which instrumentation of HTTP is suppressed, as contrib's instrumentors do around
    clients that are built on others.
    """
    return departing(headers, host, injecting=is_http_instrumentation_enabled())


@guarded
def leaving_by(connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Header] | None:
    """Return the same for a call of a connection's ``request(method, url, body, headers)``.

    Behind a proxy the request's own host counts: that of a tunnel, or that of the absolute URL which a proxy is sent.
    """
    call = {**dict(zip(_REQUEST, args, strict=False)), **kwargs}
    url = call.get("url", "")
    host = (connection._tunnel_host or connection.host) if url.startswith("/") else host_of(url)
    return leaving((call.get("headers") or {}).items(), host)


def with_headers(args: tuple[Any, ...], kwargs: dict[str, Any], headers: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of such a call with other headers."""
    at = _REQUEST.index("headers")
    if len(args) > at:
        return (*args[:at], headers, *args[at + 1 :]), kwargs
    return args, {**kwargs, "headers": headers}
