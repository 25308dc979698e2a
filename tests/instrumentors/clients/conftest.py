"""A real server that remembers what it received, under names near and far; and the clients that are instrumented."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import httpx
import pytest
import requests
import urllib3
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from ezlogs.correlation import Correlation, placed
from ezlogs.event import UniversalEvent
from ezlogs.runtime import current_runtime
from ezlogs.scope import Scope
from ezlogs.testing import Captured, capture
from ezlogs_instrumentors.aiohttp_client import AiohttpClientInstrumentor
from ezlogs_instrumentors.httpx import HttpxInstrumentor
from ezlogs_instrumentors.requests import RequestsInstrumentor
from ezlogs_instrumentors.urllib import UrllibInstrumentor
from ezlogs_instrumentors.urllib3 import Urllib3Instrumentor

STORY = "4bf92f3577b34da6a3ce929d0e0e4736"
MEMBER = f"ezlogs.correlation_id={STORY}"
FAR = "api.example.com"
NEAR = "orders.internal"


def story() -> Scope:
    """Begin a story inside a span, with baggage of the application's own."""
    span = NonRecordingSpan(SpanContext(int(STORY, 16), 7, is_remote=False, trace_flags=TraceFlags(1)))
    ctx = baggage.set_baggage("tenant", "7", trace.set_span_in_context(span, Context()))
    return Scope(placed(Correlation(correlation_id=STORY), ctx))


class Riding(Captured):
    """What was emitted, and on which span."""

    def __init__(self, captured: Captured) -> None:
        super().__init__(captured._scrubber)
        self.spans: list[Any] = []

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Keep the event and the span, which has to be open still."""
        span = trace.get_current_span(ctx)
        scope = getattr(span, "instrumentation_scope", None)
        self.spans.append((scope.name if scope else None, span.is_recording()))
        super().carry(event, ctx)


@contextmanager
def told(**settings: Any) -> Iterator[Riding]:
    """Tell of requests, and capture that."""
    with capture(http_client_events=True, **settings) as captured:
        runtime = current_runtime()
        assert runtime is not None
        runtime.carrier = riding = Riding(captured)
        yield riding


@dataclass
class Server:
    """What a real server received, in order."""

    port: int
    received: list[tuple[str, Message]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set once the headers of a request have come."""
    bodies: list[bytes] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    """The clients' ports."""
    go_on: threading.Event = field(default_factory=threading.Event)
    """What an answer in two parts waits for after the first one."""

    def url(self, host: str = "127.0.0.1", path: str = "/") -> str:
        """Return an address of the server, by any name."""
        return f"http://{host}:{self.port}{path}"

    def redirect(self, *hosts: str) -> str:
        """Return an address that redirects from each host to the next."""
        *before, last = hosts
        url = self.url(last)
        for host in reversed(before):
            url = self.url(host, f"/redirect?{urlencode({'to': url})}")
        return url

    def sent(self, name: str) -> list[str | None]:
        """Return a header of each request, None where there was none; it may be there once only."""
        found: list[str | None] = []
        for _, message in self.received:
            values = message.get_all(name, [])
            assert len(values) <= 1
            found.append(",".join(sorted(values[0].split(","))) if values else None)
        return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Run a server on this machine; every name of ``.example.com`` and ``.internal`` is its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer, after redirects and failures that the path asks for."""
            found.received.append((self.path, self.headers))
            found.connections.add(self.client_address[1])
            found.arrived.set()
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.bodies.append(body)
            query = parse_qs(urlsplit(self.path).query)
            if "parts" in query:
                self.answer_in_parts()
                return
            fails = "fail" in query and len(found.received) <= int(query["fail"][0])
            self.send_response(302 if "to" in query else 503 if fails else int(query.get("status", ["200"])[0]))
            if "to" in query:
                self.send_header("Location", query["to"][0])
            if query.get("status") == ["401"]:
                self.send_header("WWW-Authenticate", 'Digest realm="shop", nonce="1", qop="auth"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def answer_in_parts(self) -> None:
            """Answer the first half at once, and the second one when the test says so."""
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"one")
            assert found.go_on.wait(30)
            self.wfile.write(b"two")

        do_POST = do_GET  # noqa: N815  # the handler's name

        def do_CONNECT(self) -> None:
            """Go on as the host of a tunnel, unless it would have to be encrypted."""
            found.received.append((self.path, self.headers))
            self.send_response(403 if self.path.endswith(":443") else 200)
            self.end_headers()
            self.close_connection = self.path.endswith(":443")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if name and name.endswith((".example.com", ".internal")) else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        found = Server(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        listening.shutdown()
        thread.join()


Get = Callable[..., str]
"""Asks for an URL with headers, by a proxy or directly, follows redirects, and returns the body."""


@dataclass(frozen=True)
class Client:
    """A client, its instrumentor, what that hooks, and OpenTelemetry's own instrumentor."""

    name: str
    get: Get
    instrumentor: Any
    hooked: tuple[str, ...]
    contrib: str | None = None

    @contextmanager
    def instrumented(self, order: str, provider: TracerProvider | None = None) -> Iterator[None]:
        """Instrument it alone, or beside OpenTelemetry's instrumentor, and find everything as it was after that."""
        before = [_attribute(path) for path in self.hooked]
        with ExitStack() as stack:
            instrumentors = [self.instrumentor()]
            if order != "alone":
                if self.contrib is None or find_spec(self.contrib.partition(":")[0]) is None:
                    pytest.skip("OpenTelemetry's instrumentor is not installed")
                module, _, name = self.contrib.partition(":")
                instrumentors.insert(0 if order == "contrib first" else 1, getattr(import_module(module), name)())
            for instrumentor in instrumentors:
                instrumentor.instrument(tracer_provider=provider or TracerProvider())
                stack.callback(instrumentor.uninstrument)
            yield
        assert [_attribute(path) for path in self.hooked] == before


