"""The screen of debug mode: a thread that scrubs events, makes stories of them, and writes each in one piece.

The application is never held up: it puts events into a queue of bounded length, and a terminal that is slow, closed or
gone costs it nothing but lines that are not shown.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final

from ezlogs import runtime as process
from ezlogs.debug.account import Account
from ezlogs.debug.draw import drawn
from ezlogs.debug.problems import Problems
from ezlogs.debug.terminal import Terminal
from ezlogs.event import UniversalEvent
from ezlogs.otel_compat import suppressing
from ezlogs.phrases import registered
from ezlogs.runtime import Runtime
from ezlogs.story.tail import Tail
from ezlogs.story.tree import Told
from ezlogs.wire import REDACTED, from_attributes, scrubbed_attributes
from ezlogs.zone import here

QUIET: Final = 0.3
"""Seconds without news after which a story is shown."""
TURN: Final = 0.1
"""Seconds between two looks at what has gone quiet."""
PATIENCE: Final = 3.0
"""Seconds that a story is waited for whose beginning is still under way."""
LONGEST: Final = 5.0
"""Seconds after which a story that never rests is shown as far as it went."""
MAX_WAITING: Final = 10_000
"""Events that wait to be shown; more are only counted."""
ENDING: Final = 1.0
"""Seconds that the end of the process waits for a slow terminal."""

_MAX_NOTED: Final = 20_000


class Screen:
    """Shows what happens in one process on standard error.

    Args:
        runtime: Whose events they are: its privacy, its counts, its delivery.
        terminal: Where they are shown.
    """

    def __init__(self, runtime: Runtime, terminal: Terminal | None = None) -> None:
        self._runtime = runtime
        self._terminal = terminal or Terminal()
        self._problems = Problems(self.say, runtime)
        self._problems.attach()
        self._start_over()
        process.debug_shown = self.flush

    def _start_over(self) -> None:
        self._queue: SimpleQueue[UniversalEvent | str | threading.Event] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._tail = Tail(QUIET, patience=PATIENCE, longest=LONGEST, phrases=registered, zone=here())
        self._asides: dict[str, tuple[str, ...]] = {}
        self._account = Account(self._runtime)
        self._unseen = 0

    def hear(self, event: UniversalEvent) -> None:
        """Take an event that is to be shown. Never blocks."""
        self._put(event)

    def say(self, text: str) -> None:
        """Take a text that is to be shown as it is. Never blocks."""
        self._put(text)

    def _put(self, item: UniversalEvent | str) -> None:
        if self._queue.qsize() >= MAX_WAITING:
            self._unseen += 1
            return
        self._queue.put(item)
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """Show what was heard so far, if that takes no longer than `ENDING`."""
        if self._thread is not None:
            shown = threading.Event()
            self._queue.put(shown)
            shown.wait(ENDING)

    def close(self) -> None:
        """Show what was heard so far, and nothing that is heard later."""
        self.flush()
        if rest := self._account.rest():
            self.say(f"{rest}\n")
            self.flush()
        self._problems.detach()
        self._terminal.close()
        if process.debug_shown == self.flush:
            process.debug_shown = None

    def forget(self) -> None:
        """In a forked child: begin anew, without what the parent will show."""
        self._start_over()

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="ezlogs-debug", daemon=True)
                thread.start()
                self._thread = thread
        except RuntimeError:  # the interpreter is about to end
            self._unseen += 1
        finally:
            self._starting.release()

    def _run(self) -> None:
        from opentelemetry import context

        context.attach(suppressing())
        told = 0.0
        while True:
            asked: threading.Event | None = None
            with suppress(Empty):
                item = self._queue.get(timeout=TURN if self._tail else None)
                if isinstance(item, UniversalEvent):
                    self._take(item)
                elif isinstance(item, str):
                    self._terminal.write(item)
                else:
                    asked = item
            now = monotonic()
            if asked or now - told >= TURN:
                with suppress(Exception):  # what cannot be shown is no affair of the application's
                    self._tell(float("inf") if asked else now)
                told = now
            if asked is not None:
                asked.set()

    def _take(self, event: UniversalEvent) -> None:
        try:
            sent = scrubbed_attributes(event, self._runtime.scrubber)
            seen = from_attributes(event.event_type, event.timestamp, sent)
        except Exception:
            self._unseen += 1
            return
        if seen is None:
            self._unseen += 1
            return
        if redactions := sent.get(REDACTED):
            if len(self._asides) >= _MAX_NOTED:
                self._asides.clear()
            self._asides[event.event_id] = tuple(redactions)
        self._tail.hear([Told(seen, self._runtime.settings.service_name or "")], monotonic())

    def _tell(self, now: float) -> None:
        if not self._terminal.open:
            self._tail = Tail(QUIET)
            return
        for heard in self._tail.due(now):
            self._terminal.write(drawn(heard, self._asides, self._account.line(heard), self._terminal))
        if self._unseen:
            unseen, self._unseen = self._unseen, 0
            self._terminal.write(f"{unseen:,} events came faster than they could be shown here.\n")
