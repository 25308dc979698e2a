"""Rows that were written together, of which there is one event with their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ezlogs.trackers.data import Field, observe
from ezlogs_instrumentors.django.data.told import displays, where
from ezlogs_instrumentors.django.transactions import write


def write_bulk(
    model: Any,
    using: str | None,
    verb: str,
    rows: int,
    fields: Sequence[Field] = (),
    *,
    further: Mapping[str, object] | None = None,
    count: str = "rows",
    undo: Callable[[], object] | None = None,
) -> None:
    """Tell rows that were written together."""
    alias = using or "default"
    metadata = {count: rows, **where(model, alias), **(further or {})}
    row = observe(model._meta.model_name, verb, rows=rows, fields=fields, metadata=metadata, undo=undo)
    row.metadata.update(displays(model, row.changes))
    write(row, alias)
