"""What is in a journal becomes items again: events of transactions, spans without an end, and what waits on disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags

from ezlogs.delivery.batch import SpanEncoder
from ezlogs.delivery.hurry import flush
from ezlogs.delivery.journaling import Journaling
from ezlogs.delivery.restored import item_of, signal_of
from ezlogs.delivery.sealed import EncodedScope, SealedEvent, SealedSpan
from ezlogs.delivery.worker import Worker
from ezlogs.dev.decode import decode_request
from ezlogs.emit import record
from ezlogs.event import UniversalEvent
from ezlogs.journal import Directory, Ending, Found, Journal, Kind
from ezlogs.otlp import Delivered, Outcome, Retry
from ezlogs.priority import Priorities, Priority
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger
from ezlogs.testing import capture

UNDER = SpanContext(0xA1, 0xB2, False, TraceFlags(TraceFlags.SAMPLED))
SHOP = Resource({"service.name": "shop"})
ENCODED = SpanEncoder(Scrubber()).encoded(SHOP)


def told(**fields: object) -> UniversalEvent:
    """Return an event as the application tells it."""
    with capture(strict=False):
        event = record("data.change", "update", subject=("order", 42), **fields)  # type: ignore[arg-type]  # a test's
    assert event is not None
    return event


def found(kind: int, ending: Ending, payload: bytes, events: tuple[Found, ...] = ()) -> Found:
    """Return what a journal found."""
    return Found(kind, ending, b"id", b"", payload, Priority.NORMAL, 7, ENCODED.written(), (1,), events)


def outcomes(item: SealedEvent | SealedSpan) -> list[object]:
    """Return the outcomes of the events that an item is sent with."""
    body = SpanEncoder(Scrubber()).batch([item], ENCODED).body
    return [event.attributes["ezlogs.outcome"] for span in decode_request(body) for event in span.events]


@pytest.mark.parametrize("metadata", [{"note": "plain"}, {"password": "hunter2"}], ids=["packed", "encoded"])
@pytest.mark.parametrize(("ending", "outcome"), [(Ending.COMMITTED, "success"), (Ending.UNKNOWN, "unknown")])
def test_nobody_says_that_a_row_was_changed_of_which_nobody_knows(
    metadata: dict[str, object], ending: Ending, outcome: str
) -> None:
    """An event of a transaction whose verdict is not in the journal has the outcome `unknown`."""
    sealed = SpanEncoder(Scrubber()).seal(told(metadata=metadata), UNDER)
    assert (sealed.plain is None) == ("password" in metadata)
    assert outcomes(item_of(found(Kind.PREPARED, ending, sealed.head() + sealed.body), ENCODED)) == [outcome]


def test_a_span_without_an_end_ends_with_its_last_event() -> None:
    """And says that nobody saw its end."""
    event = SpanEncoder(Scrubber()).seal(told(timestamp=99), UNDER)
    inner = found(Kind.EVENT, Ending.COMPLETE, event.head() + event.body)
    span = SealedSpan(b"", EncodedScope(b"", ""), ENCODED)
    item = item_of(found(Kind.SPAN_OPEN, Ending.INTERRUPTED, span.payload(), (inner,)), ENCODED)
    (received,) = decode_request(SpanEncoder(Scrubber()).batch([item], ENCODED).body)
    assert (received.end_time, received.attributes, len(received.events)) == (99, {"ezlogs.interrupted": True}, 1)


def test_what_is_no_item_of_this_version_has_no_signal() -> None:
    """It stays where it is."""
    assert signal_of(found(Kind.EVENT, Ending.COMPLETE, b"\x07" * 40)) is None
    assert signal_of(found(Kind.EVENT, Ending.COMPLETE, b"short")) is None
    assert signal_of(found(Kind.SPAN_CLOSE, Ending.COMPLETE, b"short")) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Priority.NORMAL),
        ({"severity": "debug"}, Priority.DEBUG),
        ({"severity": "warn"}, Priority.NORMAL),
        ({"severity": "error"}, Priority.ERROR),
        ({"outcome": "failure"}, Priority.ERROR),
        ({"error": ValueError("no")}, Priority.ERROR),
    ],
)
def test_priorities(fields: dict[str, object], expected: Priority) -> None:
    """Alone and among others; an audit event is above all."""
    event = told(**fields)
    assert Priorities().of(event) == Priorities().of_all([event]) == expected
    assert Priorities().of_all([told(), event]) == max(expected, Priority.NORMAL)
    audit = Priorities(("data.*",))
    assert audit.of(event) == audit.of_all([told(), event]) == Priority.AUDIT
    assert audit.of_all([]) == Priority.NORMAL


class Collector:
    """A transport that is away until it is told otherwise."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.bodies: list[bytes] = []

    def send(self, body: bytes) -> Outcome:
        """Take a request, or not."""
        if not self.there.is_set():
            return Retry("away")
        self.bodies.append(body)
        return Delivered()

    def close(self) -> None:
        """Do nothing."""

    forget = close


@pytest.fixture
def collector() -> Collector:
    """One that is away."""
    return Collector()


