"""Capture: a runtime whose carrier is a list, in place of the process's own for the length of a ``with`` block."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from time import monotonic, monotonic_ns, sleep
from types import TracebackType
from typing import NamedTuple

from opentelemetry.context import Context

from ezlogs import runtime as process
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.event import InvalidEvent, UniversalEvent
from ezlogs.launch.rules import installed_rules
from ezlogs.otlp import EVENT_HEADS, event_parts
from ezlogs.privacy import Scrubber
from ezlogs.runtime import Ledger, Runtime, current_runtime, install
from ezlogs.settings import TABLE, InvalidSettings, Sampling, Settings, load
from ezlogs.story import Story, Told, stories
from ezlogs.testing.absence import assert_absent
from ezlogs.testing.clock import repeatable
from ezlogs.testing.elsewhere import (
    CLOSED,
    EVENT,
    FAILED,
    OPENED,
    VARIABLE,
    Diary,
    Process,
    Reader,
    failure_text,
    invite,
)
from ezlogs.testing.expecting import Expecting
from ezlogs.testing.standin import StandIn
from ezlogs.wire import scrubbed_attributes

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
        self._read()
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
        self._read()
        return self._reader.processes

    @property
    def dropped(self) -> dict[str, int]:
        """How many events were made and not captured, by reason: ``{}`` where every one is there.

        The reasons are those of `ezlogs.health`: ``internal_error``, and with sampling ``sampled_out.rate`` ...
        """
        self._read()
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
        encoder = EventEncoder(self._present_scrubber(), EVENT_HEADS)
        for event in self.events:
            parts = event_parts(event.event_type, event.timestamp)
            encoder.append(parts, event)
            assert_absent(secret, b"".join(parts))

    def clear(self) -> None:
        """Forget what was captured so far."""
        self._read()
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
            self._read()
            me = threading.get_ident()
            if not any(thread != me for thread in tuple(self._under_way.values())) and not self._reader.under_way():
                return True
            if monotonic() >= deadline:
                return False
            sleep(POLL)

    notes_openings = True

    def serve(self, runtime: Runtime) -> None:
        """Take events for a runtime, whose service name and counts are those of the application now."""
        self._service = runtime.settings.service_name or ""
        if runtime.ledger not in self._ledgers:
            self._ledgers.append(runtime.ledger)

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Keep an event."""
        self._entries.append(Entry(monotonic_ns(), event, None))
        if self._is_elsewhere():
            self._write(EVENT, event.to_json())

    def opened(self, note: UniversalEvent, ctx: Context) -> None:
        """Take note that something began."""
        self._under_way[note.event_id] = threading.get_ident()
        if self._is_elsewhere():
            self._write(OPENED, note.to_json())

    def closed(self, event_id: str) -> None:
        """Take note that something has ended."""
        self._under_way.pop(event_id, None)
        if self._is_elsewhere():
            self._write(CLOSED, event_id.encode())

    def failed(self, problem: str, error: BaseException) -> None:
        """Keep an error of ezlogs' own; an invalid event is one of the application's, who has been told."""
        if not isinstance(error, InvalidEvent) and not any(known is error for known in self.errors):
            self.errors.append(error)
            if self._is_elsewhere():
                self._write(FAILED, failure_text(problem, error).encode(errors="replace"))

    def forget(self) -> None:
        """Keep, in a forked child, what was captured before the fork; what is under way is the parent's."""
        self._under_way.clear()
        self._reading = threading.RLock()
        self.errors.clear()

    def health(self) -> dict[str, object]:
        """Return how many events were captured."""
        return {"captured": len(self._entries)}

    def _is_elsewhere(self) -> bool:
        """Return whether this is a forked child of the process that captures."""
        return os.getpid() != self._pid

    def _write(self, kind: bytes, payload: bytes) -> None:
        if self._diary is not None:
            self._diary.put(kind, payload)

    def _read(self) -> None:
        if self._is_elsewhere():
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


class Capturing:
    """A capture that can be entered, by ``with`` and by ``async with``. Made by `capture`."""

    def __init__(
        self,
        settings: dict[str, object],
        processes: bool,
        clock: Callable[[], int] | None,
        ids: int | None,
    ) -> None:
        self._settings = settings
        self._processes = processes
        self._clock = clock
        self._ids = ids
        self._before: Runtime | None = None
        self._stand_in: StandIn | None = None
        self._exits = ExitStack()
        self._folder: str | None = None
        self._variable_before: str | None = None
        self._captured: Captured | None = None
        self._strict = True

    def __enter__(self) -> Captured:
        running = current_runtime()
        settings, given = _tried(running, self._settings)
        self._strict = settings.strict
        _heed_forks()
        folder = self._open_folder() if self._processes else None
        if self._clock is not None or self._ids is not None:
            self._exits.enter_context(repeatable(self._clock, self._ids))
        runtime = Runtime(settings, given=given, further_rules=installed_rules)
        captured = Captured(runtime.scrubber, folder)
        captured.serve(runtime)
        if folder is not None:
            self._variable_before = os.environ.get(VARIABLE)
            os.environ[VARIABLE] = self._folder = folder
            self._exits.callback(invite(folder, self._settings))
        runtime.carrier = self._captured = captured
        self._stand_in, process.stand_in = process.stand_in, captured
        self._before = install(runtime)
        _open.append(self)
        return captured

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        captured = self._captured
        assert captured is not None, "a capture is entered before it is left"
        self._take_down()
        captured._read()
        if captured._is_elsewhere():  # a forked child leaves the block: its parent goes on
            return
        self._exits.close()
        if error is None and self._strict and captured.errors:
            raise captured.errors[0]

    async def __aenter__(self) -> Captured:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self.__exit__(kind, error, traceback)

    def _take_down(self) -> None:
        """Put back what was before, also where captures end in another order than they began."""
        position = _open.index(self)
        if self is _open[-1]:
            install(self._before)
            process.stand_in = self._stand_in
        else:
            above = _open[position + 1]
            above._before, above._stand_in = self._before, self._stand_in
        if self._folder is not None:
            self._put_back_variable(_open[position + 1 :])
        del _open[position]
        _latest[:] = [self]

    def _put_back_variable(self, above: list[Capturing]) -> None:
        for one in above:
            if one._folder is not None:
                one._variable_before = self._variable_before
                return
        if os.environ.get(VARIABLE) != self._folder:  # somebody else has changed it
            return
        if self._variable_before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = self._variable_before

    def _open_folder(self) -> str | None:
        try:
            folder = tempfile.mkdtemp(prefix="ezlogs-capture-")
        except OSError:  # nowhere to write: other processes cannot take part
            return None
        self._exits.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder


