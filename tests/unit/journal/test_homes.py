"""Homes: a journal whose files are removed, or whose lock is closed, goes on in new ones."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

from ezlogs.journal import Directory, Kind
from ezlogs.journal import journal as journal_module
from ezlogs.journal.filesystems import Writing

from .conftest import MakeJournal, end_without_closing, left_by, left_in, number


def test_a_removed_directory_is_made_again(make_journal: MakeJournal, directory: Directory) -> None:
    """Somebody cleaned up below a living process."""
    import shutil

    journal = make_journal()
    shutil.rmtree(directory.base)
    for index in range(20):
        journal.append(Kind.EVENT, number(index), bytes(1000))
    for _ in range(3):
        journal.prepare()
        journal._shelf._retry_at = 0.0
    journal.append(Kind.EVENT, b"new", b"")
    journal.prepare()
    assert b"new" in left_by(journal, directory)


def test_the_system_is_asked_for_the_home_now_and_then(
    make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks it lets go of the interpreter, and waits for it again, in each turn of the worker."""
    asked: list[int] = []
    journal = make_journal(look=0.25)
    now = time.monotonic()
    for turn in range(12):
        moment = now + 10 + turn / 10
        monkeypatch.setattr(journal_module, "time", SimpleNamespace(monotonic=lambda at=moment: at, sleep=time.sleep))
        monkeypatch.setattr(journal._shelf, "lost_home", lambda turn=turn: asked.append(turn))
        journal.prepare()
    assert asked == [0, 3, 6, 9]


def test_what_a_removed_directory_held_is_moved(make_journal: MakeJournal, directory: Directory, how: Writing) -> None:
    """The open files still have it: it can be read again and acknowledged, and a kill leaves it, in new files."""
    import shutil

    journal = make_journal(how=how)
    receipts = []
    for index in range(200):
        receipts.append(journal.append(Kind.EVENT, number(index), bytes(1000)))
        journal.prepare()
    assert all(receipts)
    shutil.rmtree(directory.base)
    journal.ack(receipts[:50])
    for index in range(200, 300):
        receipts.append(journal.append(Kind.EVENT, number(index), bytes(1000)))
        journal.prepare()
        journal._shelf._retry_at = 0.0
    assert [record.item_id for record in journal.read(receipts[50:200]) or ()] == [*map(number, range(50, 200))]
    assert journal.health()["waiting"] == 250
    assert (
        0
        < int(str(journal.health()["bytes"]))
        == sum(
            file.stat().st_size
            for file in os.scandir(str(journal.health()["directory"]))
            if file.name.endswith("journal")
        )
    )
    journal.ack(receipts[50:100])
    journal.prepare()
    assert set(left_by(journal, directory)) == {*map(number, range(100, 300))}


def test_a_home_whose_lock_was_closed_is_left(make_journal: MakeJournal, directory: Directory) -> None:
    """A process that becomes a daemon closes the files that it did not open: others may adopt its home at any time."""
    journal = make_journal()
    journal.append(Kind.EVENT, b"before", b"")
    before = journal.health()["directory"]
    os.close(journal._shelf._home._lock._descriptor)  # type: ignore[union-attr]
    journal.prepare()
    journal.append(Kind.EVENT, b"after", b"")
    journal.prepare()
    assert journal.health()["directory"] != before
    end_without_closing(journal)
    assert {item.item_id for item in left_in(directory)} == {b"after"} | {b"before"}


def test_a_home_cannot_be_left_while_a_thread_writes(make_journal: MakeJournal) -> None:
    """The next turn does it."""
    journal = make_journal()
    journal.append(Kind.EVENT, b"id", b"")
    before = journal.health()["directory"]
    end_without_closing(journal)
    journal._baton.pop()
    journal.prepare()
    assert journal.health()["directory"] == before
    journal._baton.append(None)
    journal.prepare()
    assert journal.health()["directory"] != before
