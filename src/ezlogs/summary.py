"""The summary of one event: its sentence, for back ends that list events and tell no stories."""

from __future__ import annotations

from typing import Final

from ezlogs.event import UniversalEvent
from ezlogs.phrases import registered
from ezlogs.story.telling import stories
from ezlogs.story.tree import Told
from ezlogs.story.wording import shortened

LONGEST: Final = 200
"""Characters of a summary."""


def summary(event: UniversalEvent) -> str:
    """Return what an event tells in one sentence, of at most `LONGEST` characters; nothing where none can be made.

    Args:
        event: The event, privacy already applied.

    Example:
        >>> from ezlogs import Correlation
        >>> story = Correlation(correlation_id="story-1")
        >>> summary(UniversalEvent.create("order.action", "placed", subject=("order", 42), correlation=story))
        'Order 42 was placed.'
    """
    try:
        (story,) = stories([Told(event)], phrases=registered)
        return shortened(story.sentences[0].text, LONGEST)
    except Exception:  # an event is worth more than its summary
        return ""
