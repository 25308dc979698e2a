"""Stories as they happen: told when nothing new was heard of them for a while."""

from __future__ import annotations

from collections.abc import Iterable

from ezlogs.story.telling import Story, stories
from ezlogs.story.tree import Told

MAX_STORIES = 1000


class Tail:
    """Collects events by story, and hands out each story once it is quiet; one that goes on is told again, whole.

    The `MAX_STORIES` stories heard of last are remembered. Times are seconds of any clock that never goes back.

    Args:
        quiet_for: Seconds without a new event after which a story is told.

    Example:
        >>> from ezlogs import Correlation, UniversalEvent
        >>> story = Correlation(correlation_id="story-1")
        >>> event = UniversalEvent.create("order.action", "placed", subject=("order", 42), correlation=story)
        >>> tail = Tail(quiet_for=1.0)
        >>> tail.hear([Told(event)], now=10.0)
        >>> tail.quiet(now=10.5), [story.title for story in tail.quiet(now=11.0)], tail.quiet(now=12.0)
        ([], ['Order 42 was placed'], [])
    """

    def __init__(self, quiet_for: float = 1.0) -> None:
        self._quiet_for = quiet_for
        self._stories: dict[str, dict[str, Told]] = {}
        self._heard: dict[str, float] = {}

    def hear(self, events: Iterable[Told], now: float) -> None:
        """Take events in; one that is known already is no news."""
        for told in events:
            story, event_id = told.event.correlation.correlation_id, told.event.event_id
            known = self._stories.pop(story, {})
            self._stories[story] = known
            if known.get(event_id) != told:
                known[event_id] = told
                self._heard[story] = now
        while len(self._stories) > MAX_STORIES:
            oldest = next(iter(self._stories))
            del self._stories[oldest]
            self._heard.pop(oldest, None)

    def quiet(self, now: float) -> list[Story]:
        """Return the stories that have gone quiet since they were last told."""
        ready = [story for story, heard in self._heard.items() if now - heard >= self._quiet_for]
        for story in ready:
            del self._heard[story]
        return stories(told for story in ready for told in self._stories[story].values())
