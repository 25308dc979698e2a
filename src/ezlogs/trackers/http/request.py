"""HTTP requests: the hop's span, the story that arrived, and one event at the end, whatever happened to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ezlogs import runtime as process
from ezlogs.actor import Peek, with_acting
from ezlogs.correlation import Correlation, placed, valid_id
from ezlogs.emit import caused, guarded, record, tracking
from ezlogs.event import failure_of
from ezlogs.ids import new_event_id, new_trace_id
from ezlogs.opening import closed, opened
from ezlogs.party import Actor, type_and_id
from ezlogs.propagation.edge import Edge, entered, entered_in_span
from ezlogs.propagation.inbound import claimed_actor, extract
from ezlogs.sampling.root import ended, rooted, routed
from ezlogs.scope import Scope
from ezlogs.settings import Settings
from ezlogs.trackers.auth import denied, refusable, route_of
from ezlogs.trackers.http.arrival import HEADERS, Arrival
from ezlogs.trackers.http.details import Response, details, query_parameters, selected, session_digest
from ezlogs.trackers.http.exclusions import Exclusions
from ezlogs.trackers.http.routes import UNMATCHED, resource
from ezlogs.version import __version__

if TYPE_CHECKING:
    from ezlogs.trackers.http.nested import NestedRequest

HTTP_REQUEST: Final = "http.request"
METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE", "WEBSOCKET"}
)
"""The methods of RFC 9110, RFC 5789 and the QUERY draft, and what a WebSocket is told as. Clients make up others."""

_UNDER_WAY: Final = context.create_key("ezlogs-http-request")


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
        self._tracer = f"ezlogs.{framework}"
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
    ) -> HttpRequest | NestedRequest | None:
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

        Returns:
            The request, or None where nothing listens or instrumentation is suppressed.
        """
        runtime = process.current
        if runtime is None or not tracking():
            return None
        ctx = context.get_current()
        outer = _outer(arrival, ctx)
        if outer is not None:
            from ezlogs.trackers.http.nested import NestedRequest  # it imports this module

            return NestedRequest(outer, peek)
        if self._settings is not runtime.settings:
            self._exclusions, self._settings = Exclusions(runtime.settings, self._framework), runtime.settings
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
                ctx = trace.set_span_in_context(span, ctx)
        story = edge.story(ctx)
        if request_id := valid_id(arrival.header("x-request-id")):
            story = story.replace(request_id=request_id)
        elif runtime.settings.send_request_id:
            story = story.replace(request_id=f"{new_trace_id():032x}")
        request = HttpRequest(arrival, ctx, story, method=method, span=span, peek=peek, is_told=not is_excluded)
        arrival.track(request)
        return request

    def _opened(self, arrival: Arrival, method: str, edge: Edge) -> Span:
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "url.path": arrival.path,
            "url.scheme": arrival.scheme(),
        }
        for name, header in (("server.address", "host"), ("user_agent.original", "user-agent")):
            if value := arrival.header(header):
                attributes[name] = value[:512]
        return trace.get_tracer(self._tracer, __version__).start_span(
            _span_name(method), edge.context, SpanKind.SERVER, attributes, edge.links
        )


class Peeks(list[Peek]):
    """Looks at the user of a request in the application, else in those inside it; whoever asks is not the system."""

    def __call__(self) -> Actor | None:
        """Return the first that is known."""
        return next((found for peek in self if (found := peek()) is not None), None)

    def settle(self) -> None:
        """Look once more, and let go of what was looked at: contexts outlive the request, and its user need not."""
        found = self()
        self[:] = [lambda: found]


class _Here:
    """What contexts hold of a request: copies of them live as long as anything that was begun in it."""

    __slots__ = ("request",)

    def __init__(self, request: HttpRequest) -> None:
        self.request: HttpRequest | None = request


