"""`ezlogs doctor`: what ezlogs would do here, and what is in its way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import click
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ezlogs.cli.help import Command
from ezlogs.doctor import Finding, Report, examine, examine_privacy
from ezlogs.settings import TABLE, Loaded, Privacy, spelled

MARKS = {"fine": ("✓", "green"), "note": ("·", "dim"), "warning": ("!", "bold yellow"), "problem": ("✗", "bold red")}
WIDEST_NAME = 28
LONGEST = 40  # characters of a default value that are shown
"""Characters that names may have to stand in a column of their own."""

PLAIN = {"✓": "+", "·": "-", "✗": "x"}
"""What stands for the marks where the terminal has no such characters."""


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--offline", is_flag=True, help="Do not see whether the endpoint answers.")
@click.option("--privacy", is_flag=True, help="Say what privacy does instead, and try it on a sample of each kind.")
def doctor(as_json: bool, offline: bool, privacy: bool) -> None:
    """Say what ezlogs would do in a program that is started here, and what is in its way.

    Every setting with its source, secrets masked; whether the endpoint answers; who builds the SDK, and how events
    leave; what is instrumented, and what is not, and why. Run it where the program runs: in the same environment,
    in the same directory. The exit status is 1 if there is a problem, and 0 otherwise; warnings do not count.

    With --privacy: which exporters get what is not scrubbed, what is captured, the rules in force, and whether a
    sample of each kind of data is redacted; one that gets through is a problem. Run it under
    opentelemetry-instrument to see the exporters that are really there.
    """
    report = examine_privacy() if privacy else examine(connect=not offline)
    if as_json:
        click.echo(json.dumps(report.document(), indent=2))
    else:
        console = Console(highlight=False)
        with console.capture() as captured:
            for block in _drawn(report, console, [*Privacy.rows] if privacy else [*TABLE]):
                console.print(block)
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
    if report.problems:
        raise SystemExit(1)


def _drawn(report: Report, console: Console, names: Sequence[str]) -> Iterator[RenderableType]:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield Text.assemble((versions, "bold"), ("\nin ", "dim"), report.directory)
    for subject, findings in report.findings.items():
        yield Text(f"\n{subject}", "bold cyan")
        yield _inside(_findings(findings, console))
        if subject == "settings":
            yield Text()
            yield from (_inside(block) for block in _settings(report.loaded, console.width - 2, names))
    yield Text()
    yield _verdict(report, console)


def _inside(block: RenderableType) -> RenderableType:
    return Padding(block, (0, 0, 0, 2), expand=False)


def _findings(findings: tuple[Finding, ...], console: Console) -> Table:
    abouts = [len(finding.about) for finding in findings]
    in_columns = min(abouts) > 0 and max(abouts) <= WIDEST_NAME
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    if in_columns:
        table.add_column(no_wrap=True, min_width=max(abouts) + 1)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.verdict]
        quiet = "dim" if finding.verdict == "note" else ""
        about, text = Text(finding.about, quiet or "bold"), Text(finding.text, quiet)
        if finding.advice:
            text.append(f"; {finding.advice}", "cyan")
        if finding.about and not in_columns:
            text = Text.assemble(about, ": ", text)
        table.add_row(Text(_sign(mark, console), style), *((about, text) if in_columns else (text,)))
    return table


def _settings(loaded: Loaded, width: int, names: Sequence[str]) -> Iterator[RenderableType]:
    """The settings that were given, each with its source; then those with their defaults, and those without a value."""
    shown = {name: spelled(value) for name, value in loaded.settings.shown().items() if name in names}
    given = {name: (Text(shown[name], "bold green"), Text(loaded.sources[name], "cyan")) for name in shown}
    given = {name: cells for name, cells in given.items() if loaded.explicit(name)}
    if given:
        yield _given(given, width)
    rest = [name for name in shown if name not in given]
    with_default = ", ".join(f"{name}={_brief(shown[name])}" for name in rest if shown[name])
    without = ", ".join(name for name in rest if not shown[name])
    for label, some in (("default: ", with_default), ("not set: ", without)):
        if some:
            yield Text.assemble(label, some, style="dim")


def _brief(value: str) -> str:
    """Return a value as far as it fits among others; `ezlogs settings` has the whole."""
    return value if len(value) <= LONGEST else f"{value[:LONGEST].rpartition(',')[0] or value[:LONGEST]},..."


def _given(rows: Mapping[str, tuple[Text, Text]], width: int) -> Table:
    longest = max(map(len, rows)), *(max(map(len, column)) for column in zip(*rows.values(), strict=True))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for _ in range(2):
        table.add_column(overflow="fold")
    fits = sum(longest) + 2 * len(longest) <= width
    for name, (value, source) in rows.items():
        table.add_row(name, value, source) if fits else table.add_row(name, Text("\n").join((value, source)))
    return table


def _verdict(report: Report, console: Console) -> Text:
    counts = [(report.problems, "problem"), (report.warnings, "warning")]
    told = ", ".join(f"{count} {word}{'s' * (count > 1)}" for count, word in counts if count)
    mark, style = MARKS["problem" if report.problems else "warning" if report.warnings else "fine"]
    return Text(f"{_sign(mark, console)} {told or 'all is well'}", style)


def _sign(mark: str, console: Console) -> str:
    return mark if console.encoding.startswith("utf") else PLAIN.get(mark, mark)
