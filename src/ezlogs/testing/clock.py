"""A clock and ids that are the same in each run: for events only, the rest of the program keeps its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, Final

from ezlogs import ids as identifiers

_NOT_EVENTS: Final = ("cli", "delivery", "dev", "doctor", "journal", "otlp", "sampling", "testing")
"""Packages whose clocks tell when to send, wait and give up."""


class Clock:
    """Begins at a fixed time, and goes on by a step each time that it is looked at.

    Args:
        start: When, in ISO 8601; UTC unless it says otherwise.
        step: Seconds.

    Raises:
        ValueError: The start is no such time, or the step goes back.

    Example:
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture(clock=Clock("2026-01-01T00:00:00Z"), ids=1) as captured:
        ...     placed = ezlogs.event("order.action", "placed")
        >>> placed.event_id, placed.timestamp
        ('evt_019b76daa800700090530d0f1027c4d1', 1767225600000000000)
    """

    def __init__(self, start: str = "2026-01-01T00:00:00Z", *, step: float = 0.001) -> None:
        if step < 0:
            raise ValueError(f"step {step}: a clock that goes back makes effects precede their causes; use 0 or more")
        began = datetime.fromisoformat(start.replace("Z", "+00:00"))
        if began.tzinfo is None:
            began = began.replace(tzinfo=timezone.utc)
        whole = began - datetime(1970, 1, 1, tzinfo=timezone.utc)
        self._now = (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + whole.microseconds * 1000
        self._step = round(step * 1e9)

    def __call__(self) -> int:
        """Return the time in Unix nanoseconds, and go on by a step."""
        now, self._now = self._now, self._now + self._step
        return now

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: How much.
        """
        self._now += round(seconds * 1e9)


@contextmanager
def repeatable(clock: Callable[[], int] | None, ids: int | None) -> Iterator[None]:
    """Have events made by a clock, and with ids, of a test's own.

    Args:
        clock: Returns the Unix time in nanoseconds; the real one is kept for None.
        ids: What ids follow from; chance for None.
    """
    replaced: list[tuple[dict[str, Any], str, object]] = []
    if clock is not None:
        stand_ins: dict[object, tuple[str, object]] = {
            time.time_ns: ("time_ns", clock),
            time.perf_counter: ("perf_counter", lambda: clock() / 1e9),
        }
        for names in _modules_of_events():
            for real, (name, stand_in) in stand_ins.items():
                if names.get(name) is real:
                    names[name] = stand_in
                    replaced.append((names, name, real))
    if ids is not None:
        identifiers.repeat(ids)
    try:
        yield
    finally:
        if ids is not None:
            identifiers.repeat(None)
        for names, name, real in replaced:
            names[name] = real


def _modules_of_events() -> Iterator[dict[str, Any]]:
    """Yield the names in the modules that make events; trackers are loaded, or would come later with real clocks."""
    trackers = import_module("ezlogs.trackers")
    for module in walk_packages(trackers.__path__, "ezlogs.trackers."):
        import_module(module.name)
    for name, loaded in tuple(sys.modules.items()):
        package, _, rest = name.partition(".")
        if package in ("ezlogs", "ezlogs_instrumentors") and rest.partition(".")[0] not in _NOT_EVENTS:
            yield vars(loaded)
