"""Verdicts over transactions: in the journal as long as they are needed, and no longer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ezlogs.journal import Directory, Journal, Kind, Receipt
from ezlogs.journal.filesystems import Writing
from ezlogs.journal.verdicts import Verdicts
from ezlogs.priority import Priority

from .conftest import end_without_closing, in_a_fork, left_in

MakeJournal = Callable[..., Journal]


def committed(
    journal: Journal, transaction: bytes, rows: int, size: int = 10, priority: int = Priority.NORMAL
) -> list[Receipt]:
    """Journal a transaction that was committed; return the receipts of its rows."""
    receipts = [
        journal.append(Kind.PREPARED, b"%s %d" % (transaction, row), bytes(size), priority, owner=transaction)
        for row in range(rows)
    ]
    journal.ack_after(journal.append(Kind.COMMITTED, transaction, b"", Priority.AUDIT), receipts)
    return receipts


def endings(directory: Directory) -> list[tuple[str, str]]:
    """What is left, and how it ended."""
    return [(found.item_id.decode(), found.ending.value) for found in left_in(directory)]


def test_a_verdict_goes_with_the_last_event(make_journal: MakeJournal, how: Writing) -> None:
    """Not before: until then it tells that the rest was committed."""
    journal = make_journal(how=how)
    rows = committed(journal, b"txn", 3)
    journal.ack(rows[:1])
    journal.ack(rows[2:])
    journal.prepare()
    assert journal.health()["waiting"] == 2
    journal.ack(rows[1:2])
    journal.prepare()
    assert journal.health()["waiting"] == 0


def test_what_is_left_of_a_transaction_is_told_as_committed(make_journal: MakeJournal, directory: Directory) -> None:
    """Also where its verdict is in another file, and much was delivered meanwhile."""
    journal = make_journal()
    rows = committed(journal, b"txn", 100, 200)
    journal.ack(rows[1:])
    for _ in range(20):
        journal.ack([journal.append(Kind.EVENT, b"event", bytes(1000))])
        journal.prepare()
    end_without_closing(journal)
    assert endings(directory) == [("txn 0", "committed")]


def test_rows_that_are_moved_keep_their_verdict(make_journal: MakeJournal, directory: Directory) -> None:
    """Out of files that are almost empty; and it goes when they are acknowledged where they were."""
    journal = make_journal()
    kept = committed(journal, b"txn", 2, 200)
    others = []
    for number in range(200):
        receipt = journal.append(Kind.EVENT, b"event", bytes(1000))
        others.append(receipt) if number % 10 == 0 else journal.ack([receipt])
        journal.prepare()
    assert journal._shelf.place_of(int(kept[0])) != kept[0], "it was to be moved"  # type: ignore[call-overload,arg-type]  # one that is journaled
    journal.ack([*others, kept[0]])
    journal.prepare()
    assert journal.health()["waiting"] == 2
    journal.ack(kept)
    journal.prepare()
    assert journal.health()["waiting"] == 0
    journal.close()
    assert endings(directory) == []


@pytest.mark.parametrize("priority", [Priority.NORMAL, Priority.AUDIT])
def test_rows_that_are_given_up_are_counted_and_their_verdict_is_not(
    make_journal: MakeJournal, priority: Priority
) -> None:
    """It is nothing that anybody was to get."""
    journal = make_journal(cap=32_768)
    for number in range(100):
        committed(journal, b"%d" % number, 1, 1000, priority)
        journal.prepare()
    evicted, waiting = journal.health()["evicted"], journal.health()["waiting"]
    assert isinstance(evicted, dict)
    assert isinstance(waiting, int)
    assert set(evicted) == {priority.name.lower()}
    assert 100 - waiting <= evicted[priority.name.lower()] < 100


def test_the_verdict_over_rows_that_wait_for_the_worker_waits_with_them(
    make_journal: MakeJournal, directory: Directory
) -> None:
    """While there is no room yet, and also where they need not be journaled any more."""
    journal = make_journal()
    while journal.append(Kind.EVENT, b"event", bytes(1000)):
        pass
    rows = committed(journal, b"txn", 2)
    others = committed(journal, b"other", 2)
    assert not any(map(bool, (*rows, *others)))
    journal.ack(others)
    journal.prepare()
    assert all(rows)
    journal.ack(rows)
    journal.prepare()
    journal.close()
    assert {name for name, _ in endings(directory)} == {"event"}


def test_a_verdict_waits_for_rows_that_are_not_journaled_yet(make_journal: MakeJournal) -> None:
    """A thread is in the middle of writing."""
    journal = make_journal()
    journal._baton.pop()  # as that thread does
    rows = committed(journal, b"txn", 2)
    journal.prepare()
    assert not any(rows)
    journal.ack(rows[:1])
    journal._baton.append(None)
    journal.prepare()
    assert journal.health()["waiting"] == 2
    journal.ack(rows[1:])
    journal.prepare()
    assert journal.health()["waiting"] == 0


def test_a_forked_child_leaves_verdicts_to_its_parent(make_journal: MakeJournal) -> None:
    """Those that wait, and those that it is told of with the parent's receipts."""
    journal = make_journal()
    rows = committed(journal, b"txn", 1)

    def child() -> bool:
        journal.ack_after(1, rows)
        journal.ack(rows)
        journal.prepare()
        return journal.health()["waiting"] == 0

    assert in_a_fork(child)
    journal.prepare()
    assert journal.health()["waiting"] == 2


def test_a_verdict_that_is_not_journaled_is_nothing_to_wait_for(make_journal: MakeJournal) -> None:
    """As where the journal was closed."""
    journal = make_journal()
    journal.close()
    assert committed(journal, b"txn", 1) == [0]


@pytest.mark.parametrize("stuck", [1, 256, 1000])
def test_transactions_that_wait_long_do_not_stand_in_the_way(stuck: int) -> None:
    """However many they are, those after them have their turn."""
    verdicts = Verdicts[int]()
    for number in range(stuck):
        verdicts.add(-number, [0])
    verdicts.add(1, [1])
    found: list[int] = []
    for _ in range(10):
        found += verdicts.settled(lambda receipt: receipt == 1)
    assert found == [1]
    assert len(verdicts) == stuck
