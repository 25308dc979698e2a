"""Soft deletes: an update that marks a row as deleted is told as the deletion that it means."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import UNSET

from ezlogs.runtime import current_runtime
from ezlogs.trackers.data import Field

_DELETED = {"update": "destroy", "bulk_update": "bulk_delete"}


def marks() -> Collection[str]:
    """Return the fields by which rows are marked as deleted."""
    runtime = current_runtime()
    return runtime.settings.soft_deletes if runtime else ()


def verb_of(verb: str, fields: Iterable[Field]) -> tuple[str, dict[str, object]]:
    """Return how an update is told, and what says that it was one.

    The setting ``soft_deletes`` names the fields that mark rows as deleted: while they are false or null the row is
    there. A mark that is set is told as a deletion with ``soft_delete``, one that is taken off as an update with
    ``restored``. Of a single row the mark must be known as it was before; else it may have been saved along.

    Args:
        verb: ``update`` or ``bulk_update``.
        fields: What was written.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture(soft_deletes=("deleted_at",)):
        ...     verb_of("update", [Field("deleted_at", None, "2026-01-01")])
        ...     verb_of("update", [Field("deleted_at", "2026-01-01", None)])
        ...     verb_of("update", [Field("note", None, "x")])
        ('destroy', {'soft_delete': 'deleted_at'})
        ('update', {'restored': 'deleted_at'})
        ('update', {})
    """
    names = marks()
    for field in fields if names else ():
        if field.name not in names or field.after is UNSET or (verb == "update" and field.before is UNSET):
            continue
        before = field.before is not UNSET and bool(field.before)
        if field.after and not before:
            return _DELETED[verb], {"soft_delete": field.name}
        if not field.after and (before or field.before is UNSET):
            return verb, {"restored": field.name}
    return verb, {}
