"""`ezlogs dev`: a local endpoint that tells each story in the terminal as it happens."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic

import click
from rich.console import Console
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.cli.story import drawn
from ezlogs.cli.tail import Tail
from ezlogs.dev.decode import ReceivedSpan
from ezlogs.story import told

TICK = 0.1
"""Seconds between two looks at what has gone quiet."""
_PATIENCE = 10.0
"""Seconds that a program has to end after Ctrl-C."""


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.option("--port", default=4318, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def dev(port: int, command: tuple[str, ...]) -> None:
    """Receive spans on this machine, and tell each story when it is quiet for a second.

    With a COMMAND, such as `ezlogs dev -- python app.py`, that is run under opentelemetry-instrument with this
    endpoint, and the exit status is its own. Ctrl-C ends both.
    """
    try:
        from ezlogs.dev.receiver import Receiver
    except ModuleNotFoundError as missing:
        raise click.ClickException("ezlogs dev needs: pip install 'ezlogs-opentelemetry[dev]'") from missing

    arrivals: queue.SimpleQueue[list[ReceivedSpan]] = queue.SimpleQueue()
    receiver = Receiver(port=port, on_spans=arrivals.put)
    try:
        receiver.start()
    except OSError as problem:
        raise click.ClickException(f"port {port}: {problem.strerror or problem}; try --port 0") from problem
    console = Console(highlight=False)
    Console(stderr=True, highlight=False).print(Text(f"listening on {receiver.endpoint}", "dim"))
    program: subprocess.Popen[bytes] | None = None
    try:
        if command:
            program = launch(command, receiver.endpoint)
        _tell(arrivals, console, program)
    except KeyboardInterrupt:
        pass
    finally:
        status = _end(program)
        receiver.stop()
        _tell_rest(arrivals, console)
    sys.exit(status)


def launch(command: tuple[str, ...], endpoint: str) -> subprocess.Popen[bytes]:
    """Start a program under ``opentelemetry-instrument``, which sends what it does to an endpoint.

    Raises:
        click.ClickException: The program or ``opentelemetry-instrument`` is not there.
    """
    beside_python = os.path.dirname(sys.executable)
    instrument = shutil.which("opentelemetry-instrument", path=beside_python) or shutil.which(
        "opentelemetry-instrument"
    )
    missing = "opentelemetry-instrument" if instrument is None else command[0] if not shutil.which(command[0]) else None
    if instrument is None or missing:
        raise click.ClickException(f"{missing}: command not found")
    return subprocess.Popen([instrument, *command], env=environment(os.environ, endpoint))


def environment(environ: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Return the environment of a program that is to send its spans to an endpoint, whatever was set before."""
    kept = {name: value for name, value in environ.items() if not name.startswith("OTEL_EXPORTER_OTLP_")}
    kept.pop("EZLOGS_ENDPOINT", None)
    return {**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


def _tell(
    arrivals: queue.SimpleQueue[list[ReceivedSpan]], console: Console, program: subprocess.Popen[bytes] | None
) -> None:
    """Tell stories until the program has ended, or for ever."""
    tail = Tail()
    while program is None or program.poll() is None:
        with suppress(queue.Empty):
            tail.hear(told(arrivals.get(timeout=TICK)), monotonic())
        for story in tail.quiet(monotonic()):
            console.print(drawn(story))
    for story in tail.quiet(float("inf")):
        console.print(drawn(story))


def _tell_rest(arrivals: queue.SimpleQueue[list[ReceivedSpan]], console: Console) -> None:
    tail = Tail()
    while not arrivals.empty():
        tail.hear(told(arrivals.get()), 0)
    for story in tail.quiet(float("inf")):
        console.print(drawn(story))


def _end(program: subprocess.Popen[bytes] | None) -> int:
    if program is None:
        return 0
    try:
        return program.wait(_PATIENCE)  # Ctrl-C has reached it too
    except subprocess.TimeoutExpired:
        program.kill()
        return program.wait()
