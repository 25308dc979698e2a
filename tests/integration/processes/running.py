"""A service of real processes: what they emitted, what arrived of it, and the next process, which delivers the rest."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from ezlogs.dev.receiver import Receiver

PROGRAMS = Path(__file__).parent / "programs"
DEADLINE = 40.0


def until(condition: Callable[[], object], what: Callable[[], object], deadline: float = DEADLINE) -> None:
    """Wait until a condition holds; fail with what is known then when it does not."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            pytest.fail(str(what()))
        time.sleep(0.02)


def answer(port: int) -> bytes:
    """Return what a web server answers, as soon as it does."""
    end = time.monotonic() + DEADLINE
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read()
        except (OSError, HTTPException):  # not there yet, or a process that ended in the middle of it
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        finally:
            connection.close()


class Hung(Receiver):
    """A collector that takes connections and answers nothing, until it is `cured`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        super().__init__(port=self._listener.getsockname()[1])

    def cured(self) -> Receiver:
        """Answer from now on."""
        self._listener.close()
        super().start()
        return self

    def start(self) -> None:
        """Be there, and no more."""

    def stop(self) -> None:
        """Close the port."""
        self._listener.close()
        super().stop()


class Service:
    """Processes that share a state directory, a collector and a file in which each says what it emitted.

    Args:
        home: A directory of the test's own.
        receiver: The collector, whether it runs yet or not.
        **settings: ezlogs' settings, by name.
    """

    def __init__(self, home: Path, receiver: Receiver, **settings: object) -> None:
        self.home = home
        self.receiver = receiver
        self.state = home / "state"
        self.settings = {"durability": "process", "endpoint": receiver.endpoint, "instrument": "none", **settings}
        self._report = home / "report"
        self._log = home / "log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(
        self, *command: object, environ: dict[str, str] | None = None, **settings: object
    ) -> subprocess.Popen[bytes]:
        """Start a process: a program of this directory, or what begins with ``-m``.

        Without coverage, which locks its data while threads run, and so for ever in what is forked then.
        """
        named = {f"EZLOGS_{name.upper()}": str(value) for name, value in {**self.settings, **settings}.items()}
        full = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("COVERAGE", "OTEL_", "EZLOGS_"))
            },
            "EZLOGS_STATE_DIR": str(self.state),
            "EZLOGS_SERVICE_NAME": "shop",
            "REPORT": str(self._report),
            "PYTHONPATH": os.pathsep.join([str(PROGRAMS), *filter(None, sys.path)]),
            **named,
            **(environ or {}),
        }
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    *(str(PROGRAMS / part) if str(part).endswith(".py") else str(part) for part in command),
                ],
                env=full,
                cwd=self.home,
                stdin=subprocess.PIPE if command == ("waits.py",) else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def said(self) -> list[list[str]]:
        """What the processes have said so far: their ids and words."""
        text = self._report.read_text() if self._report.exists() else ""
        return [line.split(maxsplit=1) for line in text.splitlines()]

    def emitted(self) -> set[str]:
        """The ids of the events that were emitted so far."""
        return {word for _, word in self.said() if word.startswith("evt_")}

    def workers(self) -> set[str]:
        """The processes that have emitted."""
        return {process for process, word in self.said() if word.startswith("evt_")}

    def statuses(self) -> Counter[int]:
        """How the children ended, as their parents saw it."""
        return Counter(int(word.split()[1]) for _, word in self.said() if word.startswith("status"))

    def arrived(self) -> Counter[str]:
        """How often each event arrived so far."""
        return Counter(
            str(event.attributes["ezlogs.event.id"])
            for span in self.receiver.spans
            for event in span.events
            if "ezlogs.event.id" in event.attributes
        )

    def missing(self) -> set[str]:
        """The ids of the events that have not arrived yet."""
        return self.emitted() - self.arrived().keys()

    def reaches(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds; fail with all there is to say when it does not."""
        until(condition, self.described)

    def log(self) -> str:
        """What the processes wrote on their outputs."""
        return self._log.read_text(errors="replace")

    def homes(self) -> list[Path]:
        """Where events wait on disk."""
        return [
            Path(home) for home, _, names in os.walk(self.state) if any(name.endswith(".journal") for name in names)
        ]

    def described(self) -> str:
        """What there is to say about a service that failed."""
        return f"{len(self.missing())} of {len(self.emitted())} are missing, waiting in {self.homes()}\n{self.log()}"

    def settle(self) -> Counter[str]:
        """Have the next process deliver what is left; return how often each event arrived, once nothing waits on disk.

        It emits nothing itself.
        """
        process = self.start("waits.py")
        own = f"{process.pid}-"
        self.reaches(lambda: not self.missing() and all(home.name.startswith(own) for home in self.homes()))
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(DEADLINE) == 0, self.log()
        return self.arrived()

    def end(self) -> None:
        """End the processes that a failed test has left."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
