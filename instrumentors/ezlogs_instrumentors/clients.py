"""HTTP clients: what their instrumentors share."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled

from ezlogs import runtime as process
from ezlogs.emit import guarded
from ezlogs.propagation.egress import Header, departing
from ezlogs.propagation.hosts import host_of

if TYPE_CHECKING:
    from ezlogs.trackers.http_client import Call, Sending

_CONTRIB = "opentelemetry.instrumentation."
_THEIRS = {
    "aiohttp_client": "AioHttpClientInstrumentor",
    "httpx": "HTTPXClientInstrumentor",
    "requests": "RequestsInstrumentor",
    "urllib": "URLLibInstrumentor",
    "urllib3": "URLLib3Instrumentor",
}
"""OpenTelemetry's instrumentors of clients: their modules, each of which is the scope of its spans, and classes."""

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


def telling() -> bool:
    """Return whether requests give events: the one check that they cost while they give none."""
    runtime = process.current
    return runtime is not None and runtime.settings.http_client_events


def calling(client: str, **known: Any) -> Call:
    """Return what a client's work on one call is done in; only where requests give events."""
    from ezlogs.trackers.http_client import Call

    return Call(client, **known)


@guarded
def begun(client: str, *request: Any, **known: Any) -> Sending | None:
    """Begin a request, as `ezlogs.trackers.http_client.sending` does, unless it is not to be told."""
    if not is_http_instrumentation_enabled() and not _in_hop():
        return None
    from ezlogs.trackers.http_client import sending

    return sending(client, *request, **known)


def _in_hop() -> bool:
    """Return whether HTTP is suppressed only because OpenTelemetry's instrumentor of a client has it in hand.

    Its span tells; one that is not sampled says nothing, and then it counts whether such an instrumentor is at work.
    """
    span = trace.get_current_span()
    scope = getattr(span, "instrumentation_scope", None)
    if scope is not None:
        return str(scope.name).removeprefix(_CONTRIB) in _THEIRS
    return span.get_span_context().is_valid and any(map(_is_at_work, _THEIRS))


def _is_at_work(client: str) -> bool:
    theirs = getattr(sys.modules.get(_CONTRIB + client), _THEIRS[client], None)
    return theirs is not None and bool(theirs().is_instrumented_by_opentelemetry)


@guarded
def failed(request: Sending | None, error: BaseException) -> None:
    """Tell of a request, if it is to be told, that no answer came."""
    if request is not None:
        request.failed(error)


@guarded
def answered(request: Sending | None, response: Any) -> None:
    """Tell of a request, if it is to be told, what was answered: a response with a status and headers."""
    if request is not None:
        headers = response.headers
        request.answered(response.status, length=headers.get("Content-Length"), location=headers.get("Location"))