_open: list[Capturing] = []
"""The captures that are under way, the innermost last."""

_latest: list[Capturing] = []
"""The one that ended last, if any."""


def capture(
    *, processes: bool = True, clock: Callable[[], int] | None = None, ids: int | None = None, **settings: object
) -> Capturing:
    """Capture every event that is emitted in this process, in any thread, and in processes that it starts.

    Nothing is sent anywhere meanwhile, whether ezlogs was configured before, is configured in the block, or not at all.
    Where it was, its settings count, but for sampling: everything is kept unless a setting here says otherwise. Invalid
    events and ezlogs' internal errors are raised where they happen, as ``strict`` does; the errors are raised once more
    at the end, for an application may swallow them. Captures nest: the innermost one has the events, and what was there
    before comes back.

    Child processes take part while the capture lasts: forked ones and those of multiprocessing always, programs if they
    start ezlogs as they do in production. A process that is killed loses nothing that it emitted.

    Args:
        processes: Whether child processes take part; else they do what they would do without a capture.
        clock: Returns the Unix time in nanoseconds, for events of this process; see `Clock`.
        ids: A number from which ezlogs' ids in this process follow, the same each time.
        **settings: Settings to try, such as ``changes="full"``.

    Returns:
        What is entered by ``with`` or ``async with``, and gives a `Captured`.

    Raises:
        InvalidSettings: A setting has an unknown name or a wrong value; raised when the block is entered.

    Example:
        >>> import ezlogs
        >>> with capture() as captured:
        ...     _ = ezlogs.event("order.action", "placed", subject=("order", 42))
        >>> captured.events[0].action
        'placed'
    """
    return Capturing(settings, processes, clock, ids)


def test_mode(**settings: object) -> Capturing:
    """Return a `capture`, under the name that the Ruby agent gave it.

    What was captured stays readable by `captured_events` when the block has ended.

    Args:
        **settings: As for `capture`.

    Example:
        >>> import ezlogs
        >>> with test_mode():
        ...     _ = ezlogs.event("order.action", "placed")
        >>> [event.action for event in captured_events()]
        ['placed']
    """
    return Capturing(settings, True, None, None)


test_mode.__test__ = False  # type: ignore[attr-defined]  # or pytest would collect it


def present() -> Captured:
    """Return the innermost capture that is under way, else the one that ended last.

    Raises:
        LookupError: There is none.
    """
    captures = _open or _latest
    if not captures or captures[-1]._captured is None:
        raise LookupError("nothing is captured: use `with ezlogs.testing.capture()`, or the fixture ezlogs_events")
    return captures[-1]._captured


def captured_events() -> list[UniversalEvent]:
    """Return the events of the innermost capture that is under way, else of the one that ended last.

    Raises:
        LookupError: There is none.

    Example:
        >>> with capture():
        ...     captured_events()
        []
    """
    return present().events


def forget_latest() -> None:
    """Forget the capture that ended last, as the pytest plugin does before each test."""
    _latest.clear()


def _tried(running: Runtime | None, asked: dict[str, object]) -> tuple[Settings, dict[str, object]]:
    """Return the settings of a capture, and what was asked for in code."""
    loaded = load({}, {"strict": True, **asked})
    if loaded.problems:
        raise InvalidSettings(loaded.problems)
    if running is None:
        return loaded.settings, dict(loaded.asked)
    fresh = {name: getattr(loaded.settings, name) for name in (*Sampling.rows, *loaded.asked)}
    kept = {name: value for name, value in running.given.items() if name not in Sampling.rows}
    known = {name: getattr(running.settings, name) for name in TABLE}
    return Settings(**{**known, **fresh}), {**kept, **loaded.asked}


@cache
def _heed_forks() -> None:
    """Once a process: a forked child has ids of its own, and nothing under way."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)


def _in_child() -> None:
    runtime = current_runtime()
    if runtime is not None and isinstance(runtime.carrier, Captured):
        runtime.ledger.forget()
        runtime.carrier.forget()
