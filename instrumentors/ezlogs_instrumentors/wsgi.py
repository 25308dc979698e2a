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
from ezlogs.trackers.http import CgiArrival, HttpTracker, Tracked

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
        try:
            body = self._app(environ, watched(start_response, request))
        except BaseException as error:
            self._match(request, environ)
            request.finish(error=error)
            raise
        self._match(request, environ)
        return answered(request, body, environ)

    @guarded
    def _begin(self, environ: Environ) -> Tracked | None:
        peek = None if self._peek is None else self._peek(environ)
        return self._tracker.begin(CgiArrival(environ), peek=peek)

    @guarded
    def _match(self, request: Tracked, environ: Environ) -> None:
        found = None if self._route is None else self._route(environ)
        if isinstance(found, str):
            request.matched(found)
        elif isinstance(found, tuple):
            request.matched(*found)


def watched(start_response: Callable[..., Any], request: Tracked) -> Callable[..., Any]:
    """Return a ``start_response`` that tells a request how its response begins."""

    def begin_response(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        _begins(request, status, headers)
        write = start_response(status, headers, *rest)
        return write if write is None else _counted(write, request)

    return begin_response


@guarded
def _begins(request: Tracked, status: str, headers: list[tuple[str, str]]) -> None:
    by_name = {name.lower(): value for name, value in headers}
    if request.sends_id and request.request_id and "x-request-id" not in by_name:
        headers.append(("X-Request-ID", request.request_id))
    request.responds(int(status[:3]), by_name.get)


def _counted(write: Callable[[bytes], Any], request: Tracked) -> Callable[[bytes], Any]:
    def count(data: bytes) -> Any:
        request.sends(len(data))
        return write(data)

    return count


def answered(request: Tracked, body: Iterable[bytes], environ: Environ) -> Iterable[bytes]:
    """Return the body of a response whose application has returned: as it is where it is there as a whole.

    Only what is yet to be made is watched: a list, and what the server sends by itself from a file, stay what they are,
    for servers treat these in ways of their own.
    """
    wrapper = environ.get("wsgi.file_wrapper")
    if not request.is_open:
        request.leave()
        return body
    if type(body) in (list, tuple):
        request.sends(sum(map(len, body)), first=False)
        request.finish()
        return body
    if isinstance(wrapper, type) and isinstance(body, wrapper):
        request.finish()
        return body
    request.leave()
    return Body(request, body)


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
            context.detach(token)
        self._request.sends(len(chunk))
        return chunk

    def close(self) -> None:
        """End, for whatever reason; the server calls this in any case."""
        token = context.attach(self._context)
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                close()
        except BaseException as error:
            self._request.finish(error=error, broken=True)
            raise
        finally:
            context.detach(token)
            self._request.finish(reason="disconnected")  # unless it was told already: it came to its end
