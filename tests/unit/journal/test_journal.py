"""The journal: what it took is in its files, whatever happens in the threads that hand it over."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import threading
import time
from typing import Any

import pytest

import ezlogs.journal
from ezlogs.journal import Directory, Journal, Kind, Priority
from ezlogs.journal import journal as journal_module
from ezlogs.journal import writer as writer_module
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.story import Ending

from .conftest import MakeJournal, end_without_closing, left_by, left_in, number


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


def test_what_is_for_recovery_is_loaded_when_it_is_asked_for() -> None:
    """By its name in the package; what is not there is not there."""
    assert ezlogs.journal.Ending is Ending
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        ezlogs.journal.nothing  # noqa: B018  # the access is the point


class _Baton(list[None]):
    """A baton that something happens to."""

    def __init__(self, *, on_return: Any = None, is_out: bool = False) -> None:
        super().__init__([None])
        self._on_return, self._is_out = on_return, is_out

    def append(self, item: None) -> None:
        """Be given back."""
        call, self._on_return = self._on_return, None
        if call is not None:
            call()
        super().append(item)

    def pop(self, *_: Any) -> None:
        """Be taken; the first one comes a moment too early."""
        if self._is_out:
            self._is_out = False
            raise IndexError
        super().pop()


def test_what_comes_as_another_one_ends_is_journaled_at_once(make_journal: MakeJournal, directory: Directory) -> None:
    """Who gives the baton back looks once more, and so does who found it taken: no record waits for the worker."""
    journal, inner = make_journal(), list[Any]()
    journal._baton = _Baton(on_return=lambda: inner.append(journal.append(Kind.EVENT, b"inner", b"payload")))
    outer = journal.append(Kind.EVENT, b"outer", b"payload")
    assert (bool(outer), [bool(receipt) for receipt in inner]) == (True, [True])
    journal._baton = _Baton(is_out=True)
    assert journal.append(Kind.EVENT, b"late", b"payload")
    assert list(left_by(journal, directory)) == [b"outer", b"inner", b"late"]


def test_the_worker_is_called_where_room_is_taken(make_journal: MakeJournal) -> None:
    """When the segment that was ready is begun, and where there is none, but not for each record."""
    journal, calls = make_journal(), list[int]()
    journal.call_worker = lambda: calls.append(len(receipts))
    receipts = list[Any]()
    for index in range(200):
        receipts.append(journal.append(Kind.EVENT, number(index), bytes(100)))
    waiting = [at for at, receipt in enumerate(receipts) if not receipt]
    assert calls
    assert calls[0] < waiting[0], "before anything had to wait"
    assert len([at for at in calls if at < waiting[0]]) <= 2
