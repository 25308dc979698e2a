"""The commands that `ezlogs` has. A new command is a module in this package and a name in `COMMANDS`."""

from __future__ import annotations

from typing import Final

import click

from ezlogs.cli.demo import demo
from ezlogs.cli.dev import dev
from ezlogs.cli.doctor import doctor
from ezlogs.cli.exporting import export
from ezlogs.cli.help import Group
from ezlogs.cli.history import history_command
from ezlogs.cli.importing import import_command
from ezlogs.cli.run import run
from ezlogs.cli.scrub import scrub
from ezlogs.cli.settings import settings
from ezlogs.cli.spool import spool
from ezlogs.cli.story import story
from ezlogs.cli.tail import tail
from ezlogs.version import __version__

COMMANDS: Final[tuple[click.Command, ...]] = (
    demo, run, dev, tail, story, history_command, export, import_command, scrub, spool, doctor, settings,
)  # fmt: skip
"""In the order in which the help lists them."""


@click.group(cls=Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Who did what to what, and what happened next, on plain OpenTelemetry."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in COMMANDS:
    app.add_command(command)
