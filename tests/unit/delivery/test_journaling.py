"""A worker with a journal, without a network: what is on disk, acknowledged, left, and sent by the next process."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags

from ezlogs.delivery import journaling as journaling_module
from ezlogs.delivery.batch import SpanEncoder
from ezlogs.delivery.hurry import flush
from ezlogs.delivery.journaling import Journaling, journaling
from ezlogs.delivery.sealed import EncodedResource, SealedEvent, opened
from ezlogs.delivery.worker import Worker
from ezlogs.dev.decode import decode_request
from ezlogs.event import UniversalEvent
from ezlogs.journal import Directory, Kind, adopt
from ezlogs.journal import writer as writer_module
from ezlogs.otlp import Delivered, Rejected, Retry
from ezlogs.priority import Priority
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger

from .test_riders import emitted
from .test_worker import Transport, end_of_threads

UNDER = SpanContext(0xA1, 0xB2, False, TraceFlags(TraceFlags.SAMPLED))
SHOP = Resource({"service.name": "shop"})


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """Where journals are."""
    made = Directory(str(tmp_path), "shop")
    with made.opened(create=True):
        return made


Made = Callable[..., "Bench"]


class Bench:
    """A worker with a journal, its transport and its ledger."""

    def __init__(self, directory: Directory, *answers: object) -> None:
        self.transport, self.ledger = Transport(*answers), Ledger()
        self.worker = Worker(
            self.transport,  # type: ignore[arg-type]  # it answers as one
            SpanEncoder(Scrubber()),
            lambda: SHOP,
            self.ledger,
            flush_interval=3600,
            max_batch_size=10,
            max_queue_size=20,
        )
        self.worker.journal(lambda: directory, SHOP, cap=64 << 20, max_age=3600)

    def put(self, number: int) -> list[UniversalEvent]:
        """Hand over events under a span."""
        events = [emitted(position) for position in range(number)]
        for event in events:
            kept = self.worker.keeper.kept(event, UNDER)
            assert isinstance(kept, SealedEvent)
            self.worker.put(kept)
        return events

    def sent(self) -> list[tuple[str, str, str]]:
        """The event ids that were sent, with the trace and the service that they were under."""
        return [
            (str(event.attributes["ezlogs.event.id"]), span.trace_id, str(span.resource["service.name"]))
            for body in self.transport.bodies
            for span in decode_request(body)
            for event in span.events
        ]


@pytest.fixture
def bench(directory: Directory) -> Iterator[Made]:
    """Make workers; all have ended when the test has."""
    made: list[Bench] = []

    def make(*answers: object) -> Bench:
        made.append(Bench(directory, *answers))
        return made[-1]

    yield make
    for one in made:
        one.worker.stop()
    end_of_threads()


def waiting(directory: Directory) -> int:
    """How many records no living process has, and nobody acknowledged."""
    abandoned = adopt(directory)
    if abandoned is None:
        return 0
    number = len(list(abandoned.found()))
    abandoned.close()
    return number


def test_what_is_delivered_is_acknowledged(bench: Made, directory: Directory) -> None:
    """Nothing of it is left for the next process."""
    made = bench(Delivered())
    events = made.put(15)
    assert flush([made.worker], 5)
    made.worker.stop()
    assert [event_id for event_id, _, _ in made.sent()] == [event.event_id for event in events]
    assert waiting(directory) == 0
    assert made.ledger.counts()["delivered"] == 15


def test_what_is_refused_is_acknowledged_too(bench: Made, directory: Directory) -> None:
    """The next process would be refused as well."""
    made = bench(Rejected("400", 400))
    made.put(3)
    assert flush([made.worker], 5)
    made.worker.stop()
    assert waiting(directory) == 0
    assert made.ledger.counts()["lost.rejected"] == 3


def test_what_could_not_be_sent_is_no_loss(bench: Made, directory: Directory) -> None:
    """Not at the end, not beyond the queue's room, not after the end: each event is on disk, and counted as such."""
    made = bench(Retry("nobody there"))
    made.put(25)
    flush([made.worker], 0.1, ending=True)
    made.worker.stop()
    counts = made.ledger.counts()
    assert counts["spooled"] == 25
    assert not [name for name in counts if name.startswith("lost")]
    assert waiting(directory) == 25


