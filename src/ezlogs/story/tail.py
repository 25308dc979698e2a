"""Stories as they happen: told when nothing new was heard of them for a while."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timezone, tzinfo
from typing import NamedTuple

from ezlogs.story.registry import NONE, Phrases
from ezlogs.story.telling import Story, stories
from ezlogs.story.tree import Told

MAX_STORIES = 1000
MAX_EVENTS = 2000
"""How many events of one story are remembered, the latest ones."""
MAX_REMEMBERED = 100_000
"""How many events are remembered in all; the stories heard of longest ago are forgotten first."""


class Heard(NamedTuple):
    """A story that is to be told."""

    story: Story
    news: frozenset[str]
    """The ids of the events that have not been told before, or not so."""
    forgotten: int
    """How many earlier events of it are remembered no more."""


class _Known:
    """What was heard of one story."""

    __slots__ = ("events", "forgotten", "heard", "news", "since")

    def __init__(self) -> None:
        self.events: dict[str, Told] = {}
        self.news: set[str] = set()
        self.heard = self.since = 0.0
        """When the latest and the earliest of the news were heard."""
        self.forgotten = 0


class Tail:
    """Collects events by story, and hands out each story once it is quiet; one that goes on is told again, whole.

    The `MAX_STORIES` stories heard of last are remembered, of each its `MAX_EVENTS` latest events, and `MAX_REMEMBERED`
    in all. Times are seconds of any clock that never goes back.

    Args:
        quiet_for: Seconds without a new event after which a story is told.
        patience: Seconds without a new event after which a story is told although a cause that its events name has not
            arrived, as that of a request which goes on; at once after ``quiet_for`` when left out.
        longest: Seconds after which a story is told in any case, quiet or not; never when left out.
        phrases: How the application wants its events to be told.
        zone: The time zone of the times that rows were changed to.

    Example:
        >>> from ezlogs import Correlation, UniversalEvent
        >>> story = Correlation(correlation_id="story-1")
        >>> event = UniversalEvent.create("order.action", "placed", subject=("order", 42), correlation=story)
        >>> tail = Tail(quiet_for=1.0)
        >>> tail.hear([Told(event)], now=10.0)
        >>> tail.quiet(now=10.5), [story.title for story in tail.quiet(now=11.0)], tail.quiet(now=12.0)
        ([], ['Order 42 was placed'], [])
    """

    def __init__(
        self,
        quiet_for: float = 1.0,
        *,
        patience: float | None = None,
        longest: float = float("inf"),
        phrases: Phrases = NONE,
        zone: tzinfo = timezone.utc,
    ) -> None:
        self._quiet_for = quiet_for
        self._patience = quiet_for if patience is None else patience
        self._longest = longest
        self._phrases = phrases
        self._zone = zone
        self._stories: dict[str, _Known] = {}
        self._untold: dict[str, _Known] = {}
        self._remembered = 0

    def __bool__(self) -> bool:
        """Whether there is anything to tell, now or later."""
        return bool(self._untold)

    def hear(self, events: Iterable[Told], now: float) -> None:
        """Take events in; one that is known already is no news."""
        for told in events:
            name, event_id = told.event.correlation.correlation_id, told.event.event_id
            known = self._stories.pop(name, None) or _Known()
            self._stories[name] = known
            if known.events.get(event_id) != told:
                if not known.news:
                    known.since = now
                self._remembered += event_id not in known.events
                known.events[event_id] = told
                known.news.add(event_id)
                known.heard = now
                self._untold[name] = known
            while len(known.events) > MAX_EVENTS:
                oldest = next(iter(known.events))
                del known.events[oldest]
                known.news.discard(oldest)
                known.forgotten += 1
                self._remembered -= 1
        while len(self._stories) > MAX_STORIES or (self._remembered > MAX_REMEMBERED and len(self._stories) > 1):
            oldest = next(iter(self._stories))
            self._remembered -= len(self._stories.pop(oldest).events)
            self._untold.pop(oldest, None)

    def quiet(self, now: float) -> list[Story]:
        """Return the stories that have gone quiet since they were last told."""
        return [heard.story for heard in self.due(now)]

    def due(self, now: float) -> list[Heard]:
        """Return the same, each with what is new of it."""
        ready = {name: known for name, known in self._untold.items() if self._is_due(known, now)}
        news = {}
        for name, known in ready.items():
            del self._untold[name]
            news[name], known.news = frozenset(known.news), set()
        events = (told for known in ready.values() for told in known.events.values())
        found = stories(events, phrases=self._phrases, zone=self._zone)
        return [Heard(story, news[story.correlation_id], ready[story.correlation_id].forgotten) for story in found]

    def _is_due(self, known: _Known, now: float) -> bool:
        silence = now - known.heard
        if silence >= self._patience or now - known.since >= self._longest:
            return True
        return silence >= self._quiet_for and not _lacks_causes(known.events)


def _lacks_causes(events: dict[str, Told]) -> bool:
    causes = (told.event.correlation.parent_event_id for told in events.values())
    return any(cause is not None and cause not in events for cause in causes)
