"""A collector on the loopback interface that can be made faulty and healed, at one address, and counts connections."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from opentelemetry import trace
from tests.unit.otlp.collectors import Collector, Request, respond

import ezlogs
from ezlogs.dev.decode import decode_either

PROGRAMS = Path(__file__).parent / "programs"

Trouble = Callable[[socket.socket], None]


def well(request: Request) -> bytes:
    """Take everything."""
    return respond(200)


class Faulty(Collector):
    """Takes everything, but while it has `trouble` or another `answer`.

    Args:
        trouble: What it does to a connection on which the headers of a request have arrived.
        answer: What it answers.
    """

    def __init__(self, trouble: Trouble | None = None, answer: Callable[[Request], bytes | None] = well) -> None:
        self.connections = 0
        self.troubled = 0
        """Connections that met trouble, and requests that were not taken."""
        self.trouble = trouble
        self.taken: list[Request] = []
        self._unread = 0
        self._arrived: Counter[str] = Counter()
        self._faulty = answer
        self.healed = threading.Event()
        super().__init__()
        self.answer = self._answered

    def fail(self, *, trouble: Trouble | None = None, answer: Callable[[Request], bytes | None] = well) -> None:
        """Be faulty from now on, also on the connections that there are."""
        self.trouble, self._faulty = trouble, answer
        self.healed.clear()
        if trouble is not None:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def heal(self) -> None:
        """Take everything from now on."""
        self.trouble, self._faulty = None, well
        self.healed.set()

    def hang(self, connection: object = None) -> None:
        """Answer nothing, until it is healed or closed; to be given as ``trouble``."""
        while not (self.healed.wait(0.01) or self.ended.is_set()):
            pass

    def serve(self, number: int, connection: socket.socket) -> None:
        """Serve a connection, or make trouble on it."""
        self.connections += 1
        trouble = self.trouble
        if trouble is None:
            super().serve(number, connection)
            return
        with connection, suppress(OSError):
            received = b""
            while b"\r\n\r\n" not in received and (chunk := connection.recv(65536)):
                received += chunk
            self.troubled += 1
            trouble(connection)

    def arrived(self) -> Counter[str]:
        """How often each event of the application arrived, by id; each request is read once."""
        while self._unread < len(self.taken):
            request = self.taken[self._unread]
            self._unread += 1
            self._arrived.update(
                str(event.attributes["ezlogs.event.id"])
                for item in decode_either(request.body)
                for event in getattr(item, "events", [item])
                if "ezlogs.event.id" in event.attributes and not is_of_losses(event)
            )
        return self._arrived

    def seen(self) -> tuple[int, int]:
        """How many connections and requests there were."""
        return self.connections, len(self.requests)

    def _answered(self, request: Request) -> bytes | None:
        answer = self._faulty(request)
        if answer is not None and answer.startswith((b"HTTP/1.1 200 Whatever", b"HTTP/1.1 202")) and b"<" not in answer:
            self.taken.append(request)
        else:
            self.troubled += 1
        return answer


def is_of_losses(event: Any) -> bool:
    """Tell whether a received event, or log record, is ezlogs' own, about losses."""
    return "system.error" in (getattr(event, "name", None), getattr(event, "event_name", None))


def start(collector: Collector, **named: Any) -> None:
    """Start ezlogs against a collector."""
    ezlogs.configure(**{"endpoint": collector.url, "instrument": "none", "flush_interval": 0.05, **named})


def emit(number: int, event_type: str = "order.action", **said: Any) -> list[str]:
    """Emit events, every other one on a span that ends; return their ids."""
    tracer = trace.get_tracer("app")
    ids = []
    for index in range(number):
        if index % 2:
            with tracer.start_as_current_span("work"):
                event = ezlogs.event(event_type, "done", **said)
        else:
            event = ezlogs.event(event_type, "done", **said)
        assert event is not None
        ids.append(event.event_id)
    return ids


def flushed(seconds: float = 20) -> dict[str, Any]:
    """The health when nothing waits any more, or when it takes too long."""
    deadline = time.monotonic() + seconds
    while not ezlogs.flush(1) and time.monotonic() < deadline:
        pass
    return ezlogs.health()


def program(name: str, *arguments: object, state: Path, **named: object) -> subprocess.Popen[str]:
    """Start a program of this directory, with settings by name; it has no other environment of ours.

    Args:
        name: Of the program.
        *arguments: Its arguments.
        state: Where journals are.
        **named: ezlogs' settings.
    """
    ours = ("COVERAGE", "OTEL_", "EZLOGS_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environ |= {f"EZLOGS_{setting.upper()}": str(value) for setting, value in named.items()}
    environ |= {"EZLOGS_STATE_DIR": str(state), "EZLOGS_SERVICE_NAME": "shop", "EZLOGS_INSTRUMENT": "none"}
    command = [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]
    return subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
