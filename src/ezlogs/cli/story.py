"""`ezlogs story`: the stories in a file of spans and log records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import BinaryIO

import click
from rich.console import Console, Group
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.dev.decode import JSON, PROTOBUF, Malformed, ReceivedLog, ReceivedSpan, decode_either
from ezlogs.story import Story, render_json, stories, together, told
from ezlogs.story.terminal import render_tree


@click.command(cls=Command)
@click.argument("file", type=click.File("rb"))
@click.option("--id", "story_id", metavar="ID", help="Only the story whose id begins so, and those linked with it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def story(file: BinaryIO, story_id: str | None, as_json: bool) -> None:
    """Tell the stories in a file of spans and log records, as trees and in words.

    FILE is an OTLP export request of either as protobuf or JSON, or one JSON request a line, as the OpenTelemetry
    Collector's file exporter writes them; - is standard input. An event that is there twice is told once. Stories that
    are linked, as when a webhook goes on with a flow of days before, are told one after the other.
    """
    try:
        found = stories(told(read(file.read())))
    except Malformed as problem:
        raise click.ClickException(f"{file.name}: {problem}") from problem
    groups = together(found)
    if story_id is not None:
        groups = [group for group in groups if any(one.correlation_id.startswith(story_id) for one in group)]
    if as_json:
        click.echo(json.dumps([render_json(one) for group in groups for one in group], indent=2))
    else:
        console = Console(highlight=False)
        for group in groups:
            for one in group:
                console.print(drawn(one, group))
    if not groups:
        wanted = f" with the id {story_id}" if story_id is not None else ""
        raise click.ClickException(f"{file.name}: no story{wanted}")


def read(content: bytes) -> list[ReceivedSpan | ReceivedLog]:
    """Return what is in an export request of spans or log records, protobuf or JSON, or in one JSON request a line.

    Raises:
        Malformed: It is none of these.
    """
    if not content.lstrip().startswith(b"{"):
        return decode_either(content, PROTOBUF)
    try:
        return decode_either(content, JSON)
    except Malformed:
        lines = [line for line in content.splitlines() if line.strip()]
        return [item for line in lines for item in decode_either(line, JSON)]


def drawn(one: Story, others: Iterable[Story] = ()) -> Group:
    """Return a story as the terminal shows it: its tree, and below it its sentences.

    Args:
        one: The story.
        others: Those that it may go on from.
    """
    sentences = " ".join(sentence.text for sentence in one.sentences)
    return Group(render_tree(one, others), "", Text(sentences), "")
