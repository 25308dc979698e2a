"""`ezlogs story`: the stories in files, or one of this machine's by its id, as trees, in words, or for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime, tzinfo
from typing import BinaryIO

import click
from rich.console import Console, Group
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.cli.sources import DIRECTORY, PHRASES, PORT, events_here, events_in, name_of
from ezlogs.story import Story, paragraph, render_json, render_markdown, render_text, stories, together
from ezlogs.story.outline import outline
from ezlogs.story.registry import Phrases
from ezlogs.story.terminal import drawn_tree
from ezlogs.story.wording import counted, listed
from ezlogs.zone import here

FORMATS = ("tree", "text", "markdown", "json", "test")
_SHORT_ID = 8
_MOST_LISTED = 50


def _zone(context: click.Context, option: click.Parameter, given: str | None) -> tzinfo | None:
    if given is None:
        return here()
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(given)
    except (ValueError, OSError, KeyError) as problem:
        raise click.BadParameter(f"{given!r}: use a name such as Europe/Berlin, or UTC") from problem


@click.command(cls=Command)
@click.argument("wanted", metavar="[ID|FILE]...", nargs=-1)
@click.option("--id", "story_id", metavar="ID", help="Only the story whose id begins so, and those linked with it.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="tree", show_default=True, help="As what.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json, for programs.")
@click.option("--tz", "zone", callback=_zone, metavar="ZONE", help="Times are of this zone; of this machine's.")
@PHRASES
@PORT
@DIRECTORY
def story(
    *,
    wanted: tuple[str, ...],
    story_id: str | None,
    kind: str,
    as_json: bool,
    zone: tzinfo,
    phrases: Phrases,
    port: int,
    directory: str | None,
) -> None:
    """Tell stories as trees and in words: one of this machine's by its id, or those in files.

    With an ID, or the beginning of one, as `ezlogs history` and log lines show it, a running `ezlogs dev` on this
    machine is asked, and what waits on disk for delivery is read. Without anything, the stories that are there are
    listed.

    FILE is an OTLP export request of spans or log records as protobuf or JSON, one JSON request a line, as the
    OpenTelemetry Collector's file exporter writes them, or what `ezlogs export` writes; - is standard input. An event
    that is there twice is told once. Stories that are linked, as when a webhook goes on with a flow of days before, are
    told one after the other.
    """
    names = [name for name in wanted if name == "-" or os.path.exists(name)]
    ids = [name for name in wanted if name not in names] + ([story_id] if story_id is not None else [])
    if names:
        with ExitStack() as opened:
            files = [opened.enter_context(_opened(name)) for name in names]
            found, place = stories(events_in(files), phrases=phrases, zone=zone), listed(list(map(name_of, files)))
    else:
        told, place = events_here(port, directory)
        found = stories(told, phrases=phrases, zone=zone)
        if not ids and found and not as_json and kind == "tree":
            _list(found, zone)
            return
    groups = together(found)
    if ids:
        groups = [group for group in groups if any(_is_meant(one, ids) for one in group)]
    _print([one for group in groups for one in group], groups, "json" if as_json else kind, zone)
    if not groups:
        meant = f" with the id {listed(ids)}" if ids else ""
        raise click.ClickException(f"no story{meant} in {place}{_hint(ids, found)}")


def _is_meant(one: Story, ids: Iterable[str]) -> bool:
    return any(one.correlation_id.startswith(name) for name in ids)


def _opened(name: str) -> BinaryIO:
    try:
        return click.open_file(name, "rb")  # type: ignore[return-value]  # binary, by its mode
    except OSError as problem:
        raise click.ClickException(f"{name}: {problem.strerror}") from problem


def _hint(ids: Sequence[str], found: Sequence[Story]) -> str:
    """Return what else was there, for somebody whose id was not."""
    if not ids or not found:
        return ""
    some = ", ".join(one.correlation_id[:_SHORT_ID] for one in found[-5:])
    return f"; there {'is' if len(found) == 1 else 'are'} {counted(len(found), 'story')}: {some}" + (
        " ..." if len(found) > 5 else ""
    )


def _list(found: Sequence[Story], zone: tzinfo) -> None:
    """Print what stories there are, the latest last."""
    console = Console(highlight=False)
    for one in found[-_MOST_LISTED:]:
        at = f"{datetime.fromtimestamp(one.began / 1e9, zone):%Y-%m-%d %H:%M:%S}"
        line = Text.assemble((at, "dim"), "  ", (one.correlation_id[:_SHORT_ID], "cyan"), "  ", (one.title, "bold"))
        console.print(line.append(f"  {one.outcome}, {counted(len(one.events), 'event')}", "dim"), soft_wrap=True)
    if len(found) > _MOST_LISTED:
        click.echo(f"and {len(found) - _MOST_LISTED:,} before", err=True)
    click.echo("ezlogs story ID tells one of them", err=True)


def _print(found: Sequence[Story], groups: Sequence[tuple[Story, ...]], kind: str, zone: tzinfo) -> None:
    if kind == "json":
        click.echo(json.dumps([render_json(one) for one in found], indent=2))
        return
    if kind == "test":
        from ezlogs.testing.copying import copy_as_test

        if found:
            click.echo(copy_as_test(event for one in found for event in one.events))
        return
    console = Console(highlight=False)
    for group in groups:
        for one in group:
            if kind == "tree":
                console.print(drawn(one, group, zone))
            else:
                click.echo(f"{(render_markdown if kind == 'markdown' else render_text)(one, group, zone=zone)}\n")


def drawn(one: Story, others: Iterable[Story] = (), zone: tzinfo | None = None) -> Group:
    """Return a story as the terminal shows it: its tree, and below it its sentences.

    Args:
        one: The story.
        others: Those that it may go on from.
        zone: The time zone in which to say when it began; that is not said when left out.
    """
    return Group(drawn_tree(outline(one, others, zone=zone)), "", Text(paragraph(one)), "")
