"""`ezlogs scrub`: text or JSON in, the same without what privacy keeps back out, the findings told beside it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import IO

import click

from ezlogs.cli.help import Command
from ezlogs.privacy import Policy, Scrubber
from ezlogs.privacy.scrubber import MAX_TEXT
from ezlogs.settings import load
from ezlogs.settings.files import find_files

_BEGIN, _END = "-----BEGIN ", "-----END "


@click.command(cls=Command)
@click.argument("file", type=click.File("rb"))
@click.option("--deny", multiple=True, metavar="NAME", help="A further name whose values go; may be repeated.")
@click.option("--allow", multiple=True, metavar="NAME", help="A name that is harmless here; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Tell the findings as JSON lines, for programs.")
@click.option("--check", is_flag=True, help="End with status 1 if anything was found.")
def scrub(file: IO[bytes], deny: tuple[str, ...], allow: tuple[str, ...], as_json: bool, check: bool) -> None:
    """Redact what ezlogs would redact in FILE, a text or JSON lines; - is standard input.

    What is left goes to standard output, and to standard error by which rule something was found in which line, never
    what. The rules are those of a program that is started here: with its settings for privacy. Lines are read one by
    one, private keys as a whole.
    """
    settings = load(os.environ, files=find_files(os.environ)).settings
    scrubber = Scrubber(
        deny=(*settings.deny, *deny),
        allow=(*settings.allow, *allow),
        policy=Policy(settings.redaction, settings.hash_key),
    )
    counts: Counter[str] = Counter()
    for number, text in _blocks(file):
        body = text.rstrip("\r\n")
        found: list[str] = []
        clean = scrubber.text(body, "", found)
        click.echo((clean + text[len(body) :]).encode("utf-8", "surrogateescape"), nl=False)
        for finding in found:
            path, _, rule = finding.rpartition(": ")
            counts[rule] += 1
            place = path.lstrip(".")
            told = json.dumps({"line": number, "path": place, "rule": rule})
            click.echo(told if as_json else f"line {number}: {place + ': ' if place else ''}{rule}", err=True)
    if counts and not as_json:
        by_rule = ", ".join(f"{rule} {times}" for rule, times in counts.most_common())
        click.echo(f"{counts.total()} finding{'' if counts.total() == 1 else 's'}: {by_rule}", err=True)
    if counts and check:
        raise SystemExit(1)


def _blocks(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """The lines by their numbers, those of a private key as one; bytes that are no UTF-8 pass as they are."""
    block, first = "", 0
    for number, line in enumerate(file, start=1):
        text = line.decode("utf-8", "surrogateescape")
        if block:
            block += text
            if _END in text or len(block) > MAX_TEXT:
                yield first, block
                block = ""
        elif _BEGIN in text and _END not in text:
            block, first = text, number
        else:
            yield number, text
    if block:
        yield first, block
