"""Between processes: one asks another through something that forwards W3C headers; one story, or two linked ones."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote
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
    environ["EZLOGS_STATE_DIR"] = os.environ["EZLOGS_STATE_DIR"]
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


def unchanged(headers: Headers) -> Headers:
    """Forward everything as it came."""
    return headers


def padded(headers: Headers) -> Headers:
    """Forward with blanks wherever they are allowed, and a line for each member."""
    lines = [("BAGGAGE", f"\t {name} = {value} ; p = 1 \t") for name, value in members(headers)]
    return [*((name, f"  {value} \t") for name, value in headers if name != "baggage"), ("baggage", " , ,"), *lines]


def in_a_trace_of_its_own(headers: Headers) -> Headers:
    """Forward as a service does that begins a new trace, such as a gateway that trusts nobody's trace ids."""
    mine = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    return [mine, *((name, value) for name, value in headers if name == "baggage")]


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


@pytest.mark.parametrize("change", [unchanged, padded, in_a_trace_of_its_own])
def test_whoever_forwards_w3c_headers_keeps_the_story(chain: Chain, change: Middle) -> None:
    """The story, the flow and the causing event come through, however the headers are written on the way."""
    chain.middle.change = change
    ask(chain.first.port)
    expect_one_story(chain.first, chain.last)


def test_an_edge_links_the_story_that_came() -> None:
    """With ``trust_inbound = link`` it is another one."""
    with python("", json.dumps({"trust_inbound": "link"})) as last, python(str(last.port)) as first:
        ask(first.port)
        there, here = by_type(last.said()), by_type(first.said())
    assert there["http.request"]["linked"] == here["http.request"]["story"]
    assert there["http.request"]["story"] != here["http.request"]["story"]
    assert (there["http.request"]["parent"], there["http.request"]["flow"]) == (None, None)
