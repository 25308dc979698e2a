"""The journal: what it took is in its files, whatever happens in the threads that hand it over."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import ezlogs.journal
from ezlogs.journal import Directory, Journal, Kind, Priority, adopt, process
from ezlogs.journal import journal as journal_module
from ezlogs.journal import segment as segment_module
from ezlogs.journal import writer as writer_module
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.segment import Segment
from ezlogs.journal.story import Ending

from .conftest import in_a_fork, left_in

MakeJournal = Callable[..., Journal]


def number(value: int) -> bytes:
    """Return an item id."""
    return value.to_bytes(16, "big")


def end_without_closing(journal: Journal) -> None:
    """Let go of the lock, as the end of the process does."""
    journal._shelf._home.release()  # type: ignore[union-attr]


def left_by(journal: Journal, directory: Directory, **options: Any) -> dict[bytes, bytes]:
    """Return the payloads that another process would find if this one were dead, by item id."""
    end_without_closing(journal)
    found = left_in(directory, **options)
    payloads = {item.item_id: item.payload for item in found}
    assert len(payloads) == len(found), "something was found twice"
    return payloads


def test_what_was_appended_is_left(make_journal: MakeJournal, directory: Directory, how: Writing) -> None:
    """With all that was said of it, in files that only the user can read."""
    journal = make_journal(how=how, resource=b"the resource")
    assert journal.append(Kind.EVENT, b"id", b"payload", Priority.AUDIT, owner=b"span", timestamp=time.time_ns())
    (file,) = [path for path in os.scandir(journal.health()["directory"]) if path.name == "00000001.journal"]  # type: ignore[type-var]
    assert file.stat().st_mode & 0o777 == 0o600
    end_without_closing(journal)
    (found,) = left_in(directory)
    assert (found.kind, found.item_id, found.payload) == (Kind.EVENT, b"id", b"payload")
    assert (found.priority, found.owner, found.resource) == (Priority.AUDIT, b"span", b"the resource")
    assert directory.entries() == []


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


def test_without_room_a_record_waits_for_the_worker(make_journal: MakeJournal, directory: Directory) -> None:
    """Its receipt is false until it is journaled; in the order in which they came."""
    journal = make_journal()
    receipts = [journal.append(Kind.EVENT, number(index), bytes(100)) for index in range(200)]
    assert not all(receipts)
    assert journal.health()["deferred"] == sum(not receipt for receipt in receipts)
    journal.prepare()
    assert all(receipts)
    assert list(left_by(journal, directory)) == [number(index) for index in range(200)]


def test_what_is_acknowledged_is_not_left(make_journal: MakeJournal, directory: Directory, how: Writing) -> None:
    """Receipts true and false, each once or twice, and those of nothing."""
    journal = make_journal(how=how)
    receipts = [journal.append(Kind.EVENT, number(index), bytes(100)) for index in range(100)]
    journal.ack(receipts[::2])
    journal.ack([receipts[0], 0])
    journal.prepare()
    assert journal.health()["waiting"] == 50
    assert list(left_by(journal, directory)) == [number(index) for index in range(1, 100, 2)]


def test_what_is_acknowledged_before_it_is_journaled_never_is(make_journal: MakeJournal, directory: Directory) -> None:
    """It was delivered while it waited for the worker."""
    journal = make_journal()
    receipts = [journal.append(Kind.EVENT, number(index), bytes(1000)) for index in range(20)]
    journal._mark_acks()
    journal.ack(receipts)
    journal._mark_acks()
    journal.prepare()
    assert journal.health()["waiting"] == 0
    assert left_by(journal, directory) == {}


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


def test_closing_leaves_nothing_where_nothing_waits(make_journal: MakeJournal, directory: Directory) -> None:
    """And takes nothing any more, which is counted."""
    journal = make_journal()
    journal.ack([journal.append(Kind.EVENT, b"id", b"payload")])
    journal.close()
    assert directory.entries() == []
    assert not journal.append(Kind.EVENT, b"id", b"payload")
    journal.prepare()
    assert journal.health()["not_journaled"] == {"closed": 1}


def test_closing_leaves_what_waits_to_others(make_journal: MakeJournal, directory: Directory) -> None:
    """Any living process may adopt it at once."""
    journal = make_journal()
    journal.append(Kind.EVENT, b"id", b"payload")
    journal.close()
    assert [item.item_id for item in left_in(directory)] == [b"id"]


def test_a_signal_handler_may_append(make_journal: MakeJournal, directory: Directory) -> None:
    """Also in the middle of an append of the thread that it interrupts."""
    journal = make_journal(segment_size=65_536)
    handled, numbers = [], itertools.count(1 << 40)

    def handler(*_: object) -> None:
        handled.append(journal.append(Kind.EVENT, number(next(numbers)), b"handler"))

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        index = 0
        while len(handled) < 50:
            journal.append(Kind.EVENT, number(index), b"thread")
            index += 1
            if index % 50 == 0:
                journal.prepare()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    journal.prepare()
    assert all(handled)
    assert len(left_by(journal, directory)) == index + len(handled)


def test_an_append_inside_an_append_is_journaled_by_the_outer_one(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``__del__`` does when the garbage collector runs in between."""
    journal = make_journal()
    inner = []

    def crc32(*arguments: Any) -> int:
        if not inner:
            inner.append(journal.append(Kind.EVENT, b"inner", b""))
            assert not inner[0]
        return real(*arguments)

    assert journal.append(Kind.EVENT, b"first", b"")
    real = writer_module.crc32
    monkeypatch.setattr(writer_module, "crc32", crc32)
    assert journal.append(Kind.EVENT, b"outer", b"")
    assert inner[0]
    assert list(left_by(journal, directory)) == [b"first", b"outer", b"inner"]


