"""The worker: one background thread that seals batches, sends them, and holds them while the collector is away."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from opentelemetry import context
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext

from ezlogs.delivery.batch import Batch, EndedSpan, LooseEvent
from ezlogs.delivery.oldest import oldest
from ezlogs.delivery.sealed import AnyResource, EncodedResource, SealedEvent
from ezlogs.delivery.signal import SPANS, Signal
from ezlogs.delivery.split import split
from ezlogs.delivery.transport import Transport
from ezlogs.event import UniversalEvent
from ezlogs.otel_compat import suppressing
from ezlogs.otlp import TOO_LARGE, Delivered, Rejected, Retry
from ezlogs.runtime import Ledger, log

if TYPE_CHECKING:
    from ezlogs.delivery.journaling import Journaling
    from ezlogs.journal import Directory

_POLL = 0.05
_LAST_TURN = 0.2
"""Seconds that the end waits for the worker to finish what it does with the journal."""

_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.1, 1.0
_LONGEST_PAUSE = 600.0
"""Seconds that a collector may ask to be left alone."""

Item = EndedSpan | LooseEvent


class Encoder(Protocol):
    """What makes batches of items."""

    def batch(self, items: Sequence[Item], resource: AnyResource) -> Batch:
        """Return the request of some items; what has no resource of its own gets ``resource``."""

    def seal(self, event: UniversalEvent, under: SpanContext | None) -> SealedEvent:
        """Return an event as it will be sent."""

    def encoded(self, resource: Resource) -> EncodedResource:
        """Return a resource as it is sent."""


class Worker:
    """Takes items from the application's threads without a lock or a signal: it polls, and starts at the first item.

    Args:
        transport: Where batches go.
        encoder: What makes them.
        resource: Returns the resource of what has none of its own.
        ledger: Where deliveries and losses are counted.
        signal: What it sends.
        flush_interval: Seconds an item waits for company at most.
        max_batch_size: Items a request.
        max_queue_size: Items held while the collector is slow or away; beyond it new ones are lost, and counted.
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
    ) -> None:
        self._transport = transport
        self._encoder = encoder
        self._resource = resource
        self._ledger = ledger
        self._signal = signal
        self._flush_interval = flush_interval
        self._max_batch_size = max_batch_size
        self._max_queue_size = max_queue_size
        self._ever_delivered = False
        self._journaling: Journaling | None = None
        self._start_over()

    def _start_over(self) -> None:
        """Begin with nothing queued and no thread, as a new process does."""
        self._items: deque[Item] = deque()
        self._sealed: deque[Batch] = deque()
        self._held = 0
        self._sealed_at = monotonic()
        self._failures = 0
        self._retry_at = 0.0
        self._urgent = False
        self._hopeless = False
        self._stopped = False
        self._room = 0
        """Items that may wait: what the queue holds without those held, and none where each needs a closer look."""
        self._last_problem: str | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._turning = threading.Lock()

    @property
    def journals(self) -> bool:
        """Whether events are to be kept by `kept` before they are put."""
        return self._journaling is not None

    def journal(self, directory: Callable[[], Directory], resource: Resource, *, cap: int, max_age: float) -> None:
        """Journal events from now on, if there can be a journal; see `ezlogs.delivery.journaling.journaling`."""
        from ezlogs.delivery.journaling import journaling  # most of it is about files, and is not needed otherwise

        if self._journaling is None:
            encoded = self._encoder.encoded(resource)
            self._journaling = journaling(directory, encoded, cap=cap, max_age=max_age)
            if self._journaling is not None and self._journaling.has_neighbours():
                self._start()  # they may have died: what they left does not wait for events of this process

    def kept(self, event: UniversalEvent, under: SpanContext | None) -> UniversalEvent | SealedEvent:
        """Return an event as an item that is in the journal; as it is where that cannot be.

        Args:
            event: The event.
            under: The span that it happened under.
        """
        journal = self._journaling
        if journal is None:
            return event
        try:
            sealed = self._encoder.seal(event, under)
        except Exception:  # the batch will say so, and count it
            return event
        journal.keep(sealed, event)
        return sealed

    def handed_over(self, events: Sequence[UniversalEvent | SealedEvent]) -> None:
        """Take note that another pipeline has some events, which were kept for this one."""
        self._ledger.note("handed_over", len(events))
        if self._journaling is not None:
            self._journaling.done([event.receipt for event in events if isinstance(event, SealedEvent)])

    def put(self, item: Item) -> None:
        """Take an item. Never waits."""
        items = self._items
        if len(items) < self._room:
            items.append(item)
        else:
            self._look_at(item)

    def _look_at(self, item: Item) -> None:
        """Take an item that found no room: all of them where there is no thread yet, or no more."""
        if self._stopped:
            self._leave("shut_down", item)
        elif self.pending() >= self._max_queue_size:
            self._leave("queue_full", item)
        else:
            self._items.append(item)
            if self._thread is None:
                self._start()

    def _hold(self, items: int) -> None:
        """Count items that left the queue and are not delivered yet, or with a negative number those that are."""
        self._held += items
        if self._thread is not None:
            self._room = self._max_queue_size - self._held
        if self._stopped:  # meanwhile
            self._room = 0

    def pending(self) -> int:
        """Return how many items are not delivered yet."""
        return len(self._items) + self._held

    def hurry(self) -> int:
        """Begin to send what is pending at once; return how often sending has failed so far."""
        self._retry_at = 0.0
        self._urgent = True
        return self._failures

    def help(self) -> None:
        """Send from the caller's thread where there is none to do it: at interpreter exit none can start any more."""
        if self.pending() and (self._thread is None or not self._thread.is_alive()):
            self._turn()

    def hopeful(self, failures: int, *, ending: bool) -> bool:
        """Return whether anything is pending that is worth waiting for.

        Args:
            failures: What `hurry` returned.
            ending: Whether the process ends.
        """
        in_vain = self._hopeless or (self._failures > failures and not self._ever_delivered)
        return self.pending() > 0 and not (ending and in_vain)

    def relax(self, *, ending: bool) -> bool:
        """Take as much time as before again; return whether everything went out."""
        done = not self.pending()
        if ending:
            self._hopeless = not done
        self._urgent = False
        return done

    def stop(self) -> None:
        """Count what is pending as lost, and take nothing any more."""
        self._stopped = True
        self._room = 0
        for item in tuple(self._items):
            self._leave("shut_down", item)
        batches = [batch for batch in tuple(self._sealed) if not batch.adopted]  # others stay where they are on disk
        spooled = sum(map(bool, (receipt for batch in batches for receipt in batch.receipts)))
        self._ledger.note(self._signal.of_events("spooled"), spooled)
        self._lose("shut_down", sum(batch.events for batch in batches) - spooled)
        self._transport.close()
        if self._journaling is not None:
            # Where the worker does not come to rest, another process adopts the journal when this one has ended.
            at_rest = self._turning.acquire(timeout=_LAST_TURN)
            self._journaling.close()
            if at_rest:
                self._turning.release()

    def forget(self) -> None:
        """In a forked child: leave queue, thread and connections to the parent."""
        self._transport.forget()
        if self._journaling is not None:
            self._journaling.forget()
        self._start_over()

    def health(self) -> dict[str, object]:
        """Return the queue's length and the collector's state."""
        journal = {} if self._journaling is None else {"journal": self._journaling.health()}
        return {"pending": self.pending(), "failures": self._failures, "last_problem": self._last_problem, **journal}

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="ezlogs-delivery", daemon=True)
                thread.start()
                self._thread = thread
                self._hold(0)
                _flush_at_multiprocessing_exit(self)
        except RuntimeError:  # the interpreter is ending; shutdown sends from its own thread
            pass
        finally:
            self._starting.release()

    def _run(self) -> None:
        while not self._stopped:
            self._turn()
            self._ledger.timing = True
            time.sleep(_POLL)  # by its module's name: gevent may take its place after this file was imported

    def _turn(self) -> None:
        """Seal and send what is due. One thread at a time: the worker's, or at exit the one that shuts down."""
        if not self._turning.acquire(blocking=False):
            return
        token = context.attach(suppressing())
        try:
            if self._journaling is not None:
                self._journaling.turn()
            self._seal()
            self._send()
            if self._journaling is not None and not self._items and not self._sealed:
                self._adopt(self._journaling)
        except Exception as problem:  # the thread must live; what it was sealing is counted as lost
            self._last_problem = f"{type(problem).__qualname__} in the delivery worker"
            log.exception("ezlogs: the delivery worker failed")
        finally:
            context.detach(token)
            self._turning.release()

    def _seal(self) -> None:
        now = monotonic()
        while len(self._items) >= self._max_batch_size or (
            self._items and (self._urgent or now - self._sealed_at >= self._flush_interval)
        ):
            number = min(self._max_batch_size, len(self._items))
            self._hold(number)  # before they leave the queue: pending() must never miss one on its way
            items = [self._items.popleft() for _ in range(number)]
            self._sealed_at = now
            try:
                batch = self._encoder.batch(items, self._resource())
            except Exception:
                self._hold(-number)
                self._lose("unencodable", sum(map(_events, items)))
                raise
            self._lose("unencodable", batch.broken)
            self._sealed.append(batch._replace(items=number, since=oldest(items)))
        if not self._items:
            self._sealed_at = now

    def _send(self) -> None:
        while self._sealed and monotonic() >= self._retry_at:
            batch = self._sealed[0]
            result = self._transport.send(batch.body)
            if isinstance(result, Retry):
                self._back_off(result)
                return
            if isinstance(result, Rejected) and result.status == TOO_LARGE and (parts := split(batch)):
                self._sealed.popleft()
                self._sealed.extendleft(reversed(parts))
                continue
            if isinstance(result, Delivered):
                refused = min(self._signal.events_in(result.rejected), batch.events)
                what = "adopted" if batch.adopted else "delivered"
                self._ledger.note(self._signal.of_events(what), batch.events - refused)
                self._lose("rejected", refused)
                self._ledger.note(f"delivered_{self._signal.records}", batch.records)
                self._ledger.note(f"rejected_{self._signal.records}", result.rejected)
                if batch.since:
                    self._ledger.delivering.note(time.time_ns() - batch.since)
                if self._failures and self._last_problem:
                    log.info("ezlogs: the collector is back")
                self._ever_delivered = True
                self._hopeless = False
                self._last_problem = None
            else:
                self._lose("rejected", batch.events)
                self._complain(f"{result.reason}; the events of such requests are lost")
            self._ledger.note(self._signal.of_events("redacted"), sum(batch.redactions.values()))
            for rule, times in batch.redactions.items():
                self._ledger.note(self._signal.of_events(f"redacted_by.{rule}"), times)
            if self._journaling is not None and batch.receipts:
                self._journaling.done(batch.receipts, adopted=batch.adopted)
            self._failures = 0
            self._sealed.popleft()
            self._hold(-batch.items)

    def _adopt(self, journal: Journaling) -> None:
        """Take what dead processes of this service left, a request a turn, while there is nothing else to send."""
        left = journal.left(self._max_batch_size)
        if left is not None:
            batch = self._encoder.batch(left.events, left.resource)
            self._sealed.append(batch._replace(receipts=left.receipts, adopted=True))

    def _back_off(self, result: Retry) -> None:
        self._complain(f"{result.reason}; events are kept and sent again (try `ezlogs dev` for a local collector)")
        longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(self._failures + 1, 10))
        pause = random.SystemRandom().uniform(longest / 2, longest)
        self._retry_at = monotonic() + max(pause, min(result.after or 0.0, _LONGEST_PAUSE))
        self._failures += 1  # last: a process whose end waits for this has said why by then

    def _complain(self, reason: str) -> None:
        """Say once per outage what is wrong."""
        if self._last_problem is None:
            log.warning("ezlogs: %s", reason)
        self._last_problem = reason

    def _leave(self, reason: str, item: Item) -> None:
        """Count an item that will not be sent: as lost, but for what is journaled, which another process will send."""
        events = item.events if isinstance(item, EndedSpan) else (item,)
        spooled = sum(type(event) is SealedEvent and bool(event.receipt) for event in events)
        self._ledger.note(self._signal.of_events("spooled"), spooled)
        self._lose(reason, len(events) - spooled)

    def _lose(self, reason: str, events: int) -> None:
        self._ledger.note(self._signal.of_events(f"lost.{reason}"), events)


def flush(workers: Sequence[Worker], timeout: float, *, ending: bool = False) -> bool:
    """Have workers send what is pending now, all at the same time; return whether all of it went out.

    Args:
        workers: Each has its own collector to wait for; one that is away does not cost the others their time.
        timeout: Seconds to wait at most.
        ending: Whether the process ends: then a collector that never answered is not waited for, nor one that hangs
            a second time.
    """
    deadline = monotonic() + timeout
    hurried = [(worker, worker.hurry()) for worker in workers]
    while True:
        for worker in workers:
            worker.help()
        hopeful = [worker for worker, failures in hurried if worker.hopeful(failures, ending=ending)]
        if not hopeful or monotonic() >= deadline:
            break
        time.sleep(0.005)
    done = [worker.relax(ending=ending) for worker in workers]
    return all(done)


def _events(item: Item) -> int:
    return len(item.events) if isinstance(item, EndedSpan) else 1


def _flush_at_multiprocessing_exit(worker: Worker) -> None:
    """Children of multiprocessing end with ``os._exit``, past atexit: have them deliver first."""
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util.Finalize(None, flush, args=([worker], 5.0), kwargs={"ending": True}, exitpriority=10)
