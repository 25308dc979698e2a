"""Applications, instrumented for each test and left as they were; beside OpenTelemetry's instrumentor where asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from ezlogs_instrumentors.flask import FlaskInstrumentor


@pytest.fixture
def instrumented() -> Iterator[FlaskInstrumentor]:
    """The instrumentor at work."""
    instrumentor = FlaskInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve an application by Werkzeug's server, with a thread for each connection; give its address."""

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # with which streams go out in chunks

        def log(self, type: str, message: str, *args: object) -> None:
            """Say nothing."""

    running = []

    def start(app: object) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def stopped_clock(monkeypatch):
    """Sign cookies as if no time passed: responses are compared."""
    monkeypatch.setattr("itsdangerous.TimestampSigner.get_timestamp", lambda signer: 1_700_000_000)
