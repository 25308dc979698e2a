"""Transactions: rows are told once they are committed; a rollback is told in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry.context import Context

from ezlogs.correlation import ORIGIN, Correlation, begun, current
from ezlogs.delivery.together import together
from ezlogs.emit import record
from ezlogs.event import Failure
from ezlogs.ids import new_span_id
from ezlogs.runtime import current_runtime
from ezlogs.trackers.data.alike import Alike, AlikeRow, Form, made_of
from ezlogs.trackers.data.prepared import Prepared, prepare
from ezlogs.trackers.data.rollup import Level
from ezlogs.trackers.data.rows import TRANSACTION, Later, Row, emit

_LETTER = 0xA << 28
"""A letter amid the digits of an id: more of them in a row could be a card's number, which privacy looks for."""


class Transaction:
    """The writes of one transaction, until it is known whether they happened.

    The first ones, as many as the setting ``max_rows_in_detail`` says, are kept as they are; what is written after
    them is counted, so that memory is bounded however many there are, and savepoints hold for them too.

    Args:
        database: Its name or alias.
        handling: The exception being handled as it began: not the one that ends it.

    Example:
        >>> from ezlogs.testing import capture
        >>> from ezlogs.trackers.data import observe
        >>> with capture() as captured:
        ...     transaction = Transaction("default")
        ...     transaction.add(observe("order", "create", id="42"))
        ...     before = len(captured.events)
        ...     transaction.commit()
        >>> before, captured.events[0].action
        (0, 'order.create')
    """

    def __init__(self, database: str, *, handling: BaseException | None = None) -> None:
        self.id = f"txn_{new_span_id() | _LETTER:016x}"
        self._database = database
        self._handling = handling
        self._error: BaseException | Failure | None = None
        self._rows: list[Row | Later | AlikeRow] = []
        self.found: dict[object, Any] = {}
        """What an ORM's adapter has found out of rows that are alike; its own, until the transaction ends."""
        self._alike: list[Alike] = []
        self._levels = [Level(None, 0)]
        self.mark: object = self._levels[-1].mark
        """What is written now is taken back with: the same for all that only is so together."""
        runtime = current_runtime()
        self._most = runtime.settings.max_rows_in_detail if runtime else 0
        self._discarded: Counter[str] = Counter()
        self._savepoints = 0
        self._story: tuple[Correlation, Correlation] | None = None
        self._own_story: Correlation | None = None
        """That of what is written outside of any."""
        self._prepared: Prepared | None = None

    def begin(self, alike: Alike) -> None:
        """Take note that rows come that are alike."""
        self._alike.append(alike)

    def room(self) -> list[Any] | None:
        """Return what takes rows that are alike, until the transaction ends; None where each has to be added."""
        return None if len(self._rows) >= self._most or self._prepared is not None else self._rows

    def count(
        self,
        alike: Alike,
        form: Form,
        timestamp: int,
        owner: Any = None,
        undo: Callable[[Any], object] | None = None,
    ) -> bool:
        """Count a row that is like others, and that there is no `room` for; return False where it has to be added.

        Args:
            alike: What it has in common with them.
            form: What would be told of it.
            timestamp: When it was written.
            owner: Whom it is undone for; see `ezlogs.trackers.data.observe`.
            undo: What undoes it, where there is anything to undo.
        """
        if len(self._rows) < self._most:
            return False
        self.withdraw()
        level = self._levels[-1]
        if not level.tally(alike, form, timestamp):
            return False
        if undo is not None:
            level.remember_owner(owner, undo)
        return True

    def __del__(self) -> None:
        """Let go of what belonged together, also where the connection ended and nobody said so."""
        self._end()

    def _end(self) -> None:
        for alike in self._alike:
            alike.end()
        self._alike.clear()
        self.found.clear()

    def add(self, row: Row | Later) -> None:
        """Keep a write until the transaction ends."""
        row.correlation = self.story(row.correlation, row.context)
        level = self._levels[-1]
        if row.undo is not None:
            level.remember(row)
        if len(self._rows) < self._most:
            self._rows.append(row)
            if self._prepared is not None:  # a commit is on its way, and somebody's listener wrote some more
                self._prepared.take([row])
        else:
            self.withdraw()
            for made in _made([row]):
                level.count(made)

    def story(self, correlation: Correlation, ctx: Context) -> Correlation:
        """Return the story, with this transaction, that a row belongs to.

        Args:
            correlation: That of its moment.
            ctx: The context that it was written in.
        """
        if self._story is None or self._story[0] is not correlation:
            self._story = correlation, self._story_of(correlation, ctx).replace(transaction_id=self.id)
        return self._story[1]

    def _story_of(self, correlation: Correlation, ctx: Context) -> Correlation:
        """Return the story that a row belongs to: outside of any, as in a script, all rows have one."""
        if ORIGIN is not None or current(ctx) is not None:
            return correlation
        self._own_story = self._own_story or correlation
        return self._own_story

    def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        self._set(len(self._levels), Level(name, len(self._rows)))

    def release(self, name: str) -> None:
        """Forget a savepoint, and those set after it; what was written since stays."""
        position = self._position(name)
        if position:
            for level in self._levels[position:]:
                self._levels[position - 1].absorb(level)
            self._set(position)

    def rollback_to(self, name: str, error: BaseException | Failure | None = None) -> None:
        """Take back what was written since a savepoint; one set before the first write takes back everything."""
        self._savepoints += 1
        self._discard(self._position(name), error)

    def written(self) -> list[Row]:
        """Return what is told if everything that was written and not taken back is committed now."""
        return [*_made(self._rows), *self._summaries()]

    def _summaries(self) -> list[Row]:
        total = Level(None, 0)
        for level in self._levels:
            total.add_up(level)
        return [summary.row() for summary in total.summaries.values()]

    def prepare(self) -> None:
        """Have the writes in the journal, where there is one: to be called immediately before the commit is sent.

        What is written after that is there at once; what is taken back undoes it, and it may be called again then.
        """
        if self._prepared is None and (rows := [*self._rows, *self._summaries()]):
            self._prepared = prepare(rows, emit)

    def withdraw(self) -> None:
        """Undo `prepare`: the commit was not sent."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.withdraw()

    def commit(self) -> None:
        """Tell every write that was not taken back, and once, in short, what was."""
        prepared, self._prepared = self._prepared, None
        try:
            if prepared is not None:
                prepared.commit()
            else:
                with together() as events:
                    for row in self.written():
                        emit(row, events=events)
        finally:
            self._end()
        if self._discarded:
            self._tell_rollback("rollback_to_savepoint")

    def lose(self, error: BaseException | Failure | None = None) -> None:
        """Tell that the connection was lost while it committed: whether any of it happened, nobody was told.

        Args:
            error: What the commit failed with.
        """
        prepared, self._prepared = self._prepared, None
        rows = self.written()
        if prepared is not None:
            prepared.lose()
        else:
            with together() as events:
                for row in rows:
                    emit(row, "unknown", events=events)
        kept = Counter[str]()
        for row in rows:
            kept[row.model] += row.rows
        self._end()
        self._tell("commit", "unknown", kept, error)

    def rollback(self, error: BaseException | Failure | None = None) -> None:
        """Tell, once, that nothing was saved; a transaction without writes and without an error is not worth it."""
        self._discard(0, error)
        self._end()
        if self._discarded or self._error:
            self._tell_rollback("rollback")

    def _set(self, position: int, *levels: Level) -> None:
        """Have some levels in the place of those from a position on."""
        self._levels[position:] = levels
        self.mark = self._levels[-1].mark

    def _position(self, name: str) -> int:
        """Return which level began with a savepoint; 0 for one that was set before the first write."""
        return next((at for at in range(len(self._levels) - 1, 0, -1) if self._levels[at].name == name), 0)

    def _discard(self, position: int, error: BaseException | Failure | None) -> None:
        if error is not None and error is not self._handling:
            self._error = error
        self.withdraw()
        levels, begun_with = self._levels[position:], self._levels[position]
        self._set(position, Level(begun_with.name, begun_with.start))
        discarded = self._rows[begun_with.start :]
        del self._rows[begun_with.start :]
        for row in _made(discarded):
            self._discarded[row.model] += row.rows
        for each in discarded:
            if type(each) is AlikeRow:
                each.is_undone = True
        for level in reversed(levels):
            for summary in level.summaries.values():
                self._discarded[summary.first.model] += summary.rows
            level.undo()

    def _tell_rollback(self, action: str) -> None:
        self._tell(action, "rolled_back", self._discarded, self._error)

    def _tell(self, action: str, outcome: str, rows: Counter[str], error: BaseException | Failure | None) -> None:
        record(
            TRANSACTION,
            action,
            subject=("database", self._database),
            metadata={
                "database": self._database,
                "rows": sum(rows.values()),
                "rows_by_model": dict(rows),
                "savepoints": self._savepoints,
            },
            outcome=outcome,
            severity="warn",
            error=error,
            correlation=(current() or self._own_story or begun()).replace(transaction_id=self.id),
        )


def _made(rows: Iterable[Row | Later | AlikeRow]) -> Iterator[Row]:
    """Yield writes as rows."""
    return (made for row in rows if (made := made_of(row)) is not None)
