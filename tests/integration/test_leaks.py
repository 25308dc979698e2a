"""One real process with secrets everywhere: none is in the bytes that it sends, in what it logs, or in its headers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from ezlogs.testing.absence import assert_absent

PROGRAM = Path(__file__).parent / "programs" / "leaky.py"


class Recorder(BaseHTTPRequestHandler):
    """Keeps the bytes of every request, headers included."""

    def do_POST(self) -> None:
        """Take a request as a collector does."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, bytes(self.headers) + body))  # type: ignore[attr-defined]  # ours
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def recorder() -> Iterator[Any]:
    """A local endpoint that keeps bytes."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.received = []  # type: ignore[attr-defined]  # ours
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def is_in(canary: str, sent: bytes) -> bool:
    """Return whether a text is there, in any of its usual disguises."""
    try:
        assert_absent(canary, sent)
    except AssertionError:
        return True
    return False


ARRIVES = (
    "placed",
    "flowed",
    "worked",
    "requested",
    "changed",
    "rides",
    "exception.stacktrace",
    "process.command_args",
)
"""What must have been sent, beside the secrets that must not."""


@pytest.mark.parametrize("carrier", ["span", "log", "both"])
def test_nothing_planted_is_in_what_leaves(recorder: Any, carrier: str) -> None:
    """By ezlogs' own delivery, by wrapped exporters, in headers and on standard error."""
    environ = {
        **os.environ,
        "EZLOGS_ENDPOINT": f"http://127.0.0.1:{recorder.server_address[1]}",
        "CARRIER": carrier,
        "OTEL_PROPAGATORS": "tracecontext,baggage,ezlogs",
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], env=environ, capture_output=True, check=False, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["flushed"]
    paths = {path for path, _ in recorder.received}
    assert paths >= {"/v1/traces", "/theirs/traces", "/theirs/logs", *(["/v1/logs"] if carrier != "span" else [])}
    places = {
        **{f"{path} {number}": body for number, (path, body) in enumerate(recorder.received)},
        "headers": unquote(repr(told["carrier"])).encode(),
        "standard error": done.stderr.encode(),
        "health": told["health"].encode(),
    }
    leaks = [
        f"{surface} in {place}: {canary}"
        for surface, canaries in told["planted"].items()
        for canary in canaries
        for place, data in places.items()
        if is_in(canary, data)
    ]
    assert not leaks, "\n".join(leaks)
    sent = b"".join(body for _, body in recorder.received)
    assert not [word for word in ARRIVES if word.encode() not in sent]
    assert b"mail to [redacted]" in sent
    assert "ezlogs.correlation_id" in places["headers"].decode()
    assert "ezlogs: an event was repaired" in done.stderr
    assert len(told["planted"]) > 80