def test_threads_hammer_it(make_journal: MakeJournal, directory: Directory, how: Writing) -> None:
    """Each record of each thread is left once, and in the order of its thread."""
    journal = make_journal(segment_size=65_536, largest_segment=1 << 20, how=how)
    ready, done = threading.Barrier(9), threading.Event()

    def work(thread: int) -> None:
        ready.wait()
        for index in range(1000):
            journal.append(Kind.EVENT, number(thread << 32 | index), bytes(200))

    def prepare() -> None:
        while not done.is_set():
            journal.prepare()

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    worker = threading.Thread(target=prepare)
    for thread in (*threads, worker):
        thread.start()
    ready.wait()
    for thread in threads:
        thread.join()
    done.set()
    worker.join()
    journal.prepare()
    journal.prepare()
    assert journal.health()["not_journaled"] == {}
    ids = [int.from_bytes(item_id, "big") for item_id in left_by(journal, directory)]
    assert len(ids) == 8000
    for thread_number in range(8):
        own = [item & 0xFFFF_FFFF for item in ids if item >> 32 == thread_number]
        assert own == sorted(own)


@pytest.mark.parametrize("number_of_error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_full_disk_is_counted_and_hurts_nobody(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch, number_of_error: int
) -> None:
    """Records wait for room, as many as may; when there is some again they are journaled."""

    def no_room(*_: object) -> None:
        raise OSError(number_of_error, os.strerror(number_of_error))

    journal = make_journal(how=Writing.MAPPED)
    monkeypatch.setattr(writer_module, "_MOST_DEFERRED", 10_000)
    with monkeypatch.context() as full:
        full.setattr(os, "posix_fallocate", no_room)
        receipts = [journal.append(Kind.EVENT, number(index), bytes(1000)) for index in range(8)]
        journal.prepare()
        receipts += [journal.append(Kind.EVENT, number(8 + index), bytes(1000)) for index in range(12)]
        journal.prepare()
        name = errno.errorcode[number_of_error]
        lost = journal.health()["not_journaled"]
        assert lost == {name: receipts.count(0) or "none"}
        assert os.strerror(number_of_error) in str(journal.health()["problem"])
    assert not [name for name in os.listdir(str(journal.health()["directory"])) if name.endswith(".new")]
    journal._shelf._retry_at = 0.0
    journal.prepare()
    assert journal.health()["problem"] is None
    assert len(left_by(journal, directory)) == 20 - receipts.count(0)


