"""Programs of click, typer and Django under ``opentelemetry-instrument``: what they did arrives, whatever their end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ezlogs.dev.receiver import Receiver

PROGRAMS = Path(__file__).parent / "programs"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
LAUNCHER = Path(sys.prefix) / "bin" / "opentelemetry-instrument"


def environ(home: Path, endpoint: str, **more: str) -> dict[str, str]:
    """Return an environment in which ezlogs delivers to an endpoint."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "EZLOGS_"))}
    named = {"EZLOGS_STATE_DIR": str(home), "EZLOGS_ENDPOINT": endpoint, "EZLOGS_SERVICE_NAME": "shop"}
    return {**inherited, "LOGNAME": "ada", **named, **more}


def run(home: Path, receiver: Receiver, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [str(LAUNCHER), sys.executable, str(PROGRAMS / args[0]), *args[1:]],
        env=environ(home, receiver.endpoint, **more),
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def events(receiver: Receiver) -> list[Mapping[str, Any]]:
    """Return what arrived."""
    return [event.attributes for span in receiver.spans for event in span.events]


def of(receiver: Receiver, action: str) -> Mapping[str, Any]:
    """Return the one event that tells of an action."""
    (found,) = [event for event in events(receiver) if event["ezlogs.action"] == action]
    return found


@pytest.mark.parametrize(
    ("program", "args", "action"),
    [
        ("shop_click.py", ["import", "orders"], "shop import orders"),
        ("shop_typer.py", ["orders"], "shop orders"),
        ("project/manage.py", ["orders"], "manage.py orders"),
    ],
)
def test_a_short_command_is_delivered_at_its_end(receiver, tmp_path, program, args, action):
    """With its exit code, in the story that its process was started in, and without its arguments."""
    traceparent = f"00-{TRACE_ID}-b7ad6b7169203331-01"
    done = run(tmp_path, receiver, program, *args, "--token", "hunter2", TRACEPARENT=traceparent)
    assert done.returncode == 3, done.stderr
    imported, ran = of(receiver, "imported"), of(receiver, action)
    assert (ran["ezlogs.outcome"], ran["ezlogs.metadata.exit_code"]) == ("failure", 3)
    assert (ran["ezlogs.actor.type"], ran["ezlogs.actor.id"]) == ("cli", "ada")
    assert list(ran["ezlogs.metadata.options"]) == ["--token"]
    assert imported["ezlogs.parent_event.id"] == ran["ezlogs.event.id"]
    assert {event["ezlogs.correlation.id"] for event in events(receiver)} == {TRACE_ID}
    assert "hunter2" not in str(receiver.spans)
    (span,) = [span for span in receiver.spans if span.name == action]
    assert span.attributes["process.exit.code"] == 3
    if program.endswith("manage.py"):
        assert of(receiver, "manage.py migrate")["ezlogs.parent_event.id"] == ran["ezlogs.event.id"]


@contextmanager
def in_the_middle(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run a command that has no end, which is killed if it was not."""
    with subprocess.Popen(
        [str(LAUNCHER), sys.executable, str(PROGRAMS / "shop_click.py"), "import", "endless"],
        env=environ(home, f"http://127.0.0.1:{port}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_that_is_killed_is_told_as_interrupted(tmp_path, how):
    """By the next process, under its full name; what happened in it has it as its parent."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with in_the_middle(tmp_path, port) as process:
        process.send_signal(how)
        assert process.wait(30) == -how
    with Receiver(port=port) as receiver, in_the_middle(tmp_path, port):
        deadline = time.monotonic() + 40
        while not any(event["ezlogs.action"] == "shop import endless" for event in events(receiver)):
            assert time.monotonic() < deadline, events(receiver)
            time.sleep(0.05)
        interrupted = of(receiver, "shop import endless")
        assert (interrupted["ezlogs.outcome"], interrupted["ezlogs.metadata.reason"]) == ("unknown", "interrupted")
        assert interrupted["ezlogs.event.id"] in {event.get("ezlogs.parent_event.id") for event in events(receiver)}


def test_requests_of_a_server_begin_their_own_stories(receiver, tmp_path):
    """The command that serves them is not told."""
    done = run(tmp_path, receiver, "shop_typer.py", "serve")
    assert done.returncode == 0, done.stderr
    served = [event for event in events(receiver) if event["ezlogs.action"] == "GET /"]
    assert len({event["ezlogs.correlation.id"] for event in served}) == 2
    assert not [event for event in events(receiver) if event["ezlogs.action"] == "shop serve"]
