"""Runs programs that are killed while they commit, and what the next process delivers of what they wrote."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ezlogs.dev.decode import ReceivedEvent, ReceivedLog
from ezlogs.dev.receiver import Receiver

DOOMED = ("before", "sent", "after", "rolled_back", "failed")
"""Where a program kills itself: before its COMMIT is sent, once the database has it, after the answer, after a
rollback, after a COMMIT that was refused."""


def free_port() -> int:
    """One on which nobody listens yet."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


def start(program: Path, moment: str, first: int, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program that writes the rows ``first``, ``first + 1`` ... and is killed at a moment; or, with ``wait``,
    one that delivers what others left until its standard input ends.
    """
    return subprocess.Popen(
        [sys.executable, str(program), moment, str(first)],
        env={**os.environ, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_doomed(program: Path, moments: Iterable[str], environ: Mapping[str, str]) -> None:
    """Run a program once for each moment, one after the other, while nobody takes its events."""
    for number, moment in enumerate(moments):
        with start(program, moment, 10 * (number + 1), environ) as process:
            _, errors = process.communicate(timeout=50)
        assert process.returncode == -9, f"{moment} was not killed: {errors}"


def records(receiver: Receiver) -> list[ReceivedEvent | ReceivedLog]:
    """The changes of data that arrived, as span events or as log records."""
    events: list[ReceivedEvent | ReceivedLog] = [event for span in receiver.spans for event in span.events]
    return [event for event in (*events, *receiver.logs) if event.attributes.get("ezlogs.action") == "depot.create"]


def outcomes(receiver: Receiver) -> dict[int, list[str]]:
    """How each row is said to have ended, by its key; each event once."""
    found: dict[int, list[str]] = {}
    ids: set[object] = set()
    for event in records(receiver):
        attributes = event.attributes
        key = (type(event), attributes["ezlogs.event.id"])
        assert key not in ids, "an event was delivered twice"
        ids.add(key)
        found.setdefault(int(str(attributes["ezlogs.subject.id"])), []).append(str(attributes["ezlogs.outcome"]))
    return found


def journals(home: Path) -> list[str]:
    """The homes of processes that left something."""
    return [place for place, _, names in os.walk(home) if any(name.endswith(".journal") for name in names)]


def assert_as_the_table_says(found: Mapping[int, list[str]], table: Iterable[int]) -> None:
    """Each row of the table was told as written, or as unknown; nothing else was told as written."""
    rows = set(table)
    assert not rows - found.keys(), "rows that were committed were never told"
    told = {row for row, said in found.items() if "success" in said}
    assert not told - rows, "rows that were not committed were told"
    assert {outcome for said in found.values() for outcome in said} <= {"success", "unknown"}
