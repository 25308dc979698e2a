"""The `ezlogs` command. This file runs without the packages that the command itself needs."""

import codecs
import errno
import io
import os
import sys

_NEEDED = ("click", "rich")
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_PLAIN = {
    "✓": "+", "✗": "x", "↩": "<", "↻": "~", "·": "-", "…": "...", "→": "->", "├": "|", "└": "`", "─": "-", "│": "|",
}  # fmt: skip
"""What stands for characters that a terminal lacks."""


def main() -> None:
    """Run the `ezlogs` command: the console script.

    Exits with 0 when all is well, with 1 when something is wrong with what was asked about, and with 2 when
    the command was not understood or cannot run.
    """
    try:
        from ezlogs.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        print("the ezlogs command needs: pip install 'ezlogs-opentelemetry[dev]'", file=sys.stderr)
        sys.exit(2)
    _write_what_the_terminal_can()
    try:
        app(prog_name="ezlogs")
    except OSError as problem:
        if problem.errno not in _CANNOT_WRITE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or what is left to write fails once more at the exit
        print(f"Error: the result cannot be written: {problem.strerror}", file=sys.stderr)
        sys.exit(1)


def _write_what_the_terminal_can() -> None:
    """Have characters that a stream's encoding lacks replaced by others, rather than end in an error."""
    codecs.register_error("ezlogs", _instead)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="ezlogs")


def _instead(problem: UnicodeError) -> tuple[str, int]:
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    lacking = problem.object[problem.start : problem.end]
    return "".join(_PLAIN.get(character, "?") for character in lacking), problem.end