def test_the_next_process_delivers_what_was_left(bench: Made, directory: Directory) -> None:
    """Under its own trace and resource, once, and beside what is its own."""
    first = bench(Retry("nobody there"))
    left = {event.event_id for event in first.put(25)}
    first.worker.stop()
    second = bench(Delivered())
    deadline = threading.Event()
    for _ in range(200):
        if second.ledger.counts().get("adopted") == 25:
            break
        deadline.wait(0.05)
    sent = second.sent()
    assert sorted(event_id for event_id, _, _ in sent) == sorted(left)
    assert {(trace_id, service) for _, trace_id, service in sent} == {(f"{UNDER.trace_id:032x}", "shop")}
    second.worker.stop()
    assert waiting(directory) == 0


def test_what_was_left_waits_for_a_collector(bench: Made, directory: Directory) -> None:
    """A process that cannot send it either leaves it to the next."""
    first = bench(Retry("nobody there"))
    first.put(5)
    first.worker.stop()
    second = bench(Retry("nobody there"))
    for _ in range(100):
        if second.transport.bodies:
            break
        threading.Event().wait(0.05)
    second.worker.stop()
    assert second.transport.bodies
    assert waiting(directory) == 5


def test_without_a_directory_events_wait_in_memory(caplog: pytest.LogCaptureFixture) -> None:
    """And that is said once."""

    def nowhere() -> Directory:
        raise OSError("no room for it")

    assert journaling(nowhere, lambda directory: pytest.fail("there is none")) is None
    assert caplog.text.count("events wait in memory only, and are lost if the process is killed: no room for it") == 1


