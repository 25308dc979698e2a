"""Keeping: events and spans are sealed and in the journal before the application goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry.trace import SpanContext

from ezlogs.delivery.sealed import SealedEvent, SealedSpan
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.event import UniversalEvent

if TYPE_CHECKING:
    from ezlogs.delivery.journaling import Journaling


_MOMENT: Final = 0.05
"""Seconds in which a request should be known by its route."""


class Sealer(Protocol):
    """What seals events."""

    def seal(self, event: UniversalEvent, under: SpanContext | None) -> SealedEvent:
        """Return an event as it will be sent."""


class Keeper:
    """Keeps what is handed over to one worker. For any thread; waits for none, and raises nothing.

    Args:
        journaling: Where to.
        sealer: Makes of an event what is kept.
        work: Has somebody at work on the journal, where that is not so yet.
        look_soon: Has that one call `note_late` in a moment.
    """

    def __init__(
        self,
        journaling: Journaling,
        sealer: Sealer,
        work: Callable[[], object],
        look_soon: Callable[[], object] = int,
    ) -> None:
        self._journaling = journaling
        self._sealer = sealer
        self._work = work
        self._look_soon = look_soon
        self.forget()

    def forget(self) -> None:
        """In a forked child: what has begun is the parent's to tell."""
        self._notes: dict[str, list[object]] = {}
        """What is journaled for events that have not come."""
        self._noted_with_spans: set[str] = set()
        """Which of them are journaled with their spans."""
        self.awaited: dict[str, tuple[float, Callable[[bool], object]]] = {}
        """What is to be journaled in a moment, when more is known of it: since when, and what journals it as it is."""

    def kept(
        self, event: UniversalEvent, under: SpanContext | None, *, on_span: bool = False
    ) -> UniversalEvent | SealedEvent:
        """Return an event as an item that is in the journal; as it is where that cannot be.

        Args:
            event: The event.
            under: The span that it happened under.
            on_span: Whether it rides on that span, and is to be delivered with it.
        """
        if self.awaited:
            self.note_cause(event)
        try:
            sealed = self._sealer.seal(event, under)
        except Exception:  # the batch will say so, and count it
            return event
        self._journaling.keep(sealed, event, on_span=on_span)
        return sealed

    def prepared(self, event: UniversalEvent, under: SpanContext | None, transaction: bytes) -> SealedEvent | None:
        """Journal an event that holds only if a transaction is committed; return it, or None where it cannot be sealed.

        Args:
            event: The event.
            under: The span that it happened under.
            transaction: The transaction's id.
        """
        if self.awaited:
            self.note_cause(event)
        try:
            sealed = self._sealer.seal(event, under)
        except Exception:  # the batch will say so, and count it
            return None
        self._journaling.prepare(sealed, event, transaction)
        return sealed

    def prepared_rows(self, rows: SealedRows, item_id: str, transaction: bytes) -> None:
        """Journal rows that hold only if a transaction is committed.

        Args:
            rows: The rows as they are sent then.
            item_id: The id of the first one's event.
            transaction: The transaction's id.
        """
        self._journaling.prepare_rows(rows, item_id.encode(), transaction)

    def wait_for(self, receipt: object) -> None:
        """Let another thread go on that keeps what was journaled last from being written: for a few turns, no more."""
        self._journaling.wait_for(receipt)

    def commit(self, transaction: bytes, receipts: Sequence[object]) -> None:
        """Journal that a transaction was committed.

        Args:
            transaction: Its id.
            receipts: Of the events that were `prepared` in it.
        """
        self._journaling.commit(transaction, receipts)

    def roll_back(self, transaction: bytes, receipts: Sequence[object]) -> None:
        """Journal that a transaction was rolled back; otherwise as `commit`."""
        self._journaling.roll_back(transaction, receipts)
        self._work()  # nothing may ever be handed over

    def done(self, receipts: Sequence[object]) -> None:
        """Take note that what is journaled need not be delivered."""
        self._journaling.done(receipts)

    def note(self, event: UniversalEvent, under: SpanContext | None) -> None:
        """Journal an event that is to be delivered if the one of the same id never comes.

        Args:
            event: The event.
            under: The span that it will happen under.
        """
        event_id = event.event_id
        self.awaited.pop(event_id, None)
        receipt = self._journaling.open_scope(self._sealer.seal(event, under), event_id)
        receipts = self._notes.setdefault(event_id, [])
        receipts.append(receipt)
        if self._notes.get(event_id) is not receipts:  # another thread has taken it back meanwhile
            self._journaling.done([receipt])
        self._work()  # it may be taken back before anything is handed over

    def note_with_span(self, event: UniversalEvent, span: SealedSpan, under: SpanContext) -> object:
        """Journal an event as `note` does, and with it that the span is open on which it will ride.

        Args:
            event: The event.
            span: The span as it is now.
            under: The same.

        Returns:
            A receipt for `keep_span`.
        """
        event_id = event.event_id
        self.awaited.pop(event_id, None)
        receipt = self._journaling.open_work(span, under, self._sealer.seal(event, under), event_id)
        self._noted_with_spans.add(event_id)
        self._work()
        return receipt

    def wait_to_note(self, event_id: str, note: Callable[[bool], object]) -> None:
        """Have an event noted once it is known better, by whoever knows then; see `ezlogs.opening.awaited`.

        Args:
            event_id: The event's.
            note: Calls `note` or `note_with_span`. Is given whether the thread is the one in which it began.
        """
        self.awaited[event_id] = monotonic(), note
        self._look_soon()

    def note_cause(self, event: UniversalEvent) -> None:
        """Have it noted what an event is caused by, if that waits to be: in the journal causes come first."""
        found = self.awaited.pop(event.correlation.parent_event_id or "", None)
        if found is not None:
            found[1](True)

    def note_late(self) -> None:
        """Have it noted what has waited for too long to be known better: it may be hanging. For the worker."""
        latest = monotonic() - _MOMENT
        for event_id, (since, note) in self.awaited.copy().items():
            if since > latest:
                return
            if self.awaited.pop(event_id, None) is not None:
                note(False)

    def awaits(self, note: UniversalEvent) -> bool:
        """Return whether the event has not come of which a note was journaled with its span."""
        return bool(self._noted_with_spans) and note.event_id in self._noted_with_spans

    def take_back(self, event_id: str) -> None:
        """Take back what was journaled by `note`; what was with a span is the span's to acknowledge."""
        self.awaited.pop(event_id, None)
        self._noted_with_spans.discard(event_id)
        if receipts := self._notes.pop(event_id, None):
            self._journaling.done(receipts)

    def open_span(self, sealed: SealedSpan, under: SpanContext) -> object:
        """Journal that a span is open on which events ride from now on; return a receipt for `keep_span`.

        Args:
            sealed: The span as it is now.
            under: The same.
        """
        return self._journaling.open_span(sealed, under)

    def keep_span(self, sealed: SealedSpan, under: SpanContext, openings: Sequence[object]) -> None:
        """Journal a span that ended.

        Args:
            sealed: The span as it is sent.
            under: The same.
            openings: What `open_span` returned of it.
        """
        self._journaling.keep_span(sealed, under, openings)

    def let_go(self, events: Sequence[UniversalEvent | SealedEvent], openings: Sequence[object]) -> None:
        """Take note that some events, and the span that they were on, are another's to deliver.

        Args:
            events: The events.
            openings: What `open_span` returned of the span.
        """
        receipts = [event.receipt for event in events if isinstance(event, SealedEvent)]
        self._journaling.done([*receipts, *openings])
