"""HTTP requests as they arrive: the hop's span, the story that comes with them, and what is only a part of another."""

from __future__ import annotations

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from ezlogs import runtime as process
from ezlogs.actor import Peek
from ezlogs.correlation import valid_id
from ezlogs.emit import is_suppressed
from ezlogs.ids import new_trace_id
from ezlogs.otel_compat import SPAN_KEY, current_context, current_span
from ezlogs.own_spans import SpanSource
from ezlogs.propagation.edge import Edge, entered, entered_in_span
from ezlogs.propagation.inbound import extract
from ezlogs.settings import Settings
from ezlogs.trackers.http.arrival import HEADERS, Arrival
from ezlogs.trackers.http.details import address_of, server_of
from ezlogs.trackers.http.exclusions import Exclusions
from ezlogs.trackers.http.nested import NestedRequest
from ezlogs.trackers.http.request import UNDER_WAY, Here, HttpRequest, span_name

METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE", "WEBSOCKET"}
)
"""The methods of RFC 9110, RFC 5789 and the QUERY draft, and what a WebSocket is told as. Clients make up others."""

Tracked = HttpRequest | NestedRequest
"""A request under way, or a part of one."""


class HttpTracker:
    """Turns the requests of one framework into `http.request` events.

    Args:
        framework: Its name, such as ``django``; spans are made by the tracer ``ezlogs.django``.

    Example:
        >>> from ezlogs.testing import capture
        >>> from ezlogs.trackers.http import PlainArrival
        >>> with capture() as captured:
        ...     request = HttpTracker("example").begin(PlainArrival("POST", "/orders/42", {"x-request-id": "r-1"}))
        ...     request.finish(201, route="/orders/{id}", parameters={"id": 42})
        >>> captured.events[0].action
        'POST /orders/{id}'
    """

    def __init__(self, framework: str) -> None:
        self._framework = framework
        self._spans = SpanSource(f"ezlogs.{framework}")
        self._settings: Settings | None = None
        self._exclusions: Exclusions

    def begin(
        self,
        arrival: Arrival,
        *,
        method: str | None = None,
        peek: Peek | None = None,
        opens_span: bool = True,
        is_excluded: bool = False,
        routes_soon: bool = False,
    ) -> Tracked | None:
        """Enter a request: everything until its `HttpRequest.leave` belongs to it.

        A span that is already open here is the hop; only without one are the W3C headers read and a SERVER span
        opened. The story that came with the request goes on, or is linked, as the setting ``trust_inbound`` says. What
        is tracked already - by the application that this one is mounted in, or redirects to - goes on as a part of
        that. An excluded request gives neither event nor span, but what happens in it has its story and its actor.

        Args:
            arrival: The request, as the server describes it.
            method: What it is told as, where that is another: ``WEBSOCKET``.
            peek: Looks at the user that the application has resolved so far, without resolving one.
            opens_span: Whether there is to be a span where none is open: not where another instrumentation has just
                decided that this request has none.
            is_excluded: Whether it is excluded whatever the settings say.
            routes_soon: Whether `HttpRequest.matched` or `HttpRequest.unmatched` comes before the application's own
                function: then the journal knows of it from there on, and not twice. It knows sooner where that takes
                longer than a moment, or something is told before.

        Returns:
            The request, or None where nothing listens or instrumentation is suppressed.
        """
        runtime = process.current
        ctx = current_context()
        if runtime is None or runtime.carrier is None or is_suppressed(ctx):
            return None
        mount = arrival.mount()
        outer = _outer(arrival, ctx)
        if outer is not None:
            if mount:
                outer.mounted(mount)
            return NestedRequest(outer, peek)
        if self._settings is not runtime.settings:
            self._exclusions, self._settings = Exclusions(runtime.settings, self._framework), runtime.settings
            address_of.cache_clear()
        method = method or arrival.method
        method = method if method in METHODS else "_OTHER"
        is_excluded = is_excluded or self._exclusions.exclude(arrival)
        span = None
        if _in_local_span(ctx):
            edge = entered_in_span(ctx)
            ctx = edge.context
        else:
            edge = entered(extract(arrival, ctx, HEADERS))
            ctx = edge.context
            if opens_span and not is_excluded:
                span = self._opened(arrival, method, edge)
                ctx = ctx if span is None else Context({**ctx, SPAN_KEY: span})
        story = edge.story(ctx)
        if request_id := valid_id(arrival.header("x-request-id")):
            story = story.replace(request_id=request_id)
        elif runtime.settings.send_request_id:
            story = story.replace(request_id=f"{new_trace_id():032x}")
        request = HttpRequest(
            arrival,
            ctx,
            story,
            method=method,
            span=span,
            peek=peek,
            is_told=not is_excluded,
            is_noted=not routes_soon,
        )
        arrival.track(request)
        if mount:
            request.mounted(mount)
        return request

    def _opened(self, arrival: Arrival, method: str, edge: Edge) -> Span | None:
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "url.path": arrival.path,
            "url.scheme": arrival.scheme(),
        }
        if agent := arrival.header("user-agent"):
            attributes["user_agent.original"] = agent[:512]
        address, port = server_of((arrival.header("host") or "")[:512])
        if address:
            attributes["server.address"] = address
        if port is not None:
            attributes["server.port"] = port
        return self._spans.start(span_name(method), edge.context, SpanKind.SERVER, attributes, edge.links)


def say_route(request: Tracked, found: object) -> None:
    """Say which route matched, as a function of the application's found it.

    Args:
        request: Whose.
        found: The template, or the template and the values of its parameters; nothing where it is neither.
    """
    if isinstance(found, str):
        request.matched(found)
    elif isinstance(found, tuple) and found and isinstance(found[0], str):
        request.matched(*found)


def _outer(arrival: Arrival, ctx: Context) -> HttpRequest | None:
    """Return the request that this one is only another part of: handed on, or described anew for another protocol."""
    found = arrival.tracked()
    if found is None:
        here = ctx.get(UNDER_WAY)
        if type(here) is Here and here.request is not None and here.request.is_same(arrival):
            found = here.request
    return found if found is not None and found.is_open else None


def _in_local_span(ctx: Context) -> bool:
    span = current_span(ctx)
    return span is not None and (known_by := span.get_span_context()).is_valid and not known_by.is_remote
