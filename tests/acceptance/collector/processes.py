"""The processes of these tests: collectors, and services that emit."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from ezlogs import UniversalEvent
from ezlogs.dev.decode import JSON, ReceivedLog, ReceivedSpan, decode_either
from ezlogs.story import told

DEPLOY = Path(__file__).parents[3] / "deploy" / "collector"
EMITTER = Path(__file__).parent / "programs" / "emitter.py"
PATIENCE = 40.0
"""Seconds to wait for what must come."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: It did not come true.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def by_id(events: Iterable[UniversalEvent]) -> list[UniversalEvent]:
    """Sort events by their ids."""
    return sorted(events, key=lambda event: event.event_id)


def free_port() -> int:
    """Return a port that nobody listens on, of those that no outgoing connection is given by chance."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def plain_environment() -> dict[str, str]:
    """Return this process's variables but for those that say where telemetry goes, or that there is a proxy."""
    named = ("EZLOGS_", "OTEL_", "GRPC_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(named) and not name.lower().endswith("_proxy")
    }


class Collector:
    """One collector with files of ``deploy/collector``; the ports are its own, also from one start to the next.

    Args:
        binary: The program.
        folder: For what it writes; made if it is not there.
        files: Names in ``deploy/collector``, each laid over those before.
        options: Further arguments.
        variables: What the files ask for.
    """

    def __init__(self, binary: Path, folder: Path, *files: str, options: Iterable[str] = (), **variables: str) -> None:
        folder.mkdir(exist_ok=True)
        self.output = folder / "ezlogs.jsonl"
        self.log = folder / "collector.log"
        self._health, self._grpc, self._http = free_port(), free_port(), free_port()
        self._command = [str(binary), *(part for name in files for part in ("--config", str(DEPLOY / name))), *options]
        self._environ = {
            **plain_environment(),
            "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{self._grpc}",
            "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{self._http}",
            "HEALTH_ENDPOINT": f"127.0.0.1:{self._health}",
            "OUTPUT_FILE": str(self.output),
            "QUEUE_DIR": str(folder / "queue"),
            **variables,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._received: list[ReceivedSpan | ReceivedLog] = []
        self._read = 0
        """Bytes of the output that are in it."""

    def endpoint(self, protocol: str, scheme: str = "http") -> str:
        """Where it takes requests."""
        return f"{scheme}://{self.address(protocol)}"

    def address(self, protocol: str) -> str:
        """The same without a scheme."""
        return f"127.0.0.1:{self._grpc if protocol == 'grpc' else self._http}"

    def start(self, **variables: str) -> None:
        """Start it, again if need be, and wait until it takes requests.

        Args:
            variables: From now on, beside those that it was made with.
        """
        self._environ |= variables
        with self.log.open("ab") as log:
            self._process = process = subprocess.Popen(self._command, env=self._environ, stdout=log, stderr=log)
        wait_until(lambda: self._ready() or process.poll() is not None, "the collector is ready")
        assert process.poll() is None, f"the collector ended:\n{self.log.read_text()}"

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Have it end in order."""
        self._end(signal.SIGTERM)

    def said(self, words: str) -> bool:
        """Return whether it logged these words."""
        return words in self.log.read_text()

    def written(self) -> list[UniversalEvent]:
        """Return the events that it wrote, by their ids; one that it wrote twice is there twice."""
        return by_id(one.event for one in told(self.received()))

    def received(self) -> list[ReceivedSpan | ReceivedLog]:
        """Return all spans and log records that it wrote."""
        content = self.output.read_bytes() if self.output.exists() else b""
        end = content.rfind(b"\n") + 1  # behind it there is nothing, or what is being written
        for line in content[self._read : end].splitlines():
            self._received += decode_either(line, JSON)
        self._read = end
        return self._received

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE)

    def _ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self._health, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class Emitter:
    """A service that emits what it is told to; see ``programs/emitter.py``.

    Args:
        log: Where its standard error goes.
        settings: What ``ezlogs.configure`` is called with.
    """

    def __init__(self, log: Path, **settings: Any) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(EMITTER), json.dumps(settings)],
                env=plain_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def emit(self, count: int) -> list[UniversalEvent]:
        """Emit events, and return them."""
        return [UniversalEvent.from_json(document) for document in self._do("emit", count)]

    def start(self) -> None:
        """Begin to emit in the background."""
        self._do("start")

    def emit_more(self, count: int = 50) -> None:
        """Wait until that many more were emitted in the background."""
        before = self._do("emitted")
        wait_until(lambda: self._do("emitted") >= before + count, "more was emitted")

    def stop(self) -> list[UniversalEvent]:
        """End what was begun in the background; return all its events."""
        return [UniversalEvent.from_json(document) for document in self._do("stop")]

    def flush(self, timeout: float = PATIENCE) -> bool:
        """Have all delivered that is pending; return whether it was."""
        all_went_out: bool = self._do("flush", timeout)
        return all_went_out

    def health(self) -> dict[str, Any]:
        """What it says of itself."""
        health: dict[str, Any] = self._do("health")
        return health

    def said(self) -> str:
        """What it wrote to its standard error."""
        return self._log.read_text()

    def end(self) -> None:
        """Have it end as any program does."""
        self._process.communicate(timeout=PATIENCE)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)

    def _do(self, *command: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, f"the service ended:\n{self.said()}"
        return json.loads(answer)
