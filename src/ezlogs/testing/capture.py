"""Capture: a runtime whose carrier is a list, in place of the process's own for the length of a ``with`` block."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from types import TracebackType

from ezlogs import runtime as process
from ezlogs.event import UniversalEvent
from ezlogs.launch.rules import installed_rules
from ezlogs.runtime import Runtime, current_runtime, install
from ezlogs.settings import TABLE, InvalidSettings, Sampling, Settings, load
from ezlogs.testing.captured import Captured
from ezlogs.testing.clock import repeatable
from ezlogs.testing.elsewhere import VARIABLE, invite
from ezlogs.testing.standin import StandIn


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
        captured.read()
        if captured.is_elsewhere():  # a forked child leaves the block: its parent goes on
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