def _attribute(path: str) -> object:
    module, _, name = path.partition(":")
    owner, _, attribute = name.partition(".")
    return vars(getattr(import_module(module), owner))[attribute]


def get_by_urllib3(url: str, headers: Mapping[str, str] | None, proxy: str | None = None) -> str:
    """Use a pool manager."""
    with urllib3.ProxyManager(proxy, retries=False) if proxy else urllib3.PoolManager() as manager:
        return manager.request("GET", url, headers=headers).data.decode()


def get_by_requests(url: str, headers: Mapping[str, str] | None, proxy: str | None = None) -> str:
    """Use a session."""
    with requests.Session() as session:
        return session.get(url, headers=headers, proxies={"all": proxy} if proxy else None).text


def get_by_httpx(url: str, headers: Mapping[str, str] | None, proxy: str | None = None) -> str:
    """Use a client."""
    through = (
        {"all://": httpx.HTTPTransport(proxy=httpx.Proxy(proxy))} if proxy else None
    )  # as httpx 0.25 takes it, too
    with httpx.Client(follow_redirects=True, mounts=through) as client:
        return client.get(url, headers=headers).text


def get_by_httpx_async(url: str, headers: Mapping[str, str] | None, proxy: str | None = None) -> str:
    """Use an asynchronous client."""

    async def get() -> str:
        through = {"all://": httpx.AsyncHTTPTransport(proxy=httpx.Proxy(proxy))} if proxy else None
        async with httpx.AsyncClient(follow_redirects=True, mounts=through) as client:
            return (await client.get(url, headers=headers)).text

    return asyncio.run(get())


def get_by_aiohttp(url: str, headers: Mapping[str, str] | None, proxy: str | None = None) -> str:
    """Use a session."""

    async def get() -> str:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers, proxy=proxy) as response:
            return await response.text()

    return asyncio.run(get())


def get_by_urllib(url: str, headers: Mapping[str, str] | None, proxy: str | None = None) -> str:
    """Use ``urlopen``."""
    proxies = {"http": proxy, "https": proxy} if proxy else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    with opener.open(urllib.request.Request(url, headers=dict(headers or {}))) as response:
        return response.read().decode()


CONTRIB = "opentelemetry.instrumentation."
CLIENTS = [
    Client(
        "urllib3",
        get_by_urllib3,
        Urllib3Instrumentor,
        ("urllib3.connection:HTTPConnection.request", "urllib3.connectionpool:HTTPConnectionPool.urlopen"),
        f"{CONTRIB}urllib3:URLLib3Instrumentor",
    ),
    Client(
        "requests",
        get_by_requests,
        RequestsInstrumentor,
        ("urllib3.connection:HTTPConnection.request", "requests:Session.send"),
        f"{CONTRIB}requests:RequestsInstrumentor",
    ),
    Client(
        "httpx",
        get_by_httpx,
        HttpxInstrumentor,
        ("httpcore:ConnectionPool.handle_request", "httpx:HTTPTransport.handle_request"),
        f"{CONTRIB}httpx:HTTPXClientInstrumentor",
    ),
    Client(
        "httpx-async",
        get_by_httpx_async,
        HttpxInstrumentor,
        ("httpcore:AsyncConnectionPool.handle_async_request", "httpx:AsyncHTTPTransport.handle_async_request"),
        f"{CONTRIB}httpx:HTTPXClientInstrumentor",
    ),
    Client(
        "aiohttp",
        get_by_aiohttp,
        AiohttpClientInstrumentor,
        ("aiohttp:ClientRequest.send", "aiohttp:ClientSession.__init__"),
        f"{CONTRIB}aiohttp_client:AioHttpClientInstrumentor",
    ),
    Client(
        "urllib",
        get_by_urllib,
        UrllibInstrumentor,
        ("http.client:HTTPConnection.request", "urllib.request:OpenerDirector.open"),
        f"{CONTRIB}urllib:URLLibInstrumentor",
    ),
]


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    """Each client in turn."""
    return request.param


@pytest.fixture(params=["alone", "contrib first", "contrib last"])
def instrumented(request: pytest.FixtureRequest, client: Client) -> Iterator[Client]:
    """Each client, instrumented alone or beside OpenTelemetry's instrumentor in either order."""
    with client.instrumented(request.param):
        yield client
