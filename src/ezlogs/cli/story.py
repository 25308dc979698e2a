"""`ezlogs story`: the stories in a file of spans."""

from __future__ import annotations

import json
from typing import BinaryIO

import click
from rich.console import Console, Group
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.dev.decode import JSON, PROTOBUF, Malformed, ReceivedSpan, decode_request
from ezlogs.story import Story, render_json, stories, told
from ezlogs.story.terminal import render_tree


@click.command(cls=Command)
@click.argument("file", type=click.File("rb"))
@click.option("--id", "story_id", metavar="ID", help="Only the story whose correlation id begins so.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def story(file: BinaryIO, story_id: str | None, as_json: bool) -> None:
    """Tell the stories in a file of spans, as trees and in words.

    FILE is an OTLP export request as protobuf or JSON, or one JSON request a line, as the OpenTelemetry
    Collector's file exporter writes them; - is standard input.
    """
    try:
        found = stories(told(read_spans(file.read())))
    except Malformed as problem:
        raise click.ClickException(f"{file.name}: {problem}") from problem
    if story_id is not None:
        found = [one for one in found if one.correlation_id.startswith(story_id)]
    if as_json:
        click.echo(json.dumps([render_json(one) for one in found], indent=2))
    else:
        console = Console(highlight=False)
        for one in found:
            console.print(drawn(one))
    if not found:
        wanted = f" with the id {story_id}" if story_id is not None else ""
        raise click.ClickException(f"{file.name}: no story{wanted}")


def read_spans(content: bytes) -> list[ReceivedSpan]:
    """Return the spans of an export request, protobuf or JSON, or of one JSON request a line.

    Raises:
        Malformed: It is none of these.
    """
    if not content.lstrip().startswith(b"{"):
        return decode_request(content, PROTOBUF)
    try:
        return decode_request(content, JSON)
    except Malformed:
        lines = [line for line in content.splitlines() if line.strip()]
        return [span for line in lines for span in decode_request(line, JSON)]


def drawn(one: Story) -> Group:
    """Return a story as the terminal shows it: its tree, and below it its sentences."""
    sentences = " ".join(sentence.text for sentence in one.sentences)
    return Group(render_tree(one), "", Text(sentences), "")
