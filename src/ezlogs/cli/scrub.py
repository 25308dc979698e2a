"""`ezlogs scrub`: text or JSON in, the same without what privacy keeps back out, the findings told beside it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import IO

import click

from ezlogs.cli.help import Command
from ezlogs.launch.rules import installed_rules
from ezlogs.privacy import Scrubber
from ezlogs.privacy.scrubber import MAX_TEXT
from ezlogs.runtime import Runtime
from ezlogs.settings import Settings, load
from ezlogs.settings.files import find_files

_BEGIN, _END = "-----BEGIN ", "-----END "
_LONGEST = 8 * MAX_TEXT
"""Bytes of a line that are read: more characters than are scanned, whatever their length in UTF-8."""


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
    one, private keys as a whole; of a line, what is beyond 65,536 characters is redacted unseen.
    """
    scrubber = scrubber_here(deny, allow)
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


def scrubber_here(deny: tuple[str, ...] = (), allow: tuple[str, ...] = ()) -> Scrubber:
    """Return what a program that is started here scrubs with, and with further names."""
    loaded = load(os.environ, files=find_files(os.environ))
    if loaded.problems:  # one of them may have been meant to keep something back
        raise click.UsageError("; ".join(map(str, loaded.problems)))
    own = loaded.settings
    settings = Settings(
        deny=(*own.deny, *deny),
        allow=(*own.allow, *allow),
        redaction=own.redaction,
        patterns=own.patterns,
        hash_key=own.hash_key,
    )
    return Runtime(settings, further_rules=installed_rules).scrubber


def _blocks(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """The lines by their numbers, those of a private key as one; bytes that are no UTF-8 pass as they are."""
    block, first = "", 0
    for number, line in enumerate(_lines(file), start=1):
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


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines, with what is too long left out: it would be redacted."""
    while line := file.readline(_LONGEST):
        end = line
        while not end.endswith(b"\n") and (end := file.readline(_LONGEST)):
            pass
        yield line if end is line or not end else line + b"\n"
