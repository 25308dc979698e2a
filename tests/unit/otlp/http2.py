"""As much of HTTP/2 as a server needs that misbehaves: it reads nothing but the preface, and writes frames by hand.

Source: RFC 9113, section 4.1 for frames; RFC 7541, section 6.2.2 for headers that are spelled out.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
_STREAM = 1
"""Of the first request on a connection."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


SETTINGS = frame(_SETTINGS, 0, 0)


def headers(fields: dict[str, str], *, end: bool) -> bytes:
    """Return the headers of an answer, or with ``end`` its trailers."""
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    return frame(_HEADERS, _END_HEADERS | (_END_STREAM if end else 0), _STREAM, block)


def data(payload: bytes) -> bytes:
    """Return a part of the answer's body."""
    return frame(_DATA, 0, _STREAM, payload)


def reset(code: int) -> bytes:
    """Return the refusal of the request."""
    return frame(_RST_STREAM, 0, _STREAM, struct.pack(">I", code))


def go_away(code: int) -> bytes:
    """Return the refusal of the whole connection."""
    return frame(_GOAWAY, 0, 0, struct.pack(">II", 0, code))


class Server:
    """Accepts connections, waits for the first bytes of a request on each, and lets a test have its way with it."""

    def __init__(self, behave: Callable[[socket.socket], None], greeting: bytes = SETTINGS) -> None:
        self._behave = behave
        self._greeting = greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.ended = threading.Event()
        self.port = self._listener.getsockname()[1]
        self._threads[0].start()

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
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(self._greeting)
            received = b""
            while b"Export" not in received and (chunk := connection.recv(65536)):
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
