"""How the `ezlogs` command explains itself: click's help pages, drawn by rich."""

from __future__ import annotations

import click
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDEST = 100  # prose is hard to read in longer lines


class Command(click.Command):
    """A command whose help page is drawn by rich."""

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page; click strips its colours where they are not wanted."""
        console = Console(highlight=False, force_terminal=True, color_system="standard")
        console.width = min(console.width, WIDEST)
        with console.capture() as captured:
            for block in self._blocks(ctx):
                console.print(block)
        return captured.get().rstrip("\n")

    def _blocks(self, ctx: click.Context) -> list[RenderableType]:
        usage = Text.assemble(("usage  ", "dim"), (ctx.command_path, "bold"), " ", *self._words(ctx))
        paragraphs = [Text(" ".join(part.split())) for part in (self.help or "").split("\n\n")]
        params = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        options = [record for param in params if (record := param.get_help_record(ctx))]
        blocks: list[RenderableType] = [usage]
        for paragraph in paragraphs:
            blocks += ["", paragraph]
        return [*blocks, "", Text("options", "dim"), _listing(options, "yellow")]

    def _words(self, ctx: click.Context) -> list[str]:
        return [" ".join(self.collect_usage_pieces(ctx))]


class Group(Command, click.Group):
    """The group of all commands, drawn by rich, with the commands before the options."""

    command_class = Command

    def _blocks(self, ctx: click.Context) -> list[RenderableType]:
        *blocks, heading, options = super()._blocks(ctx)
        commands = [(name, command.get_short_help_str(WIDEST)) for name, command in self.commands.items()]
        return [*blocks, Text("commands", "dim"), _listing(commands, "bold cyan"), "", heading, options]


def _listing(rows: list[tuple[str, str]], style: str) -> RenderableType:
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style=style, no_wrap=True)
    table.add_column()
    for name, meaning in rows:
        table.add_row(Text(name), Text(meaning))
    return Padding(table, (0, 0, 0, 2))
