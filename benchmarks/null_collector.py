"""A collector that takes every OTLP/HTTP request, throws it away and answers 200; prints its port.

After ``PUT /hang`` it takes requests and does not answer, until ``PUT /answer``.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

answering = threading.Event()
answering.set()


class Handler(BaseHTTPRequestHandler):
    """Reads the body, says yes, keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take one request."""
        self.rfile.read(int(self.headers["Content-Length"]))
        answering.wait()
        self._answer()

    def do_PUT(self) -> None:
        """Hang from now on, or answer again."""
        if self.path == "/hang":
            answering.clear()
        else:
            answering.set()
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # the name of the base class
        """Stay quiet."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
