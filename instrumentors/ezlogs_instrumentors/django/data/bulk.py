"""Rows that were written together, of which there is one event with their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from ezlogs.trackers.data import Captured, Field, observe_bulk
from ezlogs_instrumentors.django.data.policies import policy_for
from ezlogs_instrumentors.django.data.told import displays, where
from ezlogs_instrumentors.django.transactions import write

NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


def write_bulk(
    model: Any,
    using: str | None,
    verb: str,
    rows: int | None,
    fields: Sequence[Field] = (),
    *,
    further: Mapping[str, object] = NOTHING,
    marked: Mapping[str, object] = NOTHING,
    captured: Sequence[Captured] | None = None,
    undo: Callable[[], object] | None = None,
) -> None:
    """Tell rows that were written together.

    Args:
        model: The model.
        using: The database's alias.
        verb: ``bulk_create``, ``bulk_update`` or ``bulk_delete``.
        rows: How many there were; None where the database does not say.
        fields: What was written to all of them.
        further: Further facts.
        marked: Further facts that follow from the fields: of each row that is told by itself they are its own.
        captured: Those of the rows that were read before, or given.
        undo: Called when the write is rolled back.
    """
    policy = policy_for(model)
    if not policy.told:
        return
    alias = using or "default"
    for row in observe_bulk(
        model._meta.model_name,
        verb,
        rows=rows,
        policy=policy,
        captured=captured,
        fields=fields,
        metadata={**where(model, alias), **further},
        marked=marked,
    ):
        row.undo, undo = undo, None
        row.metadata.update(displays(model, row.changes))
        write(row, alias)
