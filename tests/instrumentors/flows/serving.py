"""Applications on real servers, launched as OpenTelemetry says, with no setting but where the collector is."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ezlogs.dev.decode import ReceivedSpan
from ezlogs.dev.receiver import Receiver

PROGRAMS = Path(__file__).parent / "programs"
DEADLINE = 20.0
SERVERS = {
    "django-gunicorn": ("gunicorn", "django_shop:wsgi"),
    "django-uvicorn": ("uvicorn", "django_shop:asgi"),
    "flask-gunicorn": ("gunicorn", "flask_shop:app"),
    "fastapi-uvicorn": ("uvicorn", "fastapi_shop:app"),
}


def until(ready: Callable[[], Any], what: Callable[[], object]) -> Any:
    """Return what is there as soon as it is; fail with what is known when it never comes."""
    deadline = time.monotonic() + DEADLINE
    while not (found := ready()):
        if time.monotonic() > deadline:
            pytest.fail(str(what()))
        time.sleep(0.02)
    return found


def gunicorn_options() -> tuple[str, ...]:
    """Return what keeps a newer gunicorn from being controlled over a socket, whose place all tests share."""
    from gunicorn.config import make_settings

    return ("--no-control-socket",) if "control_socket_disable" in make_settings() else ()


class Site:
    """An application on a server of its own.

    Args:
        name: One of `SERVERS`.
        home: Where it runs.
        receiver: Where it sends what it tells.
    """

    def __init__(self, name: str, home: Path, receiver: Receiver) -> None:
        self._name, self._home, self.receiver = name, home, receiver
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port: int = listener.getsockname()[1]
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str, **environ: str) -> None:
        """Start it, and wait until it answers."""
        (self._home / "shop.sqlite3").unlink(missing_ok=True)
        server, app = SERVERS[self._name]
        bound = {
            "gunicorn": ("--bind", f"127.0.0.1:{self.port}", *gunicorn_options()),
            "uvicorn": ("--port", str(self.port)),
        }[server]
        self._launch(Path(sys.executable).with_name(server), app, *bound, *options, **environ)
        until(self._answers, self.log)

    def _launch(self, *command: object, **environ: str) -> None:
        given = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("COVERAGE", "OTEL_", "EZLOGS_", "DJANGO_"))
        }
        with (self._home / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in (Path(sys.executable).with_name("opentelemetry-instrument"), *command)],
                env={
                    **given,
                    "OTEL_SERVICE_NAME": "shop",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": self.receiver.endpoint,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                    "EZLOGS_STATE_DIR": str(self._home / "state"),
                    "DJANGO_SETTINGS_MODULE": "django_shop",
                    "PYTHONPATH": str(PROGRAMS),
                    **environ,
                },
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, str]:
        """Return the status of a response, its text and the cookies to send the next time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            cookies = [value.partition(";")[0] for value in response.headers.get_all("set-cookie") or ()]
            return response.status, response.read().decode(), "; ".join(cookies)
        finally:
            connection.close()

    def send(self, request: bytes) -> bytes:
        """Send something that no decent client sends, and return what comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as connection:
            connection.sendall(request)
            found = b""
            while chunk := connection.recv(65536):
                found += chunk
        return found

    def hangs(self, path: str) -> None:
        """Ask for what is never answered, and wait until it is under way."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
            until((self._home / "begun").exists, self.log)
            self.kill()

    def kill(self) -> None:
        """Kill all of its processes at once."""
        process = self._processes[-1]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)

    def stop(self) -> None:
        """End it as an operator does: what it has told is delivered then.

        Not by the signal that uvicorn raises again once it has ended: other exporters than ours lose what they have.
        """
        process = self._processes[-1]
        process.send_signal(signal.SIGINT if self._name.endswith("uvicorn") else signal.SIGTERM)
        process.wait(DEADLINE)

    def end(self) -> None:
        """End the processes that a failed test has left."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(DEADLINE)

    def log(self) -> str:
        """What the server wrote on its outputs."""
        return (self._home / "log").read_text(errors="replace")

    def told(self, kind: str = "http.request") -> list[dict[str, Any]]:
        """The events of one type that have arrived, by their attributes."""
        return [event.attributes for span in self.receiver.spans for event in span.events if event.name == kind]

    def one(self, kind: str, action: str) -> dict[str, Any]:
        """Wait for an event, and return it; there is only one."""
        found = until(
            lambda: [event for event in self.told(kind) if event["ezlogs.action"] == action],
            lambda: f"{[event['ezlogs.action'] for event in self.told(kind)]}\n{self.log()}",
        )
        assert len(found) == 1, found
        event: dict[str, Any] = found[0]
        return event

    def hops(self) -> list[ReceivedSpan]:
        """The spans of requests that have arrived, but for those that ask whether it is there."""
        return [
            span for span in self.receiver.spans if span.kind == "server" and "/healthz" not in repr(span.attributes)
        ]