@pytest.fixture
def worker(collector: Collector, directory: Directory) -> Iterator[Worker]:
    """A worker with a journal."""
    made = Worker(
        collector,
        SpanEncoder(Scrubber()),
        lambda: SHOP,
        Ledger(),
        flush_interval=0.01,
        max_batch_size=4,
        max_queue_size=1,
    )
    made.journal(lambda: directory, SHOP, cap=64 << 20, max_age=3600)
    yield made
    made.stop()


@pytest.fixture
def directory(tmp_path: object) -> Directory:
    """Where journals are."""
    made = Directory(str(tmp_path), "shop")
    with made.opened(create=True):
        return made


def put(worker: Worker, number: int) -> None:
    """Hand over events."""
    assert worker.keeper is not None
    for _ in range(number):
        worker.put(worker.keeper.kept(told(), UNDER))


def until_on_disk(worker: Worker, number: int) -> None:
    """Wait until some items wait on disk alone."""
    for _ in range(1000):
        if worker.health()["pending_on_disk"] == number:
            return
        threading.Event().wait(0.01)
    pytest.fail(f"{worker.health()}")


def away(worker: Worker) -> None:
    """Wait until the worker knows that the collector is away: with one event that stays in memory."""
    put(worker, 1)
    for _ in range(1000):
        if worker.health()["failures"]:
            return
        threading.Event().wait(0.01)
    pytest.fail("nobody tried")


def test_what_waits_on_disk_alone_is_read_again(worker: Worker, collector: Collector) -> None:
    """When the collector is back, each event once."""
    away(worker)
    put(worker, 20)
    until_on_disk(worker, 20)
    collector.there.set()
    assert flush([worker], 10)
    ids = [e.attributes["ezlogs.event.id"] for body in collector.bodies for s in decode_request(body) for e in s.events]
    assert len(ids) == len(set(ids)) == 21


def test_what_was_given_up_on_disk_is_lost_and_counted(
    worker: Worker, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal was full; what is left of a batch is sent."""
    away(worker)
    put(worker, 8)
    until_on_disk(worker, 8)
    read, given_up = Journal.read, list[int]()

    def all_but_three(journal: Journal, receipts: Any) -> list[Any]:
        found = read(journal, receipts) or []
        given_up.append(len(found[:3]))  # of each batch, of which there are two or more
        return found[3:]

    monkeypatch.setattr(Journal, "read", all_but_three)
    collector.there.set()
    assert flush([worker], 10)
    counts = worker._ledger.counts()
    assert sum(given_up) >= 6
    assert (counts["delivered"], counts["lost.journal_full"]) == (9 - sum(given_up), sum(given_up))
    assert worker.pending() == 0


def test_what_was_read_again_is_sent_again_as_it_was(
    worker: Worker, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, and what of it was given up is counted once, however often the collector is asked."""
    away(worker)
    put(worker, 4)
    until_on_disk(worker, 4)
    read = Journal.read
    monkeypatch.setattr(Journal, "read", lambda self, receipts: (read(self, receipts) or [])[1:])
    asked: list[bytes] = []

    def refuse_twice(body: bytes) -> Outcome:
        asked.append(body)
        return Retry("busy") if asked.count(body) < 3 else Delivered()

    monkeypatch.setattr(collector, "send", refuse_twice)
    for _ in range(40):
        if flush([worker], 0.5):
            break
    assert worker.pending() == 0
    assert {asked.count(body) for body in asked} == {3}
    counts = worker._ledger.counts()
    assert counts["delivered"] + counts["lost.journal_full"] == 5
    assert counts["lost.journal_full"] <= 4, "it was counted at each attempt"


def test_a_journal_that_cannot_be_read_now_is_read_later(
    worker: Worker, collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be that another thread is at work on it, or that the disk has a problem."""
    away(worker)
    put(worker, 4)
    until_on_disk(worker, 4)
    tried = threading.Event()

    def fail(*_: object) -> None:
        tried.set()
        raise OSError("the disk is tired")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "read", fail)
        collector.there.set()
        worker.hurry(ending=False)
        assert tried.wait(10)
        assert not flush([worker], 0.2)
    assert flush([worker], 10)
    assert worker._ledger.counts()["delivered"] == 5
    assert caplog.text.count("what was left on disk cannot be delivered: the disk is tired") == 1


def test_a_journal_without_such_records_gives_none(directory: Directory) -> None:
    """Receipts of records that are done, or never were."""
    journaling = Journaling(directory, ENCODED, cap=64 << 20, max_age=60)
    left = journaling.read_again([0, 1 << 40, (1 << 32) | 5])
    assert left is not None
    assert left.items == ()
    journaling.close()


@pytest.mark.parametrize(
    "metadata", [None, {"note": "plain"}, {"password": "hunter2"}, {"password": "hunter2", "reason": "mine"}]
)
def test_what_nobody_knows_says_why(metadata: dict[str, object] | None) -> None:
    """Whatever it said before."""
    sealed = SpanEncoder(Scrubber()).seal(told(metadata=metadata), UNDER)
    item = item_of(found(Kind.PREPARED, Ending.UNKNOWN, sealed.head() + sealed.body), ENCODED)
    (span,) = decode_request(SpanEncoder(Scrubber()).batch([item], ENCODED).body)
    (event,) = span.events
    assert event.attributes["ezlogs.metadata.reason"] == "interrupted"
