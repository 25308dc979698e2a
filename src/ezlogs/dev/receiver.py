"""A local OTLP/HTTP endpoint that keeps what it receives: for tests, demos and a first look."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ezlogs.dev.decode import (
    JSON,
    PROTOBUF,
    Malformed,
    ReceivedLog,
    ReceivedSpan,
    decode_logs_request,
    decode_request,
)
from ezlogs.dev.feed import feed_route
from ezlogs.dev.history import history_route
from ezlogs.dev.metrics import ReceivedPoint, decode_metrics_request
from ezlogs.dev.serving import Served
from ezlogs.dev.unpacking import LONGEST_REQUEST, TooLong, UnknownEncoding, unpack
from ezlogs.story import Told, told

OnSpans = Callable[[list[ReceivedSpan]], object]
OnLogs = Callable[[list[ReceivedLog]], object]
OnPoints = Callable[[list[ReceivedPoint]], object]

_Received = TypeVar("_Received", ReceivedSpan, ReceivedLog, ReceivedPoint)

# A page on the web may have its own name resolve to 127.0.0.1 to talk to this endpoint: the name gives it away.
LOCAL_HOSTS = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False)

_log = logging.getLogger(__name__)


def otlp_routes(on_spans: OnSpans, on_logs: OnLogs, *, slow: bool = False) -> list[Route]:
    """Return the routes of an OTLP/HTTP endpoint for an application of one's own.

    Args:
        on_spans: Called in the event loop with the spans of each request. If it raises, the request is answered
            with 500, so that the sender tries again.
        on_logs: The same for log records.
        slow: Whether that may take a while: it is done in another thread then, and so is the reading of the request.

    Returns:
        ``POST /v1/traces`` and ``POST /v1/logs`` (protobuf and JSON; plain, gzip, and zstd where Python has
        it), and ``GET /healthz``.

    Example:
        >>> app = Starlette(routes=otlp_routes(print, print), middleware=[LOCAL_HOSTS])
    """

    async def traces(request: Request) -> Response:
        return await _answer(request, decode_request, on_spans, slow=slow)

    async def logs(request: Request) -> Response:
        return await _answer(request, decode_logs_request, on_logs, slow=slow)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return [
        Route("/v1/traces", traces, methods=["POST"]),
        Route("/v1/logs", logs, methods=["POST"]),
        Route("/healthz", healthz),
    ]


def metrics_route(on_points: OnPoints) -> Route:
    """Return the route ``POST /v1/metrics``, which keeps what tells of delivery.

    Args:
        on_points: Called in a thread with those points of each request.
    """

    async def metrics(request: Request) -> Response:
        return await _answer(request, decode_metrics_request, on_points, slow=True)

    return Route("/v1/metrics", metrics, methods=["POST"])


async def _answer(
    request: Request,
    decode: Callable[[bytes, str], list[_Received]],
    take: Callable[[list[_Received]], object],
    *,
    slow: bool,
) -> Response:
    """Answer an export request of one signal as a collector does, once what is in it has been taken."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if content_type not in {PROTOBUF, JSON}:
        return PlainTextResponse(f"send {PROTOBUF} or {JSON}", 415)
    try:
        body = await _read(request)
        if slow:
            return await run_in_threadpool(_taken, body, content_type, encoding, decode, take)
        return _taken(body, content_type, encoding, decode, take)
    except ClientDisconnect:  # whoever sent it was killed, and hears nothing any longer
        return PlainTextResponse("the request was cut off", 400)
    except TooLong:
        return PlainTextResponse(f"send at most {LONGEST_REQUEST} bytes", 413)


def _taken(
    body: bytes,
    content_type: str,
    encoding: str,
    decode: Callable[[bytes, str], list[_Received]],
    take: Callable[[list[_Received]], object],
) -> Response:
    try:
        received = decode(unpack(body, encoding), content_type)
    except UnknownEncoding as problem:
        return PlainTextResponse(str(problem), 415)
    except Malformed as problem:
        return PlainTextResponse(str(problem), 400)
    try:
        take(received)
    except Exception as problem:
        _log.exception("what was to take the received telemetry failed")
        return PlainTextResponse(type(problem).__name__, 500)
    return Response(b"{}" if content_type == JSON else b"", media_type=content_type)


