"""Collectors that answer as a test wants them to, at the level of bytes."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple


class Request(NamedTuple):
    """A request as the collector saw it; ``connection`` counts from 1."""

    connection: int
    line: str
    headers: dict[str, str]
    body: bytes


class Server:
    """Listens on the loopback interface, and serves each connection in a thread."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self.ended = threading.Event()
        self._threads[0].start()

    def serve(self, number: int, connection: socket.socket) -> None:
        """Serve a connection; they are counted from 1."""
        raise AssertionError("to be said by each kind of server")

    def close(self) -> None:
        """Close everything, and wait for the threads."""
        self.ended.set()
        for connection in (self._listener, *self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self.serve, args=(len(self._connections), connection)))
            self._threads[-1].start()


class Collector(Server):
    """A server on the loopback interface that answers each request with the bytes a test chooses.

    An answer of None resets the connection, an exception of type `TimeoutError` leaves it hanging.
    """

    def __init__(self) -> None:
        self.answer: Callable[[Request], bytes | None] = lambda request: respond(200)
        self.requests: list[Request] = []
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}/v1/traces"

    def secured(self, connection: socket.socket) -> socket.socket:
        """Return a connection as it is read and written: here as it is."""
        return connection

    def serve(self, number: int, connection: socket.socket) -> None:
        """Answer each request."""
        with suppress(OSError), self.secured(connection) as secured, secured.makefile("rb") as stream:
            while line := stream.readline():
                headers = {}
                while (header := stream.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                request = Request(
                    number, line.decode().strip(), headers, stream.read(int(headers.get("content-length", 0)))
                )
                self.requests.append(request)
                answer = self.answer(request)
                if answer is None:
                    secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                secured.sendall(answer)


class TlsCollector(Collector):
    """The same over TLS; it may demand that who connects has a certificate signed by its own."""

    def __init__(self, certificate: tuple[str, str], *, demanding: bool = False) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate[0])
        self._context.load_cert_chain(*certificate)
        if demanding:
            self._context.verify_mode = ssl.CERT_REQUIRED
        super().__init__()
        self.url = f"https://127.0.0.1:{self.port}/v1/traces"

    def secured(self, connection: socket.socket) -> socket.socket:
        """Shake hands."""
        return self._context.wrap_socket(connection, server_side=True)


def respond(status: int, body: bytes = b"", content_type: str = "application/x-protobuf", **headers: str) -> bytes:
    """Return an HTTP response; underscores in the names of headers stand for dashes."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def unused_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Misbehaving(Server):
    """Accepts connections, waits for some bytes of a request on each, and lets a test have its way with it."""

    def __init__(self, behave: Callable[[socket.socket], None], until: bytes, greeting: bytes = b"") -> None:
        self._behave = behave
        self._until = until
        self._greeting = greeting
        super().__init__()

    def serve(self, number: int, connection: socket.socket) -> None:
        """Greet, wait, misbehave."""
        with connection, suppress(OSError):
            connection.sendall(self._greeting)
            received = b""
            while self._until not in received and (chunk := connection.recv(65536)):
                received += chunk
            self._behave(connection)


def drain(connection: socket.socket) -> None:
    """Read until the other side closes: to close on unread bytes would reset the connection."""
    while connection.recv(65536):
        pass


def break_off(connection: socket.socket) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
