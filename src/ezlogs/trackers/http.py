"""HTTP requests, whatever the framework: the hop's span, the story that arrived, and one event for the response."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from time import perf_counter, time_ns
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, default_getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ezlogs.actor import Peek, with_acting
from ezlogs.correlation import Correlation, placed, valid_id
from ezlogs.emit import caused, record, tracking
from ezlogs.event import failure_of
from ezlogs.ids import new_event_id
from ezlogs.opening import closed, opened
from ezlogs.party import type_and_id
from ezlogs.propagation.edge import entered, entered_in_span
from ezlogs.propagation.inbound import claimed_actor, extract
from ezlogs.sampling.root import ended, rooted, routed
from ezlogs.scope import Scope
from ezlogs.version import __version__

HTTP_REQUEST = "http.request"
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
"""The methods of RFC 9110, RFC 5789 and the QUERY draft; a client can make up any other."""

UNMATCHED = "(unmatched)"


class HttpTracker:
    """Turns the requests of one framework into `http.request` events.

    Args:
        framework: Its name, such as ``django``; spans are made by the tracer ``ezlogs.django``.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     request = HttpTracker("example").begin("POST", "/orders/42", {"x-request-id": "r-1"}, request_id="r-1")
        ...     request.finish(201, route="/orders/{id}", parameters={"id": 42})
        >>> captured.events[0].action
        'POST /orders/{id}'
    """

    def __init__(self, framework: str) -> None:
        self._tracer = f"ezlogs.{framework}"

    def begin(
        self,
        method: str,
        path: str,
        carrier: Any,
        getter: Getter[Any] = default_getter,
        *,
        request_id: object = None,
        peek: Peek | None = None,
    ) -> HttpRequest | None:
        """Enter a request: everything until its `HttpRequest.finish` belongs to it.

        A span that is already open here is the hop; only without one are the W3C headers read and a SERVER span
        opened. The story that came with the request goes on, or is linked, as the setting ``trust_inbound`` says.
        Bodies are never read.

        Args:
            method: As the client sent it.
            path: The path of the URL, without its query.
            carrier: The request's headers, in any form that ``getter`` reads.
            getter: Reads one header of the carrier.
            request_id: What came as ``X-Request-ID``; an unsafe one is ignored.
            peek: Looks at the user that the application has resolved so far, without resolving one.

        Returns:
            The request, or None where nothing listens or instrumentation is suppressed.
        """
        if not tracking():
            return None
        method = method if method in METHODS else "_OTHER"
        ctx, span = context.get_current(), None
        if _in_local_span(ctx):
            edge = entered_in_span(ctx)
            ctx = edge.context
        else:
            edge = entered(extract(carrier, ctx, getter))
            span = trace.get_tracer(self._tracer, __version__).start_span(
                method if method in METHODS else "HTTP",
                edge.context,
                SpanKind.SERVER,
                {"http.request.method": method, "url.path": path},
                edge.links,
            )
            ctx = trace.set_span_in_context(span, edge.context)
        story = edge.story(ctx)
        if request_id := valid_id(request_id):
            story = story.replace(request_id=request_id)
        return HttpRequest(method, ctx, span, story, peek)


class HttpRequest:
    """A request under way. Made by `HttpTracker.begin`."""

    __slots__ = ("_began", "_began_at", "_correlation", "_event_id", "_method", "_scope", "_span")

    def __init__(
        self, method: str, ctx: Context, span: Span | None, correlation: Correlation, peek: Peek | None
    ) -> None:
        self._method = method
        self._span = span
        self._began, self._began_at = perf_counter(), time_ns()
        self._event_id = new_event_id(self._began_at)
        self._correlation = correlation
        inner = caused(correlation, HTTP_REQUEST, self._event_id)
        self._scope = Scope(with_acting(placed(inner, rooted(ctx, self._event_id, None)), peek=peek))
        self._note(UNMATCHED)

    def routed(self, route: str) -> None:
        """Say which route matched, as soon as that is known: what happens from then on is sampled by its rate.

        Args:
            route: The template, as for `finish`.
        """
        routed(self._scope.context, self._event_id, f"{self._method} {route}")
        self._note(route)

    def _note(self, route: str) -> None:
        opened(
            HTTP_REQUEST,
            f"{self._method} {route}",
            event_id=self._event_id,
            correlation=self._correlation,
            ctx=self._scope.context,
            metadata={"method": self._method},
            timestamp=self._began_at,
        )

    def finish(
        self,
        status: int | None,
        *,
        route: str | None = None,
        parameters: Mapping[str, object] | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Leave the request and tell how it ended. To be called once.

        Args:
            status: The response's status code; None when an exception took its place.
            route: The template that matched, such as ``/orders/{id}``; None when none did.
            parameters: The values of the template's parameters.
            error: The exception that made the response what it is; told when the request failed.
        """
        failed = status is None or status >= 500
        error = error if failed else None
        claimed = claimed_actor(self._scope.context)
        routed(self._scope.context, self._event_id, f"{self._method} {route or UNMATCHED}")
        duration, outcome = perf_counter() - self._began, "failure" if failed else "success"
        self._scope.close()
        record(
            HTTP_REQUEST,
            f"{self._method} {route or UNMATCHED}",
            event_id=self._event_id,
            correlation=self._correlation,
            ctx=self._scope.context,
            subject=resource(route, parameters or {}) if route else None,
            metadata={
                name: value
                for name, value in (
                    ("method", self._method),
                    ("route", route),
                    ("status", status),
                    ("claimed_actor", claimed and type_and_id(claimed)),
                )
                if value is not None
            },
            outcome=outcome,
            duration=duration,
            error=error,
        )
        ended(self._scope.context, self._event_id, outcome, duration)
        closed(self._event_id)
        if self._span is not None:
            _finish_span(self._span, self._method, status, route, error, failed=failed)


def resource(route: str, parameters: Mapping[str, object]) -> tuple[str, str | None] | None:
    """Return what a route is about: the type and id of its last parameter, else its last word and no id.

    Example:
        >>> resource("/orders/{id}/pay", {"id": 42})
        ('order', '42')
        >>> resource("/order-items/", {})
        ('order_item', None)
    """
    words = [word for word in route.split("/") if word]
    for word, parameter in reversed(list(pairwise(words))):
        if _is_parameter(parameter) and not _is_parameter(word):
            value = parameters.get(parameter[1:-1])
            return singular(word), None if value is None else str(value)
    literals = [word for word in words if not _is_parameter(word)]
    return (singular(literals[-1]), None) if literals else None


@lru_cache(maxsize=1024)
def singular(word: str) -> str:
    """Return a resource's name in the singular and in snake case, as models are called.

    Example:
        >>> [singular(word) for word in ("orders", "Categories", "boxes", "order-items", "status")]
        ['order', 'category', 'box', 'order_item', 'status']
    """
    word = word.lower().replace("-", "_")
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1] or word
    return word


def _is_parameter(word: str) -> bool:
    return word.startswith("{") and word.endswith("}")


def _in_local_span(ctx: Context) -> bool:
    span = trace.get_current_span(ctx).get_span_context()
    return span.is_valid and not span.is_remote


def _finish_span(
    span: Span, method: str, status: int | None, route: str | None, error: BaseException | None, *, failed: bool
) -> None:
    if route is not None:
        span.update_name(f"{method if method in METHODS else 'HTTP'} {route}")
        span.set_attribute("http.route", route)
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if failed:
        span.set_attribute("error.type", failure_of(error).type if error is not None else str(status))
        span.set_status(Status(StatusCode.ERROR))
    span.end()
