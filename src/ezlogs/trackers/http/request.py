"""HTTP requests under way: what is known of one so far, and the one event at its end, whatever happened to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any, Final, TypedDict

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode

from ezlogs import runtime as process
from ezlogs.actor import Peek, acting_anew
from ezlogs.correlation import Correlation, placed
from ezlogs.emit import caused, guarded, record
from ezlogs.event import failure_of
from ezlogs.ids import new_event_id
from ezlogs.opening import ENDING, awaited, closed, opened
from ezlogs.own_spans import put
from ezlogs.party import Actor, type_and_id
from ezlogs.propagation.inbound import claimed_actor
from ezlogs.sampling.root import ended, rooted, routed
from ezlogs.scope import Scope
from ezlogs.stored import declared, stored
from ezlogs.trackers.auth import REASONS, denied, refusal_anew, route_of
from ezlogs.trackers.error import unhandled
from ezlogs.trackers.http.arrival import Arrival
from ezlogs.trackers.http.details import (
    Response,
    add_details,
    query_parameters,
    selected,
    session_digest,
)
from ezlogs.trackers.http.routes import UNMATCHED, resource
from ezlogs.trackers.http.secrets import hidden, without

if TYPE_CHECKING:
    from typing_extensions import Unpack

HTTP_REQUEST: Final = "http.request"
UNDER_WAY: Final = context.create_key("ezlogs-http-request")


class Peeks(list[Peek]):
    """Looks at the user of a request in the application, else in those inside it; whoever asks is not the system."""

    def __call__(self) -> Actor | None:
        """Return the first that is known."""
        for peek in self:
            if (found := peek()) is not None:
                return found
        return None

    def settle(self) -> None:
        """Look once more, and let go of what was looked at: contexts outlive the request, and its user need not."""
        found = self()
        self[:] = [lambda: found]


class Here:
    """What contexts hold of a request: copies of them live as long as anything that was begun in it."""

    __slots__ = ("request",)

    def __init__(self, request: HttpRequest) -> None:
        self.request: HttpRequest | None = request


class End(TypedDict, total=False):
    """What may be said of the end of a request; see `HttpRequest.tell`."""

    route: str | None
    parameters: Mapping[str, object] | None
    error: BaseException | None
    reason: str | None
    broken: bool


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
        "_noted",
        "_parameters",
        "_path",
        "_prefix",
        "_response",
        "_route",
        "_scope",
        "_secrets",
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
        is_noted: bool = True,
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
        self._noted: str | None = None
        """The route that the journal knows it by."""
        self._parameters: dict[str, object] = {}
        self._secrets: Mapping[str, tuple[str, str | None]] = {}
        """Those parameters of which privacy keeps something back: the value, and what stands in its place."""
        self._response = Response()
        self._error: BaseException | None = None
        self._facts: dict[str, object] = {}
        self.is_open = True
        """Whether its end is still to be told."""
        self.peeks = Peeks(() if peek is None else (peek,))
        inner = caused(correlation, HTTP_REQUEST, self._event_id) if is_told else correlation
        self._here = Here(self)
        also = {UNDER_WAY: self._here, **acting_anew(ctx, peek=self.peeks), **refusal_anew()}
        self._scope: Scope | None = Scope(placed(inner, rooted(ctx, self._event_id, None), also))
        self.context = self._scope.context
        """What happens in it; to be attached around whatever of it runs after `leave`."""
        if is_told and is_noted:
            self._note(UNMATCHED)
        elif is_told:
            awaited(self._event_id, self._note_unmatched)

    def __deepcopy__(self, memo: object) -> HttpRequest:
        """Be the same in a copy of the environment, or of a request, that an application makes."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Be nothing where such a copy is kept elsewhere."""
        return type(None), ()

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
        self._learn(parameters)

    @guarded
    def matched(self, route: str, parameters: Mapping[str, object] | None = None) -> None:
        """Say which route matched, as soon as that is known: what happens from then on is sampled by its rate.

        Args:
            route: The template, such as ``/orders/{id}``, below what it is `mounted` in.
            parameters: The values of the template's parameters.
        """
        if not self.is_open:
            return
        self._learn(parameters)
        route = self._prefix + route
        if route != self._route:
            self._route = route
            if self._is_told:
                routed(self.context, self._event_id, f"{self._method} {route}")
                self._note(route)

    @guarded
    def unmatched(self) -> None:
        """Say that no route matched, where `HttpTracker.begin` was told that one of the two would come at once."""
        if self.is_open and self._is_told and self._noted is None:
            self._note(UNMATCHED)

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
        if runtime is None or not (names := runtime.settings.request_fields):
            return
        if hasattr(body, "lists"):  # a form of Django's or of Werkzeug's, in which a field may come more than once
            body = dict(body.lists())
        if isinstance(body, Mapping) and (fields := selected(body, names)):
            self._facts["body"] = fields

    def failed(self, error: BaseException) -> None:
        """Remember what is about to become a response."""
        self._error = error

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

    def finish(self, status: int | None = None, **end: Unpack[End]) -> None:
        """Tell how the request ended, and leave it: `tell`, then `leave`."""
        self.tell(status, **end)
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
        self._learn(parameters)
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
        if error is not None and not _is_answer(error, status):
            unhandled(error, HTTP_REQUEST, self.context)
        if self._is_told:
            action = f"{self._method} {route or UNMATCHED}"
            routed(self.context, self._event_id, action)
            record(
                HTTP_REQUEST,
                action,
                event_id=self._event_id,
                correlation=self._correlation,
                ctx=Context({**self.context, ENDING: True}),
                subject=resource(route, self._shown()) if route else None,
                metadata=self._metadata(route, reason),
                outcome=outcome,
                duration=duration,
                error=error,
            )
        if status in REASONS:
            denied(status=status, subject=route_of(self._method, route), ctx=self.context)
        ended(self.context, self._event_id, outcome, duration)
        if self._is_told:
            closed(self._event_id)
        if self._span is not None:
            _finish_span(self._span, self._method, status, route, error, failed=failed and reason is None)
        if self._arrival is not None:
            self._arrival.untrack(self)
        self._arrival = self._error = self._here.request = None  # they may hold this, and much more
        response.header = None
        if self._scope is None:
            self.peeks.settle()

    def _learn(self, parameters: Mapping[str, object] | None) -> None:
        runtime = process.current
        if not parameters or runtime is None:
            return
        self._parameters.update(parameters)
        self._secrets = hidden(self._parameters, runtime.scrubber)
        if self._secrets and self._span is not None:
            self._span.set_attribute("url.path", without(self._path, self._secrets))

    def _shown(self) -> Mapping[str, object]:
        """Return the parameters, with what privacy puts in the place of secrets."""
        if not self._secrets:
            return self._parameters
        return {**self._parameters, **{name: shown for name, (_, shown) in self._secrets.items()}}

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
            add_details(found, arrival, self._response, route, runtime)
            if names := runtime.settings.request_parameters:
                given = {**query_parameters(arrival.query()), **self._parameters}
                if parameters := selected(given, names):
                    found["parameters"] = parameters
        if claimed := claimed_actor(self.context):
            found["claimed_actor"] = type_and_id(claimed)
        return {**found, **self._facts} if self._facts else found

    def _note_unmatched(self, is_here: bool) -> None:
        """Have the journal know of it although its route is not known yet; in another thread while it goes on."""
        if self._noted is None:
            self._note(UNMATCHED, with_span=is_here)
            if not self.is_open:
                closed(self._event_id)

    def _note(self, route: str, *, with_span: bool = True) -> None:
        if route == self._noted:
            return
        is_first, self._noted = self._noted is None, route
        opened(
            HTTP_REQUEST,
            f"{self._method} {route}",
            event_id=self._event_id,
            correlation=self._correlation,
            ctx=self.context,
            metadata={"method": self._method},
            timestamp=self._began_at,
            with_span=with_span and is_first and self._span is not None,
        )


def span_name(method: str, route: str | None = None) -> str:
    """Return what a request's span is called, by the semantic conventions.

    Example:
        >>> span_name("GET", "/orders/{id}"), span_name("_OTHER")
        ('GET /orders/{id}', 'HTTP')
    """
    name = "HTTP" if method == "_OTHER" else method
    return name if route is None else f"{name} {route}"


def _is_answer(error: BaseException, status: int | None) -> bool:
    """Return whether an exception is a response by itself, as those are with which an application gives one up."""
    names = ("status_code", "code")
    own = [
        found for name in names for found in (stored(error, name), declared(type(error), name)) if type(found) is int
    ]
    return status in own


def _finish_span(
    span: Span, method: str, status: int | None, route: str | None, error: BaseException | None, *, failed: bool
) -> None:
    attributes: dict[str, str | int] = {}
    if route is not None:
        span.update_name(span_name(method, route))
        attributes["http.route"] = route
    if status is not None:
        attributes["http.response.status_code"] = status
    if failed:
        attributes["error.type"] = failure_of(error).type if error is not None else str(status)
        span.set_status(Status(StatusCode.ERROR))
    put(span, attributes)
    span.end()
