"""`ezlogs spool`: what waits on disk for delivery, and what was refused - listed, shown, sent and dropped."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar
from urllib.parse import urlsplit

import click
from rich.console import Console

from ezlogs.cli import spool_view as view
from ezlogs.cli.help import Command, Group
from ezlogs.cli.progress import tracked
from ezlogs.cli.requests import read
from ezlogs.delivery.batch import SpanEncoder
from ezlogs.delivery.logs import LogEncoder
from ezlogs.delivery.resend import Resending
from ezlogs.delivery.restored import item_of, signal_of
from ezlogs.delivery.sealed import EncodedResource
from ezlogs.delivery.worker import Encoder
from ezlogs.dev.decode import Malformed, decode_logs_request, decode_request
from ezlogs.journal import Kind
from ezlogs.journal.dead import NAME, DeadLetters
from ezlogs.journal.directory import Directory, UnusableDirectoryError, endpoint_name, file_name, state_directory
from ezlogs.journal.places import find_places, opens
from ezlogs.journal.spool import Spooled, drop_spooled, list_spooled, show_spooled
from ezlogs.patterns import is_event_pattern, matches
from ezlogs.privacy import Scrubber
from ezlogs.settings import TABLE, Loaded, OtlpSignal, Settings, load, logs_address, traces_address
from ezlogs.settings.files import find_files
from ezlogs.story import Told, told
from ezlogs.story.wording import counted

P = ParamSpec("P")
T = TypeVar("T")

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def seconds_of(context: click.Context, option: click.Parameter, given: str | None) -> float | None:
    """Return a length of time such as ``90s``, ``30m``, ``12h``, ``7d`` or ``2w`` in seconds."""
    if given is None:
        return None
    matched = _AGE.fullmatch(given.strip())
    if matched is None:
        raise click.BadParameter(f"{given!r}: use a number and s, m, h, d or w, as in 7d")
    return float(matched[1]) * _UNITS[matched[2]]


class Process(NamedTuple):
    """What one process has on disk, and where."""

    directory: Directory
    spooled: Spooled


class Box(NamedTuple):
    """The dead letters of one service and collector, and where."""

    directory: Directory
    letters: DeadLetters


class Choice(NamedTuple):
    """What a command is about, of all that there is."""

    base: str
    loaded: Loaded
    directories: list[Directory]
    problems: list[str]
    process: str | None

    @property
    def endpoints(self) -> dict[str, str]:
        """The addresses that the settings name, as they may be shown, by the names of their directories."""
        shown = TABLE["endpoint"].kind.shown
        return {endpoint_name(address): str(shown(address)) for address in addresses(self.loaded).values()}

    def processes(self) -> list[Process]:
        """What each process has on disk."""
        return [
            Process(directory, spooled)
            for directory in self.directories
            for spooled in self.tried(list_spooled, directory) or ()
            if self.process is None or self.process == str(spooled.pid) or spooled.home.startswith(self.process)
        ]

    def boxes(self) -> list[Box]:
        """The dead letters, where there are any."""
        places = [directory for directory in self.directories if opens(directory.below(NAME), self.problems)]
        boxes = [Box(directory, DeadLetters(directory)) for directory in places]
        return [box for box in boxes if box.letters.size()[0]]

    def tried(self, what: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """Return what a call gives; where that is not possible with what is on disk, take note of why."""
        try:
            return what(*arguments, **named)
        except (OSError, UnusableDirectoryError) as problem:
            self.problems.append(str(problem))
            return None

    def complain(self) -> None:
        """Say on standard error what was passed over."""
        for problem in dict.fromkeys(self.problems):
            click.echo(f"passed over: {problem}", err=True)


def addresses(loaded: Loaded) -> dict[Any, str]:
    """Return where each signal goes by the settings."""
    return {"traces": traces_address(loaded).endpoint, "logs": logs_address(loaded).endpoint}


def chosen(directory: str | None, service: str | None, process: str | None = None) -> Choice:
    """Return what the options of a command choose."""
    loaded = load(os.environ, files=find_files(os.environ))
    environ = {**os.environ, "EZLOGS_STATE_DIR": directory or loaded.settings.state_dir or ""}
    try:
        base = state_directory(environ, sys.platform)
    except UnusableDirectoryError as problem:
        raise click.ClickException(f"{problem}; give --dir") from problem
    if directory is not None and not os.path.isdir(base):
        raise click.ClickException(f"{base}: no such directory")
    places = find_places(base)
    found = [one for one in places.directories if service is None or one.names[0] == file_name(service)]
    return Choice(base, loaded, found, places.problems, process)


_DIR: Final = click.option("--dir", "directory", metavar="DIR", help="The state directory; that of the settings.")
_SERVICE: Final = click.option("--service", metavar="NAME", help="Only what this service left.")
_PROCESS: Final = click.option("--process", metavar="NAME", help="Only this process: its id, or how its name begins.")
_DEAD: Final = click.option("--dead", is_flag=True, help="What was refused for good instead of what waits.")


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def spool(context: click.Context) -> None:
    """List, show, send and drop what waits on disk for delivery, and what was refused.

    With the setting durability = "process", events are on disk before the application goes on. What a process that
    ended had not delivered is delivered by the next one of its service; these commands are for when there is none.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@spool.command(cls=Command, name="ls")
