"""Bulk writes: rows written together by one statement, and what is told of each where the application asked for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ezlogs.trackers.data.policy import ModelPolicy
from ezlogs.trackers.data.rows import Moment, Row, moment, observe
from ezlogs.trackers.data.values import Field

_EACH = {"bulk_create": "create", "bulk_update": "update", "bulk_delete": "destroy"}


class Captured(NamedTuple):
    """One of the rows of a bulk write, as an ORM's adapter read it before, or was given it."""

    id: str | None
    """Its key."""
    fields: Sequence[Field] = ()
    """What the write changed of it, with the values from before; for `capture="rows"` only."""
    verb: str | None = None
    """How it is told, where that is not as all others: an update that marks it as deleted is ``destroy``."""
    marked: Mapping[str, object] = {}
    """Further facts, such as the mark that it is deleted by."""


def to_capture(policy: ModelPolicy) -> int:
    """Return how many rows are to be read before an update or delete of many; 0 for none, as is usual.

    It is one more than may be told, to know whether there are more. They are read in the same transaction, without a
    lock and without an order.

    Example:
        >>> to_capture(ModelPolicy()), to_capture(ModelPolicy(capture="pks", limit=50))
        (0, 51)
    """
    return 0 if policy.capture == "count" else policy.limit + 1


def observe_bulk(
    model: str,
    verb: str,
    *,
    rows: int | None,
    policy: ModelPolicy,
    captured: Sequence[Captured] | None = None,
    fields: Sequence[Field] = (),
    metadata: Mapping[str, object] | None = None,
    marked: Mapping[str, object] | None = None,
    at: Moment | None = None,
) -> Iterator[Row]:
    """Return a write of many rows: one, or with `capture="rows"` one for each and one that counts the others.

    What was captured is told only if it can be right: if as many rows were read as were then written. A write that
    touched nothing but excluded fields is not told.

    Args:
        model: The model's name, such as ``order``.
        verb: ``bulk_create``, ``bulk_update`` or ``bulk_delete``.
        rows: How many rows were written; None where nobody says.
        policy: That of the model.
        captured: As many of them as `to_capture` says, or all of fewer; None where they were not read.
        fields: What was written to all of them.
        metadata: Further facts, such as ``table`` and ``database``.
        marked: Facts that follow from the fields: what was captured has its own.
        at: The moment; the present one when left out.

    Example:
        >>> pks = ModelPolicy(capture="pks", limit=2)
        >>> read = [Captured("7"), Captured("8"), Captured("9")]
        >>> [row] = observe_bulk("order", "bulk_delete", rows=5, policy=pks, captured=read)
        >>> row.metadata
        {'rows': 5, 'pks': ['7', '8'], 'truncated': True}
    """
    if policy.leaves_out(fields):
        return
    at = at or moment()
    further = {**(metadata or {}), **(marked or {})}
    told = _trusted(captured, rows, policy)
    rest = rows
    if told is not None and rows is not None:
        if policy.capture == "rows":
            for row in told:
                each = row.verb or _EACH[verb]
                if row.fields or each != "update":
                    of_row = {**(metadata or {}), **row.marked, "bulk": rows}
                    yield observe(model, each, id=row.id, fields=row.fields, metadata=of_row, at=at, policy=policy)
            rest = rows - len(told)
            if not rest:
                return
        else:
            further = {**further, "pks": [row.id for row in told], "truncated": len(told) < rows}
    if rest is not None:
        further = {"rows": rest, **further}
    yield observe(model, verb, rows=rest or 0, fields=fields, metadata=further, at=at, policy=policy)


def _trusted(captured: Sequence[Captured] | None, rows: int | None, policy: ModelPolicy) -> Sequence[Captured] | None:
    if captured is None or rows is None or policy.capture == "count":
        return None
    if len(captured) != min(rows, to_capture(policy)) or any(row.id is None for row in captured):
        return None
    return captured[: policy.limit]
