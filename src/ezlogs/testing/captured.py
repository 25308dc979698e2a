"""Captured: what was emitted during a capture, here and in the processes that were started meanwhile."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic, monotonic_ns, sleep
from typing import NamedTuple

from opentelemetry.context import Context

from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.event import InvalidEvent, UniversalEvent
from ezlogs.otlp import EVENT_HEADS, event_parts
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger, Runtime, current_runtime
from ezlogs.story import Story, Told, stories
from ezlogs.testing.absence import assert_absent, assert_no_pii
from ezlogs.testing.elsewhere import CLOSED, EVENT, FAILED, OPENED, VARIABLE, Diary, Process, Reader, failure_text
from ezlogs.testing.expecting import Expecting
from ezlogs.testing.standin import StandIn
from ezlogs.wire import scrubbed_attributes

__unittest = True  # unittest shows none of this file in a failure

POLL = 0.005
"""Seconds between two looks at what other processes wrote."""

_LOST = "an event was lost"


class Entry(NamedTuple):
    """An event as it was captured."""

    at: int
    """When it was emitted, by the clock that all processes share (`time.monotonic_ns`)."""
    event: UniversalEvent
    process: Process | None
    """The other process that emitted it; None for this one."""


class ElsewhereError(AssertionError):
    """An error inside ezlogs in another process that took part in a capture; the text is its traceback."""


class Captured(StandIn, Expecting):
    """What was emitted, in order, here and in the processes that were started meanwhile.

    It stays readable when the capture has ended.
    """

    def __init__(self, scrubber: Scrubber | None = None, folder: str | None = None) -> None:
        self._entries: list[Entry] = []
        self._scrubber = scrubber or Scrubber()
        self._pid = os.getpid()
        self._reader = Reader(folder)
        self._diary = Diary(folder) if folder else None
        self._reading = threading.RLock()
        self._under_way: dict[str, int] = {}
        """What began in this process and has not ended, and in which thread."""
        self._ledgers: list[Ledger] = []
        self._lost_elsewhere = 0
        self._service = ""
        self.errors: list[BaseException] = []
        """Errors inside ezlogs: they are raised when the capture ends. Clear the list where they are expected."""

    @property
    def entries(self) -> list[Entry]:
        """The events with when they were emitted, and where."""
        self.read()
        return sorted(self._entries, key=lambda entry: entry.at)

    @property
    def events(self) -> list[UniversalEvent]:
        """The events as their trackers made them."""
        return [entry.event for entry in self.entries]

    @property
    def told(self) -> list[Told]:
        """The events with the services that told them, for `ezlogs.story`."""
        return [Told(entry.event, entry.process.service if entry.process else self._service) for entry in self.entries]

    @property
    def stories(self) -> list[Story]:
        """The stories that the events tell, in the order in which they began."""
        return stories(self.told)

    @property
    def exported(self) -> list[dict[str, object]]:
        """The events as attributes, scrubbed as they would leave the process."""
        scrubber = self._present_scrubber()
        return [scrubbed_attributes(event, scrubber) for event in self.events]

    @property
    def processes(self) -> list[Process]:
        """The other processes that took part so far."""
        self.read()
        return self._reader.processes

    @property
    def dropped(self) -> dict[str, int]:
        """How many events were made and not captured, by reason: ``{}`` where every one is there.

        The reasons are those of `ezlogs.health`: ``internal_error``, and with sampling ``sampled_out.rate`` ...
        """
        self.read()
        found: Counter[str] = Counter()
        for ledger in self._ledgers:
            for name, number in ledger.counts().items():
                kind, _, reason = name.partition(".")
                if kind == "lost":
                    found[reason] += number
                elif kind == "sampled_out_by":
                    found[f"sampled_out.{reason}"] += number
        found["internal_error"] += self._lost_elsewhere
        return {reason: number for reason, number in found.items() if number}

    @property
    def environ(self) -> dict[str, str]:
        """The environment variable by which a process takes part; for those that do not get this one's environment.

        Example:
            >>> from ezlogs.testing import capture
            >>> with capture() as captured:
            ...     environment = {"PATH": "/usr/bin", **captured.environ}
            >>> len(environment)
            2
        """
        return {VARIABLE: self._diary.folder} if self._diary else {}

    def of(self, event_type: str) -> list[UniversalEvent]:
        """Return the events of one type."""
        return [event for event in self.events if event.event_type == event_type]

    def assert_absent(self, secret: str) -> None:
        """Fail if a text is in what would be sent, in any of its usual disguises; see `assert_absent`."""
        __tracebackhide__ = True
        encoder = EventEncoder(self._present_scrubber(), EVENT_HEADS)
        for event in self.events:
            parts = event_parts(event.event_type, event.timestamp)
            encoder.append(parts, event)
            assert_absent(secret, b"".join(parts))

    def assert_no_pii(self) -> None:
        """Fail if privacy finds anything more in what would be sent; see `assert_no_pii`."""
        __tracebackhide__ = True
        assert_no_pii(self)

    def clear(self) -> None:
        """Forget what was captured so far."""
        self.read()
        self._entries.clear()

    def flush(self, timeout: float = 5.0) -> bool:
        """Have what is under way arrive: what sampling holds back, and what began and is told when it ends.

        Args:
            timeout: Seconds to wait at most for requests, jobs, commands and tracked calls that other threads and
                processes are in the middle of. Those of the calling thread are not waited for.

        Returns:
            Whether all of it has arrived.

        Example:
            >>> import ezlogs
            >>> from ezlogs.testing import capture
            >>> with capture(sample_rate=0.5) as captured:
            ...     _ = ezlogs.event("order.action", "placed", outcome="failure")
            ...     captured.flush()
            True
            >>> captured.dropped
            {}
        """
        runtime = current_runtime()
        deadline = monotonic() + timeout
        while True:
            if runtime is not None and runtime.sampler is not None:
                runtime.sampler.release()
            self.read()
            me = threading.get_ident()
            if not any(thread != me for thread in tuple(self._under_way.values())) and not self._reader.under_way():
                return True
            if monotonic() >= deadline:
                return False
            sleep(POLL)

    opens_spans = notes_openings = True

    def serve(self, runtime: Runtime) -> None:
        """Take events for a runtime, whose service name and counts are those of the application now."""
        self._service = runtime.settings.service_name or ""
        if runtime.ledger not in self._ledgers:
            self._ledgers.append(runtime.ledger)

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Keep an event."""
        self._entries.append(Entry(monotonic_ns(), event, None))
        if self.is_elsewhere():
            self._write(EVENT, event.to_json())

    def opened(self, note: UniversalEvent, ctx: Context, *, with_span: bool = False) -> None:
        """Take note that something began."""
        self._under_way[note.event_id] = threading.get_ident()
        if self.is_elsewhere():
            self._write(OPENED, note.to_json())

    def awaited(self, event_id: str, note: Callable[[bool], object]) -> None:
        """Take note that something began; where the process may be killed have it noted at once."""
        self._under_way[event_id] = threading.get_ident()
        if self.is_elsewhere():
            note(True)

    def closed(self, event_id: str) -> None:
        """Take note that something has ended."""
        self._under_way.pop(event_id, None)
        if self.is_elsewhere():
            self._write(CLOSED, event_id.encode())

    def failed(self, problem: str, error: BaseException) -> None:
        """Keep an error of ezlogs' own; an invalid event is one of the application's, who has been told."""
        if not isinstance(error, InvalidEvent) and not any(known is error for known in self.errors):
            self.errors.append(error)
            if self.is_elsewhere():
                self._write(FAILED, failure_text(problem, error).encode(errors="replace"))

    def forget(self) -> None:
        """Keep, in a forked child, what was captured before the fork; what is under way is the parent's."""
        self._under_way.clear()
        self._reading = threading.RLock()
        self.errors.clear()

    def health(self) -> dict[str, object]:
        """Return how many events were captured."""
        return {"captured": len(self._entries)}

    def is_elsewhere(self) -> bool:
        """Return whether this is a forked child of the process that captures."""
        return os.getpid() != self._pid

    def _write(self, kind: bytes, payload: bytes) -> None:
        if self._diary is not None:
            self._diary.put(kind, payload)

    def read(self) -> None:
        """Read what other processes have written since the last time; everything here does before it tells."""
        if self.is_elsewhere():
            return
        with self._reading:
            for arrived in self._reader.read():
                if arrived.kind == EVENT:
                    event = UniversalEvent.from_json(arrived.payload)
                    self._entries.append(Entry(arrived.at, event, arrived.process))
                else:
                    text = arrived.payload.decode()
                    self._lost_elsewhere += text.startswith(_LOST)
                    self.errors.append(ElsewhereError(f"in {arrived.process.name} (pid {arrived.process.pid}): {text}"))

    def _present_scrubber(self) -> Scrubber:
        """Return what scrubs now: the application may have configured more since the capture began."""
        runtime = current_runtime()
        return runtime.scrubber if runtime is not None and runtime.carrier is self else self._scrubber
