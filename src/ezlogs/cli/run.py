"""`ezlogs run`: a program, instrumented, in the place of this one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

import click

from ezlogs.cli.help import Command


@click.command(cls=Command, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...]) -> None:
    """Run a program with ezlogs in it: `ezlogs run python app.py`.

    It is what `opentelemetry-instrument` does with this Python's packages. The program takes this one's place: signals
    reach it, and the exit status is its own. Settings are those of its environment and files; `ezlogs doctor` shows
    them.
    """
    program = instrumented(command)
    sys.stdout.flush()
    os.execv(program[0], program)


def instrumented(command: Sequence[str]) -> list[str]:
    """Return a command that runs another one under the ``opentelemetry-instrument`` of this Python's packages.

    Args:
        command: A program and its arguments.

    Raises:
        CannotRun: One of the two is not there, or may not be run.
    """
    beside_python = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    instrument = shutil.which("opentelemetry-instrument", path=beside_python)
    if instrument is None:
        raise CannotRun("opentelemetry-instrument")
    if shutil.which(command[0]) is None:
        is_there = os.path.dirname(command[0]) and os.path.exists(command[0])
        raise (MayNotRun if is_there else CannotRun)(command[0])
    return [instrument, *command]


class CannotRun(click.ClickException):
    """There is no such program; the exit status is what a shell's would be."""

    exit_code = 127
    why = "command not found"

    def __init__(self, program: str) -> None:
        super().__init__(f"{program}: {self.why}")


class MayNotRun(CannotRun):
    """It is there, and may not be run."""

    exit_code = 126
    why = "is no program that may be run"