def test_a_write_that_fails_is_no_record(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files are written and not mapped: also where only a part of it was."""
    journal = make_journal(how=Writing.WRITTEN)
    real = os.pwrite
    assert journal.append(Kind.EVENT, b"before", b"payload")
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, data[:20], offset))
        receipt = journal.append(Kind.EVENT, b"torn", b"payload")
        assert not receipt
        journal.prepare()
        assert not receipt
        assert "only a part" in str(journal.health()["problem"])
    journal.prepare()
    assert receipt
    assert list(left_by(journal, directory)) == [b"before", b"torn"]


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


@pytest.mark.parametrize(
    "arguments", [(2, bytes(256), b""), (2, "text", b""), (2, b"id", "text"), (300, b"id", b""), (2, b"id", b"", -1)]
)
def test_what_is_no_record_is_counted(make_journal: MakeJournal, arguments: tuple[Any, ...]) -> None:
    """And raises nothing into the application."""
    journal = make_journal()
    assert not journal.append(*arguments)
    assert journal.health()["not_journaled"] == {"invalid": 1}


def test_a_failure_inside_is_counted(make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next record is taken."""
    journal = make_journal()
    assert journal.append(Kind.EVENT, b"id", b"")
    with monkeypatch.context() as broken:
        broken.setattr(writer_module, "crc32", None)
        assert not journal.append(Kind.EVENT, b"id", b"")
    assert journal.append(Kind.EVENT, b"id", b"")
    assert journal.health()["not_journaled"] == {"failed": 1}


def test_a_worker_that_fails_says_so(make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never raises, and goes on."""
    journal = make_journal()
    with monkeypatch.context() as broken:
        broken.setattr(journal._shelf, "tidy", lambda: 1 / 0)
        journal.prepare()
        assert journal.health()["problem"] == "division by zero"
    receipt = journal.append(Kind.EVENT, b"id", b"")
    assert receipt


def test_a_baton_that_an_exception_dropped_is_replaced(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that raises between two instructions must not end journaling for good."""
    monkeypatch.setattr(journal_module, "_STUCK", -1.0)
    journal = make_journal()
    journal._baton.pop()
    receipt = journal.append(Kind.EVENT, b"id", b"")
    for _ in range(3):
        journal.prepare()
    assert receipt
    assert journal.health()["not_journaled"] == {"baton_replaced": 1}
    assert list(left_by(journal, directory)) == [b"id"]


def test_who_is_taken_for_stuck_and_goes_on_overwrites_nothing(
    make_journal: MakeJournal, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that gets no turn for long, in the middle of a record: others go on meanwhile, and it after them."""
    monkeypatch.setattr(journal_module, "_STUCK", -1.0)
    check, stuck, go_on = writer_module.crc32, threading.Event(), threading.Event()

    def slow(body: bytes, salt: int) -> int:
        if b"slow" in body:
            stuck.set()
            go_on.wait(20)
        return check(body, salt)

    monkeypatch.setattr(writer_module, "crc32", slow)
    journal = make_journal()
    assert journal.append(Kind.EVENT, b"before", b"")
    thread = threading.Thread(target=journal.append, args=(Kind.EVENT, b"slow", b""))
    thread.start()
    assert stuck.wait(20)
    waits = journal.append(Kind.EVENT, b"meanwhile", b"")
    for _ in range(3):
        journal.prepare()
    assert waits
    assert all(journal.append(Kind.EVENT, b"%d" % number, b"") for number in range(5))
    go_on.set()
    thread.join(20)
    assert journal.append(Kind.EVENT, b"after", b"")
    assert journal.health()["not_journaled"] == {"baton_replaced": 1}
    names = {b"before", b"slow", b"meanwhile", b"after", *(b"%d" % number for number in range(5))}
    assert set(left_by(journal, directory)) == names


def test_closing_does_not_wait_for_a_thread_that_writes(make_journal: MakeJournal, directory: Directory) -> None:
    """What that holds is left to the next process."""
    journal = make_journal()
    journal.append(Kind.EVENT, b"id", b"")
    journal._baton.pop()
    journal.close()
    assert list(left_by(journal, directory)) == [b"id"]


def test_one_worker_prepares_at_a_time(make_journal: MakeJournal) -> None:
    """A second one goes away: the first is at it."""
    journal = make_journal()
    receipts = [journal.append(Kind.EVENT, number(index), bytes(1000)) for index in range(9)]
    journal._preparing.pop()
    journal.prepare()
    assert not all(receipts)
    journal._preparing.append(None)
    journal.prepare()
    assert all(receipts)


def test_on_network_file_systems_the_worker_writes(make_journal: MakeJournal, directory: Directory) -> None:
    """A call there may wait for a server, which the application must not."""
    journal = make_journal(how=Writing.LATER)
    receipts = [journal.append(Kind.EVENT, number(index), b"") for index in range(3)]
    assert not any(receipts)
    journal.prepare()
    assert all(receipts)
    receipt = journal.append(Kind.EVENT, number(3), b"")
    assert not receipt
    journal.prepare()
    assert receipt
    assert len(left_by(journal, directory)) == 4


def test_the_resource_may_change(make_journal: MakeJournal, directory: Directory) -> None:
    """From the next segment on."""
    journal = make_journal(resource=b"first")
    journal.resource = b"second"
    assert journal.resource == b"second"
    for index in range(20):
        journal.append(Kind.EVENT, number(index), bytes(1000))
        journal.prepare()
    end_without_closing(journal)
    assert [item.resource for item in left_in(directory)][::19] == [b"first", b"second"]


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
    asked: list[float] = []
    journal = make_journal(look=0.25)
    monkeypatch.setattr(journal._shelf, "lost_home", lambda: asked.append(time.monotonic()))
    begun = time.monotonic()
    while time.monotonic() < begun + 0.6:
        journal.prepare()
    assert 2 <= len(asked) <= 4
    assert all(after - before >= 0.25 for before, after in itertools.pairwise(asked))


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


def test_a_worker_that_closes_while_another_prepares_leaves_the_rest(
    make_journal: MakeJournal, directory: Directory
) -> None:
    """Closing waits for nobody; closing twice does nothing."""
    journal = make_journal()
    journal.append(Kind.EVENT, b"id", b"")
    journal._preparing.pop()
    journal.close()
    journal.close()
    journal._preparing.append(None)
    journal.prepare()
    assert list(left_by(journal, directory)) == [b"id"]


def test_acknowledgements_wait_for_who_writes(make_journal: MakeJournal, directory: Directory) -> None:
    """One of a record that is being journaled must not be missed."""
    journal = make_journal()
    deferred = [journal.append(Kind.EVENT, number(index), bytes(1000)) for index in range(9)]
    journal._baton.pop()
    journal.ack(deferred)
    journal.prepare()
    assert len(journal._acks) == 1
    journal._baton.append(None)
    journal.prepare()
    assert not journal._acks
    assert left_by(journal, directory) == {}


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


def test_a_journal_that_never_prepared_has_nothing_to_close(directory: Directory) -> None:
    """Where its first try fails there is no home."""
    journal = Journal(directory)
    journal._closed = False
    journal._shelf._retry_at = time.monotonic() + 1000
    journal.append(Kind.EVENT, b"id", b"")
    journal.close()
    assert directory.entries() == []


def test_closing_never_raises(make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends."""
    journal = make_journal()
    monkeypatch.setattr(journal._shelf, "close", lambda: 1 / 0)
    journal.close()
    assert journal.health()["problem"] == "division by zero"
    end_without_closing(journal)


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


def test_what_came_first_is_journaled_first(make_journal: MakeJournal, directory: Directory) -> None:
    """A span's end that came before its beginning would leave the span open."""
    journal = make_journal()
    assert journal.append(Kind.EVENT, b"before", b"")
    journal._baton.pop()
    opened = journal.append(Kind.SPAN_OPEN, b"span", b"")
    assert not opened
    journal._baton.append(None)
    assert journal.append(Kind.SPAN_CLOSE, b"span", b"")
    end_without_closing(journal)
    assert [Kind(item.kind) for item in left_in(directory)] == [Kind.EVENT, Kind.SPAN_CLOSE]


def test_a_record_counts_when_all_of_it_is_there(make_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its check is written last: a process killed before that has not journaled it."""
    journal = make_journal(how=Writing.MAPPED)
    journal.append(Kind.EVENT, b"first", b"")
    real, seen = writer_module.pack_check_into, []

    def pack_check_into(memory: Any, start: int, check: int) -> None:
        seen.append((memory[start : start + 8], memory[start + 8 : start + 60].rstrip(b"\0")))
        real(memory, start, check)

    monkeypatch.setattr(writer_module, "pack_check_into", pack_check_into)
    journal.append(Kind.EVENT, b"second", b"payload")
    ((check_and_state, body),) = seen
    assert check_and_state == bytes(8)
    assert body.endswith(b"secondpayload")


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


def test_what_is_for_recovery_is_loaded_when_it_is_asked_for() -> None:
    """By its name in the package; what is not there is not there."""
    assert ezlogs.journal.Ending is Ending
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        ezlogs.journal.nothing  # noqa: B018  # the access is the point
