"""Loaded identities: which row or record an object is, read from what it already holds in memory.

No code of the object's runs - no property, ``__getattr__``, ``__str__`` or lazy load, and so no query - and no library
is imported for it: a library that is not there made no object.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from ezlogs.expressions import expression
from ezlogs.stored import MISSING, declared, instance_dict, stored


class Identity(NamedTuple):
    """Who or what an object is: ``Identity("order", "42", "Order #42")``."""

    type: str
    id: str | None = None
    label: str | None = None


class _Unresolved(Enum):
    UNRESOLVED = "unresolved"


UNRESOLVED: Final = _Unresolved.UNRESOLVED
"""What a lazy object holds before anybody has asked for it."""

_RECORDS = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__", "__pydantic_core_schema__", "__fields__")
"""What the classes of dataclasses, attrs and pydantic have; msgspec's derive from its Struct."""

_KEY_TYPES = frozenset(
    {
        ("asyncpg.pgproto.pgproto", "UUID"),
        ("bson.objectid", "ObjectId"),
        ("ulid", "ULID"),
        ("uuid_utils", "UUID"),
    }
)
"""Types that libraries make keys of, and whose texts come from nothing but the key."""

_HUMP = expression(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_name_of = type.__dict__["__name__"].__get__


def loaded_identity(value: object) -> Identity | None:
    """Return who an object is that nobody registered: a model's instance, or a record with a field ``id``; else None.

    Rows are instances of Django's and SQLAlchemy's models; records those of dataclasses, attrs, pydantic and msgspec.
    An id that is not loaded, or whose text only its own code could tell, is None.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class OrderItem:
        ...     id: int
        >>> loaded_identity(OrderItem(7))
        Identity(type='order_item', id='7', label=None)
    """
    return row_identity(value) or _record_identity(value)


def row_identity(value: object) -> Identity | None:
    """Return who an instance of Django's or SQLAlchemy's models is, else None.

    Deferred, expired, detached, unsaved and lazy instances stay as they are.
    """
    value = resolved(value)
    kind = type(value)
    meta = declared(kind, "_meta")
    if meta is not MISSING and _is_made_by(meta, "django.db.models.options", "Options"):
        return _django_identity(meta, instance_dict(value))
    if declared(kind, "_sa_class_manager") is not MISSING:
        state = stored(value, "_sa_instance_state")
        if _is_made_by(state, "sqlalchemy.orm.state", "InstanceState"):
            return _sqlalchemy_identity(kind, state, instance_dict(value))
    return None


def resolved(value: object) -> object:
    """Return what is inside one of Django's lazy objects, `UNRESOLVED` before it was asked for, else the value.

    Middleware puts several around each other, each of which hides the next.

    What a proxy of Flask's and Werkzeug's stands for only its own code could tell: it is `UNRESOLVED`, always.
    """
    proxy = getattr(sys.modules.get("werkzeug.local"), "LocalProxy", None)
    if proxy is not None and issubclass(type(value), proxy):
        return UNRESOLVED
    functional = sys.modules.get("django.utils.functional")
    lazy = getattr(functional, "LazyObject", None)
    kind = type(value)
    if lazy is None or not issubclass(kind, lazy):
        return value
    inner = stored(value, "_wrapped")
    if inner is MISSING or inner is getattr(functional, "empty", None):
        return UNRESOLVED
    return inner if inner is value else resolved(inner)


def key_text(value: Any) -> str | None:
    """Return a key as text without running any code of its class's; None where only that code could tell."""
    kind = type(value)
    if kind in (str, UUID, Decimal):
        return str(value)
    if kind in (date, datetime):
        return str(value.isoformat())
    if issubclass(kind, Enum):
        return key_text(stored(value, "_value_"))
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        return int.__repr__(value)
    if issubclass(kind, bytes):
        return bytes.hex(value)
    return str(value) if (kind.__module__, kind.__qualname__) in _KEY_TYPES else None


def snake_case(kind: type) -> str:
    """Return a class's name as the type of its instances: ``OrderItem`` gives ``order_item``."""
    return _HUMP.sub("_", _name_of(kind).partition("[")[0]).lower()


def _django_identity(meta: Any, row: dict[str, object]) -> Identity:
    fields = getattr(meta, "pk_fields", (meta.pk,))  # several in a composite key, since Django 5.2
    return Identity(meta.model_name, _joined(dict.get(row, field.attname) for field in fields))


def _sqlalchemy_identity(kind: type, state: Any, row: dict[str, object]) -> Identity:
    if state.key is not None:
        key = state.key[1]
    else:  # not flushed yet; a key that the application chose is there already
        mapper = state.manager.mapper
        names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
        key = [dict.get(row, name) for name in names]
    return Identity(snake_case(kind), _joined(key))


def _joined(key: Iterable[object]) -> str | None:
    texts = [key_text(part) for part in key]
    return None if None in texts else ",".join(map(str, texts))


def _record_identity(value: object) -> Identity | None:
    kind = type(value)
    is_record = issubclass(kind, msgspec.Struct) or any(declared(kind, mark) is not MISSING for mark in _RECORDS)
    found = stored(value, "id") if is_record else MISSING
    return None if found is MISSING else Identity(snake_case(kind), key_text(found))


def _is_made_by(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and issubclass(type(value), kind)
