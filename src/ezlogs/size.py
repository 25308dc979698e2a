"""The size of an event that waits: about as many bytes as it holds, found without running any of its values' code."""

from __future__ import annotations

from ezlogs.event import UniversalEvent
from ezlogs.snapshot import Pairs

_EMPTY = 1024
"""An event without metadata, and the context that waits with it."""
_SCALAR = 32


def size_of(event: UniversalEvent, beside: int = _EMPTY) -> int:
    """Return about how many bytes an event holds.

    Args:
        event: The event.
        beside: Bytes that one without metadata takes, with what waits beside it.

    >>> from ezlogs import Correlation, UniversalEvent
    >>> story = Correlation(correlation_id="story-1")
    >>> small, large = (
    ...     UniversalEvent.create("order.action", "placed", metadata={"note": "x" * length}, correlation=story)
    ...     for length in (10, 5000)
    ... )
    >>> size_of(large) - size_of(small)
    4990
    """
    size = beside + sum(_of((change.field, change.before, change.after)) for change in event.changes)
    if event.error is not None:
        size += _of(event.error.message)
    said = event.said_metadata
    return size + (
        _of(tuple(said.items())) if said else 0 if event.said_tail is not None else _of(event.facts.metadata)
    )


def _of(value: object) -> int:
    """Return the size of a snapshot: texts, scalars, and tuples of them."""
    kind = type(value)
    if kind is str:
        return _SCALAR + len(value)  # type: ignore[arg-type]  # a str
    if kind is tuple or kind is Pairs:
        return _SCALAR + sum(map(_of, value))  # type: ignore[call-overload]  # a tuple
    return _SCALAR
