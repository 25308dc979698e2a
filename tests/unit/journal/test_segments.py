"""Segments: how room is made, used, used again and given back."""

from __future__ import annotations

import errno
import os

import pytest

from ezlogs.journal import Directory, Kind, adopt
from ezlogs.journal import journal as journal_module
from ezlogs.journal import segment as segment_module
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.segment import Segment

from .conftest import MakeJournal, end_without_closing, left_by, number


def test_a_mapped_file_has_all_its_room(make_journal: MakeJournal) -> None:
    """A sparse file would end the process when the disk is full."""
    journal = make_journal(how=Writing.MAPPED, segment_size=1 << 20, largest_segment=1 << 20)
    (file,) = [path for path in os.scandir(str(journal.health()["directory"])) if path.name.endswith(".journal")]
    status = file.stat()
    assert status.st_blocks * 512 >= status.st_size >= 1 << 20


def test_records_go_on_in_the_next_segment(make_journal: MakeJournal, directory: Directory, how: Writing) -> None:
    """It was made before it was needed; the thread that needs it opens no file."""
    journal = make_journal(how=how)
    for index in range(200):
        assert journal.append(Kind.EVENT, number(index), bytes(100)) or index
        journal.prepare()
    assert len(left_by(journal, directory)) == 200


def test_segments_that_are_done_with_are_removed(make_journal: MakeJournal) -> None:
    """So that the disk holds what waits, and no more."""
    journal = make_journal()
    for _ in range(30):
        journal.ack([journal.append(Kind.EVENT, number(index), bytes(1000)) for index in range(3)])
        journal.prepare()
    names = [name for name in os.listdir(str(journal.health()["directory"])) if name.endswith(".journal")]
    assert len(names) <= 3


def test_a_long_lived_record_does_not_keep_its_segment(make_journal: MakeJournal, directory: Directory) -> None:
    """What still waits is moved together; its receipt still counts."""
    journal = make_journal(how=Writing.MAPPED)
    long_lived = [journal.append(Kind.SPAN_OPEN, number(index), b"open") for index in range(2)]
    for index in range(100):
        journal.append(Kind.SCOPE_OPEN, number(1000 + index), bytes(100))  # one of these stays in each segment
        journal.ack([journal.append(Kind.EVENT, number(1 << 40), bytes(300)) for _ in range(3)])
        journal.prepare()
    assert journal.health()["waiting"] == 102
    assert len(journal._shelf.segments) < 12
    journal.ack(long_lived[:1])
    journal.prepare()
    assert number(0) not in (left := left_by(journal, directory))
    assert left[number(1)] == b"open"
    assert len(left) == 101


def test_a_record_larger_than_a_segment_gets_one_of_its_size(make_journal: MakeJournal, directory: Directory) -> None:
    """Up to the largest; beyond it is counted."""
    journal = make_journal()
    large = journal.append(Kind.SPAN_CLOSE, b"large", bytes(50_000))
    journal.append(Kind.EVENT, b"small", b"")
    assert not journal.append(Kind.SPAN_CLOSE, b"too large", bytes(70_000))
    journal.prepare()
    journal.prepare()
    assert large
    assert journal.health()["not_journaled"] == {"too_large": 1}
    assert {key: len(value) for key, value in left_by(journal, directory).items()} == {b"large": 50_000, b"small": 0}


def test_room_that_a_burst_needed_is_given_back(make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing was written for a while."""
    monkeypatch.setattr(journal_module, "_IDLE", 3)
    journal = make_journal()
    journal.ack([journal.append(Kind.EVENT, number(index), bytes(1000)) for index in range(60)])
    journal.prepare()
    journal.prepare()
    assert len(journal._ready) > 1
    for _ in range(30):
        journal.prepare()
    assert len(journal._ready) == 1


def test_a_segment_that_could_not_be_made_leaves_nothing(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a file nor a descriptor."""

    def refuse(*_args: object, **_named: object) -> None:
        raise OSError(errno.EIO, "broken")

    with directory.opened(create=True) as within:
        before = len(os.listdir("/proc/self/fd"))
        monkeypatch.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="broken"):
            Segment(within, 1, 4096, started=0, created=0, resource=b"", how=Writing.WRITTEN)
        assert os.listdir(within) == []
        assert len(os.listdir("/proc/self/fd")) == before


