"""Fixtures for journals: a directory of one service, and journals in it that end with their test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ezlogs.journal import Directory, Journal, adopt, journal_directory
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.story import Found

MakeJournal = Callable[..., Journal]


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """The directory of one service and its collector."""
    return journal_directory("shop", "http://collector:4318", {"EZLOGS_STATE_DIR": str(tmp_path / "state")})


@pytest.fixture(params=[Writing.MAPPED, Writing.WRITTEN], ids=lambda how: how.value)
def how(request: pytest.FixtureRequest) -> Writing:
    """Each way to write files in the application's thread."""
    writing: Writing = request.param
    return writing


@pytest.fixture
def make_journal(directory: Directory) -> Iterator[MakeJournal]:
    """Make journals that have room, and are closed in the end."""
    made = []

    def make(**options: Any) -> Journal:
        journal = Journal(directory, **{"segment_size": 4096, "largest_segment": 65_536, "look": 0.0, **options})
        made.append(journal)
        journal.prepare()
        return journal

    yield make
    for journal in made:
        journal.close()


def number(value: int) -> bytes:
    """Return an item id."""
    return value.to_bytes(16, "big")


def end_without_closing(journal: Journal) -> None:
    """Let go of the lock, as the end of the process does."""
    journal._shelf._home.release()  # type: ignore[union-attr]


def left_in(directory: Directory, **options: Any) -> list[Found]:
    """Adopt what is left in a directory, acknowledge all of it, and return it."""
    found: list[Found] = []
    while (abandoned := adopt(directory, **options)) is not None:
        for item in abandoned.found():
            found.append(item)
            abandoned.ack(item.receipts)
        assert abandoned.close()
    return found


def left_by(journal: Journal, directory: Directory, **options: Any) -> dict[bytes, bytes]:
    """Return the payloads that another process would find if this one were dead, by item id."""
    end_without_closing(journal)
    found = left_in(directory, **options)
    payloads = {item.item_id: item.payload for item in found}
    assert len(payloads) == len(found), "something was found twice"
    return payloads


def in_a_fork(question: Callable[[], object]) -> bool:
    """Ask a forked child, and return its answer."""
    if not (pid := os.fork()):
        answer = 2
        signal.alarm(30)  # one that waits for ever ends
        try:
            answer = int(bool(question()))
        finally:
            os._exit(answer)
    answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert answer in (0, 1), "the child failed"
    return bool(answer)
