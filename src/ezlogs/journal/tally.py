"""Tallies: counts by reason that any thread may add to, at any moment, without a lock."""

from __future__ import annotations

from itertools import count


class Tally:
    """Counts by reason.

    >>> tally = Tally()
    >>> tally.note("full"); tally.note("full")
    >>> tally.counts()
    {'full': 2}
    """

    def __init__(self) -> None:
        self._counters: dict[str, count[int]] = {}

    def note(self, reason: str) -> None:
        """Count one."""
        next(self._counters.setdefault(reason, count()))

    def counts(self) -> dict[str, int]:
        """Return how many there were, by reason."""
        # Its text is the one way to read a counter without adding to it.
        return {reason: int(repr(counter)[len("count(") : -1]) for reason, counter in tuple(self._counters.items())}
