"""Shapes: what is the same for all rows of a model, looked up once and not at each save."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ezlogs.loaded import key_text
from ezlogs.trackers.data import is_secret_type
from ezlogs.trackers.data.alike import LONGEST_KEPT

_SHORT = frozenset(
    {
        "AutoField",
        "BigAutoField",
        "BigIntegerField",
        "BooleanField",
        "DateField",
        "DateTimeField",
        "DecimalField",
        "DurationField",
        "FloatField",
        "ForeignKey",
        "IntegerField",
        "OneToOneField",
        "PositiveBigIntegerField",
        "PositiveIntegerField",
        "PositiveSmallIntegerField",
        "SmallAutoField",
        "SmallIntegerField",
        "TimeField",
        "UUIDField",
    }
)
_SCALAR_FIELDS = frozenset(
    {"django.db.models.fields", "django.db.models.fields.files", "django.db.models.fields.related"}
)
"""The modules of fields whose values are immutable."""


class Column(NamedTuple):
    """A field that is a column."""

    field: Any
    name: str
    attname: str
    is_written: bool
    """Whether saves write it: it is neither the key nor generated."""
    is_harmless: bool
    """Whether it is a key or one of a set of choices: its values may be told whatever their type."""
    is_secret: bool
    """Whether it is of a type that holds passwords, or encrypts: its values are never told."""


class Shape(NamedTuple):
    """What is told of each row of a model."""

    fields: Any
    """Those of Django's that it was made of."""
    columns: tuple[Column, ...]
    attnames: tuple[str, ...]
    texts: tuple[str, ...]
    """Those of them that hold texts of any length."""
    keys: tuple[str, ...]
    """The attributes that are the primary key."""
    holds_documents: bool
    """Whether its rows can hold values that change in place."""
    choices: Mapping[str, Mapping[object, str] | None]
    """What people call the choices of fields, by value; None where that depends on the language."""
    where: Mapping[str, object] | None
    """Its table, and what people call it; None where that depends on the language."""


_shapes: WeakKeyDictionary[Any, Shape] = WeakKeyDictionary()


def shape_of(model: Any) -> Shape:
    """Return what is told of each row of a model; anew if it was given another field."""
    shape = _shapes.get(model)
    if shape is None or shape.fields is not model._meta.concrete_fields:
        shape = _shapes[model] = _shape(model)
    return shape


def key_of(now: Mapping[str, object], shape: Shape) -> str | None:
    """Return a row's key as text, as far as it is loaded; a composite one with commas."""
    if len(shape.keys) == 1:
        return key_text(now.get(shape.keys[0]))
    texts = [key_text(now.get(key)) for key in shape.keys]
    return None if None in texts else ",".join(map(str, texts))


def _shape(model: Any) -> Shape:
    meta = model._meta
    fields = meta.concrete_fields
    names = (meta.verbose_name, meta.verbose_name_plural)
    choices = {field.name: found for field in fields if (found := choices_of(field))}
    return Shape(
        fields,
        tuple(map(_column, fields)),
        tuple(field.attname for field in fields),
        tuple(field.attname for field in fields if not _is_short(field)),
        tuple(field.attname for field in getattr(meta, "pk_fields", (meta.pk,))),
        any(type(field).__module__ not in _SCALAR_FIELDS or hasattr(field, "from_db_value") for field in fields),
        MappingProxyType({name: _known_names(found) for name, found in choices.items()}),
        where(model) if all(type(name) is str for name in names) else None,
    )


def _column(field: Any) -> Column:
    is_written = not field.primary_key and not getattr(field, "generated", False)
    return Column(field, field.name, field.attname, is_written, is_key_or_choice(field), is_secret(field))


def _is_short(field: Any) -> bool:
    longest = getattr(field, "max_length", None)
    return field.get_internal_type() in _SHORT or (isinstance(longest, int) and longest <= LONGEST_KEPT)


def is_key_or_choice(field: Any) -> bool:
    """Tell whether a field's values may be told whatever their type."""
    return bool(field.is_relation or field.primary_key or getattr(field, "choices", None))


def is_secret(field: Any) -> bool:
    """Tell whether a field is of a type that holds passwords, or encrypts: its values are never told."""
    return is_secret_type(type(field))


def where(model: Any) -> dict[str, object]:
    """Return where rows of a model are, but for the database, and what people call them."""
    meta = model._meta
    found: dict[str, object] = {
        "table": meta.db_table,
        "database": None,
        "verbose_name": str(meta.verbose_name),
        "verbose_name_plural": str(meta.verbose_name_plural),
    }
    if meta.proxy:
        found["proxy_for"] = meta.concrete_model._meta.model_name
    return found


def choices_of(field: Any) -> Any:
    """Return a field's choices; None where there are none, or where a function makes them up: it may query."""
    choices = getattr(field, "choices", None)
    return choices if isinstance(choices, (list, tuple)) else None


def names_of(choices: Any) -> dict[object, str]:
    """Return what people call some choices now, by value."""
    return {value: str(name) for value, name in _flat(choices)}


def _known_names(choices: Any) -> dict[object, str] | None:
    is_same_in_all_languages = all(type(name) is str for _, name in _flat(choices))
    return names_of(choices) if is_same_in_all_languages else None


def _flat(choices: Any) -> list[tuple[object, object]]:
    """Return choices without their groups."""
    flat: list[tuple[object, object]] = []
    for value, name in choices:
        if isinstance(name, (list, tuple)):
            flat += name
        else:
            flat.append((value, name))
    return flat
