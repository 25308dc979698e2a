"""`ezlogs export`: events from files or from this machine, written in a format that other programs read."""

from __future__ import annotations

from typing import BinaryIO, TextIO

import click

from ezlogs.cli.help import Command
from ezlogs.cli.progress import tracked
from ezlogs.cli.scrub import scrubber_here
from ezlogs.cli.sources import DIRECTORY, PORT, events_here, events_in
from ezlogs.exchange import FORMATS, write
from ezlogs.story.tree import distinct
from ezlogs.story.wording import counted


@click.command(cls=Command, name="export")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.File("rb"))
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), default="jsonl", show_default=True, help="As what.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl, for programs.")
@click.option("--output", "-o", type=click.File("w", "utf-8", lazy=True), default="-", help="To a file.")
@click.option("--story", "story_id", metavar="ID", help="Only the story whose id begins so.")
@PORT
@DIRECTORY
def export(
    *,
    files: tuple[BinaryIO, ...],
    kind: str,
    as_json: bool,
    output: TextIO,
    story_id: str | None,
    port: int,
    directory: str | None,
) -> None:
    """Write events as lines of JSON, as OTLP/JSON, as a table or as the Ruby agent's JSON.

    FILE is what `ezlogs import` reads; - is standard input. Without one, a running `ezlogs dev` on this machine is
    asked, and what waits on disk for delivery is read. Each event is written once, scrubbed by the settings of this
    directory. What is written can be read again, except for csv.

    The exit status is 1 when there is nothing to write.
    """
    if files:
        found, place = events_in(files), ""
    else:
        found, place = events_here(port, directory)
    chosen = [
        told
        for told in distinct(found)
        if story_id is None or told.event.correlation.correlation_id.startswith(story_id)
    ]
    if not chosen:
        where = f" in {place}" if place else ""
        raise click.ClickException(f"there is no event{where}" if story_id is None else f"no story {story_id}{where}")
    scrubber = scrubber_here()
    for text in write(tracked(chosen, len(chosen), "writing"), "jsonl" if as_json else kind, scrubber):
        output.write(text)
    if output.name not in ("-", "<stdout>"):
        click.echo(f"wrote {counted(len(chosen), 'event')} to {output.name}", err=True)
