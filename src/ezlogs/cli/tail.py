"""Stories as they happen: told when nothing new was heard of them for a while."""

from __future__ import annotations

from collections.abc import Iterable

from ezlogs.story import Story, Told, stories

MAX_STORIES = 1000


class Tail:
    """Collects events by story, and hands out each story once it is quiet; one that goes on is told again, whole.

    The most recent `MAX_STORIES` stories are remembered. Times are seconds of any clock that does not go back.

    Args:
        quiet_for: Seconds without a new event after which a story is told.
    """

    def __init__(self, quiet_for: float = 1.0) -> None:
        self._quiet_for = quiet_for
        self._events: dict[str, list[Told]] = {}
        self._heard: dict[str, float] = {}

    def hear(self, events: Iterable[Told], now: float) -> None:
        """Take events in."""
        for told in events:
            story = told.event.correlation.correlation_id
            known = self._events.pop(story, [])
            if any(told.event.event_id == other.event.event_id and told == other for other in known):
                self._events[story] = known
                continue
            self._events[story] = [*known, told]
            self._heard[story] = now
        while len(self._events) > MAX_STORIES:
            oldest = next(iter(self._events))
            del self._events[oldest]
            self._heard.pop(oldest, None)

    def quiet(self, now: float) -> list[Story]:
        """Return the stories that have gone quiet since they were last told."""
        ready = [story for story, heard in self._heard.items() if now - heard >= self._quiet_for]
        for story in ready:
            del self._heard[story]
        return stories(told for story in ready for told in self._events[story])
