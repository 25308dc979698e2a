"""Prepared transactions: what was written is journaled before the commit, and told after it, or forgotten.

It is for the case that the process, or the connection, ends between the two: see `ezlogs.delivery.prepared`. Without a
journal nothing is prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context

from ezlogs.delivery.together import Together
from ezlogs.event import UniversalEvent
from ezlogs.runtime import Runtime, current_runtime

if TYPE_CHECKING:
    from ezlogs.delivery.prepared import Preparation

Tell = Callable[..., object]
"""Tells a write; its arguments are those of `ezlogs.trackers.data.emit`."""


class Prepared:
    """The writes of a transaction that is about to be committed, in the journal.

    Args:
        runtime: Whose journal.
        preparation: What the runtime's carrier has begun for the transaction.
        tell: Tells a write.
    """

    def __init__(self, runtime: Runtime, preparation: Preparation, tell: Tell) -> None:
        self._runtime = runtime
        self._preparation = preparation
        self._tell = tell
        self._together = Together()
        self._rows: list[Any] = []
        self._numbers: list[int | None] = []
        """The number of each write's event; None where there is none, or where it could not be prepared."""

    def take(self, rows: Sequence[Any]) -> None:
        """Journal writes."""
        numbers, take, tell = self._numbers, self._preparation.take, self._tell

        def into(event: UniversalEvent, ctx: Context) -> None:
            numbers[-1] = take(event, ctx)

        try:
            for row in rows:
                self._rows.append(row)
                numbers.append(None)
                tell(row, events=self._together, into=into)
        except BaseException:
            self._preparation.taken()
            self._preparation.withdraw()
            raise
        self._preparation.taken()

    def commit(self) -> None:
        """Tell the writes, which were committed."""
        try:
            self._commit()
        finally:
            self._together.close()

    def _commit(self) -> None:
        if not self._preparation.is_ours():
            return
        self._preparation.commit()
        if self._runtime.sampler is not None:  # it decides now, and may have them wait
            self._replace()
            return
        self._preparation.releasing()
        for row, number in zip(self._rows, self._numbers, strict=True):
            if number is None:
                self._tell(row, events=self._together)
            else:
                self._release(number)

    def lose(self) -> None:
        """Tell that nobody knows whether the writes were committed."""
        try:
            if self._preparation.is_ours():
                self._replace(outcome="unknown")
        finally:
            self._together.close()

    def withdraw(self) -> None:
        """Forget the writes: they were rolled back, or are not all of the transaction."""
        if self._preparation.is_ours():
            self._preparation.withdraw()

    def _replace(self, **facts: object) -> None:
        reserved = self._preparation.event_id
        for row, number in zip(self._rows, self._numbers, strict=True):
            event_id = None if number is None else reserved(number)
            self._tell(row, events=self._together, event_id=event_id, **facts)
        self._preparation.replaced()

    def _release(self, number: int) -> None:
        try:
            self._preparation.release(number)
        except Exception as problem:  # of one event; the others are told all the same
            self._runtime.ledger.note("lost.internal_error")
            self._runtime.report("an event was lost", problem)


def prepare(rows: Sequence[Any], tell: Tell) -> Prepared | None:
    """Journal the writes of a transaction that is about to be committed; return None where there is no journal.

    Args:
        rows: The writes.
        tell: See `Tell`.
    """
    runtime = current_runtime()
    if runtime is None or runtime.carrier is None or not runtime.carrier.notes_openings:
        return None
    preparation = runtime.carrier.preparing()
    if preparation is None:
        return None
    prepared = Prepared(runtime, preparation, tell)
    prepared.take(rows)
    return prepared