def test_a_health_that_cannot_know_of_refusals_tells_the_rest(bench: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no file can be opened, be it that of a module."""

    def fail(self: Journaling) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Journaling, "_dead_letters", fail)
    told: Any = bench(Delivered()).worker.health()
    assert told["journal"]["dead_letters"] == {"problem": "[Errno 24] Too many open files"}
    assert told["journal"]["waiting"] == 0


def test_a_disk_that_takes_nothing_is_told_once_in_a_while(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While it lasts, and not in each of the worker's turns."""
    now = [1000.0]
    monkeypatch.setattr(journaling_module, "monotonic", lambda: now[0])
    made = Journaling(directory, EncodedResource(b"", ""), cap=64 << 20, max_age=3600)
    made.turn()
    assert caplog.text == ""
    monkeypatch.setattr("ezlogs.journal.Journal.trouble", lambda _: "No space left on device")
    for _ in range(3):
        made.turn()
    assert caplog.text.count("events wait in memory only") == 1
    assert "No space left on device" in caplog.text
    now[0] += 61
    made.turn()
    assert caplog.text.count("events wait in memory only") == 2
    made.close()


def test_an_event_that_cannot_be_encoded_is_as_it_was(bench: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch will count it; the application does not hear of it."""
    made = bench(Delivered())
    event = emitted(1)
    monkeypatch.setattr(SpanEncoder, "seal", partial(int, "no number"))
    assert made.worker.keeper.kept(event, UNDER) is event


def test_events_of_different_resources_are_not_mixed(directory: Directory) -> None:
    """Each request has one."""
    journal = Journaling(directory, EncodedResource(b"one", ""), cap=64 << 20, max_age=60)
    journal.keep(SealedEvent(b"a", 1, bytes(16), 3), emitted(1))
    journal._journal.resource = EncodedResource(b"two", "schema").written()
    journal._journal._segment = None
    journal._journal._ready.clear()
    journal.turn()
    journal.keep(SealedEvent(b"b", 1, bytes(16), 3), emitted(2))
    journal.keep(SealedEvent(b"c", 1, bytes(16), 3), emitted(3))
    journal.close()
    reader = Journaling(directory, EncodedResource(b"me", ""), cap=64 << 20, max_age=60)
    found = []
    while (left := reader.left(10)) is not None:
        found.append((left.resource.body, [event.body for event in left.items]))
        reader.done(left.receipts, adopted=True)
    reader.close()
    assert found == [(b"one", [b"a"]), (b"two", [b"b", b"c"])]


@given(st.binary(), st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 64) - 1), st.sampled_from(Priority))
def test_an_event_is_journaled_at_once_as_it_would_be_part_by_part(
    body: bytes, timestamp: int, span_id: int, priority: Priority
) -> None:
    """Its id, what is in front of its body, and the body: the same record as any other is made."""
    with TemporaryDirectory() as base:
        journal = Journaling(Directory(base, "shop"), EncodedResource(b"", ""), cap=64 << 20, max_age=60)
        sealed = SealedEvent(body, timestamp, bytes(15) + b"1", span_id, (), "", priority, 1)
        event = replace(emitted(1), said_tail=7, said_id=None)
        journal.keep(sealed, event)
        item_id = struct.pack("<QQ", timestamp, 7)
        plain = journal._journal.append(Kind.EVENT, item_id, sealed.head() + body, priority)
        one, other = journal._journal.read([sealed.receipt, plain]) or ()
        same = ("kind", "priority", "item_id", "owner", "payload", "done", "moved")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
        journal.close()


def test_records_of_a_later_version_are_passed_over(directory: Directory) -> None:
    """What they mean is not known here."""
    journal = Journaling(directory, EncodedResource(b"", ""), cap=64 << 20, max_age=60)
    journal._journal.append(Kind.EVENT, b"short", b"x")
    journal.keep(SealedEvent(b"a", 1, bytes(16), 3), emitted(1))
    journal.close()
    reader = Journaling(directory, EncodedResource(b"", ""), cap=64 << 20, max_age=60)
    left = reader.left(10)
    assert left is not None
    assert [event.body for event in left.items] == [b"a"]
    assert len(left.receipts) == 2
    reader.close()


def test_a_payload_that_is_none_is_refused() -> None:
    """Whoever reads it passes it over."""
    with pytest.raises(struct.error):
        opened(b"short")


def test_what_was_left_and_is_too_large_is_split(bench: Made, directory: Directory) -> None:
    """It goes the way of all batches: no event is lost because its process was killed before it could be split."""
    first = bench(Retry("nobody there"))
    left = {event.event_id for event in first.put(8)}
    first.worker.stop()
    second = bench(Rejected("413", 413), Delivered())
    for _ in range(200):
        if second.ledger.counts().get("adopted") == 8:
            break
        threading.Event().wait(0.05)
    second.worker.stop()
    assert second.ledger.counts()["adopted"] == 8
    assert {event_id for event_id, _, _ in second.sent()} == left
    assert waiting(directory) == 0


def test_what_another_process_left_and_cannot_be_read_is_said_once(
    bench: Made, directory: Directory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the worker goes on with what is its own."""

    def unusable(*_: object) -> None:
        raise OSError("somebody else was here")

    monkeypatch.setattr("ezlogs.journal.recovery.adopt", unusable)
    monkeypatch.setattr("ezlogs.delivery.heir._LOOKED_FOR", 0.0)
    made = bench(Delivered())
    made.put(3)
    assert flush([made.worker], 5)
    threading.Event().wait(0.3)
    assert made.ledger.counts()["delivered"] == 3
    assert caplog.text.count("what was left on disk cannot be delivered: somebody else was here") == 1
    assert "the delivery worker failed" not in caplog.text


def test_what_another_pipeline_took_is_not_delivered_again(bench: Made, directory: Directory) -> None:
    """Its receipts are given back."""
    made = bench(Delivered())
    kept = [made.worker.keeper.kept(emitted(number), UNDER) for number in range(3)]
    made.worker.handed_over(3)
    made.worker.keeper.let_go(kept, ())
    made.worker.stop()
    assert waiting(directory) == 0
    assert made.ledger.counts()["handed_over"] == 3


def test_nobody_waits_for_himself(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler, or ``__del__``, that emits while its own thread writes: its record is journaled after that."""
    keeper = Journaling(directory, EncodedResource(b"", ""), cap=1 << 20, max_age=3600)
    assert keeper._append(Kind.SCOPE_OPEN, b"first", b"", 1)  # opens a file
    check, inner = writer_module.crc32, []

    def interrupted(body: bytes, salt: int) -> int:
        if b"outer" in body:
            inner.append(keeper._append(Kind.SCOPE_OPEN, b"inner", b"", 1))
        return check(body, salt)

    monkeypatch.setattr(writer_module, "crc32", interrupted)
    monkeypatch.setattr(journaling_module, "sleep", lambda _: pytest.fail("it waited"))
    assert keeper._append(Kind.SCOPE_OPEN, b"outer", b"", 1)
    (receipt,) = inner
    assert receipt
    keeper.close()
