"""`ezlogs dev`: a local endpoint that tells each story in the terminal as it happens."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.cli.run import instrumented
from ezlogs.cli.sources import PHRASES
from ezlogs.cli.story import drawn
from ezlogs.dev.decode import ReceivedLog, ReceivedSpan
from ezlogs.story import render_json, stories, told
from ezlogs.story.registry import Phrases
from ezlogs.story.tail import Tail
from ezlogs.zone import here

if TYPE_CHECKING:
    from ezlogs.dev.endpoint import Endpoint

TICK = 0.1
"""Seconds between two looks at what has gone quiet."""
PATIENCE = 10.0
"""Seconds that the program has to end by itself after Ctrl-C."""


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.option("--port", default=4318, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--grpc-port", default=4317, show_default=True, type=click.IntRange(0, 65535), help="Port for OTLP/gRPC.")
@click.option("--store", "file", type=click.Path(dir_okay=False, path_type=Path), help="Keep everything in this file.")
@click.option("--json", "as_json", is_flag=True, help="Print each story as one line of JSON, for programs.")
@PHRASES
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def dev(  # noqa: PLR0917  # click gives them by name
    port: int, grpc_port: int, file: Path | None, as_json: bool, phrases: Phrases, command: tuple[str, ...]
) -> None:
    """Receive telemetry, tell each story here, and show all on a page.

    A story is told once it is quiet for a second. With a COMMAND, as in `ezlogs dev -- python app.py`, that is run
    under opentelemetry-instrument with this endpoint, and the exit status is its own. Ctrl-C ends both.
    """
    try:
        from ezlogs.dev.endpoint import Endpoint, UnusableFileError
    except ModuleNotFoundError as missing:
        raise click.ClickException("ezlogs dev needs: pip install 'ezlogs-opentelemetry[dev]'") from missing

    arrivals: queue.SimpleQueue[Sequence[ReceivedSpan | ReceivedLog]] = queue.SimpleQueue()
    zone = here()
    console, tail = Console(highlight=False), Tail(phrases=phrases, zone=zone)
    teller = partial(stories, phrases=phrases, zone=zone)

    def tell(now: float) -> None:
        with suppress(queue.Empty):
            while True:
                tail.hear(told(arrivals.get_nowait()), monotonic())
        for story in tail.quiet(now):
            if as_json:
                click.echo(json.dumps(render_json(story)))
            else:
                console.print(drawn(story))

    with ExitStack() as stack:
        try:
            endpoint = stack.enter_context(Endpoint(file, arrivals.put, port=port, grpc_port=grpc_port, teller=teller))
        except UnusableFileError as problem:
            raise click.ClickException(f"{problem}; --store takes a new file, or one that it made") from problem
        except OSError as problem:
            raise click.ClickException(f"port {port}: {problem.strerror}; --port 0 takes a free one") from problem
        program = _launch(command, endpoint.address) if command else None
        try:
            signal.signal(signal.SIGTERM, _leave)
            _say_where(endpoint)
            while program is None or program.poll() is None:
                sleep(TICK)
                tell(monotonic())
        except KeyboardInterrupt:
            pass  # it has reached the program too
        except SystemExit:
            if program is not None:
                program.terminate()
        status = _end(program)
    tell(float("inf"))
    sys.exit(status)


def _say_where(endpoint: Endpoint) -> None:
    grpc = (
        f"and OTLP/gRPC on {endpoint.grpc_address}" if endpoint.grpc_address else f"not gRPC: {endpoint.without_grpc}"
    )
    console = Console(stderr=True, highlight=False)
    console.print(Text(f"listening on {endpoint.address} for OTLP/HTTP, {grpc}", "dim"))
    console.print(Text.assemble("the page is at ", (f"{endpoint.address}/", "bold"), "; Ctrl-C ends it", style="dim"))


def environment(environ: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Return the environment of a program that is to send its telemetry to an endpoint, whatever was set before.

    Example:
        >>> environment({"PATH": "/bin", "EZLOGS_ENDPOINT": "https://far.away"}, "http://127.0.0.1:4318")["PATH"]
        '/bin'
    """
    elsewhere = ("OTEL_EXPORTER_OTLP_", "EZLOGS_ENDPOINT", "EZLOGS_LOGS_ENDPOINT")
    kept = {name: value for name, value in environ.items() if not name.startswith(elsewhere)}
    metrics = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "2000"}  # which the page shows
    return {**metrics, **kept, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


def _launch(command: tuple[str, ...], endpoint: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(instrumented(command), env=environment(os.environ, endpoint))


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
