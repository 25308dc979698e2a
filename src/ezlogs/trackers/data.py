"""Changes of data, whatever the ORM: rows are told once they are committed; a rollback is told in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from time import time_ns
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET
from opentelemetry import context
from opentelemetry.context import Context

from ezlogs.actor import current_actor
from ezlogs.correlation import Correlation, begun
from ezlogs.emit import listening, record
from ezlogs.event import Actor, Change, Failure, UniversalEvent
from ezlogs.ids import new_span_id
from ezlogs.privacy import KeyMatcher
from ezlogs.runtime import current_runtime
from ezlogs.snapshot import freeze
from ezlogs.trackers.prepared import Prepared, prepare

CHANGE, TRANSACTION, VALIDATION = "data.change", "data.transaction", "data.validation"
MAX_ROWS = 10_000
"""How many rows of one transaction are told one by one; what is written after them is told as bulk events."""

_HARMLESS = (bool, int, float, Decimal, date, time, timedelta, Enum, UUID)
_secrets = KeyMatcher()


class Field(NamedTuple):
    """One field that a write touched; a side that is `msgspec.UNSET` is not known."""

    name: str
    before: object = UNSET
    after: object = UNSET
    harmless: bool = False
    """A key or one of a set of choices: its values may be told whatever their type."""


class Row(msgspec.Struct, kw_only=True):
    """One write as it was seen, with the moment that it belongs to."""

    model: str
    verb: str
    """``create``, ``update``, ``destroy`` or the same with ``bulk_`` before it."""
    id: str | None
    rows: int
    metadata: dict[str, object]
    changes: tuple[Change, ...]
    timestamp: int
    actor: Actor
    correlation: Correlation
    context: Context
    undo: list[Callable[[], object]]
    """What the ORM's adapter has to take back when the row never existed."""
    event_type: str = CHANGE


class Moment(NamedTuple):
    """When and in which story something is written, and by whom: the same for all rows that are written together."""

    timestamp: int
    """Nanoseconds since the epoch."""
    actor: Actor
    correlation: Correlation
    context: Context
    policy: str
    """What may be told of values: the setting ``changes``."""


def moment() -> Moment:
    """Return the present moment."""
    return Moment(time_ns(), current_actor(), begun(), context.get_current(), _policy())


def watching() -> bool:
    """Return whether writes are told, be it only that they were rolled back."""
    return listening(CHANGE) or listening(TRANSACTION)


def observe(
    model: str,
    verb: str,
    *,
    id: str | None = None,
    rows: int = 1,
    fields: Iterable[Field] = (),
    metadata: Mapping[str, object] | None = None,
    undo: Callable[[], object] | None = None,
    event_type: str = CHANGE,
    at: Moment | None = None,
) -> Row:
    """Return a write with who made it, when, and in which story.

    Args:
        model: The model's name, such as ``order``.
        verb: ``create``, ``update``, ``destroy``, ``bulk_create``, ``bulk_update`` or ``bulk_delete``.
        id: The primary key; None for bulk writes.
        rows: How many rows were written.
        fields: What was written; the setting ``changes`` decides what is told of it.
        metadata: Further facts, such as ``table`` and ``database``.
        undo: Called when the write is rolled back.
        event_type: ``data.raw`` for what is known of a statement only.
        at: The moment; the present one when left out.
    """
    timestamp, actor, correlation, ctx, policy = at or moment()
    return Row(
        model=model,
        verb=verb,
        id=id,
        rows=rows,
        metadata=dict(metadata or {}),
        changes=told(fields, policy),
        timestamp=timestamp,
        actor=actor,
        correlation=correlation,
        context=ctx,
        undo=[undo] if undo else [],
        event_type=event_type,
    )


def emit(
    row: Row,
    outcome: str = "success",
    *,
    event_id: str | None = None,
    into: Callable[[UniversalEvent, Context], object] | None = None,
) -> None:
    """Tell a write, as of the moment it was made.

    Args:
        row: The write.
        outcome: ``success`` for one that is committed; ``unknown`` where nobody was told whether it is.
        event_id: The event's id, where one was reserved.
        into: What takes the event in place of the carrier.
    """
    record(
        row.event_type,
        f"{row.model}.{row.verb}",
        subject=(row.model, row.id) if row.event_type == CHANGE else ("table", row.model),
        metadata=row.metadata,
        outcome=outcome,
        changes=row.changes,
        timestamp=row.timestamp,
        actor=row.actor,
        correlation=row.correlation,
        event_id=event_id,
        ctx=row.context,
        into=into,
    )


