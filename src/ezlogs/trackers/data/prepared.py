"""Prepared transactions: what was written is journaled before the commit, and told after it, or forgotten.

It is for the case that the process, or the connection, ends between the two: see `ezlogs.delivery.prepared`. Without a
journal nothing is prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import Context

from ezlogs.delivery.together import Together
from ezlogs.emit import is_suppressed
from ezlogs.event import UniversalEvent
from ezlogs.ids import event_id
from ezlogs.runtime import Runtime, current_runtime
from ezlogs.trackers.data.alike import AlikeRow, made_of
from ezlogs.trackers.data.rows import CHANGE

if TYPE_CHECKING:
    from ezlogs.delivery.prepared import Preparation
    from ezlogs.delivery.row_encoder import RowEncoder
    from ezlogs.delivery.sealed_rows import SealedRows

Tell = Callable[..., object]
"""Tells a write; its arguments are those of `ezlogs.trackers.data.emit`."""


class _Alone(NamedTuple):
    """A write that was prepared by itself."""

    row: Any
    number: int | None
    """That of its event; None where there is none, or where it could not be prepared."""


class _Many(NamedTuple):
    """Rows that were prepared as one."""

    rows: Sequence[AlikeRow]
    tails: Sequence[int]
    sealed: SealedRows


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
        self._taken: list[_Alone | _Many] = []

    def take(self, rows: Sequence[Any]) -> None:
        """Journal writes."""
        try:
            self._take(rows)
        except BaseException:
            self._preparation.taken()
            self._preparation.withdraw()
            raise
        self._preparation.taken()

    def _take(self, rows: Sequence[Any]) -> None:
        encoder = self._encoder()
        if encoder is None:
            for row in rows:
                self._alone(row)
            return
        for some in encoder.encoded(rows, self._runtime.ledger.next_tail, _are_told):
            if some.tails:
                self._taken.append(_Many(some.rows, some.tails, self._preparation.take_rows(some)))
            else:
                for row in some.rows:
                    self._alone(row)

    def _encoder(self) -> RowEncoder | None:
        """Return what encodes rows that are alike, where nothing has to be asked of each."""
        runtime = self._runtime
        if runtime.sampler is not None or runtime.settings.strict or not runtime.admits(CHANGE):
            return None
        return self._preparation.encoder()

    def _alone(self, row: Any) -> None:
        made = made_of(row)
        if made is None:
            return
        self._taken.append(_Alone(made, None))

        def into(event: UniversalEvent, ctx: Context) -> None:
            self._taken[-1] = _Alone(made, self._preparation.take(event, ctx))

        self._tell(made, events=self._together, into=into)

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
        for taken in self._taken:
            if isinstance(taken, _Many):
                if not self._preparation.release_rows(taken.sealed, taken.rows[0].alike.at.context):
                    self._runtime.ledger.note("not_made", len(taken.rows))  # each is numbered once more
                    self._tell_again(taken)
            elif taken.number is None:
                self._tell(taken.row, events=self._together)
            else:
                self._release(taken.number)

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
        for taken in self._taken:
            if isinstance(taken, _Many):
                self._tell_again(taken, **facts)
                continue
            event_id = None if taken.number is None else reserved(taken.number)
            self._tell(taken.row, events=self._together, event_id=event_id, **facts)
        self._preparation.replaced()

    def _tell_again(self, many: _Many, **facts: object) -> None:
        """Tell rows one by one that were journaled as one, under the same ids."""
        for row, tail in zip(many.rows, many.tails, strict=True):
            made = row.row()
            if made is not None:
                self._tell(made, events=self._together, event_id=event_id(row.timestamp, tail), **facts)

    def _release(self, number: int) -> None:
        try:
            self._preparation.release(number)
        except Exception as problem:  # of one event; the others are told all the same
            self._runtime.report("an event was lost", problem, lost=1)


def _are_told(ctx: Context) -> bool:
    return not is_suppressed(ctx)


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
