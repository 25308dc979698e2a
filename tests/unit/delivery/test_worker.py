"""The worker without a network: what it holds, retries, gives up and counts, and that its thread outlives errors."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import INVALID_SPAN_CONTEXT

from ezlogs.delivery.batch import SpanEncoder
from ezlogs.delivery.hurry import Hurry, flush
from ezlogs.delivery.losses import Losses
from ezlogs.delivery.signal import Signal
from ezlogs.delivery.worker import Worker
from ezlogs.facts import Failure
from ezlogs.otlp import Delivered, Rejected, Retry
from ezlogs.otlp.split import halves
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger

from .test_riders import emitted


class Transport:
    """A collector that answers as told; the last answer holds."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    def send(self, body: bytes) -> object:
        """Take a request."""
        self.bodies.append(body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Do nothing."""


def split_no_further(body: bytes) -> bool:
    """Return whether a request has a single record."""
    return halves(body) is None


def end_of_threads() -> None:
    """Wait until no thread delivers any more."""
    for thread in threading.enumerate():
        if thread.name in ("ezlogs-delivery", "ezlogs-sender"):
            thread.join(5)
            assert not thread.is_alive()


class Bench:
    """A worker with its transport and ledger."""

    def __init__(self, *answers: object, signal: Signal = Signal("spans")) -> None:  # noqa: B008  # immutable
        self.transport, self.ledger = Transport(*answers), Ledger()
        self.worker = Worker(
            self.transport,
            SpanEncoder(Scrubber()),
            lambda: Resource({}),
            self.ledger,
            signal,
            flush_interval=3600,  # so that what is in a batch does not depend on how fast this machine is
            max_batch_size=10,
            max_queue_size=100,
        )

    def put(self, number: int = 1) -> None:
        """Hand over events."""
        for position in range(number):
            self.worker.put((emitted(position), INVALID_SPAN_CONTEXT))

    def flush(self, timeout: float, *, ending: bool = False) -> bool:
        """Deliver what is pending."""
        return flush([self.worker], timeout, ending=ending)

    def end(self, timeout: float) -> None:
        """Deliver what can be delivered, and end."""
        self.flush(timeout, ending=True)
        self.worker.stop()


@pytest.fixture
def bench() -> Iterator[type[Bench]]:
    """Make workers; all have ended when the test has."""
    yield Bench
    end_of_threads()


def test_a_batch_is_sent_again_byte_for_byte(bench: type[Bench]) -> None:
    """What was sealed once is never encoded anew."""
    made = bench(Retry("busy"), Retry("busy", after=0.01), Delivered())
    made.put()
    assert made.flush(5)
    assert len(set(made.transport.bodies)) == 1
    assert len(made.transport.bodies) >= 3
    assert made.ledger.counts()["delivered"] == 1
    made.end(1)


def test_a_refused_batch_is_counted_and_not_sent_again(bench: type[Bench], caplog: pytest.LogCaptureFixture) -> None:
    """Nor is what the collector took, but for all that was in it."""
    made = bench(Rejected("400 Bad Request", 400), Delivered(rejected=1, message="its only span is too old"))
    made.put(20)
    assert made.flush(5)
    counts = made.ledger.counts()
    assert (counts["lost.rejected"], counts["rejected_spans"]) == (20, 2)
    assert "400 Bad Request; the events of such requests are lost" in caplog.text
    made.end(1)


def test_a_batch_that_is_too_large_is_split_until_it_passes(bench: type[Bench]) -> None:
    """Each event arrives once; of one carrier span there are several."""
    made = bench(Delivered())
    largest = 0

    def limited(body: bytes) -> object:
        made.transport.bodies.append(body)
        return Delivered() if len(body) <= largest else Rejected("413 too large", 413)

    made.put(10)
    whole = made.worker._encoder.batch(list(made.worker._intake.items), Resource({}))
    largest = len(whole.body) // 3
    made.transport.send = limited  # type: ignore[method-assign]  # a collector with a limit
    assert made.flush(5)
    counts = made.ledger.counts()
    assert counts["delivered"] == 10
    taken = [body for body in made.transport.bodies if len(body) <= largest]
    assert counts["delivered_spans"] == len(taken) > 2, "each a carrier span of its own"
    assert "lost.rejected" not in counts
    made.end(1)


def test_what_is_too_large_by_itself_is_lost_alone(bench: type[Bench], caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, and the others arrive."""
    made = bench(Delivered())
    passed = 0

    def limited(body: bytes) -> object:
        nonlocal passed
        if b"evt_" in body and split_no_further(body) and passed == 3:
            passed += 1
            return Rejected("413 too large", 413)
        if not split_no_further(body):
            return Rejected("413 too large", 413)
        passed += 1
        return Delivered()

    made.transport.send = limited  # type: ignore[method-assign]  # a collector with a limit
    made.put(10)
    assert made.flush(5)
    counts = made.ledger.counts()
    assert (counts["delivered"], counts["lost.rejected"]) == (9, 1)
    assert "413 too large; the events of such requests are lost" in caplog.text
    assert made.worker.pending() == 0
    made.end(1)


def test_at_the_end_what_did_not_go_out_is_counted(bench: type[Bench]) -> None:
    """A collector that answered before is tried until the time is up; then nothing is silent."""
    made = bench(Delivered(), Retry("gone"))
    made.put()
    assert made.flush(5)
    made.put(15)
    made.end(0.3)
    made.put()
    assert made.ledger.counts()["lost.shut_down"] == 16
    assert made.worker.pending() == 0, "it is lost, and no more pending"


def test_the_thread_outlives_an_error(bench: type[Bench], caplog: pytest.LogCaptureFixture) -> None:
    """A bug in the transport costs a log line, and the batch is tried again."""
    made = bench(RuntimeError("bug"), Delivered())
    made.put()
    assert made.flush(5)
    assert "the delivery worker failed" in caplog.text
    assert made.worker.health()["pending"] == 0
    made.end(1)


def test_the_thread_looks_around_as_often_as_there_is_reason_to(
    bench: type[Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look makes others wait for the interpreter: it is rare where little comes."""
    made = bench()
    worker = made.worker
    assert worker._pause() == 1.0
    worker.look_soon()
    assert [worker._pause(), worker._pause()] == [0.1, 1.0], "a request has begun"
    monkeypatch.setattr(worker, "_flush_interval", 0.3)
    made.put()
    assert 0.1 < worker._pause() <= 0.3, "until what waits is due"
    monkeypatch.setattr(worker, "_journaling", SimpleNamespace(is_short_of_room=lambda: True))
    assert worker._pause() == 0.005
    monkeypatch.undo()
    made.end(1)


def test_a_resting_thread_is_rung_for_where_somebody_waits(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who flushes, ends, or begins a request: the first one, as the thread looks soon from then on."""
    made, rung = bench(Delivered()), list[str]()
    worker = made.worker
    monkeypatch.setattr(worker, "_bell", SimpleNamespace(ring=lambda: rung.append("rung")))
    monkeypatch.setattr(worker, "_start", int)
    worker._pause()
    worker.look_soon()
    worker.look_soon()
    assert len(rung) == 1
    worker.relax(worker.hurry(ending=False), ending=False)
    assert len(rung) == 2
    worker.stop()
    assert len(rung) == 3


def test_many_that_wait_are_rung_for_once(bench: type[Bench]) -> None:
    """Those that wait for longer are in no cache any more; whoever looks then sees all of them."""
    made, rung = bench(Delivered()), list[int]()
    intake = made.worker._intake
    intake.has_thread, intake._max_queue_size, intake._ring = True, 10_000, lambda: rung.append(len(intake.items))
    made.worker._max_queue_size, made.worker._max_batch_size = 10_000, 10_000
    intake.weigh(300)
    intake.measure()
    made.put(3000)
    assert rung == [2048]
    intake.measure()
    made.put(3000)
    assert rung == [2048, 5048], "the worker has looked meanwhile"
    intake.items.clear()


def test_the_thread_that_sends_looks_only_where_it_may(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rung for when there is something to send; while the collector is left alone it waits that long."""
    made, pauses = bench(Retry("gone", after=7.0), Delivered()), list[float]()
    sender = made.worker._sender

    def rest(seconds: float) -> None:
        pauses.append(seconds)
        sender._stopped = True

    monkeypatch.setattr(sender, "_bell", SimpleNamespace(rest=rest))
    sender._run()
    made.put()
    made.worker._urgent, sender._stopped = True, False
    made.worker._turn()
    sender._run()
    assert pauses[0] == 60.0
    assert 5.0 < pauses[1] < 8.0
    monkeypatch.undo()
    made.end(0.1)


def test_a_batch_that_cannot_be_made_is_counted_and_holds_nothing_up(
    bench: type[Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was in it is lost, and said; what comes later goes out."""
    made = bench(Delivered())
    monkeypatch.setattr(made.worker, "_resource", lambda: 1 / 0)
    made.put(3)
    assert made.flush(5)
    monkeypatch.undo()
    made.put()
    assert made.flush(5)
    counts = made.ledger.counts()
    assert (counts["lost.unencodable"], counts["delivered"]) == (3, 1)
    made.end(1)


def test_without_a_thread_the_caller_sends(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """As the interpreter ends no thread can be started."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    made = bench(Delivered())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    made.put()
    monkeypatch.undo()
    made.end(5)
    assert made.ledger.counts()["delivered"] == 1


def test_what_is_told_while_the_thread_starts_is_delivered(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a signal handler, or a destructor; one thread is started all the same."""
    made, start, started = bench(Delivered()), threading.Thread.start, []

    def interrupted(self: threading.Thread) -> None:
        started.append(self)
        made.put()
        start(self)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    made.put()
    monkeypatch.undo()
    assert made.flush(5)
    assert made.ledger.counts()["delivered"] == 2
    made.worker._start()  # as another thread does that found none a moment before
    assert len(started) == 1
    assert sum(thread.name == "ezlogs-delivery" for thread in threading.enumerate()) == 1
    made.end(1)


def test_a_flush_during_a_send_sends_nothing_twice(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a handler of log lines, in the thread that is sending."""

    class Interrupted(Transport):
        def send(self, body: bytes) -> object:
            made.flush(0)
            return super().send(body)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    made = bench(Delivered())
    made.worker._sender._transport = made.transport = Interrupted(Delivered())  # type: ignore[assignment]  # it sends
    monkeypatch.setattr(threading.Thread, "start", refuse)
    made.put()
    made.end(5)
    assert len(made.transport.bodies) == made.ledger.counts()["delivered"] == 1


def test_a_flush_does_not_wait_for_what_was_counted_twice(bench: type[Bench]) -> None:
    """Items that go on while a flush counts them are in two places for a moment; they are not waited for as others."""
    queue = bench(Delivered())
    queue.put(3)
    hurry = queue.worker.hurry(ending=False)
    assert hurry.items == 3
    twice = Hurry(6, hurry.failures)
    assert not queue.worker.has_sent(twice)
    assert queue.flush(5)
    assert queue.worker.has_sent(twice)
    queue.end(5)


def test_events_without_room_are_counted_by_type(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """What most calls come to where too many events are told is counted at little cost, and in every account."""
    queue = bench(Retry("away"))
    monkeypatch.setattr(queue.worker, "_turn", lambda: None)  # no room is made meanwhile
    for position in range(5000):
        queue.worker.put(emitted(position))
    kept = queue.worker.pending()
    lost = 5000 - kept
    assert lost > 0
    assert queue.ledger.counts()["lost.queue_full"] == lost
    assert queue.worker.health()["lost_by_type"] == {"queue_full": {emitted(0).event_type: lost}}
    monkeypatch.undo()
    queue.worker.stop()
    lost_by_type = queue.worker.health()["lost_by_type"]
    assert lost_by_type == {"queue_full": {"order.action": lost}, "shut_down": {"order.action": kept}}
    queue.end(0)


def test_what_finds_no_room_is_counted_as_a_closer_look_would(
    bench: type[Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most events take a shorter way; what failed, or is of another class, has more room than they have."""
    usual = emitted(0)
    others = [
        replace(usual, said_outcome="failure"),
        replace(usual, said_severity="debug"),
        replace(usual, said_severity="error"),
        replace(usual, event_type="order.other"),
        replace(usual, error=Failure("ValueError", "no")),
    ]
    found = []
    for closer in (False, True):
        queue = bench(Retry("away"))
        monkeypatch.setattr(queue.worker, "_turn", lambda: None)  # no room is made meanwhile
        for _ in range(3000):
            queue.worker.put(usual)
        assert queue.worker._intake._full_from < len(queue.worker._intake.items) + 1
        if closer:
            queue.worker._intake._full_from = sys.maxsize
        for event in (usual, *others, usual) * 600:
            queue.worker.put(event)
        found.append((queue.worker.pending(), queue.ledger.counts(), queue.worker.health()["lost_by_type"]))
        monkeypatch.undo()
        queue.worker.stop()
        queue.end(0)
    assert found[0] == found[1]


def test_types_beyond_a_bound_are_counted_together(bench: type[Bench]) -> None:
    """Types can be made up without end; an account of them cannot."""
    losses = Losses(bench(Retry("away")).ledger, Signal("spans"))
    for number in range(1002):
        losses.without_room(f"made.up{number}")()
    losses.lose("queue_full", 1, {"made.up0": 1})
    found = losses.by_type()["queue_full"]
    assert (found["made.up0"], found["made.up999"], found["other"]) == (2, 1, 2)


def test_signals_are_flushed_at_the_same_time(bench: type[Bench]) -> None:
    """A collector that is away takes the time; what is for another one goes out meanwhile."""
    away, there = bench(Retry("gone")), bench(Delivered())
    away.put()
    there.put()
    assert not flush([away.worker, there.worker], 0.5)
    assert there.worker.pending() == 0
    assert away.worker.pending() == 1
    for made in (away, there):
        made.end(1)


def test_events_in_log_records_that_were_refused_are_lost(bench: type[Bench]) -> None:
    """Each log record is one event, so the collector's partial success says how many did not arrive."""
    made = bench(Delivered(rejected=3, message="too old"), signal=Signal("logs"))
    made.put(10)
    assert made.flush(5)
    counts = made.ledger.counts()
    assert (counts["delivered"], counts["lost.rejected"], counts["rejected_logs"]) == (7, 3, 3)
    made.end(1)


def test_copies_count_apart(bench: type[Bench]) -> None:
    """Events that another signal delivers too are not counted as delivered, or lost, twice."""
    made = bench(Rejected("400 Bad Request", 400), Delivered(), signal=Signal("logs", copies=True))
    made.put(20)
    assert made.flush(5)
    counts = made.ledger.counts()
    assert (counts["lost.logs.rejected"], counts["delivered.logs"], counts["redacted.logs"]) == (10, 10, 20)
    assert not {"delivered", "lost.rejected", "redacted"} & set(counts)
    made.end(1)


def test_the_worker_lets_others_go_on_while_it_keeps_up(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more waits than a batch has, they tell more than can be sealed already."""
    queue = bench(Delivered())
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    queue.worker._let_others_go_on()
    assert slept == [0]
    queue.worker._intake.items.extend(emitted(number) for number in range(10))
    queue.worker._let_others_go_on()
    assert slept == [0]
    monkeypatch.undo()
    queue.worker.stop()


def test_a_thread_that_has_no_memory_for_a_moment_goes_on(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was doing: nobody would start another."""
    made = bench(Delivered())
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise MemoryError

    monkeypatch.setattr(made.worker._sender, "start", fail)
    made.put()
    assert failed.wait(5)
    monkeypatch.undo()
    assert made.flush(5)
    assert made.worker._thread is not None
    assert made.worker._thread.is_alive()
    made.end(1)


def test_a_clock_that_stands_still_keeps_nobody_waiting(bench: type[Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """Some tests stop it: a flush that can reach nothing returns all the same."""
    made = bench(Retry("busy"))
    made.put()
    assert not made.flush(0.1)
    stopped = time.monotonic()
    monkeypatch.setattr("ezlogs.delivery.worker.monotonic", lambda: stopped)
    begin = time.monotonic()
    assert not made.flush(0.3)
    assert time.monotonic() - begin < 5
    monkeypatch.undo()
    made.end(0)


def test_an_event_of_ezlogs_own_that_cannot_be_encoded_is_no_loss(
    bench: type[Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent or counted for it."""
    made = bench(Delivered())
    monkeypatch.setattr("ezlogs.delivery.batch.SpanEncoder._body", lambda *_: 1 / 0)
    made.worker.tell(emitted(0))
    assert made.worker.health()["pending"] == 0
    assert made.flush(1)
    made.end(1)
    assert made.transport.bodies == []
    assert made.ledger.counts() == {"emitted": 0}
