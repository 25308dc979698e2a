"""WSGI: a middleware that makes the requests of any application events, whatever its framework.

Source: PEP 3333.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context

from ezlogs.actor import Peek
from ezlogs.emit import guarded
from ezlogs.otel_compat import leave
from ezlogs.trackers.http import CgiArrival, HttpTracker, Tracked, say_route

Environ = dict[str, Any]
WsgiApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class WsgiMiddleware:
    """Tells the requests of a WSGI application, each with all that happens in it.

    Outside of another middleware of ours, or of a framework that is instrumented, it is the one that tells.

    Args:
        app: The application.
        framework: Its framework's name.
        route: Returns the template that matched, such as ``/orders/{id}``, and its parameters, from the environment as
            the application leaves it; or the template alone.
        peek: Returns a function that looks at the user whom the application has resolved so far; never resolves one.

    Example:
        >>> from ezlogs.testing import capture
        >>> def app(environ, start_response):
        ...     start_response("200 OK", [("Content-Type", "text/plain")])
        ...     return [b"Hello"]
        >>> environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/hello/Ada", "wsgi.url_scheme": "http"}
        >>> with capture() as captured:
        ...     body = WsgiMiddleware(app, route=lambda environ: "/hello/{name}")(environ, lambda status, headers: None)
        >>> captured.events[0].action, captured.events[0].metadata["response_bytes"]
        ('GET /hello/{name}', 5)
    """

    def __init__(
        self,
        app: WsgiApplication,
        *,
        framework: str = "wsgi",
        route: Callable[[Environ], object] | None = None,
        peek: Callable[[Environ], Peek] | None = None,
    ) -> None:
        self._app = app
        self._tracker = HttpTracker(framework)
        self._route, self._peek = route, peek

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        request = self._begin(environ)
        if request is None:
            return self._app(environ, start_response)

        def match() -> None:
            self._match(request, environ)

        try:
            body = self._app(environ, watched(start_response, request, match))
        except BaseException as error:
            match()
            request.finish(error=error, broken=True)
            raise
        match()
        return answered(request, body, environ)

    @guarded
    def _begin(self, environ: Environ) -> Tracked | None:
        peek = None if self._peek is None else self._peek(environ)
        return self._tracker.begin(CgiArrival(environ), peek=peek)

    @guarded
    def _match(self, request: Tracked, environ: Environ) -> None:
        found = None if self._route is None else self._route(environ)
        say_route(request, found)


def watched(
    start_response: Callable[..., Any], request: Tracked, match: Callable[[], object] | None = None
) -> Callable[..., Any]:
    """Return a ``start_response`` that tells a request how its response begins.

    Args:
        start_response: The server's.
        request: Which request.
        match: Called before, to tell the route; it never raises.
    """

    def begin_response(status: str, headers: list[tuple[str, str]], *rest: Any, **named: Any) -> Any:
        if match is not None:
            match()
        if rest or named:
            _fails(request, rest[0] if rest else named.get("exc_info"))
        if request.sends_id:
            headers = _with_id(request, headers) or headers
        write = start_response(status, headers, *rest, **named)
        _begins(request, status, headers)
        return _counted(write, request) if callable(write) else write

    return begin_response


@guarded
def _fails(request: Tracked, exc_info: object) -> None:
    if isinstance(exc_info, tuple) and isinstance(exc_info[1], BaseException):
        request.failed(exc_info[1])


@guarded
def _with_id(request: Tracked, headers: list[tuple[str, str]]) -> list[tuple[str, str]] | None:
    """Return the headers and the request's id, unless they have one: in a list of its own, for lists are shared."""
    if not request.request_id or any(name.lower() == "x-request-id" for name, _ in headers):
        return None
    return [*headers, ("X-Request-ID", request.request_id)]


@guarded
def _begins(request: Tracked, status: str, headers: list[tuple[str, str]]) -> None:
    request.responds(int(status[:3]), {name.lower(): value for name, value in headers}.get)


def _counted(write: Callable[[bytes], Any], request: Tracked) -> Callable[[bytes], Any]:
    def count(data: bytes) -> Any:
        try:
            result = write(data)
        except ConnectionError:  # of the server's, which the application is about to raise as its own
            request.tell(reason="disconnected")
            raise
        request.sends(len(data))
        return result

    return count


def answered(request: Tracked, body: Iterable[bytes], environ: Environ) -> Iterable[bytes]:
    """Return the body of a response whose application has returned: as it is where it is there as a whole.

    Only what is yet to be made is watched: a list, and what the server sends by itself from a file, stay what they are,
    for servers treat these in ways of their own.
    """
    if not request.is_open:
        request.leave()
        return body
    if type(body) in (list, tuple):
        if (size := _size(body)) is not None:
            request.sends(size, first=False)
        request.finish()
        return body
    if is_file(body, environ.get("wsgi.file_wrapper")):
        request.finish()
        return body
    request.leave()
    return (SizedBody if hasattr(type(body), "__len__") else Body)(request, body)


def _size(body: Iterable[bytes]) -> int | None:
    try:
        return sum(map(len, body))
    except TypeError:  # none of a WSGI application, which its server will say
        return None


def is_file(body: object, wrapper: object) -> bool:
    """Return whether the server recognises a body: by its class, or, where it has none, as the very file it is."""
    if wrapper is None:
        return False
    return isinstance(body, wrapper) if isinstance(wrapper, type) else hasattr(type(body), "read")


class Body:
    """The body of a response, while it is made: in its request's context, however late that is."""

    def __init__(self, request: Tracked, body: Iterable[bytes]) -> None:
        self._request = request
        self._body = body
        self._context: Context = request.context
        self._chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        """Return what the application sends next."""
        token = context.attach(self._context)
        try:
            if self._chunks is None:
                self._chunks = iter(self._body)
            chunk = next(self._chunks)
        except StopIteration:
            self._request.finish()
            raise
        except BaseException as error:
            self._request.finish(error=error, broken=True)
            raise
        finally:
            self._context = context.get_current()
            leave(token)
        self._request.sends(len(chunk))
        return chunk

    def close(self) -> None:
        """End, for whatever reason; the server calls this in any case.

        What was never begun has not broken off: it answers a HEAD, or somebody further out answers in its place.
        """
        token = context.attach(self._context)
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                close()
        except BaseException as error:
            self._request.finish(error=error, broken=True)
            raise
        finally:
            leave(token)
            # unless it was told already: it came to its end
            self._request.finish(reason=None if self._chunks is None else "disconnected")
            self._body, self._chunks = (), iter(())  # Django's body holds the response that holds this


class SizedBody(Body):
    """The body of a response that says how many parts it has: servers send those of a single one with its length."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]  # only what has a length is made one of these
