"""Writes as they were seen, each with its moment: who made it, when, and in which story."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import time_ns
from typing import NamedTuple

import msgspec
from opentelemetry import context
from opentelemetry.context import Context

from ezlogs.actor import current_actor
from ezlogs.correlation import Correlation, begun
from ezlogs.emit import listening, record
from ezlogs.event import Actor, Change
from ezlogs.runtime import current_runtime
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


def emit(row: Row, outcome: str = "success") -> None:
    """Tell a write, as of the moment it was made.

    Args:
        row: The write.
        outcome: ``success`` for one that is committed; ``unknown`` where nobody was told whether it is.
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
        ctx=row.context,
    )


def _policy() -> str:
    runtime = current_runtime()
    return runtime.settings.changes if runtime else "none"
