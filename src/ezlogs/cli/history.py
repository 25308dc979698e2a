"""`ezlogs history`: what happened to one subject - when, by whom, what changed, and in which request or job."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from itertools import groupby
from typing import Any, BinaryIO

import click
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ezlogs.cli import spool_view
from ezlogs.cli.help import Command
from ezlogs.cli.sources import events_in, name_of, nobody_on
from ezlogs.cli.spool import chosen, refused, seconds_of, waiting
from ezlogs.dev.history import ask
from ezlogs.story.history import Entry, Found, find, history, merged
from ezlogs.story.render import event_json
from ezlogs.story.terminal import GLYPHS
from ezlogs.story.wording import counted, last_segment, listed, plural, printable, shortened, words

_OUTCOMES = {
    "failure": "failed",
    "dead": "failed for good",
    "rolled_back": "rolled back",
    "retried": "to be tried again",
    "unknown": "nobody was told whether it happened",
}
_SHORT_ID = 8
_NAMED = 5


@click.command(cls=Command, name="history")
@click.argument("kind", metavar="TYPE")
@click.argument("identifier", metavar="ID")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.File("rb"))
@click.option("--since", callback=seconds_of, metavar="AGE", help="Only what is not older than 7d, 12h or the like.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="The latest so many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--port", default=4318, show_default=True, type=click.IntRange(1, 65535), help="Port of `ezlogs dev`.")
@click.option("--dir", "directory", metavar="DIR", help="The state directory; that of the settings.")
def history_command(
    *,
    kind: str,
    identifier: str,
    files: tuple[BinaryIO, ...],
    since: float | None,
    limit: int,
    as_json: bool,
    port: int,
    directory: str | None,
) -> None:
    """List what happened to one subject, as in `ezlogs history order 42`, in the order of time.

    Each line says who did what, which fields changed as far as that was told, how it ended, and the request, job or
    command that it happened in, with the id of its story for `ezlogs story --id`.

    FILE is what `ezlogs story` reads, spans or log records of one or more services; - is standard input. Without one,
    a running `ezlogs dev` on this machine is asked, and what waits on disk for delivery is read.
    """
    found, sources = _of_files(files, kind, identifier) if files else _of_here(port, directory, kind, identifier)
    told_of = history(found.told, kind, identifier)
    after = None if since is None else time.time_ns() - int(since * 1e9)
    entries = [entry for entry in told_of.entries if after is None or entry.at >= after]
    shown = entries[-limit:]
    name = f"{kind} {identifier}"
    if as_json:
        click.echo(json.dumps([_document(entry) for entry in shown], indent=2))
    elif shown:
        _print(drawn(name, shown, told_of.bulk if len(shown) == len(told_of.entries) else 0, kind))
    if len(shown) < len(entries):
        click.echo(f"there are {len(entries) - len(shown):,} before; --limit {len(entries)} lists all", err=True)
    if shown:
        return
    if told_of.entries:
        last = _moment(told_of.entries[-1].at)
        raise click.ClickException(f"nothing happened to {name} since then; the last was {last}")
    lines = [f"nothing is told of {name} in {sources}", *_hints(found, kind, identifier)]
    raise click.ClickException("\n".join([*lines, *([_of_many(told_of.bulk, kind)] if told_of.bulk else [])]))


def _of_files(files: Sequence[BinaryIO], kind: str, identifier: str) -> tuple[Found, str]:
    return find(events_in(files), kind, identifier), listed(list(map(name_of, files)))


def _of_here(port: int, directory: str | None, kind: str, identifier: str) -> tuple[Found, str]:
    """Return what is known on this machine, and where that was looked for."""
    endpoint = f"http://127.0.0.1:{port}"
    live = ask(endpoint, kind, identifier)
    choice, problems = chosen(directory, None), Counter[str]()
    waits = find([*waiting(choice, problems), *refused(choice, problems)], kind, identifier)
    for what, times in problems.items():
        click.echo(f"not read: {spool_view.problem(what, times)}", err=True)
    choice.complain()
    here = f"what waits in {choice.base}"
    if live is None:
        return waits, f"{here}; {nobody_on(port)}"
    return merged([live, waits]), f"the ezlogs dev on port {port} or {here}"


def drawn(name: str, entries: Sequence[Entry], bulk: int, kind: str) -> Iterator[RenderableType]:
    """Yield a history as the terminal shows it: what happened together under one line.

    Args:
        name: What it is of.
        entries: What happened, in the order of time.
        bulk: How many changes of many rows may have been of it, too.
        kind: The type of the subject.
    """
    stories = len({entry.story for entry in entries})
    number = counted(len(entries), "event")
    yield Text.assemble((printable(name), "bold"), (f"  {number} in {counted(stories, 'story')}", "dim"))
    for _, together in groupby(entries, _together):
        group = list(together)
        yield Text()
        who = _who(group)
        yield _heading(group[0], who)
        yield Padding(_lines(group, who), (0, 0, 0, 2))
    if bulk:
        yield Text()
        yield Text(_of_many(bulk, kind), "dim")


def _together(entry: Entry) -> tuple[object, ...]:
    inside = entry.inside.event_id if entry.inside is not None else entry.event.event_id
    return entry.story, inside, entry.service


def _who(group: Sequence[Entry]) -> str:
    """Return who did what happened together: a request may not know, while what is in it does."""
    known = [entry.who for entry in group if entry.event.actor.type not in ("unknown", "anonymous")]
    return (known or [group[0].who])[0]


def _heading(entry: Entry, who: str) -> Text:
    line = Text.assemble((_moment(entry.at), "dim"), "  ", (printable(who), "bold"))
    if entry.place:
        line.append(" in ").append(printable(entry.place), "cyan")
    if entry.service:
        line.append(f" ({printable(entry.service)})", "dim")
    return line.append("  story ", "dim").append(printable(entry.story[:_SHORT_ID]), "dim")


def _of_many(bulk: int, kind: str) -> str:
    return f"{counted(bulk, 'change')} of many {printable(plural(words(kind)))} at once may have included it"


def _lines(group: Sequence[Entry], who: str) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for entry in group:
        glyph, style = GLYPHS.get(entry.event.outcome, GLYPHS["unknown"])
        details = [Text(shortened(printable(line), 200)) for line in entry.details]
        error = entry.event.error
        if entry.event.outcome in _OUTCOMES:
            why = f": {last_segment(error.type)}" if error is not None else ""
            details.insert(0, Text(printable(f"{_OUTCOMES[entry.event.outcome]}{why}"), style))
        if entry.who != who and entry.event.actor.type not in ("unknown", "anonymous"):
            details.insert(0, Text(f"by {printable(entry.who)}", "bold"))
        table.add_row(Text(glyph, style), Text(printable(entry.deed)), Text("\n").join(details))
    return table


def _moment(nanoseconds: int) -> str:
    return f"{datetime.fromtimestamp(nanoseconds / 1e9).astimezone():%Y-%m-%d %H:%M:%S}"


def _print(blocks: Iterator[RenderableType]) -> None:
    console = Console(highlight=False)
    with console.capture() as captured:
        for block in blocks:
            console.print(block)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _document(entry: Entry) -> dict[str, Any]:
    inside = entry.inside
    return {
        **event_json(entry.event, entry.service),
        "correlation_id": entry.story,
        "at": entry.at,
        "who": entry.who,
        "deed": entry.deed,
        "inside": None
        if inside is None
        else {
            "event_id": inside.event_id,
            "event_type": inside.event_type,
            "action": inside.action,
            "text": entry.place,
        },
    }


def _hints(found: Found, kind: str, identifier: str) -> Iterator[str]:
    """Yield what may have been meant instead: other ids of the type, or other types."""
    if found.ids:
        near = get_close_matches(identifier, found.ids, _NAMED, 0.6) or found.ids[: -_NAMED - 1 : -1]
        rest = found.kinds[kind] - len(near)
        some = ", ".join(map(printable, near))
        yield f"ids of the type {printable(kind)}: {some}" + (f" and {rest:,} more" if rest > 0 else "")
    elif found.kinds:
        near = get_close_matches(kind.lower(), found.kinds, 1, 0.6)
        if near:
            yield f"did you mean {printable(near[0])}?"
        several = sorted(found.kinds.items(), key=lambda item: (-item[1], item[0]))
        some = ", ".join(f"{printable(name)} ({number:,})" for name, number in several[: 2 * _NAMED])
        yield f"types, and how many of each: {some}"
