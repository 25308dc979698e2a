"""The sender: brings batches to the collector, one after the other, as far as the circuit breaker lets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry import context

from ezlogs.delivery.batch import Batch
from ezlogs.delivery.bell import Bell
from ezlogs.delivery.breaker import Change, CircuitBreaker, Permit
from ezlogs.delivery.broken_pipes import survived
from ezlogs.delivery.losses import Losses
from ezlogs.delivery.outbox import Held, Outbox
from ezlogs.delivery.split import split
from ezlogs.delivery.transport import Transport
from ezlogs.otel_compat import leave, suppressing
from ezlogs.otlp import TOO_LARGE, Delivered, Outcome, Rejected, Retry
from ezlogs.runtime import log

if TYPE_CHECKING:
    from ezlogs.delivery.heir import Left
    from ezlogs.delivery.journaling import Journaling

_POLL = 0.05
"""Seconds between two looks at what nobody rings for: an answer to a probe, another thread that reads the journal."""

_REST = 60.0
"""Seconds that the thread waits to be rung for where there is nothing to be sent."""

_LAST_ANSWER = 0.3
"""Seconds that the end waits for an answer that is due."""


class Sender:
    """Sends what is in an outbox; in a thread of its own once there is something, so that nobody waits for a network.

    Args:
        transport: Where batches go.
        outbox: Where they come from.
        breaker: Says when to send.
        losses: Where deliveries and losses are counted.
        most: Events of a dead process that are sent in one request.
        remade: Makes a batch of what the journal, or a dead process's, has.
    """

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        breaker: CircuitBreaker,
        losses: Losses,
        *,
        most: int,
        remade: Callable[[Left], Batch],
    ) -> None:
        self._transport = transport
        self._outbox = outbox
        self._breaker = breaker
        self._losses = losses
        self._most = most
        self._remade = remade
        self._bell = Bell()
        self.journaling: Journaling | None = None
        self.begin()

    def begin(self) -> None:
        """Begin with no thread and nothing known of the collector, as a new process does."""
        self.failures = 0
        """How often sending has failed, ever."""
        self.failures_in_a_row = 0
        """How often since the collector took something."""
        self.ever_delivered = False
        self.is_delivering = False
        """Whether the collector took what was sent last."""
        self.ending = False
        """Whether the process ends: then nothing of others is begun."""
        self.last_problem: str | None = None
        self._stopped = False
        self._unreadable = self._in_transport = False
        self._thread: threading.Thread | None = None
        self._sending = threading.Lock()

    def start(self) -> None:
        """Have what is due be sent, in another thread if one can be started."""
        if not self._due():
            return
        if self._thread is not None and self._thread.is_alive():
            self._bell.ring()
            return
        thread = threading.Thread(target=self._run, name="ezlogs-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending
            self.turn()
        else:
            self._thread = thread

    def help(self) -> None:
        """Send from the caller's thread where there is no other."""
        if self._thread is None or not self._thread.is_alive():
            self.turn()

    def turn(self) -> None:
        """Send what may be sent now. One thread at a time; never raises."""
        if not self._sending.acquire(blocking=False):
            return
        token = context.attach(suppressing())
        try:
            with survived():
                while self._send_next():
                    pass
        except Exception as problem:  # the thread must live, and the batch is tried again
            self._outbox.put_back()
            self._fail()
            self.last_problem = f"{type(problem).__qualname__} in the delivery worker"
            log.exception("ezlogs: the delivery worker failed")
        finally:
            leave(token)
            self._sending.release()

    def stop(self, timeout: float) -> bool:
        """Send nothing more; return whether nothing is done here any more. Nobody waits long for a collector.

        Args:
            timeout: Seconds to wait for what is done besides.
        """
        self._stopped = True
        self._bell.ring()
        self._transport.close()
        begun = time.monotonic()
        while not self._sending.acquire(timeout=_POLL):
            if time.monotonic() - begun >= (min(timeout, _LAST_ANSWER) if self._in_transport else timeout):
                return False
        return True

    def forget(self) -> None:
        """In a forked child: leave thread and connections to the parent."""
        self._transport.forget()
        self._breaker.forget()
        self._bell.forget()
        self.begin()

    def _run(self) -> None:
        while not self._stopped:
            self.turn()
            self._bell.rest(max(_POLL, self._breaker.wait()) if self._due() else _REST)

    def _due(self) -> bool:
        if self._outbox:
            return True
        return self.journaling is not None and not self.ending and self.journaling.due()

    def _send_next(self) -> bool:
        """Send one batch; return whether there may be another to send at once."""
        if self._stopped or not (self._outbox or self._adopt()):
            return False
        permit = self._breaker.admit()
        if permit is None:
            return False
        try:
            held = self._outbox.take()
            batch = None if held is None else self._whole(held)
            result = None if batch is None else self._transported(batch.body)
        except BaseException:
            permit.given_back()
            raise
        if batch is None or result is None:
            permit.given_back()
            return not self._unreadable
        return self._judge(batch, result, permit)

    def _transported(self, body: bytes) -> Outcome:
        self._in_transport = True
        try:
            return self._transport.send(body)
        finally:
            self._in_transport = False

    def _adopt(self) -> bool:
        """Take what dead processes of this service left, a request a time; return whether there was any."""
        left = None if self.journaling is None or self.ending else self.journaling.left(self._most)
        if left is None:
            return False
        self._outbox.put(self._remade(left)._replace(receipts=left.receipts, adopted=True))
        return True

    def _whole(self, held: Held) -> Batch | None:
        """Return a batch as it is to be sent; None if there is nothing left of it, or it cannot be read now."""
        if not held.on_disk:
            return held.batch
        receipts = held.batch.receipts
        again = None if self.journaling is None else self.journaling.read_again(receipts)
        self._unreadable = again is None
        if again is None:
            self._outbox.put_back()
            return None
        made = self._remade(again)
        self._losses.lose("journal_full", max(0, held.batch.events - made.events))
        if not made.records:
            self._outbox.done()
            return None
        return self._outbox.restored(made)

    def _judge(self, batch: Batch, result: Outcome, permit: Permit) -> bool:
        if not self._outbox.is_sending():  # the end came first, and has counted it
            permit.given_back()
            return False
        if isinstance(result, Retry):
            self._outbox.put_back()
            self._complain(f"{result.reason}; events are kept and sent again (try `ezlogs dev` for a local collector)")
            if result.after is None:
                permit.failed(result.reason)
            else:
                permit.paused(result.after, result.reason)
            self._fail()  # last: a process whose end waits for this has said why by then
            return False
        permit.succeeded()
        self.failures_in_a_row = 0
        if isinstance(result, Rejected) and result.status == TOO_LARGE and (parts := split(batch)):
            self._outbox.done(parts)
            return True
        if isinstance(result, Delivered):
            self._losses.delivered(batch, result)
            if self.last_problem:
                log.info("ezlogs: the collector is back")
            self.ever_delivered = self.is_delivering = True
            self.last_problem = None
        else:
            self.is_delivering = False
            self._losses.refused(batch)
        if isinstance(result, Rejected) and not batch.is_own:
            buried = self.journaling is not None and self.journaling.bury(batch, result.reason, result.status)
            fate = "kept for `ezlogs spool show --dead`" if buried else "lost"
            self._complain(f"{result.reason}; the events of such requests are {fate}")
        if self.journaling is not None and batch.receipts:
            self.journaling.done(batch.receipts, adopted=batch.adopted)
            self.journaling.settle()  # on disk before anybody is told that it went out
        self._outbox.done()
        return True

    def _fail(self) -> None:
        self.is_delivering = False
        self.failures_in_a_row += 1
        self.failures += 1

    def _complain(self, reason: str) -> None:
        """Say once per outage what is wrong."""
        if self.last_problem is None:
            log.warning("ezlogs: %s", reason)
        self.last_problem = reason


def told(change: Change) -> None:
    """Say that the state of a circuit breaker has changed."""
    when = f"; the next try is in {change.wait:.1f} s" if change.wait else ""
    log.info("ezlogs: circuit breaker %s: %s%s", change.after, change.reason, when)
