"""Forks: a child journals for itself, and leaves its parent's files alone."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from ezlogs.journal import Directory, Kind, process
from ezlogs.journal.filesystems import Writing

from .conftest import MakeJournal, in_a_fork, left_by, left_in, number


def test_a_fork_begins_anew(make_journal: MakeJournal, directory: Directory) -> None:
    """Whatever it does first: append, acknowledge, prepare or close; what its parent deferred stays the parent's."""
    journal = make_journal()
    receipt = journal.append(Kind.EVENT, b"parent", b"")
    deferred = [journal.append(Kind.EVENT, number(index), bytes(1000)) for index in range(9)]

    def child(first: Callable[[], object]) -> bool:
        first()
        journal.prepare()
        waiting = journal.health()["waiting"]
        journal.append(Kind.EVENT, str(os.getpid()).encode(), b"")
        journal.ack([receipt, *deferred])
        journal.prepare()
        return waiting == 0 and journal.health()["waiting"] == 1

    assert in_a_fork(lambda: child(lambda: journal.ack([receipt])))
    assert in_a_fork(lambda: child(journal.prepare))
    assert in_a_fork(lambda: child(journal.close))
    assert in_a_fork(lambda: child(journal.forget))
    assert in_a_fork(lambda: journal.append(Kind.EVENT, b"the first thing it does", b""))
    assert len(left_in(directory)) == 5
    journal.prepare()
    assert len(left_by(journal, directory)) == 10


def test_where_memory_is_not_wiped_process_ids_tell_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels without it, and other systems."""
    monkeypatch.setattr(process, "_WIPE_ON_FORK", -1)
    mark = process.process_mark()
    assert mark[0] == 1
    assert in_a_fork(lambda: mark[0] == 0 and process.process_mark()[0] == 1)
    assert mark[0] == 1


def test_a_fork_writes_nothing_where_its_parent_writes(make_journal: MakeJournal, directory: Directory) -> None:
    """Though it has the same memory mapped, with room in it."""
    journal = make_journal()
    assert journal.append(Kind.EVENT, b"parent", b"")
    assert in_a_fork(lambda: journal.append(Kind.EVENT, b"child", b""))
    assert [item.item_id for item in left_in(directory)] == [b"child"]
    assert list(left_by(journal, directory)) == [b"parent"]


def test_a_fork_that_ends_after_its_first_record_leaves_it(make_journal: MakeJournal, directory: Directory) -> None:
    """No worker has run in it: it makes its own room, but where the worker is at that, or may have to wait."""
    journal = make_journal()
    assert in_a_fork(lambda: journal.append(Kind.EVENT, b"first", b""))
    assert [item.item_id for item in left_in(directory)] == [b"first"]

    def while_a_worker_prepares() -> bool:
        journal.forget()
        journal._preparing.pop()
        return not journal.append(Kind.EVENT, b"deferred", b"")

    assert in_a_fork(while_a_worker_prepares)
    slow = make_journal(how=Writing.LATER)
    assert in_a_fork(lambda: not slow.append(Kind.EVENT, b"on a network", b""))


def test_a_fork_that_finds_no_room_goes_on(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with the directory, or with this."""
    journal = make_journal()

    def fail(wanted: int) -> None:
        raise RuntimeError("something is wrong here")

    def child() -> bool:
        monkeypatch.setattr(journal._shelf, "fresh", fail)
        return not journal.append(Kind.EVENT, b"id", b"") and journal.health()["problem"] == "something is wrong here"

    assert in_a_fork(child)