class Receiver:
    """An OTLP/HTTP endpoint in a thread of this process. It can be stopped and started again on the same port.

    ``GET /history?type=order&id=42`` tells what was received of a subject, for `ezlogs history`, and
    ``GET /feed?after=0.0`` what was received since, for `ezlogs tail`.

    Args:
        host: The loopback address to listen on.
        port: The port; 0 picks a free one, which stays the same from then on.
        on_spans: Called in the receiver's thread with the spans of each request, before they are in `spans`.
        on_logs: The same for log records, before they are in `logs`.

    Example:
        >>> import ezlogs
        >>> with Receiver() as receiver:
        ...     ezlogs.configure(endpoint=receiver.endpoint, instrument="none")
        ...     _ = ezlogs.event("order.action", "placed")
        ...     ezlogs.shutdown()
        ...     receiver.wait_for(lambda spans: len(spans) == 1, timeout=5)
        True
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        on_spans: OnSpans | None = None,
        on_logs: OnLogs | None = None,
    ) -> None:
        self._on_spans = on_spans
        self._on_logs = on_logs
        self._spans: list[ReceivedSpan] = []
        self._logs: list[ReceivedLog] = []
        self._arrival = threading.Condition()
        history = history_route(lambda: told([*self.spans, *self.logs]))
        routes = [*otlp_routes(self._take_spans, self._take_logs), history, feed_route(self._since)]
        self._served = Served(Starlette(routes=routes, middleware=[LOCAL_HOSTS]), host, port)

    @property
    def endpoint(self) -> str:
        """The base address, such as ``http://127.0.0.1:4318``; ``/v1/traces`` and ``/v1/logs`` are below it."""
        return self._served.address

    @property
    def spans(self) -> list[ReceivedSpan]:
        """A copy of all spans received so far."""
        with self._arrival:
            return list(self._spans)

    @property
    def logs(self) -> list[ReceivedLog]:
        """A copy of all log records received so far."""
        with self._arrival:
            return list(self._logs)

    def wait_for(self, predicate: Callable[[list[ReceivedSpan]], bool], timeout: float) -> bool:
        """Wait until the spans received so far satisfy a condition.

        Args:
            predicate: Called with all of them, now and after each request.
            timeout: Seconds.

        Returns:
            Whether they did in time.
        """
        with self._arrival:
            return self._arrival.wait_for(lambda: predicate(list(self._spans)), timeout)

    def wait_for_logs(self, predicate: Callable[[list[ReceivedLog]], bool], timeout: float) -> bool:
        """Wait until the log records received so far satisfy a condition; as `wait_for` does for spans."""
        with self._arrival:
            return self._arrival.wait_for(lambda: predicate(list(self._logs)), timeout)

    def start(self) -> None:
        """Listen, and return once requests are answered. Does nothing if that is so already.

        Raises:
            OSError: The port is taken.
        """
        self._served.start()

    def stop(self) -> None:
        """Close the port and all connections. What was received stays; `start` begins again."""
        self._served.stop()

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _since(self, spans: int, logs: int) -> tuple[list[Told], int, int]:
        with self._arrival:
            received: list[ReceivedSpan | ReceivedLog] = [*self._spans[spans:], *self._logs[logs:]]
            spans, logs = len(self._spans), len(self._logs)
        return told(received), spans, logs

    def _take_spans(self, spans: list[ReceivedSpan]) -> None:
        self._take(spans, self._spans, self._on_spans)

    def _take_logs(self, logs: list[ReceivedLog]) -> None:
        self._take(logs, self._logs, self._on_logs)

    def _take(
        self, new: list[_Received], known: list[_Received], viewer: Callable[[list[_Received]], object] | None
    ) -> None:
        if viewer is not None:
            viewer(new)
        with self._arrival:
            known += new
            self._arrival.notify_all()


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_REQUEST:
            raise TooLong
    return bytes(body)
