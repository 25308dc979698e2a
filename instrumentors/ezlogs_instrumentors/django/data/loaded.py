"""Rows as they were loaded: the values before a write, known without a query."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from copy import deepcopy
from functools import partial, wraps
from types import ModuleType
from typing import Any

import msgspec
from msgspec import UNSET

from ezlogs.emit import guarded
from ezlogs.trackers.data import on_audit
from ezlogs.trackers.data.alike import LONGEST_KEPT, PLAIN, AlikeRow, still_known
from ezlogs_instrumentors.django.data.reading import asks, see_read
from ezlogs_instrumentors.django.data.shapes import Shape, shape_of
from ezlogs_instrumentors.django.data.told import value_of
from ezlogs_instrumentors.django.transactions import Seen, seen
from ezlogs_instrumentors.hooks import Hooks

_MUTABLE = frozenset({dict, list, set, bytearray})

_HOLDS_DOCUMENTS, _TELLS_READING = 1, 2
"""What is to be done with each row of a model, beside remembering it."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Know the rows as they were loaded."""
    hooks.replace(module.Model, "from_db", partial(_remembering, hooks))
    hooks.after(module.Model, "refresh_from_db", see_refresh)


class Loaded(msgspec.Struct, frozen=True, gc=False):
    """A row as the database has it, as far as it is known. Never pickled or copied along with its instance."""

    names: Sequence[str]
    values: Sequence[Any]
    seen: Seen | None = None
    """The moment of a transaction that had already written: what was read of it may be taken back."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(None), ()


class _Packed(bytes):
    """A mutable value, such as a JSON document, as it was when it was loaded."""


def _remembering(hooks: Hooks, original: Any) -> Any:
    load = original.__func__
    ways: dict[type, int] = {}  # a look-up by identity: it is asked for each row of a query
    hooks.on_undo(on_audit(lambda _: ways.clear()))

    @wraps(load)
    def from_db(cls: Any, /, db: Any, field_names: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
        instance = load(cls, db, field_names, values, *args, **kwargs)
        if hooks.active:
            way = ways.get(cls)
            if way is None:
                documents = shape_of(cls).holds_documents
                way = ways[cls] = _HOLDS_DOCUMENTS * documents | _TELLS_READING * bool(asks(cls))
            if way & _HOLDS_DOCUMENTS:
                remember(instance, field_names, values, db)
            else:  # once for each row of a query, so nothing that could fail and nothing more
                instance._state.ezlogs_loaded = Loaded(field_names, values, seen(db))
            if way & _TELLS_READING:
                see_read(instance, db)
        return instance

    return classmethod(from_db)


@guarded
def remember(instance: Any, names: Sequence[str], values: Sequence[Any], using: str | None) -> None:
    """Know a row by these values from now on."""
    instance._state.ezlogs_loaded = Loaded(names, [_packed(value) for value in values], seen(using))


def _packed(value: Any) -> Any:
    if type(value) not in _MUTABLE:
        return value
    try:
        return _Packed(marshal.dumps(value))
    except ValueError:  # it holds more than plain data
        return deepcopy(value)


def known(instance: Any, using: str | None = None) -> dict[str, object]:
    """Return what is known of an instance's row: nothing once it may have been taken back, or is of another row.

    Args:
        instance: The instance.
        using: The database it is asked about; the one it was loaded from when left out.
    """
    found = loaded(instance, using)
    if found is None:
        return {}
    return {
        name: marshal.loads(value) if isinstance(value, _Packed) else value  # packed by us, in memory
        for name, value in zip(found.names, found.values, strict=False)
        if value is not UNSET
    }


def loaded(instance: Any, using: str | None = None) -> Loaded | AlikeRow | None:
    """Return what `known` tells, as it is kept; None where nothing is known."""
    state = instance._state
    found: Loaded | AlikeRow | None = still_known(getattr(state, "ezlogs_loaded", None))
    if found is None or (found.seen is not None and not found.seen.holds) or using not in (None, state.db):
        return None
    now, names = vars(instance), found.names
    for key in shape_of(type(instance)).keys:
        if key not in names or found.values[names.index(key)] != now.get(key):
            return None  # its key was changed, so that it stands for another row now
    return found


def plain_values(instance: Any, shape: Shape) -> list[Any] | None:
    """Return the values of a row, if all of them are plain and short, so that they can be kept as they are."""
    if shape.holds_documents:
        return None
    now = vars(instance)
    values = [now.get(attname, UNSET) for attname in shape.attnames]
    if not PLAIN.issuperset(map(type, values)):
        return None
    for attname in shape.texts:
        text = now.get(attname)
        if isinstance(text, (str, bytes)) and len(text) > LONGEST_KEPT:
            return None
    return values


def see_refresh(instance: Any, _: None, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any) -> None:
    """Know the row anew, or the fields of it that were loaded again."""
    remember_now(instance, instance._state.db, None if fields is None else set(fields))


def remember_now(instance: Any, using: str | None, names: set[str] | None = None) -> None:
    """Know the row as the instance has it now; of the fields that are not named, what was known before."""
    now = vars(instance)
    shape = shape_of(type(instance))
    if names is None and not shape.holds_documents:
        values = [now.get(attname, UNSET) for attname in shape.attnames]
        if not PLAIN.issuperset(map(type, values)):
            values = [value_of(*pair) for pair in zip(shape.fields, values, strict=True)]
        instance._state.ezlogs_loaded = Loaded(shape.attnames, values, seen(using))
        return
    row = {} if names is None else known(instance, using)
    for field in instance._meta.concrete_fields:
        attname = field.attname
        if attname in now and (names is None or field.primary_key or field.name in names or attname in names):
            row[attname] = value_of(field, now[attname])
    remember(instance, tuple(row), tuple(row.values()), using)
