"""`ezlogs dev`: a local endpoint that tells each story in the terminal as it happens."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

import click
from rich.console import Console
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.cli.sources import PHRASES
from ezlogs.cli.story import drawn
from ezlogs.dev.decode import ReceivedLog, ReceivedSpan
from ezlogs.story import told
from ezlogs.story.registry import Phrases
from ezlogs.story.tail import Tail

TICK = 0.1
"""Seconds between two looks at what has gone quiet."""
PATIENCE = 10.0
"""Seconds that the program has to end by itself after Ctrl-C."""


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.option("--port", default=4318, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@PHRASES
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def dev(port: int, phrases: Phrases, command: tuple[str, ...]) -> None:
    """Receive spans and log records on this machine, and tell each story once it is quiet for a second.

    With a COMMAND, as in `ezlogs dev -- python app.py`, that is run under opentelemetry-instrument with this
    endpoint, and the exit status is its own. Ctrl-C ends both.
    """
    try:
        from ezlogs.dev.receiver import Receiver
    except ModuleNotFoundError as missing:
        raise click.ClickException("ezlogs dev needs: pip install 'ezlogs-opentelemetry[dev]'") from missing

    arrivals: queue.SimpleQueue[Sequence[ReceivedSpan | ReceivedLog]] = queue.SimpleQueue()
    receiver = Receiver(port=port, on_spans=arrivals.put, on_logs=arrivals.put)
    try:
        receiver.start()
    except OSError as problem:
        raise click.ClickException(f"port {port}: {problem.strerror}; --port 0 takes a free one") from problem
    console, tail = Console(highlight=False), Tail(phrases=phrases)

    def tell(now: float) -> None:
        for story in tail.quiet(now):
            console.print(drawn(story))

    with receiver:
        program = _launch(command, receiver.endpoint) if command else None
        try:
            signal.signal(signal.SIGTERM, _leave)
            Console(stderr=True, highlight=False).print(Text(f"listening on {receiver.endpoint}", "dim"))
            while program is None or program.poll() is None:
                with suppress(queue.Empty):
                    tail.hear(told(arrivals.get(timeout=TICK)), monotonic())
                tell(monotonic())
        except KeyboardInterrupt:
            pass  # it has reached the program too
        except SystemExit:
            if program is not None:
                program.terminate()
        status = _end(program)
    with suppress(queue.Empty):
        while True:
            tail.hear(told(arrivals.get_nowait()), monotonic())
    tell(float("inf"))
    sys.exit(status)


def environment(environ: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Return the environment of a program that is to send its telemetry to an endpoint, whatever was set before.

    Example:
        >>> environment({"PATH": "/bin", "EZLOGS_ENDPOINT": "https://far.away"}, "http://127.0.0.1:4318")["PATH"]
        '/bin'
    """
    elsewhere = ("OTEL_EXPORTER_OTLP_", "EZLOGS_ENDPOINT", "EZLOGS_LOGS_ENDPOINT")
    kept = {name: value for name, value in environ.items() if not name.startswith(elsewhere)}
    return {**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


def _launch(command: tuple[str, ...], endpoint: str) -> subprocess.Popen[bytes]:
    beside_python = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    instrument = shutil.which("opentelemetry-instrument", path=beside_python)
    if instrument is None or shutil.which(command[0]) is None:
        raise click.ClickException(f"{command[0] if instrument else 'opentelemetry-instrument'}: command not found")
    return subprocess.Popen([instrument, *command], env=environment(os.environ, endpoint))


def _leave(*_: object) -> None:
    raise SystemExit


def _end(program: subprocess.Popen[bytes] | None) -> int:
    """Wait for the program to end, and return its exit status as a shell would."""
    if program is None:
        return 0
    try:
        status = program.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        program.kill()
        status = program.wait()
    return status if status >= 0 else 128 - status
