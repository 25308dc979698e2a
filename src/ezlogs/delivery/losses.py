"""Losses: what became of events, by reason, counted under the names of their signal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from time import time_ns

from ezlogs.delivery.batch import Batch
from ezlogs.delivery.signal import Signal
from ezlogs.otlp import Delivered
from ezlogs.runtime import Ledger

_MOST_TYPES = 1000


class Losses:
    """Counts deliveries and losses of one signal.

    Args:
        ledger: Where to.
        signal: Whose.
    """

    def __init__(self, ledger: Ledger, signal: Signal) -> None:
        self._ledger = ledger
        self._signal = signal
        self._without_room = signal.of_events("lost.queue_full")
        self.forget()

    def note(self, what: str, events: int = 1) -> None:
        """Count something that is no loss."""
        self._ledger.note(self._signal.of_events(what), events)

    def lose(self, reason: str, events: int, types: Mapping[str, int] | None = None) -> None:
        """Count events that will not be delivered.

        Args:
            reason: Why: ``queue_full``, ``rejected`` ...
            events: How many.
            types: How many of which type, where that is known.
        """
        if events:
            self._ledger.note(self._signal.of_events(f"lost.{reason}"), events)
        if types:
            known = self._types.setdefault(reason, Counter())
            for event_type, number in types.items():
                known[event_type if event_type in known or len(known) < _MOST_TYPES else "other"] += number

    def without_room(self, event_type: str) -> Callable[[], object]:
        """Return what counts an event of a type that is lost since the queue is full, at a tenth of what `lose` costs.

        Where more is told than can be sent, this is what most calls come to.
        """
        known = len(self.ticks_without_room) < _MOST_TYPES
        tick = self._ledger.ticker(self._without_room, event_type if known else "other")
        if known:
            self.ticks_without_room[event_type] = tick
        return tick

    def turn_away(self, turns_away: Callable[[str], Callable[[], object] | None] | None) -> None:
        """Have events turned away before anybody looks at them, or with None no more; see `Ledger.turns_away`."""
        self._ledger.turns_away = turns_away

    def lose_batch(self, reason: str, batch: Batch) -> None:
        """Count the events of a batch that will not be delivered, and the spans of the application's in it."""
        if batch.adopted:  # this process was never handed them
            self.note(f"adopted_{reason}", batch.events)
        else:
            self.lose(reason, batch.events, batch.types)
            self.lose_spans(reason, batch.spans)
        self._redacted(batch)

    def lose_spans(self, reason: str, spans: int) -> None:
        """Count spans of the application's that will not be delivered."""
        self._ledger.note(f"lost.spans.{reason}", spans)

    def refused(self, batch: Batch) -> None:
        """Count a batch that the collector did not take."""
        self._ledger.note(f"rejected_{self._signal.records}", batch.records)
        self.lose_batch("rejected", batch)

    def delivered(self, batch: Batch, answer: Delivered) -> None:
        """Count a batch that the collector took, but for what it refused of it."""
        refused = self._signal.events_in(answer.rejected, batch.records, batch.events)
        self.note("adopted" if batch.adopted else "delivered", batch.events - refused)
        if refused:
            types = batch.types if refused == batch.events else {}
            spans = batch.spans if types else 0
            self.lose_batch("rejected", batch._replace(events=refused, types=types, spans=spans, redactions={}))
        self._ledger.note(f"delivered_{self._signal.records}", max(0, batch.records - answer.rejected))
        self._ledger.note(f"rejected_{self._signal.records}", answer.rejected)
        self._redacted(batch)
        if batch.since:
            self._ledger.delivering.note(time_ns() - batch.since)

    def by_type(self) -> dict[str, dict[str, int]]:
        """Return how many events of each type were lost, by reason, as far as it is known."""
        found = self._types.copy()
        if without_room := self._ledger.kinds(self._without_room):
            found["queue_full"] = found.get("queue_full", Counter()) + Counter(without_room)
        return {reason: dict(types) for reason, types in found.items()}

    def forget(self) -> None:
        """In a forked child: what was lost before is the parent's."""
        self._types: dict[str, Counter[str]] = {}
        self.ticks_without_room: dict[str, Callable[[], object]] = {}
        """What `without_room` returned, by type."""

    def _redacted(self, batch: Batch) -> None:
        self.note("redacted", sum(batch.redactions.values()))
        for rule, times in batch.redactions.items():
            self.note(f"redacted_by.{rule}", times)
