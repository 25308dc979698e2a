"""Signals: what a worker sends, and how its counts are called."""

from __future__ import annotations

from typing import NamedTuple


class Signal(NamedTuple):
    """What a worker sends, and how its counts are called."""

    records: str
    """Spans or logs: ``delivered_spans``, ``rejected_logs``."""
    copies: bool = False
    """Whether the events are copies of those that another signal delivers: what becomes of them counts apart."""

    def of_events(self, what: str) -> str:
        """Return the name of a count of events: ``delivered`` or ``delivered.logs``, ``lost.logs.queue_full``.

        >>> Signal("spans").of_events("lost.queue_full"), Signal("logs", copies=True).of_events("lost.queue_full")
        ('lost.queue_full', 'lost.logs.queue_full')
        """
        if not self.copies:
            return what
        kind, _, reason = what.partition(".")
        return f"{kind}.{self.records}.{reason}" if reason else f"{kind}.{self.records}"

    def events_in(self, records: int, of_records: int, of_events: int) -> int:
        """Return how many events are in some records, as far as that is known: a log record is one, a span any number.

        Args:
            records: Some of the records of a batch.
            of_records: All of them.
            of_events: The events in those.

        >>> Signal("logs").events_in(3, 10, 10)
        3
        >>> Signal("spans").events_in(3, 10, 12), Signal("spans").events_in(9, 9, 12)
        (0, 12)
        """
        if self.records == "logs":
            return min(records, of_events)
        return of_events if records >= of_records else 0


SPANS = Signal("spans")
