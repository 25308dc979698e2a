"""Schedules: what became due by the clock, as one event for each run, and as the beginning of a story."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from time import time

from ezlogs.emit import guarded
from ezlogs.event import Actor, Subject
from ezlogs.trackers.error import unhandled
from ezlogs.trackers.work import StoryOfItsOwn, with_facts


class Schedule(StoryOfItsOwn):
    """A run of a schedule's entry. Made by `schedule`."""

    def __init__(self, entry: str, due: datetime | None, metadata: Mapping[str, object] | None) -> None:
        super().__init__(
            "schedule.run",
            f"{entry}.tick",
            Actor("scheduler", entry),
            subject=Subject("schedule", entry),
            metadata=metadata,
        )
        self._due = due
        self._lateness: float | None = None

    def begin(self) -> None:
        """Begin, and measure how late that is."""
        self._lateness = self._late()
        super().begin()

    @guarded
    def _late(self) -> float | None:
        if not isinstance(self._due, datetime):
            return None
        late = time() - self._due.timestamp()
        return late if late >= 0 else None

    @guarded
    def _leave(self, error: BaseException | None, duration: float) -> None:
        unhandled(error, self.event_type, self.context)
        super()._leave(error, duration)

    def _facts(self) -> Mapping[str, object] | None:
        return with_facts(self._metadata, due=self._due, lateness=self._lateness)


def schedule(entry: str, *, due: datetime | None = None, metadata: Mapping[str, object] | None = None) -> Schedule:
    """Run a ``with`` or ``async with`` block, or each call of a function, as something that became due.

    It begins a story of its own, whatever the scheduler's process is in the middle of; the schedule acts.

    Args:
        entry: The entry's fixed name, such as ``close_day``.
        due: When it was due; how late it runs (``lateness``, in seconds) is measured only when this is given, and
            left out where clocks disagree.
        metadata: Further facts, such as ``{"cron": "0 3 * * *"}``.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture() as captured, schedule("close_day"):
        ...     pass
        >>> captured.events[0].action, captured.events[0].actor.type
        ('close_day.tick', 'scheduler')
    """
    return Schedule(entry, due, metadata)
