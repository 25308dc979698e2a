"""Applications and the servers that serve them: wsgiref's, Werkzeug's with threads, and the caller of a test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
from werkzeug import serving


class Answer:
    """What an application answered, asked the way PEP 3333 lets a server ask."""

    def __init__(self, app: Any, environ: dict[str, Any]) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.written: list[bytes] = []
        self.body: Iterable[bytes] = app(environ, self.start_response)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Take the beginning of the response."""
        if exc_info and self.written:
            raise exc_info[1]
        self.status, self.headers = status, headers
        return self.written.append

    def read(self) -> bytes:
        """Read all of it, and close it, as servers do."""
        try:
            return b"".join([*self.written, *self.body])
        finally:
            self.close()

    def close(self) -> None:
        """Close it."""
        if hasattr(self.body, "close"):
            self.body.close()


@pytest.fixture
def ask() -> Callable[..., Answer]:
    """Ask an application."""

    def ask(app: Any, path: str = "/", method: str = "GET", **environ: Any) -> Answer:
        variables = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.url_scheme": "http", **environ}
        return Answer(app, variables)

    return ask


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def get_stderr(self) -> Any:
        """Nobody reads what the server says about the application's errors."""
        import io

        return io.StringIO()


class _QuietWerkzeug(serving.WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # with which streams go out in chunks

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


def _wsgiref(app: Any) -> Any:
    return make_server("127.0.0.1", 0, app, handler_class=_Quiet)


def _validated(app: Any) -> Any:
    return _wsgiref(validator(app))


def _werkzeug(app: Any) -> Any:
    server = serving.make_server("127.0.0.1", 0, app, threaded=True, request_handler=_QuietWerkzeug)
    server.daemon_threads = False
    return server


@pytest.fixture(params=[_wsgiref, _validated, _werkzeug], ids=["wsgiref", "validated", "werkzeug"])
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Serve an application by a real server; give its host and port."""
    running = []

    def start(app: Any) -> str:
        server = request.param(app)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
