"""A proxy that opens tunnels, as those of companies do for what is encrypted and for gRPC."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from .collectors import Server


class Proxy(Server):
    """Answers ``CONNECT`` with a tunnel to one port of this machine, whatever host was asked for."""

    def __init__(self, onward: int) -> None:
        self._onward = onward
        self.asked: list[list[str]] = []
        """The head of each request: its first line and its headers."""
        super().__init__()
        self.url = f"http://ada:pw@127.0.0.1:{self.port}"

    def serve(self, number: int, connection: socket.socket) -> None:
        """Open a tunnel."""
        with connection, suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = connection.recv(1)
                if not byte:
                    return
                head += byte
            self.asked.append(head.decode().strip().split("\r\n"))
            with socket.create_connection(("127.0.0.1", self._onward)) as onward:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(onward, connection))
                back.start()
                _pump(connection, onward)
                back.join(5)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
