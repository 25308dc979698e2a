"""Limits: how much a journal may hold, for how long, and what goes first."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ezlogs.journal import Directory, Journal, Kind, Priority, adopt
from ezlogs.journal import leftovers as leftovers_module
from ezlogs.journal import shelf as shelf_module
from ezlogs.journal import writer as writer_module
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.leftovers import Leftovers
from ezlogs.journal.liveness import homes
from ezlogs.journal.segment import VERSION, Segment

from .conftest import end_without_closing, in_a_fork, left_by, left_in, number

MakeJournal = Callable[..., Journal]


def size_of(directory: Directory) -> int:
    """Return the bytes of all segments."""
    return sum(
        os.stat(os.path.join(home.path, name)).st_size for home in homes(directory) for name in os.listdir(home.path)
    )


def fill(journal: Journal, count: int, priority: Callable[[int], Priority], first: int = 0) -> list[object]:
    """Append records of a kilobyte, with the worker at its duties; return their receipts."""
    receipts: list[object] = []
    for index in range(first, first + count):
        receipts.append(journal.append(Kind.EVENT, number(index), bytes(1000), priority(index)))
        journal.prepare()
    return receipts


def test_the_oldest_of_the_least_important_go_first(
    make_journal: MakeJournal, directory: Directory, how: Writing
) -> None:
    """Beyond the cap; the important ones stay while there are others, and each loss is counted."""
    journal = make_journal(cap=20 * 8192, how=how)
    kinds = (Priority.DEBUG, Priority.NORMAL, Priority.AUDIT)
    fill(journal, 300, lambda index: kinds[0 if index % 3 else 1 if index % 2 else 2])
    assert size_of(directory) <= 20 * 8192
    evicted = journal.health()["evicted"]
    assert evicted.keys() == {"debug"}
    left = [int.from_bytes(item_id, "big") for item_id in left_by(journal, directory)]
    assert set(range(0, 300, 3)) <= set(left)
    debug = sorted(index for index in left if index % 3)
    assert len(left) + evicted["debug"] == 300
    assert debug == [index for index in range(debug[0], 300) if index % 3], "not the oldest went"


@pytest.mark.parametrize("closed", [True, False])
def test_processes_that_leave_little_leave_room_for_many(
    make_journal: MakeJournal, directory: Directory, how: Writing, closed: bool
) -> None:
    """Each reserves a segment and leaves a record: those that end properly give the rest back, others have it done."""
    journal = make_journal(cap=6 * 8192, segment_size=8192, how=how)

    def child() -> bool:
        kept = bool(journal.append(Kind.EVENT, str(os.getpid()).encode(), bytes(100)))
        if closed:
            journal.close()
        return kept

    for _ in range(20):
        assert in_a_fork(child)
    assert size_of(directory) <= 6 * 8192
    assert journal.health()["evicted"] == {}
    assert len({item.item_id for item in left_in(directory)}) == 20


def test_only_what_nothing_was_written_to_is_cut_off(make_journal: MakeJournal, directory: Directory) -> None:
    """Not the zeros that a record ends with, nor what a later version wrote, nor what cannot be read."""
    journal = make_journal()
    assert in_a_fork(lambda: journal.append(Kind.EVENT, b"zeros", bytes(100)))
    (home,) = (home for home in homes(directory) if home.path != journal.health()["directory"])
    (name,) = (name for name in os.listdir(home.path) if name.endswith(".journal"))
    whole = Path(home.path, name)
    for other, begins in (
        ("0000000a", b""),
        ("0000000b", struct.pack("<8sHxxIqqIII", b"EZLOGSJ\n", VERSION + 1, *[0] * 6)),
    ):
        Path(home.path, f"{other}.journal").write_bytes(begins + bytes(8000 - len(begins)))
    leftovers = Leftovers(directory)
    assert leftovers.trim()
    assert whole.stat().st_size < 4096
    assert {path.stat().st_size for path in Path(home.path).glob("0000000[ab].journal")} == {8000}
    assert not leftovers.trim(), "it was done already"
    for other in Path(home.path).glob("0000000[ab].journal"):
        other.unlink()
    (found,) = left_in(directory)
    assert found.payload == bytes(100)


def test_a_dead_process_s_home_that_is_not_safe_is_passed_over(make_journal: MakeJournal, directory: Directory) -> None:
    """While room is looked for in it."""
    journal = make_journal()
    assert in_a_fork(lambda: journal.append(Kind.EVENT, b"id", b""))
    (home,) = (home for home in homes(directory) if home.path != journal.health()["directory"])
    Path(home.path, "00000099.journal").symlink_to("/nonexistent")
    Leftovers(directory).trim()
    assert Path(home.path, "00000099.journal").is_symlink()


def test_when_all_are_equal_the_oldest_go(make_journal: MakeJournal, directory: Directory) -> None:
    """Also the important ones, when there is nothing else."""
    journal = make_journal(cap=20 * 8192)
    fill(journal, 300, lambda _: Priority.AUDIT)
    evicted = journal.health()["evicted"]
    left = [int.from_bytes(item_id, "big") for item_id in left_by(journal, directory)]
    assert left == list(range(evicted["audit"], 300))
    assert len(left) > 30


def test_receipts_of_what_was_evicted_are_good_for_nothing(make_journal: MakeJournal) -> None:
    """The record may be delivered all the same: it is in memory."""
    journal = make_journal(cap=20 * 8192)
    receipts = fill(journal, 300, lambda index: Priority.AUDIT if index % 2 else Priority.DEBUG)
    journal.ack(receipts)  # type: ignore[arg-type]
    journal.prepare()
    assert journal.health()["waiting"] == 0


def test_the_dead_make_room_for_the_living(make_journal: MakeJournal, directory: Directory) -> None:
    """What they left counts, and the least important of it goes before what is more important here."""
    first = make_journal(cap=20 * 8192)
    fill(first, 70, lambda index: Priority.NORMAL if index < 35 else Priority.AUDIT)
    end_without_closing(first)
    second = make_journal(cap=20 * 8192)
    fill(second, 80, lambda _: Priority.ERROR, first=1000)
    evicted = second.health()["evicted"]
    left = [int.from_bytes(item_id, "big") for item_id in left_by(second, directory)]
    assert evicted["normal"] > 0
    assert [index for index in left if 35 <= index < 70] == list(range(35, 70))
    assert len(left) + sum(evicted.values()) == 150
    assert size_of(directory) == 0


def test_the_living_keep_what_is_theirs(make_journal: MakeJournal, directory: Directory) -> None:
    """Where living processes have filled the directory a new one has no room, which is counted."""
    first = make_journal(cap=20 * 8192)
    fill(first, 60, lambda _: Priority.DEBUG)
    second = make_journal(cap=8 * 8192)
    receipts = fill(second, 5, lambda _: Priority.AUDIT)
    assert not any(receipts)
    assert "are allowed" in str(second.health()["problem"])
    assert second.health()["deferred"] == 5
    end_without_closing(first)
    left_in(directory)
    second.prepare()
    assert all(receipts)


def test_what_is_refused_for_the_cap_is_counted_as_that(
    make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no more may wait."""
    journal = make_journal(cap=1)
    monkeypatch.setattr(writer_module, "_MOST_DEFERRED", 0)
    assert not journal.append(Kind.EVENT, b"id", b"")
    assert journal.health()["not_journaled"] == {"full": 1}


