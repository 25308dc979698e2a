"""A shop of real processes under way: orders come in from several clients while processes are killed and replaced."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from ezlogs.dev.receiver import Receiver

from .programs.brokers import FILES, options

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[3]
CLIENTS, WORKERS = 8, 3
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")

Fact = dict[str, Any]


class Shop:
    """The shop's processes, its broker, and its files.

    Args:
        home: A directory of the test's own.
        broker: The URL of a Redis, or ``files://``.
        collector: Where its events go.
        smtp: The port of its mail server.
        patience: Seconds that anything may take.
    """

    def __init__(self, home: Path, broker: str, collector: Receiver, smtp: int, patience: float) -> None:
        self.home, self.patience = home, patience
        self._broker = broker
        self.kills = 0
        self._truth, self._log = home / "truth", home / "log"
        self._environ = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("COVERAGE", "OTEL_", "EZLOGS"))
            },
            "PYTHONPATH": os.pathsep.join([str(PROGRAMS), str(ROOT), *filter(None, sys.path)]),
            "SOAK_HOME": str(home),
            "SOAK_TRUTH": str(self._truth),
            "SOAK_DATABASE": str(home / "shop.sqlite"),
            "SOAK_BROKER": self._broker,
            "SOAK_SMTP": str(smtp),
            "SOAK_KILLS": "0.01",
            "SOAK_FAILURES": "0.08",
            "EZLOGS_ENDPOINT": collector.endpoint,
            "EZLOGS_DURABILITY": "process",
            "EZLOGS_STATE_DIR": str(home / "state"),
            "EZLOGS_FLUSH_INTERVAL": "0.2",
            "EZLOGS_INSTRUMENT": "flask,sqlalchemy,celery,smtplib",
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("python", str(PROGRAMS / "store.py"), service="store").wait(self.patience)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        bound = ("--bind", f"127.0.0.1:{self._port}", "--workers", "2", "--no-control-socket", "--timeout", "600")
        self.web = self._start("-m", "gunicorn", "web:application", *bound, service="web")
        self.workers = [self._worker(number) for number in range(WORKERS)]

    def _start(self, *command: str, service: str, **options: Any) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *(part for part in command if part != "python")],
                env={**self._environ, "EZLOGS_SERVICE_NAME": service},
                cwd=self.home,
                stdin=options.get("stdin", subprocess.DEVNULL),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        chosen = ("--pool=prefork", "--concurrency=2", "-O", "fair", f"--hostname=w{number}@soak")
        return self._start("-m", "celery", "--app=jobs", "worker", *_QUIET, *chosen, service="jobs")

    def truth(self) -> list[Fact]:
        """What has really happened so far. A torn line is of a process that was killed before it could say so."""
        lines = self._truth.read_bytes().splitlines() if self._truth.exists() else []
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]

    def described(self) -> str:
        """What the processes wrote on their outputs, at the end."""
        return self._log.read_text(errors="replace")[-6000:]

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds."""
        end = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"{what}\n{self.described()}")
            time.sleep(0.1)

    def serve(self, orders: int) -> None:
        """Place orders from all clients, while processes are killed; return when all jobs have been done."""
        ended = threading.Event()
        killer = threading.Thread(target=self._kill_until, args=(ended,))
        killer.start()
        try:
            with ThreadPoolExecutor(CLIENTS) as clients:
                for _ in clients.map(self._order, range(1, orders + 1)):
                    pass
        finally:
            ended.set()
            killer.join()
        self.until(self._idle, "the jobs never came to an end")

    def _order(self, number: int) -> None:
        """Place an order, once a server takes it; whether it is answered is nobody's promise."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            connection = HTTPConnection("127.0.0.1", self._port, timeout=self.patience)
            try:
                connection.connect()
            except OSError:  # it is not there yet
                time.sleep(0.1)
                continue
            with suppress(OSError, HTTPException):  # its process was killed
                connection.request("POST", f"/orders/{number}", headers={"X-Request-ID": f"req-{number}"})
                connection.getresponse().read()
            connection.close()
            return

    def _kill_until(self, ended: threading.Event) -> None:
        """Kill something every now and then, without warning, and replace what nobody else replaces."""
        dice = random.Random()
        while not ended.wait(dice.uniform(0.5, 3)):
            self._replace()
            which = dice.randrange(WORKERS)
            worker = self.workers[which]
            kind = dice.choice(("web", "child", "child", "worker"))
            with suppress(ProcessLookupError, IndexError):
                if kind == "worker":
                    os.killpg(worker.pid, signal.SIGKILL)
                    worker.wait()
                    self._replace()
                else:
                    os.kill(dice.choice(_children(self.web if kind == "web" else worker)), signal.SIGKILL)
                self.kills += 1
            self._restore()

    def _replace(self) -> None:
        """Start those workers anew that have ended, as Celery's does whose first children are killed."""
        for number, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.workers[number] = self._worker(number)

    def _restore(self) -> None:
        """Have the broker hand out again what killed workers had taken, as it does by itself in a minute or two."""
        if self._broker == FILES:
            return
        app = Celery()
        app.conf.update(options(self._broker, self.home))
        with app.connection_for_write() as connection:
            connection.default_channel.qos.restore_visible(interval=1)
        app.close()

    def _idle(self) -> bool:
        """Return whether nothing waits or runs; see to it that somebody works."""
        self._replace()
        if self._broker == FILES:
            open_ones: dict[tuple[str, int], int] = {}
            for fact in self.truth():
                if "job" in fact and fact["fact"] in ("about", "done"):
                    key = fact["job"], fact["pid"]
                    open_ones[key] = open_ones.get(key, 0) + (1 if fact["fact"] == "about" else -1)
            alive = {pid for worker in self.workers for pid in _children(worker)}
            running = any(number and pid in alive for (_, pid), number in open_ones.items())
            return not running and not any((self.home / "queue").iterdir())
        self._restore()
        with redis.Redis.from_url(self._broker) as server:
            return not server.llen("celery") and not server.hlen("unacked")

    def close(self) -> None:
        """End the servers as an operator does."""
        for process in (self.web, *self.workers):
            process.terminate()
        for process in (self.web, *self.workers):
            process.wait(self.patience)

    def settle(self) -> None:
        """Have the next process of each service deliver what the killed ones have left."""
        for service in ("web", "jobs"):
            process = self._start(str(PROGRAMS / "waits.py"), service=service, stdin=subprocess.PIPE)
            self.until(lambda process=process, service=service: not self._left(service, process), "events were left")
            process.stdin.close()  # type: ignore[union-attr]  # a pipe
            process.wait(self.patience)

    def _left(self, service: str, process: subprocess.Popen[bytes]) -> list[str]:
        """Return the journals of a service that are not a process's own."""
        found = [
            place
            for place, _, names in os.walk(self.home / "state" / service)
            if any(name.endswith(".journal") for name in names)
        ]
        return [place for place in found if not Path(place).name.startswith(f"{process.pid}-")]

    def end(self) -> None:
        """End what a failed test has left."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


@contextmanager
def shop(home: Path, broker: str, collector: Receiver, smtp: int, patience: float) -> Iterator[Shop]:
    """Run a shop, whose processes end with the block."""
    made = Shop(home, broker, collector, smtp, patience)
    try:
        yield made
    finally:
        made.end()


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the children of a process; only of one that is there, whose id nobody else has."""
    if process.poll() is not None:
        return []
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return []
