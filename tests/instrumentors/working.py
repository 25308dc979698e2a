"""Worker processes of job systems: what they emit goes to a file of JSON lines, and their end is the test's."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from opentelemetry import context

import ezlogs
from ezlogs.correlation import Correlation, placed
from ezlogs.emit import record
from ezlogs.runtime import Runtime, install
from ezlogs.scope import Scope
from ezlogs.settings import load

DEADLINE = 100
"""Seconds until a test gives up: nobody waits for as long, but on a machine that is busy with other things."""
STORY = "4bf92f3577b34da6a3ce929d0e0e4736"
ROOT = Path(__file__).parents[2]


class JsonLines:
    """A carrier that appends each event to a file, in the process that emitted it."""

    opens_spans = True

    def __init__(self, notes_openings: bool = False) -> None:
        self.notes_openings = notes_openings

    def carry(self, event: Any, ctx: object) -> None:
        """Write an event."""
        self._write(msgspec.to_builtins(event.facts) | {"metadata": dict(event.metadata), "pid": os.getpid()})

    def opened(self, event: Any, ctx: object, *, with_span: bool = False) -> None:
        """Write what a killed process leaves."""
        facts = msgspec.to_builtins(event.facts)
        self._write(facts | {"metadata": dict(event.metadata), "event_type": f"opened.{event.event_type}"})

    def awaited(self, event_id: str, note: Callable[[bool], object]) -> None:
        """Have it noted at once."""
        note(True)

    def closed(self, event_id: str) -> None:
        """Its event is told."""

    def flush(self, timeout: float) -> bool:
        """Nothing is held."""
        return True

    def shutdown(self, timeout: float) -> None:
        """Write that this is the end."""
        self._write({"event_type": "test.shutdown", "pid": os.getpid()})

    def forget(self) -> None:
        """Nothing is held."""

    def health(self) -> dict[str, Any]:
        """Nothing is held."""
        return {}

    @staticmethod
    def _write(fact: dict[str, Any]) -> None:
        line = json.dumps(fact, default=str) + "\n"
        descriptor = os.open(os.environ["JOBS_EVENTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def instrumented(*instrumentors: Any) -> bool:
    """Run ezlogs in a worker process, unless the test wants one without; called before the tasks are defined."""
    if "JOBS_EVENTS" not in os.environ or "JOBS_BARE" in os.environ:
        return False
    install(Runtime(load({}, {"strict": True}).settings, JsonLines("JOBS_JOURNAL" in os.environ)))
    for instrumentor in instrumentors:
        instrumentor().instrument()
    return True


def seen(**metadata: object) -> None:
    """Tell that a task runs: where that belongs is what the test looks at."""
    if "JOBS_BARE" in os.environ:
        JsonLines._write({"event_type": "bare.action", "metadata": metadata})
    record("probe.action", "seen", metadata=metadata)


def leak() -> None:
    """Attach a context and forget about it."""
    ezlogs.actor(type="user", id="intruder").__enter__()
    context.attach(context.set_value("left", "behind"))


@contextmanager
def in_story(actor: tuple[str, object] = ("user", 7), parent: str = "evt_request") -> Iterator[None]:
    """Be in a request of a user."""
    with Scope(placed(Correlation(correlation_id=STORY, parent_event_id=parent))), ezlogs.actor(actor):
        yield


def on_top(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """Hook on top of ezlogs, which then stays below when it is taken back."""
    below = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        return below(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


def tasks_in(file: Path, environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module of tasks, made anew in this process, as a producer has it."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Event = dict[str, Any]


class Working:
    """A worker process.

    Args:
        home: Where its events and its log go.
        command: The arguments of Python that start it.
        environ: What else is in its environment.
    """

    def __init__(self, home: Path, command: list[str], environ: Mapping[str, str]) -> None:
        self.home, self._log = home, home / "worker.log"
        self._events = home / "events.jsonl"
        path = os.pathsep.join([str(home), str(ROOT), *filter(None, sys.path), str(Path(command[0]).parent)])
        given = {**os.environ, **environ, "JOBS_EVENTS": str(self._events), "PYTHONPATH": path}
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                env=given,
                cwd=home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def events(self) -> list[Event]:
        """Return what the worker's processes have emitted so far."""
        return [json.loads(line) for line in self._events.read_text().splitlines()] if self._events.exists() else []

    def wait(self, enough: Callable[[list[Event]], object]) -> list[Event]:
        """Return the events as soon as a condition holds for them; fail with the worker's log after a deadline."""
        end = time.monotonic() + DEADLINE
        while not enough(events := self.events()):
            if time.monotonic() > end:
                pytest.fail(f"events: {events}\n{self._log.read_text()[-6000:]}")
            time.sleep(0.05)
        return events

    def attempts(self, job_id: str, number: int = 1) -> list[Event]:
        """Return the execution events of a job when there are so many, the earliest attempt first."""

        def of_job(events: list[Event]) -> list[Event]:
            return [
                event
                for event in events
                if event["event_type"] == "job.execution" and event["correlation"]["job_id"] == job_id
            ]

        found = of_job(self.wait(lambda events: len(of_job(events)) >= number))
        return sorted(found, key=lambda event: event["timestamp"])

    def enqueued(self, name: str) -> Event:
        """Return the event of a job that the worker itself has enqueued, by the end of its name."""

        def of_name(events: list[Event]) -> list[Event]:
            return [
                event
                for event in events
                if event["event_type"] == "job.enqueue" and event["metadata"]["job"].endswith(name)
            ]

        return of_name(self.wait(of_name))[0]

    def stop(self) -> None:
        """End the worker as an operator does, and then whatever it has left behind."""
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
