"""`ezlogs settings`: every setting, its value, and where that came from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import click
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.settings import GROUPS, TABLE, Loaded, load, spelled
from ezlogs.settings.files import find_files

WIDE = 170  # columns from which a setting and what it does fit into one line
LONGEST = 40  # columns that values may take up in such a line; a group with longer ones is shown as where it is narrow


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def settings(as_json: bool) -> None:
    """Explain every setting, with its value, and where that came from.

    The values are those of a program that is started here: in this environment, in this directory. What it gives
    to ezlogs.configure() counts more. Secrets are masked. What cannot be used is told on standard error, and the
    exit status is then 1. `ezlogs doctor` looks at everything else as well.
    """
    loaded = load(os.environ, files=find_files(os.environ))
    if as_json:
        document = {"settings": loaded.document(), "problems": list(map(str, loaded.problems))}
        click.echo(json.dumps(document, indent=2))
    else:
        console = Console(highlight=False)
        console.print(Group(*_groups(loaded, console.width)))
    errors = Console(stderr=True, highlight=False)
    for problem in loaded.problems:
        errors.print(Text.assemble(("! ", "bold red"), str(problem)), soft_wrap=True)
    if loaded.problems:
        raise SystemExit(1)


def _groups(loaded: Loaded, width: int) -> Iterator[RenderableType]:
    shown = loaded.settings.shown()
    values = {name: spelled(value).replace(",", ", ") for name, value in shown.items()}
    names, longest = max(map(len, TABLE)), min(LONGEST, max(map(len, values.values())))
    room = width - names - len("    ")
    for group, declared in GROUPS.items():
        is_wide = width >= WIDE and all(len(values[name]) <= LONGEST for name in declared.rows)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, min_width=names)
        table.add_column(overflow="fold", min_width=longest if is_wide else None)
        for name, setting in declared.rows.items():
            given = loaded.explicit(name)
            value = Text(values[name] or "not set", "bold green" if given else "")
            source = Text(loaded.sources[name], "cyan" if given else "dim")
            doc = Text(setting.doc, "dim")
            if is_wide:
                table.add_row(name, value, source, doc)
            else:
                gap = "  " if len(value) + len(source) + 2 <= room else "\n"
                table.add_row(name, Text.assemble(value, gap, source, "\n", doc))
        yield Text(group, "bold")
        yield Padding(table, (0, 0, 1, 2))
