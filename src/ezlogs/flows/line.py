"""The line before a flow store: what is to be written and looked up, and the one thread that does it."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import context
from opentelemetry.context import Context

from ezlogs.correlation import valid_id
from ezlogs.flows.store import StoreUnavailableError
from ezlogs.otel_compat import suppressing

if TYPE_CHECKING:
    from ezlogs.flows.store import FlowStore

MOST_WAITING: Final = 10_000
"""How much may wait to be written while a store is away."""

_PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between the tries of a store that is away."""


class _Work(NamedTuple):
    what: str
    flow_id: str = ""
    rest: tuple[object, ...] = ()
    answer: Future[Any] | None = None


class Line:
    """What waits for a store, and the thread that serves it.

    Args:
        make: Makes the store, in that thread.
        named: Returns what a flow is called in the store, or None if it may not be there.
        note: Counts.
        say: Logs, once.
    """

    def __init__(
        self,
        make: Callable[[], FlowStore],
        named: Callable[[str], str | None],
        note: Callable[[str], object],
        say: Callable[[str], object],
    ) -> None:
        self._make, self._named, self._note, self._say = make, named, note, say
        self._store: FlowStore | None = None
        self._waiting: queue.SimpleQueue[_Work] = queue.SimpleQueue()  # by its module's name: gevent replaces it there
        self._unwritten: deque[_Work] = deque()
        """For the thread alone: what could not be written yet."""
        self._failures = 0
        self._again_at = 0.0
        self._starting = threading.Lock()
        self._runs = False
        self._busy_since: float | None = None

    def put(self, what: str, flow_id: str, *rest: object) -> None:
        """Have something written, soon."""
        if self._waiting.qsize() >= MOST_WAITING:
            self._lost()
        else:
            self._hand_over(_Work(what, flow_id, rest))

    def ask(self, flow_id: str, patience: float) -> Future[Any]:
        """Have a flow looked for; the answer comes at once, and is None, where nobody needs to wait for it.

        Args:
            flow_id: The flow.
            patience: Seconds after which a store that is busy is taken to hang.
        """
        answer: Future[Any] = Future()
        since = self._busy_since
        if self._is_away() or (since is not None and time.monotonic() - since > patience):
            self._note("flow_store.unavailable")
            answer.set_result(None)
        else:
            self._hand_over(_Work("find", flow_id, answer=answer))
        return answer

    def flush(self, timeout: float) -> bool:
        """Have all that was put so far tried, within so many seconds; return whether it was written."""
        return self._finished("flush", timeout)

    def close(self, timeout: float) -> None:
        """Do the same, and end."""
        self._finished("close", timeout)

    def _finished(self, what: str, timeout: float) -> bool:
        done: Future[Any] = Future()
        self._hand_over(_Work(what, answer=done))
        with suppress(Exception):  # too late
            return bool(done.result(timeout))
        return False

    def _hand_over(self, work: _Work) -> None:
        self._waiting.put(work)
        if not self._runs and self._starting.acquire(blocking=False):  # for good: there is one thread
            self._runs = True
            try:
                threading.Thread(target=self._run, name="ezlogs-flows", daemon=True).start()
            except RuntimeError:  # the interpreter is ending
                self._runs = False
                self._starting.release()
                self._give_up()

    def _give_up(self) -> None:
        """Lose what waits: there is no thread for it."""
        with suppress(queue.Empty):
            while True:
                self._answer(self._waiting.get_nowait(), None)
                self._lost()

    def _is_away(self) -> bool:
        return self._failures > 0 and time.monotonic() < self._again_at

    def _run(self) -> None:
        context.attach(suppressing(Context()))  # what a store does is nobody's story, nor span
        while True:
            try:
                pause = max(0.0, self._again_at - time.monotonic()) if self._unwritten else None
                work = self._waiting.get(timeout=pause)
            except queue.Empty:
                self._write()
                continue
            if work.what == "find":
                self._look_up(work)
            elif work.what in ("flush", "close"):
                self._again_at = 0.0
                self._write()
                ends = work.what == "close"
                if ends:
                    self._end()
                    self._runs = False
                    self._starting.release()  # what comes all the same has another thread
                self._answer(work, not self._unwritten)  # what was lost at the end among it
                if ends:
                    return
            else:
                self._unwritten.append(work)
                if len(self._unwritten) > MOST_WAITING:
                    self._unwritten.popleft()
                    self._lost()
                self._write()

    def _write(self) -> None:
        """Write what waits, as far as the store takes it."""
        while self._unwritten and not self._is_away():
            work = self._unwritten[0]
            if not self._tried(work, lambda _: None):
                return
            self._unwritten.popleft()

    def _look_up(self, work: _Work) -> None:
        """Answer, in any case."""
        assert work.answer is not None
        if work.answer.cancelled():  # nobody waits any longer
            return
        found: list[str | None] = []
        if self._unwritten or not self._tried(work, lambda story: found.append(valid_id(story))):
            self._note("flow_store.unavailable")
        self._answer(work, found[0] if found else None)

    def _tried(self, work: _Work, take: Callable[[object], object]) -> bool:
        """Do something with the store; return whether it has not failed."""
        self._busy_since = time.monotonic()
        try:
            name = self._named(work.flow_id)
            if name is not None:
                if self._store is None:
                    self._store = self._make()
                take(getattr(self._store, work.what)(name, *work.rest))
        except Exception as problem:  # whatever it is, the store is away
            self._drop()
            self._again_at = time.monotonic() + _PAUSES[min(self._failures, len(_PAUSES) - 1)]
            self._failures += 1
            self._note("flow_store.failures")
            why = str(problem) if isinstance(problem, StoreUnavailableError) else type(problem).__qualname__
            self._say(f"the flow store is away, and will be tried again: {why}")
            return False
        finally:
            self._busy_since = None
        self._failures = 0
        return True

    @staticmethod
    def _answer(work: _Work, answer: object) -> None:
        if work.answer is not None and work.answer.set_running_or_notify_cancel():
            work.answer.set_result(answer)

    def _lost(self) -> None:
        self._note("flow_store.lost")
        self._say("where flows began could not be kept: the flow store is away or too slow")

    def _end(self) -> None:
        for _ in self._unwritten:
            self._lost()
        self._drop()

    def _drop(self) -> None:
        """Close the store, if it can be closed; the next try makes it anew."""
        store, self._store = self._store, None
        with suppress(Exception):
            close = getattr(store, "close", None)
            if close is not None:
                close()