@_DIR
@_SERVICE
@_DEAD
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_(directory: str | None, service: str | None, dead: bool, as_json: bool) -> None:
    """List what each process has on disk, and what was refused: of whom, how much, how old.

    Nothing is changed by it. With --dead, each request that was refused, and why.
    """
    choice = chosen(directory, service)
    processes, boxes = choice.processes(), choice.boxes()
    if as_json:
        listing = {
            "directory": choice.base,
            "processes": [view.process_json(one.directory, one.spooled) for one in processes],
            "dead_letters": [view.box_json(box.directory, box.letters) for box in boxes],
            "problems": list(dict.fromkeys(choice.problems)),
        }
        click.echo(json.dumps(listing, indent=2))
        return
    console = Console(highlight=False)
    with console.capture() as captured:
        for block in view.listing(
            choice.base,
            {place.names: [one.spooled for one in processes if one.directory is place] for place in choice.directories},
            {box.directory.names: box.letters for box in boxes},
            choice.endpoints,
            time.time_ns(),
            each_letter=dead,
        ):
            console.print(block)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
    choice.complain()


@spool.command(cls=Command)
@_DIR
@_SERVICE
@_PROCESS
@_DEAD
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of a type, as data.*; repeatable.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Events at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line, for programs.")
def show(
    *,
    directory: str | None,
    service: str | None,
    process: str | None,
    dead: bool,
    types: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """Show the events that wait, or with --dead those that were refused, each in a sentence.

    They are shown as they will leave: scrubbed. Nothing is changed by it, and living processes' events are shown too,
    as far as they are not delivered at this moment.
    """
    if wrong := [one for one in types if not is_event_pattern(one)]:
        raise click.UsageError(f"--type {wrong[0]!r}: use a type of events such as order.action, or data.*")
    choice = chosen(directory, service, process)
    problems: Counter[str] = Counter()
    found = refused(choice, problems) if dead else waiting(choice, problems)
    wanted = (one for one in found if not types or matches(types, one.event.event_type))
    shown = list(islice(wanted, limit + 1))
    console = Console(highlight=False)
    for one in shown[:limit]:
        if as_json:
            click.echo(json.dumps({"service": one.service, **json.loads(one.event.to_json())}))
        else:
            with console.capture() as captured:
                console.print(view.sentence(one), soft_wrap=True)
            click.echo(captured.get().rstrip())
    if len(shown) > limit:
        click.echo(f"there are more; --limit {limit * 10} shows more of them", err=True)
    elif not shown and not as_json:
        click.echo("nothing was refused" if dead else "nothing waits", err=True)
    for what, times in problems.items():
        click.echo(f"not shown: {view.problem(what, times)}", err=True)
    choice.complain()


def waiting(choice: Choice, problems: Counter[str]) -> Iterator[Told]:
    """Yield the events that wait on disk, scrubbed as they will leave; what cannot be read is counted."""
    encoders: dict[OtlpSignal, Encoder] = {"traces": SpanEncoder(Scrubber()), "logs": LogEncoder(Scrubber())}
    for directory, spooled in choice.processes():
        problems.update(spooled.problems)
        for found in show_spooled(directory, spooled.home):
            signal, resource = signal_of(found), EncodedResource.read(found.resource)
            if signal is None:
                problems["damaged" if found.kind in set(Kind) else "unknown"] += 1
                continue
            try:
                batch = encoders[signal].batch([item_of(found, resource)], resource)
                received = decode_request(batch.body) if signal == "traces" else decode_logs_request(batch.body)
            except Malformed:
                problems["damaged"] += 1
                continue
            yield from told(received)


def refused(choice: Choice, problems: Counter[str]) -> Iterator[Told]:
    """Yield the events that were refused for good; what cannot be read is counted."""
    for box in choice.boxes():
        for letter in box.letters.letters(problems):
            try:
                yield from told(read(letter.body))
            except Malformed:
                problems["damaged"] += 1


@spool.command(cls=Command)
@_DIR
@_SERVICE
@_PROCESS
@_DEAD
@click.option("--endpoint", metavar="URL", help="Where to, as in the setting endpoint; that of the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def send(
    *,
    directory: str | None,
    service: str | None,
    process: str | None,
    dead: bool,
    endpoint: str | None,
    as_json: bool,
) -> None:
    """Send what dead processes left, or with --dead what was refused, now.

    Without --endpoint, what was meant for the collector of the settings goes there, and the rest stays. With it,
    everything goes there, whomever it was meant for. Headers of the settings, such as a token, go to the host that the
    settings name and to no other.

    What is not taken stays on disk, and the exit status is 1 then. A living process delivers by itself and is not
    touched.
    """
    choice = chosen(directory, service, process)
    settings, endpoints = destination(choice.loaded, endpoint)
    mine = None if endpoint is not None else {endpoint_name(address) for address in endpoints.values()}
    sending = Resending(settings, endpoints)
    elsewhere = alive = 0
    try:
        for box in choice.boxes() if dead else ():
            if mine is None or box.directory.names[-1] in mine:
                choice.tried(sending.dead, box.letters)
            else:
                elsewhere += box.letters.size()[0]
        left = () if dead else choice.processes()
        for place, spooled in tracked(left, len(left), "sending"):
            if spooled.living:
                alive += spooled.waiting
            elif mine is None or place.names[-1] in mine:
                choice.tried(sending.left_by, place, spooled.home)
            else:
                elsewhere += spooled.waiting
    finally:
        sending.close()
    shown = {signal: str(TABLE["endpoint"].kind.shown(address)) for signal, address in endpoints.items()}
    report = view.SentReport(sending, shown, elsewhere, alive, dead)
    click.echo(json.dumps(report.document(), indent=2) if as_json else report.text())
    choice.complain()
    if sending.left or sending.refused or elsewhere or choice.problems:
        raise SystemExit(1)


def destination(loaded: Loaded, endpoint: str | None) -> tuple[Settings, dict[Any, str]]:
    """Return how and where to send; headers are left out where they were not meant for."""
    if loaded.problems:
        raise click.UsageError("; ".join(map(str, loaded.problems)))
    own = addresses(loaded)
    if endpoint is None:
        return loaded.settings, own
    environ = {name: value for name, value in os.environ.items() if name != "EZLOGS_LOGS_ENDPOINT"}
    given: dict[str, object] = {"endpoint": endpoint}
    named = load(environ, given, files=find_files(environ))
    if named.problems:
        raise click.UsageError("; ".join(map(str, named.problems)))
    there = addresses(named)
    if named.settings.headers and {_origin(one) for one in there.values()} - {_origin(one) for one in own.values()}:
        click.echo("the headers of the settings are for another host, and are not sent", err=True)
        named = load(environ, {**given, "headers": {}}, files=find_files(environ))
    return named.settings, there


def _origin(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2] or address


@spool.command(cls=Command)
@_DIR
@_SERVICE
@_PROCESS
@_DEAD
@click.option(
    "--older-than", callback=seconds_of, metavar="AGE", help="Only what is older than, for example, 7d or 12h."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def drop(
    *,
    directory: str | None,
    service: str | None,
    process: str | None,
    dead: bool,
    older_than: float | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove what dead processes left, or with --dead what was refused, for good.

    It asks first. What belongs to a living process stays, and so does what a later version of ezlogs wrote. With
    --older-than, processes go whose latest event is older.
    """
    choice = chosen(directory, service, process)
    before = None if older_than is None else time.time_ns() - int(older_than * 1e9)
    number, name = _drop_dead(choice, before, yes) if dead else _drop_left(choice, before, yes)
    if as_json:
        click.echo(json.dumps({"dropped": number, "of": name}))
    else:
        click.echo(f"dropped {counted(number, name)}")
    choice.complain()


def _drop_left(choice: Choice, before: int | None, yes: bool) -> tuple[int, str]:
    going = [
        one
        for one in choice.processes()
        if not one.spooled.living
        and (before is None or (one.spooled.newest is not None and one.spooled.newest < before))
    ]
    if not going:
        raise click.ClickException("there is nothing of a dead process to drop")
    waiting = sum(one.spooled.waiting for one in going)
    _confirm(f"Drop {counted(waiting, 'record')} of {counted(len(going), 'process')}, undelivered?", yes)
    return sum(drop_spooled(one.directory, one.spooled.home) for one in going), "record"


def _drop_dead(choice: Choice, before: int | None, yes: bool) -> tuple[int, str]:
    going = [
        (box, letter.name, letter.events)
        for box in choice.boxes()
        for letter in box.letters.letters()
        if before is None or letter.at < before
    ]
    if before is None:
        going += [(box, name, 0) for box in choice.boxes() for name in box.letters.unreadable()]
    if not going:
        raise click.ClickException("there is nothing that was refused to drop")
    events = sum(events for _, _, events in going)
    _confirm(f"Drop {counted(len(going), 'refused request')} with {counted(events, 'event')}?", yes)
    return sum(box.letters.remove(name) for box, name, _ in going), "refused request"


def _confirm(question: str, yes: bool) -> None:
    if not yes:
        click.confirm(f"{question} This cannot be undone.", abort=True)
