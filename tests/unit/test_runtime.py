"""The ledger counts without a lock that the application could wait for, and never miscounts."""

import threading

import pytest

from ezlogs.runtime import Ledger, Runtime
from ezlogs.settings import load


def test_counts_of_many_threads_add_up() -> None:
    """Nothing is lost between threads, nor when the notes are folded."""
    ledger = Ledger()

    def work() -> None:
        for _ in range(3000):
            ledger.next_tail()
            ledger.note("lost.queue_full")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.counts()["lost.queue_full"] == 12_000
    assert ledger.counts()["emitted"] == 12_000


def test_noting_never_waits_for_a_reader() -> None:
    """While somebody folds, a note is only put down."""
    ledger = Ledger()
    with ledger._folding:
        for _ in range(2000):
            ledger.note("delivered")
    assert ledger.counts()["delivered"] == 2000


def test_nothing_is_not_a_count() -> None:
    """A reason appears only when something was lost for it."""
    ledger = Ledger()
    ledger.note("lost.rejected", 0)
    assert ledger.counts() == {"emitted": 0}


def test_what_is_reported_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred different problems fill no log."""
    runtime = Runtime(load({}).settings)
    for number in range(300):
        runtime.report(f"problem {number}")
    assert len(caplog.records) == 100
    assert runtime.ledger.counts()["internal_errors"] == 300
