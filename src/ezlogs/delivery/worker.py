"""The worker: seals what applications handed over, and has it sent, in threads of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from opentelemetry import context
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext

from ezlogs import forks
from ezlogs.delivery.batch import Batch
from ezlogs.delivery.bell import Bell
from ezlogs.delivery.breaker import CircuitBreaker, Limits
from ezlogs.delivery.hurry import Hurry
from ezlogs.delivery.intake import Intake, weight_of
from ezlogs.delivery.items import Item, count_of, receipts_of
from ezlogs.delivery.keeping import Keeper
from ezlogs.delivery.losses import Losses
from ezlogs.delivery.oldest import oldest
from ezlogs.delivery.outbox import Outbox
from ezlogs.delivery.sealed import AnyResource, EncodedResource, SealedEvent
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.delivery.sender import Sender, told
from ezlogs.delivery.signal import SPANS, Signal
from ezlogs.delivery.transport import Transport
from ezlogs.event import UniversalEvent
from ezlogs.otel_compat import leave, suppressing
from ezlogs.runtime import TIMED, Ledger, log

if TYPE_CHECKING:
    from ezlogs.delivery.journaling import Journaling
    from ezlogs.journal import Directory

_REST = 1.0
"""Seconds between two turns where nobody rings. While a thread waits for the interpreter, it costs the others a system
call each time that they let go of it, as database drivers do for each statement: so it is not to wait often."""

_SOON = 0.1
"""The same while something is begun that is to be noted in a moment."""

_SHORT = 0.005
"""The same while the journal is short of room."""

_LAST_TURN = 2.0
"""Seconds that the end waits for the threads to finish what they do."""

_USUAL_REQUEST = 2 << 20
"""Bytes of a request, about, before compression: large events come fewer in one."""


class Encoder(Protocol):
    """What makes batches of items."""

    def batch(self, items: Sequence[Item], resource: AnyResource, between: Callable[[], object] = int) -> Batch:
        """Return the request of some items; what has no resource of its own gets ``resource``.

        As it takes long, ``between`` is called now and then.
        """

    def seal(self, event: UniversalEvent, under: SpanContext | None) -> SealedEvent:
        """Return an event as it will be sent."""

    def encoded(self, resource: AnyResource) -> EncodedResource:
        """Return a resource as it is sent."""

    def priority(self, item: Item) -> int:
        """Return whether an item goes before others, where not all can be kept."""


class Worker:
    """Has sealed and sent what the application's threads put in: it starts at the first item, and looks now and then.

    One thread seals what was handed over; a second one sends, as long as there is something to send.

    Args:
        transport: Where batches go.
        encoder: What makes them.
        resource: Returns the resource of what has none of its own.
        ledger: Where deliveries and losses are counted.
        signal: What it sends.
        flush_interval: Seconds an item waits for company at most.
        max_batch_size: Items a request.
        max_queue_size: Items held in memory while the collector is slow or away. Beyond it those that are journaled
            wait on disk, and of the others the least important are lost, and counted.
        max_queue_bytes: Bytes that they may take.
        audit_wait: Seconds that an audit event may make the application wait for room, though never on an event loop.
        limits: When the circuit breaker opens, and for how long.
    """

    def __init__(
        self,
        transport: Transport,
        encoder: Encoder,
        resource: Callable[[], Resource],
        ledger: Ledger,
        signal: Signal = SPANS,
        *,
        flush_interval: float,
        max_batch_size: int,
        max_queue_size: int,
        max_queue_bytes: int = 128 << 20,
        audit_wait: float = 0.0,
        limits: Limits | None = None,
    ) -> None:
        self._bell = Bell()
        self._ledger = ledger
        self._encoder = encoder
        self._resource = resource
        self._flush_interval = flush_interval
        self._max_batch_size = max_batch_size
        self._max_queue_size = max_queue_size
        self._journaling: Journaling | None = None
        self.keeper: Keeper | None = None
        """Keeps items in the journal before they are put; None where there is no journal."""
        self._no_journal: list[str] = []
        """Why there is none, although there should be one."""
        self.also: list[Callable[[], object]] = []
        """What is called every turn besides."""
        self._signal = signal
        self._losses = Losses(ledger, signal)
        self._breaker = CircuitBreaker(limits, on_change=told)
        self._outbox = Outbox(max_queue_size, max_queue_bytes)
        self._intake = Intake(
            self._outbox,
            self._losses,
            encoder.priority,
            self._start,
            self._bell.ring,
            max_queue_size=max_queue_size,
            max_queue_bytes=max_queue_bytes,
            audit_wait=audit_wait,
        )
        self.put = self._intake.put
        """Takes an item. Never waits."""
        self.pending = self._intake.pending
        """Returns how many items are not delivered yet."""
        self.pending_events = self._intake.pending_events
        """Returns how many events are not delivered yet, be it alone or on spans that have ended."""
        self._sender = Sender(
            transport,
            self._outbox,
            self._breaker,
            self._losses,
            most=max_batch_size,
            remade=lambda left: encoder.batch(left.items, left.resource),
        )
        self._begin()

    def _begin(self) -> None:
        """Begin with nothing queued and no thread, as a new process does."""
        self._intake.begin()
        self._sealed_at = monotonic()
        self._urgent = False
        self._is_to_look_soon = self._rests_long = False
        self._hopeless = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._turning = threading.Lock()

    def be_the_only_way(self) -> None:
        """Turn events away before anybody looks at them while there is no room: they go nowhere else."""
        self._intake.is_only_way = True

    def journal(
        self, directory: Callable[[], Directory], resource: Resource, *, cap: int, max_age: float, endpoint: str = ""
    ) -> None:
        """Journal items from now on, if there can be a journal; see `ezlogs.delivery.journaling.journaling`."""
        from ezlogs.delivery.journaling import Journaling, journaling  # most of it is about files: only where needed

        if self._journaling is None:
            make = partial(
                Journaling,
                resource=self._encoder.encoded(resource),
                cap=cap,
                max_age=max_age,
                signal="logs" if self._signal.records == "logs" else "traces",
                endpoint=endpoint,
            )
            made = journaling(directory, make, self._no_journal.append)
            self._journaling = self._sender.journaling = self._intake.journaling = made
            if made is not None:
                made.have_called(self._bell.ring)
                self.keeper = Keeper(made, self._encoder, self.work, self.look_soon)
                if made.has_neighbours():
                    self._start()  # they may have died: what they left does not wait for events of this process

    def handed_over(self, events: int) -> None:
        """Take note that another pipeline has some events."""
        self._losses.note("handed_over", events)

    def work(self) -> None:
        """Have a thread at work, also where nothing has been handed over yet: on the journal, or to tell of losses."""
        if self._thread is None:
            self._start()

    def look_soon(self) -> None:
        """Have a thread look in a moment whether what has begun just now has gone on."""
        self._is_to_look_soon = True
        if self._rests_long:
            self._rests_long = False
            self._bell.ring()
        elif self._thread is None:
            self._start()

    def is_delivering(self) -> bool:
        """Return whether the collector took what was sent last."""
        return self._sender.is_delivering

    def tell(self, event: UniversalEvent) -> None:
        """Have an event of ezlogs' own sent. It counts nowhere and nobody waits for it: it was not handed over."""
        batch = self._encoder.batch([(event, INVALID_SPAN_CONTEXT)], self._resource())
        if batch.records:
            own = batch._replace(events=0, types={}, number=self._intake.sealed_items, is_own=True)
            self._outbox.put(own)

    def hurry(self, *, ending: bool) -> Hurry:
        """Begin to send what is pending at once; return what that is, and how often sending has failed so far."""
        self._sender.ending = ending
        self._breaker.hurry()
        self._urgent = True
        self._bell.ring()
        return Hurry(self._intake.waiting() + self._intake.sealed_items, self._sender.failures)

    def help(self) -> None:
        """Send from the caller's thread where there is none to do it: at interpreter exit none can start any more."""
        if self._intake.pending() and (self._thread is None or not self._thread.is_alive()):
            self._turn()
            self._sender.help()

    def has_sent(self, hurry: Hurry) -> bool:
        """Return whether all went out that was pending when sending was hurried; what came later does not count."""
        to_seal = self._intake.sealed_items < hurry.items and self._intake.waiting()
        return not to_seal and not self._outbox.has_of_first(hurry.items)

    def hopeful(self, hurry: Hurry, *, ending: bool) -> bool:
        """Return whether anything is pending that is worth waiting for.

        Args:
            hurry: What `hurry` returned.
            ending: Whether the process ends.
        """
        sender = self._sender
        failing = sender.failures > hurry.failures
        # What is on disk is delivered by another process: no need to wait for a collector that does not answer.
        in_vain = self._hopeless or (failing and (self.keeper is not None or not sender.ever_delivered))
        return not self.has_sent(hurry) and not (ending and in_vain)

    def relax(self, hurry: Hurry, *, ending: bool) -> bool:
        """Take as much time as before again; return whether everything went out."""
        done = self.has_sent(hurry)
        if ending:
            self._hopeless = not done
        self._urgent = self._sender.ending = False
        return done

    def stop(self) -> None:
        """Count what is pending as lost, and take nothing any more."""
        self._intake.stop()
        self._bell.ring()
        # Where the threads do not come to rest, another process adopts the journal when this one has ended.
        at_rest = self._turning.acquire(timeout=_LAST_TURN)
        self._sender.stop(_LAST_TURN)
        self._intake.clear()
        for batch in self._outbox.empty():
            if batch.journaled():
                self._losses.note("spooled", batch.events)
            elif not batch.adopted:
                self._losses.lose_batch("shut_down", batch)
        if self._journaling is not None:
            self._journaling.close()
        if at_rest:
            self._turning.release()

    def forget(self) -> None:
        """In a forked child: leave queue, threads and connections to the parent."""
        self._sender.forget()
        if self._journaling is not None:
            self._journaling.forget()
        if self.keeper is not None:
            self.keeper.forget()
        self._losses.forget()
        self._outbox.forget()
        self._bell.forget()
        self._begin()

    def health(self) -> dict[str, object]:
        """Return the queue's length and the collector's state."""
        journal: dict[str, object] = {"journal": {"problem": self._no_journal[-1]}} if self._no_journal else {}
        if self._journaling is not None:
            journal = {"journal": self._journaling.health()}
        return {
            "pending": self._intake.pending(),
            "pending_bytes": self._outbox.size() + int(len(self._intake.items) * self._intake.usual_size),
            "pending_on_disk": self._outbox.on_disk() + len(self._intake.beyond),
            "breaker": self._breaker.snapshot(),
            "failures": self._sender.failures_in_a_row,
            "last_problem": self._sender.last_problem,
            "lost_by_type": self._losses.by_type(),
            **journal,
        }

    def _start(self) -> None:
        if forks.will_be_by_c or not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="ezlogs-delivery", daemon=True)
                thread.start()
                self._thread = thread
                self._intake.has_thread = True
                self._intake.measure()
        except RuntimeError:  # the interpreter is ending; shutdown sends from its own thread
            pass
        finally:
            self._starting.release()

    def _run(self) -> None:
        while not self._intake.stopped:
            pause = _SOON
            with suppress(Exception):  # whatever it is, such as no memory: this thread must live
                self._turn()
                self._sender.start()
                self._ledger.to_time = TIMED
                pause = self._pause()
            resting = monotonic()
            self._bell.rest(pause)
            self._rests_long = False
            if monotonic() - resting < _SHORT:  # however often somebody rings, others have their turn
                time.sleep(_SHORT)  # by its module's name: gevent may take its place after this file was imported

    def _pause(self) -> float:
        """Return the seconds to the next turn, if nobody rings before."""
        if self._journaling is not None and self._journaling.is_short_of_room():
            return _SHORT
        self._rests_long = True  # from here on who begins something rings
        if self._is_to_look_soon or (self._journaling is not None and self._journaling.is_written_later()):
            self._is_to_look_soon = self._rests_long = False
            return _SOON
        due = self._flush_interval - (monotonic() - self._sealed_at) if self._intake.items else self._flush_interval
        return max(_SOON, min(due, _REST))

    def _turn(self) -> None:
        """Seal what is due. One thread at a time: the worker's, or at exit the one that shuts down."""
        if not self._turning.acquire(blocking=False):
            return
        token = context.attach(suppressing())
        try:
            for call in self.also:
                call()
            if self.keeper is not None:
                self.keeper.note_late()
            if self._journaling is not None:
                self._journaling.turn()
            self._seal()
        except Exception as problem:  # the thread must live; what it was sealing is counted as lost
            self._sender.last_problem = f"{type(problem).__qualname__} in the delivery worker"
            log.exception("ezlogs: the delivery worker failed")
        finally:
            leave(token)
            self._turning.release()

    def _seal(self) -> None:
        now, items = monotonic(), self._intake.items
        too_many = len(items) + self._outbox.in_memory() > self._max_queue_size
        # Each priority has batches of its own when some may have to be given up, or all are late.
        failing = self._breaker.is_failing()
        if failing:
            self._outbox.pack()
        away = too_many or failing or self._outbox.is_crowded()
        size = 1 if too_many else self._max_batch_size
        due = len(items) if self._urgent or now - self._sealed_at >= self._flush_interval else 0
        while items and (due > 0 or len(items) >= size):
            if not self._intake.usual_size or type(items[0]) is SealedRows:
                self._intake.weigh(weight_of(items[0]))
            most = max(1, min(self._max_batch_size, int(_USUAL_REQUEST / self._intake.usual_size)))
            number = min(most, len(items))
            self._seal_next(number, away=away)
            due -= number
            self._sealed_at = now
            self._intake.measure()
        if not items:
            self._sealed_at = now
        self._seal_beyond()
        for batch in self._outbox.shrink():
            self._losses.lose_batch("queue_full", batch)
        self._intake.measure()

    def _seal_next(self, number: int, *, away: bool) -> None:
        self._intake.being_sealed = number  # before they leave the queue: pending() must never miss one on its way
        with self._outbox.moving:
            items = self._intake.sealing = [self._intake.items.popleft() for _ in range(number)]
        try:
            resource = self._resource()
            groups = _by_priority(items, self._encoder.priority) if away else [items]
            items = self._intake.sealing = [item for group in groups for item in group]
            for alike in groups:
                self._make_batch(alike, resource)
                items = items[len(alike) :]
        except Exception:
            self._losses.lose("unencodable", count_of(items))
            raise
        finally:
            self._intake.sealed_items += number
            self._intake.being_sealed, self._intake.sealing = 0, []

    def _make_batch(self, items: Sequence[Item], resource: Resource) -> None:
        batch = self._encoder.batch(items, resource, self._let_others_go_on)
        self._intake.weigh(len(batch.body) / len(items))
        batch = batch._replace(items=len(items), since=oldest(items), number=self._intake.sealed_items)

        def along() -> None:
            self._intake.sealing = self._intake.sealing[len(items) :]
            self._losses.lose("unencodable", batch.broken)

        self._outbox.put(batch, away=self._breaker.is_failing(), along=along)

    def _let_others_go_on(self) -> None:
        """Let the application's threads have their turn, unless they tell more already than can be sealed."""
        if len(self._intake.items) < self._max_batch_size:
            time.sleep(0)

    def _seal_beyond(self) -> None:
        while self._intake.beyond:
            number = self._intake.being_sealed = min(self._max_batch_size, len(self._intake.beyond))
            with self._outbox.moving:
                items = [self._intake.beyond.popleft() for _ in range(number)]
                self._set_aside(items, _receipts(items) or ())
            self._intake.sealed_items += number
            self._intake.being_sealed = 0

    def _set_aside(self, items: Sequence[Item], receipts: Sequence[object]) -> None:
        """Keep no more of items than where they are in the journal."""
        batch = Batch(
            b"",
            records=len(items),
            events=count_of(items),
            redactions={},
            broken=0,
            receipts=receipts,
            items=len(items),
            priority=max(map(self._encoder.priority, items)),
            number=self._intake.sealed_items,
            since=oldest(items),
        )
        self._outbox.put_on_disk(batch)


def _receipts(items: Sequence[Item]) -> list[object] | None:
    """Return what items are acknowledged by, or None where one of them is not in the journal."""
    receipts: list[object] = []
    for item in items:
        if type(item) is SealedEvent or type(item) is SealedRows:
            receipts.append(item.receipt)
        elif own := receipts_of(item):
            receipts += own
        else:
            return None
    return receipts if all(receipts) else None


def _by_priority(items: Sequence[Item], priority: Callable[[Item], int]) -> list[list[Item]]:
    """Return items of the same priority together, the most important first."""
    groups: dict[int, list[Item]] = {}
    for item in items:
        groups.setdefault(priority(item), []).append(item)
    return [groups[each] for each in sorted(groups, reverse=True)]
