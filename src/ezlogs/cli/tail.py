"""`ezlogs tail`: stories as they happen, from a running `ezlogs dev` and from what waits on disk."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from time import monotonic, sleep
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.cli.sources import DIRECTORY, PHRASES, PORT, Dev, Disk, Source
from ezlogs.story import render_json
from ezlogs.story.outline import outline
from ezlogs.story.registry import Phrases
from ezlogs.story.tail import Heard, Tail
from ezlogs.story.terminal import drawn_tree
from ezlogs.zone import here

EVERY: Final = 0.5
"""Seconds between two looks."""
ATTENTION: Final = 0.1
"""Seconds until Ctrl-C is heeded, at most, while nothing is told."""

QUIET: Final = 1.0
PATIENCE: Final = 5.0
LONGEST: Final = 10.0


@click.command(cls=Command)
@click.option("--all", "everything", is_flag=True, help="Begin with what is there already.")
@click.option("--once", is_flag=True, help="Tell what is there already, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line, for programs.")
@PHRASES
@PORT
@DIRECTORY
def tail(*, everything: bool, once: bool, as_json: bool, phrases: Phrases, port: int, directory: str | None) -> None:
    """Tell each story as it happens, until Ctrl-C.

    A story is told once it is quiet for a second; when it goes on, what is new of it is told below what led to it.
    Stories come from a running `ezlogs dev` on this machine, whenever there is one, and from what waits on disk for
    delivery, so that a service without a collector can be watched too. What was delivered elsewhere meanwhile is not
    seen.
    """
    dev, disk = Dev(port), Disk(directory)
    console = Console(highlight=False)
    told = Tail(QUIET, patience=PATIENCE, longest=LONGEST, phrases=phrases, zone=here())
    told.hear((one for source in (dev, disk) for one in source.news()), monotonic())
    disk.complain()
    before = told.due(float("inf"))
    if everything or once:
        _tell(before, console, as_json)
    if once:
        if not before:
            raise click.ClickException(f"there is no story in {disk.name}" + _without(dev, port))
        return
    place = f"{dev.name} and {disk.name}" if dev.there else f"{disk.name}{_without(dev, port)}"
    Console(stderr=True, highlight=False).print(Text(f"watching {place}", "dim"))
    for now in _moments():
        _tell(_news(told, (dev, disk), now), console, as_json)


def _moments() -> Iterator[float]:
    """Yield now and then, less often where looking takes long, until somebody presses Ctrl-C.

    That is heeded between two moments: as an exception it could be lost in whatever code it comes upon. The handler
    takes no lock, which the code that it interrupts may have: that of an event that is waited for, say.
    """
    pressed: list[None] = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(None))
    next_at = monotonic() + EVERY
    try:
        while not pressed:
            if (left := next_at - monotonic()) > 0:
                sleep(min(left, ATTENTION))
                continue
            began = monotonic()
            yield began
            next_at = monotonic() + max(EVERY, 5 * (monotonic() - began))
    finally:
        signal.signal(signal.SIGINT, before)


def _news(told: Tail, sources: Sequence[Source], now: float) -> list[Heard]:
    for source in sources:
        told.hear(source.news(), now)
    return told.due(now)


def _without(dev: Dev, port: int) -> str:
    return "" if dev.there else f"; no ezlogs dev is on port {port}"


def _tell(found: Sequence[Heard], console: Console, as_json: bool) -> None:
    for heard in found:
        if as_json:
            click.echo(json.dumps({**render_json(heard.story), "news": sorted(heard.news)}))
        else:
            console.print(drawn_tree(outline(heard.story, news=heard.news)))
            console.print()
