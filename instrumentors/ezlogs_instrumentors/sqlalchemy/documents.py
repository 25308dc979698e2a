"""Documents: what differs inside the columns of JSON, told by path."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy import JSON, TypeDecorator

from ezlogs.trackers.data import Field
from ezlogs.trackers.json_changes import differences, same


def is_document(kind: Any) -> bool:
    """Tell whether a type holds JSON, be it by a type of the application's own that is made of it."""
    return isinstance(kind.impl_instance if isinstance(kind, TypeDecorator) else kind, JSON)


def changed(name: str, before: object, after: object, *, secret: bool) -> list[Field]:
    """Return where two versions of a document differ, or the whole where one of them is none, or is not known."""
    whole = [Field(name, before, after, secret=secret)]
    if before is UNSET or after is UNSET:
        return whole
    before, after = _plain(before), _plain(after)
    try:
        if same(before, after):
            return []
        if not isinstance(before, (dict, list)) or type(before) is not type(after):
            return whole
        found = differences(before, after)
    except Exception:  # what a type of the application's own makes of a document may be anything
        return whole
    return [Field(".".join((name, *path)), old, new, secret=secret) for path, old, new in found]


def _plain(value: object) -> object:
    """Return a document without what watches it for changes in place."""
    if isinstance(value, dict):
        return dict(value)
    return list(value) if isinstance(value, list) else value
