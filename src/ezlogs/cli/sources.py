"""Where commands find events: in files, at a running `ezlogs dev`, and in what waits on disk for delivery."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import BinaryIO, Protocol

import click

from ezlogs.cli import spool_view
from ezlogs.cli.spool import Choice, chosen, refused, waiting
from ezlogs.dev import feed
from ezlogs.exchange import Unreadable, read
from ezlogs.phrases import registered
from ezlogs.story.registry import Phrases
from ezlogs.story.tree import Told

PORT = click.option(
    "--port", default=4318, show_default=True, type=click.IntRange(1, 65535), help="Port of `ezlogs dev`."
)
PHRASES = click.option(
    "--phrases", multiple=True, callback=lambda _context, _option, names: phrases_of(names), metavar="MODULE",
    help="A module that says by ezlogs.phrase() how events are told; repeatable.",
)  # fmt: skip
DIRECTORY = click.option("--dir", "directory", metavar="DIR", help="The state directory; that of the settings.")


def phrases_of(names: Sequence[str]) -> Phrases:
    """Import modules, from this directory too, and return the phrases that they register."""
    if names and "" not in sys.path:
        sys.path.insert(0, "")
    for name in names:
        try:
            import_module(name)
        except Exception as problem:
            raise click.BadParameter(f"{name} cannot be imported: {type(problem).__name__}: {problem}") from problem
    return registered


class Source(Protocol):
    """A place where events turn up."""

    name: str

    def news(self) -> Sequence[Told]:
        """Return what is new since the last time; some of it may be known."""


class Dev:
    """A running `ezlogs dev` on this machine.

    Args:
        port: Its port.
    """

    def __init__(self, port: int) -> None:
        self.name = f"the ezlogs dev on port {port}"
        self.there = True
        """Whether it answered the last time."""
        self._endpoint = f"http://127.0.0.1:{port}"
        self._after = feed.BEGINNING

    def news(self) -> Sequence[Told]:
        """Return what it has received since the last time; all, when it has been started anew."""
        answer = feed.ask(self._endpoint, self._after)
        self.there = answer is not None
        self._after = feed.BEGINNING if answer is None else answer.after
        return () if answer is None else answer.told


class Disk:
    """What waits on disk for delivery, or was refused.

    Args:
        directory: The state directory; that of the settings when left out.
    """

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._choice = chosen(directory, None)
        self.name = f"what waits in {self._choice.base}"

    def news(self) -> Sequence[Told]:
        """Return all that is there now."""
        choice = chosen(self._directory, None)
        return _on_disk(choice, Counter())

    def complain(self) -> None:
        """Say on standard error what cannot be read."""
        problems = Counter[str]()
        choice = chosen(self._directory, None)
        _on_disk(choice, problems)
        for what, times in problems.items():
            click.echo(f"not read: {spool_view.problem(what, times)}", err=True)
        choice.complain()


def _on_disk(choice: Choice, problems: Counter[str]) -> list[Told]:
    return [*waiting(choice, problems), *refused(choice, problems)]


def events_in(files: Sequence[BinaryIO]) -> list[Told]:
    """Return the events in some files, of whatever format each is.

    Raises:
        ClickException: One cannot be read; the text says which, and why.
    """
    found: list[Told] = []
    for file in files:
        try:
            found += read(file.read())
        except Unreadable as problem:
            raise click.ClickException(f"{name_of(file)}: {problem}") from problem
    return found


def events_here(port: int, directory: str | None) -> tuple[list[Told], str]:
    """Return the events that are known on this machine, and where that was looked for."""
    dev, disk = Dev(port), Disk(directory)
    found = [*dev.news(), *disk.news()]
    disk.complain()
    if not dev.there:
        return found, f"{disk.name}; {nobody_on(port)}"
    return found, f"{dev.name} or {disk.name}"


def nobody_on(port: int) -> str:
    """Return what else there is to do where there is no `ezlogs dev` that could be asked."""
    return f"no ezlogs dev is on port {port}, and no FILE was given"


def name_of(file: BinaryIO) -> str:
    """Return what a file is called in messages."""
    return str(getattr(file, "name", "<stdin>"))
