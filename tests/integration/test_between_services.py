"""Between services: Python, something else in the middle that forwards W3C headers, Python again; one story."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import quote, unquote
from urllib.request import urlopen

import pytest

PROGRAMS = Path(__file__).parent / "programs"
Headers = list[tuple[str, str]]
Middle = Callable[[Headers], Headers]


class Service:
    """A program that serves HTTP, and says on its standard output at which port and what happened."""

    def __init__(self, *command: str, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        self.port = int(self.said())

    def said(self) -> Any:
        """Return the next thing that it said."""
        output: IO[str] | None = self._process.stdout
        assert output is not None
        line = output.readline()
        assert line, "the service has ended"
        return json.loads(line)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)


def python(*arguments: str) -> Service:
    """Start a Python service."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "EZLOGS_"))}
    return Service(sys.executable, str(PROGRAMS / "service.py"), *arguments, env=environ)


class Forwarder(socketserver.TCPServer):
    """A service that forwards the W3C headers of each request byte by byte as ``change`` writes them."""

    def __init__(self, following: int) -> None:
        super().__init__(("127.0.0.1", 0), Forwarding)
        self.following = following
        self.port = self.server_address[1]
        self.change = unchanged


class Forwarding(socketserver.StreamRequestHandler):
    server: Forwarder

    def handle(self) -> None:
        """Read a request's head, ask the next service, and hand back what it says."""
        self.rfile.readline()
        came: Headers = []
        while (line := self.rfile.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(":")
            if name.lower() in ("traceparent", "tracestate", "baggage"):
                came.append((name.lower(), value.strip()))
        head = ["GET /orders HTTP/1.1", "Host: localhost", "Connection: close"]
        head += [f"{name}:{value}" for name, value in self.server.change(came)]
        with socket.create_connection(("127.0.0.1", self.server.following), timeout=30) as onward:
            onward.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
            while answer := onward.recv(4096):
                self.wfile.write(answer)


@contextmanager
def forwarding(following: int) -> Iterator[Forwarder]:
    """Run a forwarder before the service at a port."""
    with Forwarder(following) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Chain(NamedTuple):
    """Three services, each of which asks the next one."""

    first: Service
    middle: Forwarder
    last: Service


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    """Python, a forwarder, Python."""
    with python() as last, forwarding(last.port) as middle, python(str(middle.port)) as first:
        yield Chain(first, middle, last)


def members(headers: Headers) -> list[tuple[str, str]]:
    """Return the members of the baggage, decoded."""
    lines = [value for name, value in headers if name == "baggage"]
    pairs = [member.strip().partition("=") for line in lines for member in line.split(",")]
    return [(name, unquote(value)) for name, _, value in pairs]


def traced(headers: Headers) -> Headers:
    """Return the headers of the trace context."""
    return [(name, value) for name, value in headers if name != "baggage"]


def unchanged(headers: Headers) -> Headers:
    """Forward everything as it came."""
    return headers


def reordered(headers: Headers) -> Headers:
    """Forward as a map without order does, among members of its own, and with names written like Go's."""
    pairs = [*members(headers), ("tenant", "acme"), ("a", "1")]
    line = ",".join(f"{name}={quote(value, safe='')}" for name, value in reversed(pairs))
    return [(name.title(), value) for name, value in [("baggage", line), *reversed(traced(headers))]]


def with_properties(headers: Headers) -> Headers:
    """Forward as Java does, which encodes each octet that it could, and with metadata."""
    encoded = [(name, "".join(f"%{octet:02x}" for octet in value.encode())) for name, value in members(headers)]
    return [*traced(headers), ("baggage", ",".join(f"{name}={value};ttl=60;kept" for name, value in encoded))]


def padded(headers: Headers) -> Headers:
    """Forward with blanks wherever they are allowed, and a line for each member."""
    lines = [("BAGGAGE", f"\t {name} = {value} ; p = 1 \t") for name, value in members(headers)]
    return [*((name, f"  {value} \t") for name, value in traced(headers)), ("baggage", " , ,"), *lines]


def in_a_span_of_its_own(headers: Headers) -> Headers:
    """Forward as an instrumented service does: the same trace, another span, a state of its own."""
    pattern = re.compile(r"^(00-[0-9a-f]{32}-)[0-9a-f]{16}(-.*)$")
    parents = [(name, pattern.sub(r"\g<1>00f067aa0ba902b7\2", value)) for name, value in traced(headers)]
    return [*parents, ("tracestate", "vendor=a:1, other@tenant=2"), *((n, v) for n, v in headers if n == "baggage")]


def in_a_trace_of_its_own(headers: Headers) -> Headers:
    """Forward as a service does that begins a new trace, such as a gateway that trusts nobody's trace ids."""
    mine = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    return [mine, *((name, value) for name, value in headers if name == "baggage")]


def without_trace(headers: Headers) -> Headers:
    """Forward the baggage alone."""
    return [(name, value) for name, value in headers if name == "baggage"]


def ask(port: int) -> None:
    """Send a request without any header of ours."""
    with urlopen(f"http://127.0.0.1:{port}/orders", timeout=30) as answer:
        assert answer.status == 200


def by_type(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the first event of each type."""
    return {event["type"]: event for event in reversed(events)}


def expect_one_story(first: Service, last: Service) -> None:
    """Expect that what happened in the last service was caused by what happened in the first."""
    there, here = by_type(last.said()), by_type(first.said())
    assert len({event["story"] for event in (*there.values(), *here.values())}) == 1
    assert there["http.request"]["parent"] == here["flow.lifecycle"]["id"]
    assert there["http.request"]["flow"] == "checkout:42"
    assert there["order.action"]["parent"] == there["http.request"]["id"]


@pytest.mark.parametrize(
    "change",
    [unchanged, reordered, with_properties, padded, in_a_span_of_its_own, in_a_trace_of_its_own, without_trace],
)
def test_whoever_forwards_w3c_headers_keeps_the_story(chain: Chain, change: Middle) -> None:
    """The story, the flow and the causing event come through, however the headers are written on the way."""
    chain.middle.change = change
    ask(chain.first.port)
    expect_one_story(chain.first, chain.last)


def test_whoever_drops_baggage_keeps_the_story_by_its_trace(chain: Chain) -> None:
    """The causing event is not known; that it belongs together is."""
    chain.middle.change = traced
    ask(chain.first.port)
    there, here = by_type(chain.last.said()), by_type(chain.first.said())
    assert there["http.request"]["story"] == here["http.request"]["story"]
    assert there["http.request"]["parent"] is None


def test_an_edge_links_the_story_that_came() -> None:
    """With ``trust_inbound = link`` it is another one."""
    with python("", json.dumps({"trust_inbound": "link"})) as last, python(str(last.port)) as first:
        ask(first.port)
        there, here = by_type(last.said()), by_type(first.said())
    assert there["http.request"]["linked"] == here["http.request"]["story"]
    assert there["http.request"]["story"] != here["http.request"]["story"]
    assert (there["http.request"]["parent"], there["http.request"]["flow"]) == (None, None)


@pytest.fixture
def go(tmp_path: Path) -> Callable[[int], Service]:
    """Build the forwarder in Go, where that was asked for."""
    compiler = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not os.environ.get("TEST_WITH_GO"):
        pytest.skip("a real Go service in the middle is tested with TEST_WITH_GO=1")
    assert compiler is not None, "TEST_WITH_GO is set and there is no go"
    program = tmp_path / "forwarder"
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOCACHE": str(tmp_path / "cache")}
    subprocess.run([compiler, "build", "-o", program, PROGRAMS / "forwarder" / "main.go"], check=True, env=env)
    return lambda following: Service(str(program), str(following))


@pytest.mark.timeout(300)
def test_a_service_in_go_keeps_the_story(go: Callable[[int], Service]) -> None:
    """Compiled from Go's own HTTP library; it knows nothing of ezlogs."""
    with python() as last, go(last.port) as middle, python(str(middle.port)) as first:
        ask(first.port)
        expect_one_story(first, last)
