"""Descent: how deep in its story an event is, and over which causes; derived from parents by readers, never carried."""

from __future__ import annotations

from collections.abc import Iterator

from ezlogs.event import UniversalEvent
from ezlogs.story.telling import Story
from ezlogs.story.tree import Node

MAX_CHAIN = 64
"""How many causes a chain holds, the nearest ones; the depth counts all of them."""


def walk(story: Story) -> Iterator[tuple[Node, int, tuple[str, ...]]]:
    """Yield every node of a story in causal order, with its depth below its root, from 0, and its chain.

    A circle of causes is cut at its earliest event, and an event whose cause did not arrive is a root.
    """
    path: list[str] = []
    waiting = [(root, 0) for root in reversed(story.roots)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth, tuple(path[max(0, depth - MAX_CHAIN) : depth])
        path[depth:] = [node.event.event_id]
        waiting.extend((child, depth + 1) for child in reversed(node.children))


def depth(event: UniversalEvent, story: Story) -> int:
    """Return how many causes an event has, one before the other, as far as they arrived: 0 for a beginning.

    Raises:
        LookupError: The event is not one of the story's.
    """
    return _found(event, story)[0]


def chain(event: UniversalEvent, story: Story) -> tuple[str, ...]:
    """Return the event ids of an event's causes, the outermost first; of more than `MAX_CHAIN` the nearest.

    Raises:
        LookupError: The event is not one of the story's.

    Example:
        >>> from ezlogs.story import Told, stories
        >>> from ezlogs.testing import capture
        >>> from ezlogs.trackers.flow import flow
        >>> from ezlogs.emit import record
        >>> with capture() as captured, flow("checkout", 42):
        ...     placed = record("order.action", "placed")
        >>> [story] = stories(map(Told, captured.events))
        >>> chain(captured.events[1], story) == (captured.events[0].event_id,), depth(captured.events[1], story)
        (True, 1)
    """
    return _found(event, story)[1]


def _found(event: UniversalEvent, story: Story) -> tuple[int, tuple[str, ...]]:
    for node, deep, causes in walk(story):
        if node.event.event_id == event.event_id:
            return deep, causes
    raise LookupError(f"event {event.event_id} is not in story {story.correlation_id}")
