"""The `ezlogs` command. This file runs without the packages that the command itself needs."""

import sys

_NEEDED = ("click", "rich")


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
    app(prog_name="ezlogs")
