"""Fixtures for Celery: an instrumented application in this process, and a real worker beside it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery
from kombu import pools
from tests.instrumentors.working import DEADLINE

from ezlogs_instrumentors.celery import CeleryInstrumentor

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def tasks() -> ModuleType:
    """Load the application's tasks."""
    spec = importlib.util.spec_from_file_location("tasks", HERE / "tasks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Instrument Celery in this process for one test."""
    CeleryInstrumentor().instrument()
    yield
    CeleryInstrumentor().uninstrument()


@pytest.fixture
def app(tasks: ModuleType, tmp_path: Path, instrumented: None) -> Iterator[Celery]:
    """Make the instrumented application current; what it publishes stays in a directory."""
    app = tasks.make_app(tmp_path)
    app.finalize()
    yield app
    app.close()


class Worker:
    """A worker process, and an application that enqueues for it."""

    def __init__(
        self,
        home: Path,
        tasks: ModuleType,
        contrib: str | None,
        pool: str,
        *options: str,
        broker: str | None = None,
        journal: bool = False,
    ) -> None:
        self.home, self.pool, self.broker = home, pool, broker
        self.app = tasks.make_app(home, broker)
        self.app.finalize()
        given = {"JOBS_CONTRIB": contrib, "JOBS_BROKER": broker, "JOBS_JOURNAL": "1" if journal else None}
        environment = {**os.environ, "JOBS_HOME": str(home)}
        environment |= {name: value for name, value in given.items() if value is not None}
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, sys.path)])
        self._environment, self._options, self._starts = environment, options, 0
        self.start()

    def start(self) -> None:
        """Start the worker's processes."""
        self._starts += 1  # what was killed keeps its name until the broker has noticed
        name = f"--hostname=celery@{self.home.name}-{os.getpid()}-{self._starts}"
        quiet = (name, "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
        celery = ("-m", "celery", "--app=tasks", "worker", f"--pool={self.pool}", "--concurrency=2")
        with (self.home / "worker.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *celery, *quiet, *self._options],
                env=self._environment,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill all of its processes at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.broker is not None and self.broker.startswith("redis"):  # it has no way to notice, but time
            with self.app.connection_for_write() as connection:
                channel = connection.default_channel
                channel.visibility_timeout = 0
                channel.qos.restore_visible()

    def events(self) -> list[dict[str, Any]]:
        """Return what the worker's processes have emitted so far."""
        file = self.home / "events.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def wait(self, enough: Callable[[list[dict[str, Any]]], object]) -> list[dict[str, Any]]:
        """Return the events as soon as a condition holds for them; fail with the worker's log after a deadline."""
        end = time.monotonic() + DEADLINE
        while not enough(events := self.events()):
            if time.monotonic() > end:
                pytest.fail(f"events: {events}\n{(self.home / 'worker.log').read_text()}")
            time.sleep(0.05)
        return events

    def attempts(self, job_id: str, number: int) -> list[dict[str, Any]]:
        """Return the execution events of a job when there are so many."""

        def of_job(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [
                event
                for event in events
                if event["event_type"] == "job.execution" and event["correlation"]["job_id"] == job_id
            ]

        found = of_job(self.wait(lambda events: len(of_job(events)) >= number))
        return sorted(found, key=lambda event: (event["correlation"]["attempt"], event["timestamp"]))

    def stop(self) -> None:
        """End the worker as an operator does."""
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.process.wait()
            self.app.close()


def url_of(broker: str, request: pytest.FixtureRequest) -> str | None:
    """Return where a broker is; None for that of files."""
    if broker == "files":
        return None
    if broker == "rabbitmq":
        return str(request.getfixturevalue("rabbitmq"))
    url: str = request.getfixturevalue("redis").url
    return url.replace("unix://", "redis+socket://")


@pytest.fixture(scope="module", params=["files", "redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str | None:
    """The URL of each broker; None for that of files."""
    return url_of(str(request.param), request)


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def server(request: pytest.FixtureRequest) -> str:
    """The URL of each broker that is a server."""
    return str(url_of(str(request.param), request))


@pytest.fixture(scope="module")
def start_worker(tasks: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Worker]]:
    """Start workers that end with the module."""
    workers: list[Worker] = []

    def start(contrib: str | None = None, pool: str = "prefork", *options: str, **more: Any) -> Worker:
        workers.append(Worker(tmp_path_factory.mktemp("jobs"), tasks, contrib, pool, *options, **more))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()
    pools.reset()
