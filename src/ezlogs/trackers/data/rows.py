"""Writes as they were seen, each with its moment: who made it, when, and in which story."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import time_ns
from typing import Any, NamedTuple

import msgspec
from opentelemetry import context
from opentelemetry.context import Context

from ezlogs import runtime as process
from ezlogs.actor import current_actor
from ezlogs.correlation import Correlation, begun
from ezlogs.delivery.together import Together
from ezlogs.emit import listening, record
from ezlogs.event import Actor, Change, UniversalEvent
from ezlogs.runtime import current_runtime
from ezlogs.trackers.data.policy import ModelPolicy
from ezlogs.trackers.data.values import Field, told

CHANGE, TRANSACTION = "data.change", "data.transaction"


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
    undo: Callable[..., object] | None = None
    """What the ORM's adapter has to take back when the row never existed."""
    owner: Any = None
    """Whom `undo` is called with, and who is not kept alive for it."""
    event_type: str = CHANGE


class Later(msgspec.Struct):
    """A write of which only the values are kept, until its transaction ends: then many are made into rows at once.

    That takes half as long as to make each between two statements, when the caches are full of something else.
    """

    model: str
    at: Moment
    correlation: Correlation
    given: tuple[Any, ...]
    """What the row is made of: nothing that can change, or that is large."""
    make: Callable[[Later], Row | None]
    """Makes it; None where nothing was changed after all."""
    undo: Callable[..., object] | None = None
    owner: Any = None
    """These as of `Row`."""

    @property
    def context(self) -> Context:
        """The context that it was written in."""
        return self.at.context

    def row(self) -> Row | None:
        """Return it as a row, in the story that it has by now."""
        row = self.make(self)
        if row is not None:
            row.correlation = self.correlation
        return row


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
    ctx = context.get_current()
    return Moment(time_ns(), current_actor(ctx), begun(ctx), ctx, _policy())


def watching() -> bool:
    """Return whether writes are told, be it only that they were rolled back."""
    runtime = process.current
    if runtime is not None and runtime.carrier is not None and runtime.event_types.get(CHANGE):
        return True  # as nearly always, and it is asked for each
    return listening(CHANGE) or listening(TRANSACTION)


def observe(
    model: str,
    verb: str,
    *,
    id: str | None = None,
    rows: int = 1,
    fields: Iterable[Field] = (),
    metadata: Mapping[str, object] | None = None,
    undo: Callable[..., object] | None = None,
    owner: object = None,
    event_type: str = CHANGE,
    at: Moment | None = None,
    policy: ModelPolicy | None = None,
) -> Row:
    """Return a write with who made it, when, and in which story.

    Args:
        model: The model's name, such as ``order``.
        verb: ``create``, ``update``, ``destroy``, ``bulk_create``, ``bulk_update`` or ``bulk_delete``.
        id: The primary key; None for bulk writes.
        rows: How many rows were written.
        fields: What was written; the policy decides what is told of it.
        metadata: Further facts, such as ``table`` and ``database``.
        undo: Called when the write is rolled back.
        owner: What `undo` puts right, and is then called with: something hashable by identity that weak references
            can be made to, such as an instance's state. Undoing costs the transaction no memory that the application
            does not use itself: for an owner who is gone nothing is to be undone, and of several writes of one owner
            only the first is. `undo` must not hold the owner. Without an owner each `undo` is kept until the end.
        event_type: ``data.raw`` for what is known of a statement only.
        at: The moment; the present one when left out.
        policy: That of the model, of `policy_of`; the setting ``changes`` alone when left out.
    """
    timestamp, actor, correlation, ctx, changes = at or moment()
    return Row(
        model=model,
        verb=verb,
        id=id,
        rows=rows,
        metadata=dict(metadata or {}),
        changes=told(fields, policy or changes),
        timestamp=timestamp,
        actor=actor,
        correlation=correlation,
        context=ctx,
        undo=undo,
        owner=owner,
        event_type=event_type,
    )


def emit(
    row: Row,
    outcome: str = "success",
    *,
    events: Together | None = None,
    event_id: str | None = None,
    into: Callable[[UniversalEvent, Context], object] | None = None,
) -> None:
    """Tell a write, as of the moment it was made.

    Args:
        row: The write.
        outcome: ``success`` for one that is committed; ``unknown`` where nobody was told whether it is.
        events: The others that are told at once.
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
        ctx=row.context if events is None else events.within(row.context),
        into=into,
    )


def _policy() -> str:
    runtime = current_runtime()
    return runtime.settings.changes if runtime else "none"