def told(fields: Iterable[Field], policy: str) -> tuple[Change, ...]:
    """Return what may be told of written fields.

    Args:
        fields: The fields, with their values.
        policy: ``none`` tells nothing; ``names`` the names; ``safe`` also the values of keys, choices, booleans,
            numbers and dates; ``full`` every value. Passwords and other secrets are never told.

    Example:
        >>> told([Field("total", 1, 2), Field("note", "a", "b")], "safe")
        (Change(field='total', before=1, after=2), Change(field='note', before=UNSET, after=UNSET))
    """
    if policy == "none":
        return ()
    return tuple(
        Change(field.name, _frozen(field.before), _frozen(field.after))
        if _may_tell(field, policy)
        else Change(field.name)
        for field in fields
    )


class Transaction:
    """The writes of one transaction, until it is known whether they happened.

    Args:
        database: Its name or alias.
        handling: The exception being handled as it began: not the one that ends it.

    Example:
        >>> from ezlogs.testing import capture
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
        self._prepared: Prepared | None = None

    def add(self, row: Row) -> None:
        """Keep a write until the transaction ends."""
        if self._story is None or self._story[0] is not row.correlation:
            self._story = row.correlation, row.correlation.replace(transaction_id=self.id)
        row.correlation = self._story[1]
        prepared, self._prepared = self._prepared, None
        if len(self._rows) < MAX_ROWS:
            self._rows.append(row)
            if prepared is not None:  # a commit is on its way, and somebody's listener wrote some more
                prepared.take([row])
                self._prepared = prepared
            return
        if prepared is not None:
            prepared.withdraw()
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

    def prepare(self) -> None:
        """Have the writes in the journal, where there is one: to be called immediately before the commit is sent.

        What is written after that is there at once; what is taken back undoes it, and it may be called again then.
        """
        if self._prepared is None and self._rows:
            self._prepared = prepare(self._rows, emit)

    def withdraw(self) -> None:
        """Undo `prepare`: the commit was not sent."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.withdraw()

    def commit(self) -> None:
        """Tell every write that was not taken back, and once, in short, what was."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.commit(self._rows)
        else:
            for row in self._rows:
                emit(row)
        if self._discarded:
            self._tell_rollback("rollback_to_savepoint")

    def lose(self, error: BaseException | Failure | None = None) -> None:
        """Tell that the connection was lost while it committed: whether any of it happened, nobody was told.

        Args:
            error: What the commit failed with.
        """
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.lose(self._rows)
        else:
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
        self.withdraw()
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


def invalid(
    name: str,
    errors: Mapping[str, Sequence[str]],
    *,
    source: str,
    id: str | None = None,
) -> None:
    """Tell that what was given did not pass validation: the fields and the codes, never the values.

    Args:
        name: The model, or the form where there is none.
        errors: For each field the codes of what was wrong.
        source: What validated: ``form``, ``serializer`` ...
        id: The primary key of the row that was to be changed.
    """
    faults = [(field, code) for field, codes in errors.items() for code in codes]
    record(
        VALIDATION,
        f"{name}.invalid",
        subject=(name, id),
        metadata={  # side by side rather than by field: under the key `card_number` privacy lets nothing pass
            "fields": [field for field, _ in faults],
            "codes": [code for _, code in faults],
            "source": source,
        },
        outcome="failure",
        severity="warn",
    )


def _policy() -> str:
    runtime = current_runtime()
    return runtime.settings.changes if runtime else "none"


def _may_tell(field: Field, policy: str) -> bool:
    if policy == "names" or _secrets.denies(field.name):
        return False
    return policy == "full" or field.harmless or (_is_harmless(field.before) and _is_harmless(field.after))


def _is_harmless(value: object) -> bool:
    return value is UNSET or value is None or isinstance(value, _HARMLESS)


def _frozen(value: object) -> Any:
    return value if value is UNSET else freeze(value)