def test_segments_are_used_again(make_journal: MakeJournal, directory: Directory) -> None:
    """Nothing of what was in them is found any more, and old receipts mean nothing in them."""
    journal = make_journal(how=Writing.MAPPED)
    old, made = [], set()
    for index in range(60):
        old.append(journal.append(Kind.EVENT, b"old" + number(index), bytes(1000), owner=bytes(index)))
        journal.ack(old)
        journal.prepare()
        made |= {os.stat(entry).st_ino for entry in os.scandir(str(journal.health()["directory"]))}
    assert len(made) < 10
    for index in range(20):
        assert journal.append(Kind.EVENT, number(index), bytes(index * 50))
        journal.ack(old)
        journal.prepare()
    end_without_closing(journal)
    abandoned = adopt(directory)
    assert abandoned is not None
    found = list(abandoned.found())
    assert [item.item_id for item in found] == [number(index) for index in range(20)]
    assert abandoned.counts == {}, "nothing looks torn"
    abandoned.ack([receipt for item in found for receipt in item.receipts])
    assert abandoned.close()


def test_pages_in_which_all_is_done_are_used_again_before_more_are_made(
    make_journal: MakeJournal, directory: Directory, how: Writing
) -> None:
    """Where files are mapped: a page costs as much as what is written to it. What waits stays where it is."""
    journal = make_journal(how=how, segment_size=8 << 20, largest_segment=8 << 20)
    written, most = 0, 0
    for index in range(100):
        receipts = [journal.append(Kind.EVENT, number(4 * index + part), bytes(64 << 10)) for part in range(4)]
        assert all(receipts)
        journal.prepare()
        journal.ack(receipts)
        journal.prepare()
        segment = journal._segment
        assert segment is not None
        written, most = written + (256 << 10), max(most, segment.position)
    assert (most < 1 << 20) is (how is Writing.MAPPED), "of a segment of 8 MiB"
    assert journal._progress() >= written, "what was written is counted all the same"
    journal.append(Kind.EVENT, b"waits", bytes(512 << 10))
    present = journal._segment
    for _ in range(3):
        journal.prepare()
    assert journal._segment is present
    assert set(left_by(journal, directory)) == {b"waits"}


def test_what_is_not_mapped_is_not_used_again(directory: Directory) -> None:
    """It would be no cheaper than a new file."""
    with directory.opened(create=True) as within:
        segment = Segment(within, 1, 4096, started=0, created=0, resource=b"", how=Writing.WRITTEN)
        with pytest.raises(OSError, match="only what is mapped"):
            segment.reuse(within, 2, started=0, created=0, resource=b"")
        segment.remove(within)
        segment.remove(within)


@pytest.mark.parametrize("advice", [23, -1])
def test_pages_are_made_ahead_of_who_writes(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch, advice: int
) -> None:
    """As many as will be written soon, over the ends of segments; also where the system does not make them itself."""
    monkeypatch.setattr(segment_module, "_POPULATE_WRITE", advice)
    journal = make_journal(how=Writing.MAPPED, segment_size=1 << 18, largest_segment=1 << 18)
    for index in range(2000):
        assert journal.append(Kind.EVENT, number(index), bytes(200)) or index
        if index % 100 == 0:
            journal.prepare()
    (current, *ready) = (journal._segment, *journal._ready)
    assert current is not None
    assert current.populate(1 << 20) == current.position + (1 << 20) - current.size
    assert all(one.populate(1) == 0 for one in ready)
    assert len(left_by(journal, directory)) == 2000
