"""ASGI: a middleware that makes the requests and WebSockets of any application events, whatever its framework.

Source: ASGI specification 3, "HTTP & WebSocket ASGI Message Format".
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections.abc import AsyncIterable, Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context

from ezlogs import runtime as process
from ezlogs.actor import Peek, acting
from ezlogs.emit import guarded
from ezlogs.event import Actor
from ezlogs.identity import identify
from ezlogs.loaded import UNRESOLVED, resolved
from ezlogs.otel_compat import leave
from ezlogs.trackers.http import AsgiArrival, HttpTracker, Tracked, say_route
from ezlogs.trackers.http.arrival import by_name

AsgiScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[AsgiScope, Receive, Send], Awaitable[None]]

_INTERNAL_ERROR = 1011
"""RFC 6455, section 7.4.1: what a server closes with that met something unexpected."""

_NO_CODE = 1005
_GONE = frozenset({1006, 1012})
"""The same: what no client closes with, for its connection broke or the server ends."""

_FAILED = 500
"""From here on a status is the server's fault."""

_BODIES = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})


class AsgiMiddleware:
    """Tells the requests of an ASGI application, each with all that happens in it, and its WebSockets, one event each.

    A request ends with its response: what the application does afterwards, such as background tasks, is still in its
    story, below its event. Outside of another middleware of ours, or of a framework that is instrumented, it is the
    one that tells.

    Args:
        app: The application.
        framework: Its framework's name.
        route: Returns the template that matched, such as ``/orders/{id}``, and its parameters, from the scope as the
            application leaves it; or the template alone.
        peek: Returns a function that looks at the user whom the application has resolved so far; never resolves one.
            It is `peek_at_user` unless another is given.

    Example:
        >>> import asyncio
        >>> from ezlogs.testing import capture
        >>> async def app(scope, receive, send):
        ...     await send({"type": "http.response.start", "status": 200, "headers": []})
        ...     await send({"type": "http.response.body", "body": b"Hello"})
        >>> async def send(message): ...
        >>> scope = {"type": "http", "method": "GET", "path": "/hello/Ada", "headers": []}
        >>> with capture() as captured:
        ...     asyncio.run(AsgiMiddleware(app, route=lambda scope: "/hello/{name}")(scope, None, send))
        >>> captured.events[0].action, captured.events[0].metadata["response_bytes"]
        ('GET /hello/{name}', 5)
    """

    def __init__(
        self,
        app: AsgiApplication,
        *,
        framework: str = "asgi",
        route: Callable[[AsgiScope], object] | None = None,
        peek: Callable[[AsgiScope], Peek] | None = None,
    ) -> None:
        self.app = app
        self._tracker = HttpTracker(framework)
        self._route, self._peek = route, peek or peek_at_user
        self._exclude: Callable[[AsgiArrival], bool] | None = None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer a request, or hold a session."""
        is_told = scope["type"] in ("http", "websocket") and process.current is not None
        exchange = self._begin(scope, receive, send) if is_told else None
        if exchange is None:
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.end(error)
            raise
        exchange.end(None)

    def _opens_spans(self) -> bool:
        """Return whether requests are to have spans where none is open."""
        return True

    @guarded
    def _begin(self, scope: AsgiScope, receive: Receive, send: Send) -> Exchange | None:
        is_session = scope["type"] == "websocket"
        method = "WEBSOCKET" if is_session else None
        span = trace.get_current_span().get_span_context()
        arrival = AsgiArrival(scope)
        is_excluded = self._exclude is not None and self._exclude(arrival)
        request = self._tracker.begin(
            arrival,
            method=method,
            peek=self._peek(scope),
            opens_span=self._opens_spans(),
            is_excluded=is_excluded,
        )
        if request is None:
            return None
        exchange = (Session if is_session else Exchange)(request, scope, receive, send, self._route)
        exchange.is_in_span = span.is_valid and not span.is_remote
        return exchange


def peek_at_user(scope: AsgiScope) -> Peek:
    """Return a function that reads a request's user as far as the application has resolved one.

    That is what it has put into ``request.state.user`` or ``request.user``, else whom `ezlogs.actor` has named in the
    task that sends the response, such as a dependency.

    Example:
        >>> scope = {"type": "http", "user": ("user", 7)}
        >>> peek_at_user(scope)().id
        '7'
    """
    outer = acting().scope

    def peek() -> Actor | None:
        state = scope.get("state")
        for user in (state.get("user") if type(state) is dict else None, scope.get("user")):
            known = resolved(user)
            if known is not None and known is not UNRESOLVED and (identity := identify(known)) is not None:
                return Actor(*identity)
        named = acting().scope
        return named if named is not outer else None

    return peek


class Exchange:
    """A request and its response, while they go on."""

    is_in_span = False
    """Whether the hop's span is somebody else's, which ends as soon as the response is whole."""

    error_status: int | None = None
    """What is responded, further out, to an exception that comes before any response."""

    def __init__(  # by position, from one place
        self,
        request: Tracked,
        scope: AsgiScope,
        receive: Receive,
        send: Send,
        route: Callable[[AsgiScope], object] | None,
    ) -> None:
        self.request = request
        self._scope, self._route = scope, route
        self._receive, self._send = receive, send
        self._outer_error = sys.exc_info()[1]
        """What is being handled around the request, and none of its errors."""
        self._is_begun = False
        self._is_gone = False
        """Whether the client went before the response was whole."""
        self._is_streamed = False
        self._is_whole = False
        """Whether the last of the response is out, or on its way."""

    async def receive(self) -> Message:
        """Return what the client sends next."""
        message = await self._receive()
        self._received(message)
        return message

    async def send(self, message: Message) -> None:
        """Send something to the client."""
        self._sending(message)
        try:
            await self._send(message)
        except OSError:  # the server lost the client
            self._is_gone = True
            raise
        self._sent(message)

    def end(self, error: BaseException | None) -> None:
        """Leave: the application has returned, or was left by an error."""
        if self.request.is_open:
            self._match()
        self._tell(error)
        self._outer_error = None
        self.request.leave()

    @guarded
    def _tell(self, error: BaseException | None) -> None:
        if self._is_gone or isinstance(error, CancelledError):
            self.request.tell(reason="disconnected" if self._is_gone else "cancelled")
        else:
            status = self.error_status if isinstance(error, Exception) and not self._is_begun else None
            self.request.tell(status, error=error, broken=True)  # else it has been told, with the last of the response

    @guarded
    def _received(self, message: Message) -> None:
        if message["type"] == "http.disconnect" and not self._is_whole:
            self._is_gone = True

    @guarded
    def _sending(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._responds(message)
        elif kind in _BODIES:
            self._is_whole = not message.get("more_body", False)
            if self.is_in_span:
                self._count(message)

    @guarded
    def _sent(self, message: Message) -> None:
        if not self.is_in_span and message["type"] in _BODIES:
            self._count(message)

    def _responds(self, message: Message) -> None:
        self._is_begun = True
        self._match()  # also of what is nested, whose outer request will be told before this returns
        request, headers = self.request, by_name(message.get("headers", ()))
        if request.sends_id and request.request_id and "x-request-id" not in headers:
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", request.request_id.encode("latin-1", "replace")),
            ]
        if message["status"] >= _FAILED:
            self._remember(sys.exc_info()[1])  # frameworks respond to an error while they handle it
        request.responds(message["status"], lambda name: (headers.get(name) or (None,))[0])

    def _remember(self, error: BaseException | None) -> None:
        if isinstance(error, Exception) and error is not self._outer_error:
            self.request.failed(error)

    def _count(self, message: Message) -> None:
        """Count a part of the body; with the last one the request is told."""
        if message["type"] == "http.response.body":
            self._is_streamed = self._is_streamed or message.get("more_body", False)
            self.request.sends(len(message.get("body", b"")), first=self._is_streamed)
        if self._is_whole:
            self.request.tell(reason="disconnected" if self._is_gone else None)

    @guarded
    def _match(self) -> None:
        if self._route is not None:
            found = self._route(self._scope)
            say_route(self.request, found)


class AsyncBody:
    """The body of a response that an application makes asynchronously, while it is made: in its request's context."""

    def __init__(self, request: Tracked, body: AsyncIterable[bytes]) -> None:
        self._request = request
        self._context: Context = request.context
        self._chunks = aiter(body)

    def __aiter__(self) -> AsyncBody:
        return self

    async def __anext__(self) -> bytes:
        """Return what the application sends next."""
        token = context.attach(self._context)
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
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
        """End, for whatever reason; whoever sends the response calls this in any case."""
        self._request.finish(reason="disconnected")  # unless it was told already: it came to its end


