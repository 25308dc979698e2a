"""Transactions: rows are told once they are committed; a rollback is told in their place."""

from __future__ import annotations

from collections import Counter

from ezlogs.correlation import Correlation, begun
from ezlogs.emit import record
from ezlogs.event import Failure
from ezlogs.ids import new_span_id
from ezlogs.trackers.data.rows import TRANSACTION, Row, emit

MAX_ROWS = 10_000
"""How many rows of one transaction are told one by one; what is written after them is told as bulk events."""


class Transaction:
    """The writes of one transaction, until it is known whether they happened.

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
        self.id = f"txn_{new_span_id():016x}"
        self._database = database
        self._handling = handling
        self._error: BaseException | Failure | None = None
        self._rows: list[Row] = []
        self._marks: dict[str, int] = {}
        self._bulk: dict[tuple[str, str], Row] = {}
        self._discarded: Counter[str] = Counter()
        self._savepoints = 0
        self._story: tuple[Correlation, Correlation] | None = None

    def add(self, row: Row) -> None:
        """Keep a write until the transaction ends."""
        if self._story is None or self._story[0] is not row.correlation:
            self._story = row.correlation, row.correlation.replace(transaction_id=self.id)
        row.correlation = self._story[1]
        if len(self._rows) < MAX_ROWS:
            self._rows.append(row)
            return
        verb = row.verb if row.verb.startswith("bulk_") else f"bulk_{row.verb.replace('destroy', 'delete')}"
        bulk = self._bulk.get((row.model, verb))
        if bulk is None:
            row.verb, row.id, row.changes = verb, None, ()
            self._bulk[row.model, verb] = bulk = row
            self._rows.append(row)
        else:
            bulk.rows += row.rows
            bulk.undo += row.undo
        bulk.metadata["rows"] = bulk.rows

    def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        self._marks[name] = len(self._rows)
        self._bulk.clear()  # what is added up before a savepoint is not taken back with what comes after it

    def release(self, name: str) -> None:
        """Forget a savepoint; what was written since stays."""
        self._marks.pop(name, None)

    def rollback_to(self, name: str, error: BaseException | Failure | None = None) -> None:
        """Take back what was written since a savepoint; one set before the first write takes back everything."""
        self._savepoints += 1
        self._discard(self._marks.get(name, 0), error)

    def commit(self) -> None:
        """Tell every write that was not taken back, and once, in short, what was."""
        for row in self._rows:
            emit(row)
        if self._discarded:
            self._tell_rollback("rollback_to_savepoint")

    def lose(self, error: BaseException | Failure | None = None) -> None:
        """Tell that the connection was lost while it committed: whether any of it happened, nobody was told.

        Args:
            error: What the commit failed with.
        """
        for row in self._rows:
            emit(row, "unknown")
        kept = Counter[str]()
        for row in self._rows:
            kept[row.model] += row.rows
        self._tell("commit", "unknown", kept, error)

    def rollback(self, error: BaseException | Failure | None = None) -> None:
        """Tell, once, that nothing was saved; a transaction without writes and without an error is not worth it."""
        self._discard(0, error)
        if self._discarded or self._error:
            self._tell_rollback("rollback")

    def _discard(self, position: int, error: BaseException | Failure | None) -> None:
        if error is not None and error is not self._handling:
            self._error = error
        for row in reversed(self._rows[position:]):
            self._discarded[row.model] += row.rows
            for undo in reversed(row.undo):
                undo()
        del self._rows[position:]
        self._marks = {name: mark for name, mark in self._marks.items() if mark <= position}
        self._bulk.clear()

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
            correlation=begun().replace(transaction_id=self.id),
        )
