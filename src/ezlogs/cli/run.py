"""`ezlogs run`: a program, instrumented, in the place of this one."""

from __future__ import annotations

import os
import shutil
import sys

import click

from ezlogs.cli.help import Command


@click.command(cls=Command, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...]) -> None:
    """Run a program with ezlogs in it, as in `ezlogs run python app.py` or `ezlogs run gunicorn shop.wsgi`.

    It is what `opentelemetry-instrument` does with this Python's packages. The program takes this one's place: signals
    reach it, and the exit status is its own. Settings are those of its environment and files; `ezlogs doctor` shows
    them.
    """
    instrument = beside_python("opentelemetry-instrument")
    if instrument is None or shutil.which(command[0]) is None:
        raise click.ClickException(f"{command[0] if instrument else 'opentelemetry-instrument'}: command not found")
    sys.stdout.flush()
    os.execv(instrument, [instrument, *command])


def beside_python(program: str) -> str | None:
    """Return the path of a program that was installed with this Python's packages, else of one by that name."""
    beside = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    return shutil.which(program, path=beside)