class Session(Exchange):
    """A WebSocket, while it is open: one event at its end, with what went over it in numbers."""

    _received_messages = 0
    _sent_messages = 0
    _code: int | None = None
    _is_accepted = False
    _is_closed_by_client = False

    @guarded
    def _tell(self, error: BaseException | None) -> None:
        if self.request.is_open:
            self.request.told("messages_received", self._received_messages)
            self.request.told("messages_sent", self._sent_messages)
            if self._code is not None:
                self.request.told("close_code", self._code)
        if self._is_gone or isinstance(error, CancelledError):
            self.request.tell(reason="disconnected" if self._is_gone else "cancelled")
        else:
            if error is not None and self._is_closed_by_client and type(error).__name__ == "WebSocketDisconnect":
                error = None  # how frameworks tell their applications that the client closed it
            self.request.tell(error=error, broken=error is not None or self._code == _INTERNAL_ERROR)

    @guarded
    def _received(self, message: Message) -> None:
        if message["type"] == "websocket.receive":
            self._received_messages += 1
        elif message["type"] == "websocket.disconnect":
            self._is_closed_by_client = True
            if self._code is None:
                self._code = message.get("code", _NO_CODE)
                # uvicorn calls a connection that broke by the code of a client that gives none, but has no reason then
                self._is_gone = self._code in _GONE or (self._code == _NO_CODE and "reason" not in message)

    @guarded
    def _sending(self, message: Message) -> None:
        if message["type"] == "websocket.accept":
            self._match()
            self._is_accepted = True
            self.request.responds(101)
        elif message["type"] == "websocket.close":
            self._code = message.get("code", 1000)
            if not self._is_accepted:
                self.request.responds(403)
        elif message["type"] == "websocket.http.response.start":
            self.request.responds(message["status"])

    @guarded
    def _sent(self, message: Message) -> None:
        if message["type"] == "websocket.send":
            self._sent_messages += 1