class HttpRequest:
    """A request under way. Made by `HttpTracker.begin`. None of its methods raises."""

    __slots__ = (
        "_arrival",
        "_began",
        "_began_at",
        "_correlation",
        "_error",
        "_event_id",
        "_facts",
        "_here",
        "_is_told",
        "_method",
        "_parameters",
        "_path",
        "_prefix",
        "_response",
        "_route",
        "_scope",
        "_span",
        "context",
        "is_open",
        "peeks",
    )

    def __init__(
        self,
        arrival: Arrival,
        ctx: Context,
        correlation: Correlation,
        *,
        method: str,
        span: Span | None,
        peek: Peek | None,
        is_told: bool,
    ) -> None:
        self._began, self._began_at = perf_counter(), time_ns()
        self._arrival: Arrival | None = arrival
        self._path = arrival.path
        self._method = method
        self._span = span
        self._correlation = correlation
        self._is_told = is_told
        self._event_id = new_event_id(self._began_at)
        self._prefix = ""
        self._route: str | None = None
        self._parameters: dict[str, object] = {}
        self._response = Response()
        self._error: BaseException | None = None
        self._facts: dict[str, object] = {}
        self.is_open = True
        """Whether its end is still to be told."""
        self.peeks = Peeks(() if peek is None else (peek,))
        inner = caused(correlation, HTTP_REQUEST, self._event_id) if is_told else correlation
        ctx = with_acting(placed(inner, rooted(ctx, self._event_id, None)), peek=self.peeks)
        self._here = _Here(self)
        self._scope: Scope | None = Scope(refusable(context.set_value(_UNDER_WAY, self._here, ctx)))
        self.context = self._scope.context
        """What happens in it; to be attached around whatever of it runs after `leave`."""
        if is_told:
            self._note(UNMATCHED)

    @property
    def sends_id(self) -> bool:
        """Whether the response is to say, as ``X-Request-ID``, what the request is called."""
        runtime = process.current
        return runtime is not None and runtime.settings.send_request_id and self.is_open

    @property
    def request_id(self) -> str | None:
        """What the request is called outside: what came as ``X-Request-ID``, or one that was made for it."""
        return self._correlation.request_id

    def is_same(self, arrival: Arrival) -> bool:
        """Return whether an arrival is this request, described for another protocol."""
        return self._path == arrival.path and arrival.method in (self._method, "GET")

    @guarded
    def mounted(self, prefix: str, parameters: Mapping[str, object] | None = None) -> None:
        """Say that it is handed to an application that is mounted here: its routes are below this one.

        Args:
            prefix: The template, such as ``/api/{tenant}``.
            parameters: The values of its parameters.
        """
        self._prefix += prefix.rstrip("/")
        self._parameters.update(parameters or {})

    @guarded
    def matched(self, route: str, parameters: Mapping[str, object] | None = None) -> None:
        """Say which route matched, as soon as that is known: what happens from then on is sampled by its rate.

        Args:
            route: The template, such as ``/orders/{id}``, below what it is `mounted` in.
            parameters: The values of the template's parameters.
        """
        if not self.is_open:
            return
        self._parameters.update(parameters or {})
        route = self._prefix + route
        if route != self._route:
            self._route = route
            if self._is_told:
                routed(self.context, self._event_id, f"{self._method} {route}")
                self._note(route)

    @guarded
    def in_session(self, key: object) -> None:
        """Say which session it is of: what happens from then on, and the request's own event, are of it.

        Args:
            key: What the framework knows the session by; told as a digest.
        """
        digest = session_digest(key)
        if digest is None or digest == self._correlation.session_id:
            return
        self._correlation = self._correlation.replace(session_id=digest)
        inner = caused(self._correlation, HTTP_REQUEST, self._event_id) if self._is_told else self._correlation
        self.context = placed(inner, self.context)
        context.attach(placed(inner))  # its scope, which is around this, is closed all the same

    @guarded
    def told(self, name: str, fact: object) -> None:
        """Add a fact that only the framework knows.

        Args:
            name: Its name in the event's metadata.
            fact: Anything an event takes.
        """
        self._facts[name] = fact

    @guarded
    def parsed(self, body: object) -> None:
        """Say what the application has read of the body; those of its fields are told that ``request_fields`` names."""
        runtime = process.current
        if runtime is None or not (names := runtime.settings.request_fields) or not isinstance(body, Mapping):
            return
        if fields := selected(body, names):
            self._facts["body"] = fields

    def failed(self, error: BaseException) -> None:
        """Remember what is about to become a response."""
        self._error = error

    @guarded
    def responds(self, status: int, header: Callable[[str], str | None] | None = None) -> None:
        """Say how the response begins.

        Args:
            status: Its code.
            header: Returns one of its headers by its name in lower case.
        """
        self._response.status, self._response.header = status, header

    def sends(self, size: int, *, first: bool = True) -> None:
        """Count a part of the response's body, in bytes.

        Args:
            size: Of the part.
            first: Whether the time of the first byte is of any interest: not where the body goes out as a whole.
        """
        response = self._response
        if first and response.first_byte is None and size:
            response.first_byte = perf_counter() - self._began
        response.size = (response.size or 0) + size

    @guarded
    def leave(self) -> None:
        """Leave the request; what is still to come of its response runs in its ``context``."""
        if self._scope is not None:
            self._scope.close()
            self._scope = None
        if not self.is_open:
            self.peeks.settle()

    def finish(
        self,
        status: int | None = None,
        *,
        route: str | None = None,
        parameters: Mapping[str, object] | None = None,
        error: BaseException | None = None,
        reason: str | None = None,
        broken: bool = False,
    ) -> None:
        """Tell how the request ended, and leave it: `tell`, then `leave`."""
        self.tell(status, route=route, parameters=parameters, error=error, reason=reason, broken=broken)
        self.leave()

    @guarded
    def tell(
        self,
        status: int | None = None,
        *,
        route: str | None = None,
        parameters: Mapping[str, object] | None = None,
        error: BaseException | None = None,
        reason: str | None = None,
        broken: bool = False,
    ) -> None:
        """Tell how the request ended; a second time nothing. What comes after its response is still in it.

        Args:
            status: The response's status code, unless `responds` was told; None when an exception took its place.
            route: The template that matched, unless `matched` was told.
            parameters: The values of the template's parameters.
            error: The exception that made the response what it is, or took its place.
            reason: Why nobody knows how much of it was done and arrived: ``disconnected``, ``cancelled``.
            broken: Whether the response broke off, however well it had begun.
        """
        if not self.is_open:
            return
        self.is_open = False
        duration = perf_counter() - self._began
        if route is not None:
            self._route = self._prefix + route
        self._parameters.update(parameters or {})
        response = self._response
        if status is not None:
            response.status = status
        status = response.status
        error = error or self._error
        failed = broken or status is None or status >= 500
        if reason is None and failed and error is not None and not isinstance(error, Exception):
            reason = "cancelled"  # or the process is about to end, which comes to the same
        outcome = "unknown" if reason is not None else "failure" if failed else "success"
        if not failed or reason is not None:
            error = None
        route = self._route or (f"{self._prefix}/{{path}}" if self._prefix else None)
        if self._is_told:
            action = f"{self._method} {route or UNMATCHED}"
            routed(self.context, self._event_id, action)
            record(
                HTTP_REQUEST,
                action,
                event_id=self._event_id,
                correlation=self._correlation,
                ctx=self.context,
                subject=resource(route, self._parameters) if route else None,
                metadata=self._metadata(route, reason),
                outcome=outcome,
                duration=duration,
                error=error,
            )
        denied(status=status, subject=route_of(self._method, route), ctx=self.context)
        ended(self.context, self._event_id, outcome, duration)
        if self._is_told:
            closed(self._event_id)
        if self._span is not None:
            _finish_span(self._span, self._method, status, route, error, failed=failed and reason is None)
        self._arrival = self._error = self._here.request = None  # they may hold this, and much more
        response.header = None
        if self._scope is None:
            self.peeks.settle()

    def _metadata(self, route: str | None, reason: str | None) -> dict[str, Any]:
        found: dict[str, Any] = {"method": self._method}
        if route is not None:
            found["route"] = route
        if self._response.status is not None:
            found["status"] = self._response.status
        if reason is not None:
            found["reason"] = reason
        runtime, arrival = process.current, self._arrival
        if runtime is not None and arrival is not None:
            found.update(details(arrival, self._response, route, runtime))
            if names := runtime.settings.request_parameters:
                given = {**query_parameters(arrival.query()), **self._parameters}
                if parameters := selected(given, names):
                    found["parameters"] = parameters
        if claimed := claimed_actor(self.context):
            found["claimed_actor"] = type_and_id(claimed)
        return {**found, **self._facts} if self._facts else found

    def _note(self, route: str) -> None:
        opened(
            HTTP_REQUEST,
            f"{self._method} {route}",
            event_id=self._event_id,
            correlation=self._correlation,
            ctx=self.context,
            metadata={"method": self._method},
            timestamp=self._began_at,
        )


def _outer(arrival: Arrival, ctx: Context) -> HttpRequest | None:
    """Return the request that this one is only another part of: handed on, or described anew for another protocol."""
    found = arrival.tracked()
    if found is None:
        here = ctx.get(_UNDER_WAY)
        if type(here) is _Here and here.request is not None and here.request.is_same(arrival):
            found = here.request
    return found if found is not None and found.is_open else None


def _in_local_span(ctx: Context) -> bool:
    span = trace.get_current_span(ctx).get_span_context()
    return span.is_valid and not span.is_remote


def _span_name(method: str, route: str | None = None) -> str:
    name = "HTTP" if method == "_OTHER" else method
    return name if route is None else f"{name} {route}"


def _finish_span(
    span: Span, method: str, status: int | None, route: str | None, error: BaseException | None, *, failed: bool
) -> None:
    if route is not None:
        span.update_name(_span_name(method, route))
        span.set_attribute("http.route", route)
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if failed:
        span.set_attribute("error.type", failure_of(error).type if error is not None else str(status))
        span.set_status(Status(StatusCode.ERROR))
    span.end()
