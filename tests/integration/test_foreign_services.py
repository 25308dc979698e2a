"""Services in other languages stand between two of ours: they pass on W3C headers, each in its way, and the story."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

import ezlogs
from ezlogs.correlation import Correlation
from ezlogs.scope import CorrelationManager
from ezlogs.testing import Captured
from ezlogs.trackers.http import HttpTracker, PlainArrival

PROGRAMS = Path(__file__).parent / "programs"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
W3C = ("traceparent", "tracestate", "baggage")
TENANT = "acme&söhne,ltd;100%"
"""Baggage of the application's own, with everything in it that has to be encoded."""

Lines = list[tuple[str, str]]
"""Header lines, as names and values."""

Way = Callable[[Lines], Iterable[tuple[str, str]]]
"""How a service passes on the W3C headers that it was asked with."""


class Next(BaseHTTPRequestHandler):
    """The service of ours behind: it charges, and tells so."""

    def do_POST(self) -> None:  # the base class's name for it
        """Take a request as an instrumentor does."""
        lines = {name.lower(): self.headers.get_all(name) for name in self.headers}
        request = HttpTracker("test").begin(PlainArrival("POST", self.path, lines))
        assert request is not None
        ezlogs.event("payment.action", "charged", metadata={"tenant": baggage.get_baggage("tenant")})
        request.finish(204, route=self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class HeaderLines(Getter[Message]):
    """Reads every line of a header."""

    def get(self, carrier: Message, key: str) -> list[str] | None:
        return carrier.get_all(key)

    def keys(self, carrier: Message) -> list[str]:
        return list(carrier.keys())


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve until the ``with`` block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def behind() -> Iterator[tuple[str, int]]:
    """The address of the service of ours that stands behind the others."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Next) as server, serving(server):
        yield ("127.0.0.1", server.server_port)


@contextmanager
def between(way: Way, behind: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Run a service that knows nothing of HTTP but lines of text; give its address."""

    class Service(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            heads = (line.decode("latin-1").strip().partition(": ") for line in iter(self.rfile.readline, b"\r\n"))
            asked = [(name.lower(), value) for name, _, value in heads if name.lower() in W3C]
            onward = "".join(f"{name}: {value}\r\n" for name, value in way(asked))
            with socket.create_connection(behind) as connection:
                connection.sendall(f"POST /charges HTTP/1.0\r\n{onward}\r\n".encode("latin-1"))
                while answer := connection.recv(4096):
                    self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Service) as server, serving(server):
        yield ("127.0.0.1", server.server_address[1])


def ask(address: tuple[str, int]) -> None:
    """Ask a service, with the headers of the present context."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    connection = HTTPConnection(*address, timeout=10)
    connection.request("POST", "/orders", headers=headers)
    assert connection.getresponse().status == 204
    connection.close()


@contextmanager
def tenant_and_trace() -> Iterator[None]:
    """Be in a trace that began elsewhere, with baggage of the application's own."""
    span = SpanContext(int(TRACE_ID, 16), 0xB7AD6B7169203331, True, TraceFlags(1), TraceState([("vendor", "1")]))
    token = context.attach(baggage.set_baggage("tenant", TENANT, trace.set_span_in_context(NonRecordingSpan(span))))
    try:
        yield
    finally:
        context.detach(token)


def asked_and_arrived(captured: Captured, address: tuple[str, int]) -> None:
    """Ask in a flow, and see that the service behind goes on in it."""
    with tenant_and_trace(), ezlogs.flow("checkout", 42):
        ask(address)
    start, charge, request, _ = captured.events
    assert (request.event_type, request.correlation) == (
        "http.request",
        Correlation(
            correlation_id="story-1", flow_type="checkout", flow_id="checkout:42", parent_event_id=start.event_id
        ),
    )
    assert charge.correlation == request.correlation.replace(parent_event_id=request.event_id)
    assert charge.metadata["tenant"].partition(" ; ")[0].removesuffix(";ttl=60;secure") == TENANT


def members(change: Callable[[list[str]], Iterable[str]]) -> Way:
    """Return a way that changes the list of the baggage's members."""
    return lambda asked: [
        (name, ",".join(change(value.split(","))) if name == "baggage" else value) for name, value in asked
    ]


def written(keep: str, escape: str = "%{:02X}") -> Way:
    """Return a way that reads the baggage's values, and writes them anew, all but some characters escaped."""

    def again(member: str) -> str:
        key, _, value = member.partition("=")
        escaped = (
            character if re.fullmatch(keep, character) else "".join(map(escape.format, character.encode()))
            for character in unquote(value)
        )
        return f"{key}={''.join(escaped)}"

    return members(lambda found: map(again, found))


def with_a_span_of_its_own(asked: Lines) -> Lines:
    """Pass on as a service with OpenTelemetry does."""
    own = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-00", "tracestate": "go=2,vendor=1"}
    return [(name, own.get(name, value)) for name, value in asked]


WAYS: dict[str, Way] = {
    "as they came": lambda asked: asked,
    "with a span of its own": with_a_span_of_its_own,
    "without the trace": lambda asked: [(name, value) for name, value in asked if name == "baggage"],
    "the last line first": lambda asked: asked[::-1],
    "names in capitals": lambda asked: [(name.upper(), value) for name, value in asked],
    "members in another order": members(lambda found: found[::-1]),
    "members apart": members(lambda found: [f" \t{member.replace('=', ' = ', 1)}\t " for member in found]),
    "members with properties": members(lambda found: [f"{member} ; ttl=60;secure" for member in found]),
    "members between others": members(lambda found: ["region=eu", "", *found, " ", "user.id=7;p", ""]),
    "members in lines of their own": lambda asked: [
        (name, piece) for name, value in asked for piece in (value.split(",") if name == "baggage" else [value])
    ],
    "values as Go writes them": written(r"[!#$&-+\-./0-9:<-\[\]-~]"),
    "values as Java writes them": written(r"[A-Za-z0-9*._-]"),
    "values escaped as a whole, in small letters": written("(?!)", "%{:02x}"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_service_that_passes_on_the_headers_of_the_w3c_keeps_the_story(
    captured: Captured, behind: tuple[str, int], way: Way
) -> None:
    """However it writes them: story, flow and cause arrive, and the baggage that is the application's own."""
    with between(way, behind) as address, CorrelationManager.with_context(Correlation(correlation_id="story-1")):
        asked_and_arrived(captured, address)


def test_a_service_that_drops_baggage_keeps_the_story_by_its_trace(captured: Captured, behind: tuple[str, int]) -> None:
    """A story that began in the trace is known by it; only flow and cause are lost."""
    with (
        between(lambda asked: [line for line in asked if line[0] == "traceparent"], behind) as address,
        tenant_and_trace(),
        ezlogs.flow("checkout", 42),
    ):
        ask(address)
    assert {event.correlation.correlation_id for event in captured.events} == {TRACE_ID}
    request = next(event for event in captured.events if event.event_type == "http.request")
    assert (request.correlation.flow_id, request.correlation.parent_event_id) == (None, None)


@pytest.mark.parametrize("unsafe", ["%0D%0ASet-Cookie:%20x", "%3Cscript%3E", "a" * 65, "%C3%BC", "x%2561", ""])
def test_a_service_that_makes_an_id_unsafe_is_not_repeated(
    captured: Captured, behind: tuple[str, int], unsafe: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The trace's story stands in, and what came is neither told nor logged."""
    caplog.set_level(logging.DEBUG)
    way = members(lambda found: [f"{member.partition('=')[0]}={unsafe}" for member in found])
    with (
        between(way, behind) as address,
        CorrelationManager.with_context(Correlation(correlation_id="story-1")),
        tenant_and_trace(),
        ezlogs.flow("checkout", 42),
    ):
        ask(address)
    request = next(event for event in captured.events if event.event_type == "http.request")
    assert request.correlation == Correlation(correlation_id=TRACE_ID)
    assert caplog.text == ""


@pytest.fixture
def go(tmp_path: Path, behind: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """The address of a real service in Go."""
    if os.environ.get("TEST_WITH_GO") != "1":
        pytest.skip("a real service in Go is compiled and asked only with TEST_WITH_GO=1 in the environment")
    compiler = shutil.which("go")
    assert compiler is not None, "TEST_WITH_GO=1, and there is no go on the PATH"
    program = tmp_path / "between"
    cache = {"GOCACHE": str(tmp_path / "cache"), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    subprocess.run(
        [compiler, "build", "-o", str(program), str(PROGRAMS / "between.go")], env={**os.environ, **cache}, check=True
    )
    url = f"http://{behind[0]}:{behind[1]}/charges"
    with subprocess.Popen([program, url], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            address = urlsplit(running.stdout.readline().strip())
            assert address.hostname is not None
            assert address.port is not None
            yield (address.hostname, address.port)
        finally:
            running.kill()


@pytest.mark.timeout(300)
def test_a_real_service_in_go_keeps_the_story(captured: Captured, go: tuple[str, int]) -> None:
    """Its net/http reads the headers, spells their names its own way, and writes them again."""
    with CorrelationManager.with_context(Correlation(correlation_id="story-1")):
        asked_and_arrived(captured, go)