def test_old_segments_expire(make_journal: MakeJournal, directory: Directory) -> None:
    """Of a living process whose collector never answers; counted."""
    journal = make_journal()
    fill(journal, 20, lambda _: Priority.NORMAL)
    for segment in journal._shelf.segments.values():
        segment.sealed_at -= bool(segment.sealed_at) * 8 * 86_400 * 10**9
    journal.prepare()
    expired = journal.health()["expired"]
    assert 10 < expired < 20
    assert len(left_by(journal, directory)) == 20 - expired


@pytest.mark.parametrize("days", [30, -30])
def test_a_clock_that_is_set_ages_nothing(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """As at the start of a machine that has no clock of its own, or of one that was copied while it ran."""
    journal = make_journal()
    fill(journal, 20, lambda _: Priority.NORMAL)
    set_to = time.time_ns() + days * 86_400 * 10**9
    for module in (shelf_module, writer_module):
        monkeypatch.setattr(module, "time_ns", lambda: set_to)
    for index in range(40):
        journal.ack([journal.append(Kind.EVENT, number(100 + index), bytes(300)) for _ in range(3)])
        journal.prepare()
    assert journal.health()["expired"] == 0
    monkeypatch.undo()
    assert len(left_by(journal, directory)) == 20


def test_old_records_expire_when_they_are_moved(make_journal: MakeJournal, directory: Directory) -> None:
    """Moving makes nothing younger."""
    journal = make_journal()
    old = time.time_ns() - 8 * 86_400 * 10**9
    journal.append(Kind.SPAN_OPEN, b"old", b"", timestamp=old)
    for index in range(40):
        journal.ack([journal.append(Kind.EVENT, number(index), bytes(300)) for _ in range(3)])
        journal.append(Kind.SPAN_OPEN, number(100 + index), b"")
        journal.prepare()
    assert journal.health()["expired"] == 1
    assert set(left_by(journal, directory)) == {number(100 + index) for index in range(40)}


def test_old_records_of_the_dead_expire(make_journal: MakeJournal, directory: Directory) -> None:
    """They are not delivered, and counted."""
    journal = make_journal()
    journal.append(Kind.EVENT, b"old", b"", timestamp=time.time_ns() - 8 * 86_400 * 10**9)
    journal.append(Kind.EVENT, b"new", b"")
    end_without_closing(journal)
    abandoned = adopt(directory)
    assert abandoned is not None
    found = list(abandoned.found())
    assert [item.item_id for item in found] == [b"new"]
    assert abandoned.counts == {"expired": 1}
    abandoned.ack(found[0].receipts)
    assert abandoned.close()
    assert directory.entries() == []


def test_segments_of_a_later_version_are_left_to_it(make_journal: MakeJournal, directory: Directory) -> None:
    """Neither read, nor removed, nor evicted; told."""
    journal = make_journal(cap=20 * 8192)
    fill(journal, 10, lambda _: Priority.NORMAL)
    path = os.path.join(str(journal.health()["directory"]), "00000001.journal")
    with open(path, "r+b") as file:
        file.seek(8)
        file.write((VERSION + 1).to_bytes(2, "little"))
        file.seek(0)
        content = file.read()
    end_without_closing(journal)
    abandoned = adopt(directory)
    assert abandoned is not None
    found = list(abandoned.found())
    assert 0 < len(found) < 10
    assert abandoned.counts == {"newer": 1}
    for item in found:
        abandoned.ack(item.receipts)
    assert not abandoned.close()
    assert adopt(directory) is None
    second = make_journal(cap=20 * 8192)
    fill(second, 150, lambda _: Priority.AUDIT, first=1000)
    with open(path, "rb") as file:
        assert file.read() == content


def test_segments_without_a_header_are_removed_and_counted(make_journal: MakeJournal, directory: Directory) -> None:
    """Nothing can ever be read from them."""
    journal = make_journal()
    fill(journal, 5, lambda _: Priority.NORMAL)
    home = str(journal.health()["directory"])
    for name, content in (
        ("00000000.journal", b""),
        ("0000aaaa.journal", bytes(9000)),
        ("0000bbbb.journal", b"x" * 99),
    ):
        with open(os.path.join(home, name), "wb") as file:
            file.write(content)
    end_without_closing(journal)
    abandoned = adopt(directory)
    assert abandoned is not None
    found = list(abandoned.found())
    assert len(found) == 5
    assert abandoned.counts == {"unreadable": 3}
    abandoned.ack([receipt for item in found for receipt in item.receipts])
    assert abandoned.close()


def test_where_others_were_faster_the_own_oldest_go(make_journal: MakeJournal, directory: Directory) -> None:
    """Two processes that made room at the same moment are beyond the cap: each gives up of its own."""
    first = make_journal(cap=20 * 8192)
    fill(first, 60, lambda _: Priority.NORMAL)
    second = make_journal()
    fill(second, 100, lambda _: Priority.NORMAL, first=1000)
    assert size_of(directory) > 20 * 8192
    receipts = fill(first, 10, lambda _: Priority.NORMAL, first=100)
    assert all(receipts)
    evicted = first.health()["evicted"]
    end_without_closing(second)
    assert len(left_by(first, directory)) + evicted["normal"] == 170
    assert evicted["normal"] > 30


def test_what_does_not_fit_anywhere_goes_with_the_rest(make_journal: MakeJournal, directory: Directory) -> None:
    """A large segment of what is important, and no room to move that to."""
    journal = make_journal(cap=20 * 8192, segment_size=4096)
    journal.append(Kind.EVENT, b"debug", b"", Priority.DEBUG)
    big = journal.append(Kind.EVENT, b"audit", bytes(60_000), Priority.AUDIT)
    journal.prepare()
    assert big
    fill(journal, 200, lambda _: Priority.AUDIT, first=100)
    assert size_of(directory) <= 20 * 8192
    left = left_by(journal, directory)
    assert b"debug" not in left
    assert number(299) in left


def test_a_home_that_changes_while_room_is_made_is_left_alone(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process delivers it at this moment."""
    dead = make_journal(cap=20 * 8192)
    fill(dead, 50, lambda _: Priority.DEBUG)
    end_without_closing(dead)
    real, lost = os.unlink, []

    def gone(path: str, **_: object) -> None:
        raise FileNotFoundError(path)

    leftovers = Leftovers(directory)
    with monkeypatch.context() as racing:
        racing.setattr(os, "unlink", gone)
        assert not leftovers.evict(None, lost.append)
    with monkeypatch.context() as racing:
        racing.setattr(leftovers_module, "is_segment", gone)
        assert not leftovers.evict(None, lost.append)
    adopted = iter([leftovers_module.adopt_home(home) for home in homes(directory)])
    with monkeypatch.context() as racing:
        racing.setattr(leftovers_module, "adopt_home", lambda _: next(adopted, None))
        assert not leftovers.evict(None, lost.append)
    assert (lost, real) == ([], os.unlink)
    while not lost:
        assert leftovers.evict(None, lost.append)
    assert set(lost) == {Priority.DEBUG}


def test_unreadable_leftovers_go_first(make_journal: MakeJournal, directory: Directory) -> None:
    """They are worth nothing."""
    dead = make_journal()
    dead.append(Kind.EVENT, b"id", b"")
    path = os.path.join(str(dead.health()["directory"]), "0000ffff.journal")
    with open(path, "wb") as file:
        file.write(b"nothing")
    end_without_closing(dead)
    assert Leftovers(directory).evict(Priority.DEBUG, lambda _: pytest.fail("nothing is lost"))
    assert not os.path.exists(path)
    assert [item.item_id for item in left_in(directory)] == [b"id"]


def test_what_cannot_be_marked_is_not_delivered_again(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes nothing any more gives its files back all the same."""
    journal = make_journal(how=Writing.MAPPED)
    journal.append(Kind.EVENT, b"id", b"")
    end_without_closing(journal)
    abandoned = adopt(directory)
    assert abandoned is not None

    def refuse(*_: object) -> None:
        raise OSError(27, "File too large")

    monkeypatch.setattr(os, "pwrite", refuse)
    for item in abandoned.found():
        abandoned.ack(item.receipts)
        abandoned.ack(item.receipts)
    assert abandoned.counts == {"unmarked": 1}
    assert abandoned.close()
    assert adopt(directory) is None


def test_a_move_that_is_not_finished_makes_nothing_double(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch, how: Writing
) -> None:
    """The process ended when the copy was there and the old record still said that it waits."""
    journal = make_journal(how=how)
    fill(journal, 10, lambda _: Priority.NORMAL)

    def end(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Segment, "finish", end)
    with pytest.raises(OSError, match="Input/output"):
        journal._shelf._free(journal._shelf._sealed()[0], journal._ready[0], below=-1)
    assert journal._ready[0].appended == 1
    assert set(left_by(journal, directory)) == {number(index) for index in range(10)}


def test_where_nothing_can_be_moved_there_is_room_all_the_same(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk fails under old segments; new ones are on another part of it."""

    def fail(_: Segment) -> None:
        raise OSError(5, "Input/output error")

    journal = make_journal()
    monkeypatch.setattr(journal._shelf, "_gather", fail)
    receipts = []
    for index in range(20):
        receipts.append(journal.append(Kind.EVENT, number(index), bytes(1000)))
        journal._shelf._retry_at = 0.0
        journal.prepare()
    assert all(receipts)
    assert "Input/output" in str(journal.health()["problem"])
    assert len(left_by(journal, directory)) == 20
