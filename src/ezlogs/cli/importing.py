"""`ezlogs import`: events from files - of the Ruby agent, of a collector, of `ezlogs export` - sent to a collector."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import BinaryIO

import click

from ezlogs.cli.help import Command
from ezlogs.cli.progress import tracked
from ezlogs.cli.scrub import scrubber_here
from ezlogs.cli.sources import events_in
from ezlogs.cli.spool import destination
from ezlogs.delivery.resend import Resending
from ezlogs.exchange.writing import REQUEST, requests
from ezlogs.settings import TABLE, load
from ezlogs.settings.files import find_files
from ezlogs.story.tree import distinct
from ezlogs.story.wording import counted, listed


@click.command(cls=Command, name="import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.File("rb"))
@click.option("--endpoint", metavar="URL", help="Where to, as in the setting endpoint; that of the settings.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def import_command(files: tuple[BinaryIO, ...], endpoint: str | None, dry_run: bool, as_json: bool) -> None:
    """Send the events in files to a collector, such as a running `ezlogs dev`.

    FILE holds the JSON of events, as the Ruby agent or `ezlogs export` writes it, or OTLP export requests of spans or
    log records, as JSON or protobuf: one document, an array, or one a line; - is standard input. An event that is there
    twice is sent once. Everything is scrubbed by the settings of this directory before it is sent.

    The exit status is 1 when something was not taken.
    """
    found = distinct(events_in(files))
    if not found:
        raise click.ClickException("there is no event in it")
    loaded = load(os.environ, files=find_files(os.environ))
    settings, endpoints = destination(loaded, endpoint)
    there = str(TABLE["endpoint"].kind.shown(endpoints["traces"]))
    repaired = sum(bool(told.event.invalid) for told in found)
    report: dict[str, object] = {
        "endpoint": there,
        "events": len(found),
        "stories": len({told.event.correlation.correlation_id for told in found}),
        "by_type": dict(Counter(told.event.event_type for told in found).most_common()),
        "repaired": repaired,
    }
    sent = None if dry_run else Resending(settings, {"traces": endpoints["traces"]})
    if sent is not None:
        found.sort(key=lambda told: (told.service, told.event.timestamp))
        total = -(-len(found) // REQUEST)
        try:
            for batch in tracked(requests(found, scrubber_here()), total, "sending"):
                if sent.away:
                    sent.left += batch.events
                else:
                    sent.batch(batch)
        finally:
            sent.close()
        report |= {"delivered": sent.delivered, "refused": sent.refused, "left": sent.left, "reason": sent.reason}
    click.echo(json.dumps(report, indent=2) if as_json else _told(report))
    if sent is not None and (sent.left or sent.refused):
        raise SystemExit(1)


def _told(report: dict[str, object]) -> str:
    by_type = report["by_type"]
    kinds = [f"{number:,} {name}" for name, number in by_type.items()] if isinstance(by_type, dict) else []
    shown = [*kinds[:5], *([f"{len(kinds) - 5} more types"] if len(kinds) > 5 else [])]
    lines = [f"{_number(report['events'], 'event')} of {_number(report['stories'], 'story')}: {listed(shown)}"]
    if report["repaired"]:
        lines.append(
            f"{_number(report['repaired'], 'event')} had a form that is not allowed, and will be marked invalid"
        )
    if "delivered" not in report:
        return "\n".join([*lines, f"nothing was sent; without --dry-run it goes to {report['endpoint']}"])
    lines.append(f"{report['delivered']:,} taken by {report['endpoint']}")
    for what in ("refused", "left"):
        if report[what]:
            lines.append(f"{report[what]:,} {'refused' if what == 'refused' else 'not sent'}: {report['reason']}")
    return "\n".join(lines)


def _number(number: object, noun: str) -> str:
    return counted(number if isinstance(number, int) else 0, noun)
