"""The worker: one background thread that seals batches, sends them, and holds them while the collector is away."""

from __future__ import annotations

import random
import sys
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic, sleep

from opentelemetry import context
from opentelemetry.sdk.resources import Resource

from ezlogs.delivery.batch import Batch, Encoder, EndedSpan, LooseEvent
from ezlogs.otel_compat import suppressing
from ezlogs.otlp import Delivered, HttpTransport, Retry
from ezlogs.runtime import Ledger, log

_POLL = 0.05
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.1, 1.0
_LONGEST_PAUSE = 600.0
"""Seconds that a collector may ask to be left alone."""

Item = EndedSpan | LooseEvent


class Worker:
    """Takes items from the application's threads without a lock or a signal: it polls, and starts at the first item.

    Args:
        transport: Where batches go.
        encoder: What makes them.
        resource: Returns the resource of carrier spans.
        ledger: Where deliveries and losses are counted.
        flush_interval: Seconds an item waits for company at most.
        max_batch_size: Items a request.
        max_queue_size: Items held while the collector is slow or away; beyond it new ones are lost, and counted.
    """

    def __init__(
        self,
        transport: HttpTransport,
        encoder: Encoder,
        resource: Callable[[], Resource],
        ledger: Ledger,
        *,
        flush_interval: float,
        max_batch_size: int,
        max_queue_size: int,
    ) -> None:
        self._transport = transport
        self._encoder = encoder
        self._resource = resource
        self._ledger = ledger
        self._flush_interval = flush_interval
        self._max_batch_size = max_batch_size
        self._max_queue_size = max_queue_size
        self._ever_delivered = False
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
        self._room = self._max_queue_size
        """Items that are taken; none any more once stopped."""
        self._last_problem: str | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._turning = threading.Lock()

    def put(self, item: Item) -> None:
        """Take an item. Never waits."""
        if len(self._items) + self._held >= self._room:
            self._ledger.note("lost.shut_down" if self._stopped else "lost.queue_full", _events(item))
            return
        self._items.append(item)
        if self._thread is None:
            self._start()

    def pending(self) -> int:
        """Return how many items are not delivered yet."""
        return len(self._items) + self._held

    def flush(self, timeout: float) -> bool:
        """Send what is pending now, not at the next interval; return whether all of it went out.

        Args:
            timeout: Seconds to wait at most.
        """
        return self._wait_until_empty(timeout, lambda: False)

    def drain(self, timeout: float) -> bool:
        """Send what is pending because the process ends: do not wait for a collector that never answered, nor twice
        for one that hangs.
        """
        failures = self._failures
        done = self._wait_until_empty(
            0.0 if self._hopeless else timeout, lambda: self._failures > failures and not self._ever_delivered
        )
        self._hopeless = not done
        return done

    def shutdown(self, timeout: float) -> None:
        """Deliver what can be delivered in ``timeout`` seconds; count the rest as lost; stop."""
        self.drain(timeout)
        self._stopped = True
        self._room = -1
        self._ledger.note("lost.shut_down", sum(map(_events, tuple(self._items))))
        self._ledger.note("lost.shut_down", sum(batch.events for batch in tuple(self._sealed)))
        self._transport.close()

    def _wait_until_empty(self, timeout: float, in_vain: Callable[[], bool]) -> bool:
        deadline = monotonic() + timeout
        self._retry_at = 0.0
        self._urgent = True
        while self.pending() and not in_vain():
            thread = self._thread
            if thread is None or not thread.is_alive():  # at interpreter exit threads can no longer start
                self._turn()
            if monotonic() >= deadline:
                break
            sleep(0.005)
        self._urgent = False
        return not self.pending()

    def forget(self) -> None:
        """In a forked child: leave queue, thread and connections to the parent."""
        self._transport.forget()
        self._start_over()

    def health(self) -> dict[str, object]:
        """Return the queue's length and the collector's state."""
        return {"pending": self.pending(), "failures": self._failures, "last_problem": self._last_problem}

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="ezlogs-delivery", daemon=True)
                thread.start()
                self._thread = thread
                _flush_at_multiprocessing_exit(self)
        except RuntimeError:  # the interpreter is ending; shutdown sends from its own thread
            pass
        finally:
            self._starting.release()

    def _run(self) -> None:
        while not self._stopped:
            self._turn()
            sleep(_POLL)

    def _turn(self) -> None:
        """Seal and send what is due. One thread at a time: the worker's, or at exit the one that shuts down."""
        if not self._turning.acquire(blocking=False):
            return
        token = context.attach(suppressing())
        try:
            self._seal()
            self._send()
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
            self._held += number  # before they leave the queue: pending() must never miss one on its way
            items = [self._items.popleft() for _ in range(number)]
            self._sealed_at = now
            try:
                batch = self._encoder.batch(items, self._resource())
            except Exception:
                self._held -= number
                self._ledger.note("lost.unencodable", sum(map(_events, items)))
                raise
            self._ledger.note("lost.unencodable", batch.broken)
            self._sealed.append(batch._replace(items=number))
        if not self._items:
            self._sealed_at = now

    def _send(self) -> None:
        while self._sealed and monotonic() >= self._retry_at:
            batch = self._sealed[0]
            result = self._transport.send(batch.body)
            if isinstance(result, Retry):
                self._back_off(result)
                return
            if isinstance(result, Delivered):
                self._ledger.note("delivered", batch.events)
                self._ledger.note("delivered_spans", batch.spans)
                if result.rejected:
                    self._ledger.note("rejected_spans", result.rejected)
                if self._failures and self._last_problem:
                    log.info("ezlogs: the collector is back")
                self._ever_delivered = True
                self._hopeless = False
                self._last_problem = None
            else:
                self._ledger.note("lost.rejected", batch.events)
                self._complain(f"{result.reason}; the events of such requests are lost")
            self._ledger.note("redacted", batch.redactions)
            self._failures = 0
            self._sealed.popleft()
            self._held -= batch.items

    def _back_off(self, result: Retry) -> None:
        self._failures += 1
        longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(self._failures, 10))
        pause = random.SystemRandom().uniform(longest / 2, longest)
        self._retry_at = monotonic() + max(pause, min(result.after or 0.0, _LONGEST_PAUSE))
        self._complain(f"{result.reason}; events are kept and sent again (try `ezlogs dev` for a local collector)")

    def _complain(self, reason: str) -> None:
        """Say once per outage what is wrong."""
        if self._last_problem is None:
            log.warning("ezlogs: %s", reason)
        self._last_problem = reason


def _events(item: Item) -> int:
    return len(item.events) if isinstance(item, EndedSpan) else 1


def _flush_at_multiprocessing_exit(worker: Worker) -> None:
    """Children of multiprocessing end with ``os._exit``, past atexit: have them deliver first."""
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util.Finalize(None, worker.drain, args=(5.0,), exitpriority=10)
