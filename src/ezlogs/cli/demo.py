"""`ezlogs demo`: a small shop runs for two seconds, and its stories are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

import click
from rich.console import Console
from rich.text import Text

from ezlogs.cli.dev import environment
from ezlogs.cli.help import Command
from ezlogs.cli.story import drawn
from ezlogs.story import render_json, stories, told
from ezlogs.zone import here

TIMEOUT = 60.0
"""Seconds that the shop may take, on however slow a machine."""

NEXT = """What next?
  ezlogs dev -- python app.py     run your application, and see its stories as they happen
  EZLOGS_DEBUG=1 python app.py    the same in its own terminal, without an endpoint
  ezlogs doctor                   what ezlogs would do in your program, and what is in its way"""


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the stories as JSON, for programs.")
def demo(as_json: bool) -> None:
    """Run a small shop for two seconds, and tell the stories of its two customers.

    Ada orders tea: a request, a flow, a job that fails once and a mail, over three threads. Bob orders what is not in
    stock. It is a real program with real requests and a real mail server, all on this machine; nothing is left of it,
    and nothing leaves. Its source is in the package: ezlogs/demo/shop.py.
    """
    try:
        from ezlogs.dev.receiver import Receiver
    except ModuleNotFoundError as missing:
        raise click.ClickException("ezlogs demo needs: pip install 'ezlogs-opentelemetry[dev]'") from missing

    foreign = ("EZLOGS_", "OTEL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with Receiver() as receiver, tempfile.TemporaryDirectory(prefix="ezlogs-demo-") as state:
        environ = {**environment(kept, receiver.endpoint), "EZLOGS_STATE_DIR": state, "NO_PROXY": "127.0.0.1,localhost"}
        if not as_json:
            Console(stderr=True, highlight=False).print(Text("The shop opens, and two customers order ...", "dim"))
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "ezlogs.demo.shop"],
                env=environ,
                cwd=state,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise click.ClickException(f"the shop did not close within {TIMEOUT:g} s") from late
        found = stories(told([*receiver.spans, *receiver.logs]), zone=here())
    if ended.returncode or not found:
        raise click.ClickException(f"the shop failed:\n{ended.stderr.strip() or 'nothing was received from it'}")
    if as_json:
        click.echo(json.dumps([render_json(one) for one in found], indent=2))
        return
    console = Console(highlight=False)
    for one in found:
        console.print(drawn(one, found))
    console.print(Text("The card numbers and e-mail addresses were redacted before anything left the shop.", "dim"))
    console.print()
    click.echo(NEXT)
