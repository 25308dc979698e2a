"""What is told of the fields of Django's models: what is in a column, and what people call it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from msgspec import UNSET

from ezlogs.event import Change
from ezlogs.trackers.data import Field, is_secret_type
from ezlogs.trackers.json_changes import differences, same

_LONGEST_EXPRESSION = 200
"""Characters of an expression's text."""

_is_secret_type: Callable[[type], bool] = lru_cache(maxsize=1024)(is_secret_type)


def written(
    instance: Any, known: Mapping[str, object], *, created: bool, only: Collection[str] | None
) -> Iterator[tuple[Any, Field]]:
    """Return the fields that a save wrote, with their columns; of an update those that differ from what is known.

    Args:
        instance: What was saved.
        known: The row before, by attribute.
        created: Whether the row was inserted.
        only: The names of the fields that were saved, where it was not all of them.
    """
    now = vars(instance)
    for field in instance._meta.concrete_fields:
        attname = field.attname
        if field.primary_key or attname not in now or getattr(field, "generated", False):
            continue
        if only is not None and field.name not in only and attname not in only:
            continue
        before, after = known.get(attname, UNSET), value_of(field, now[attname])
        if (created and after is None) or (before is not UNSET and is_same(field, before, after)):
            continue
        for told in changed(field, before, after):
            yield field, told


def changed(field: Any, before: object = UNSET, after: object = UNSET) -> Iterator[Field]:
    """Return a changed field as it is told: of a document each place that differs."""
    if isinstance(before, (dict, list)) and type(before) is type(after):
        for path, old, new in differences(before, after):
            yield Field(".".join((field.name, *path)), old, new, secret=is_secret(field))
    else:
        yield Field(field.name, before, after, is_key_or_choice(field), is_secret(field))


def is_same(field: Any, before: object, after: object) -> bool:
    """Tell whether a column has the same value before and after, however it was assigned."""
    if isinstance(before, (dict, list)):
        return same(before, after)
    if before == after:
        return True
    if type(before) is type(after) or after is None or after is UNSET:
        return False
    try:
        return bool(field.to_python(after) == before)  # assigned as text, such as "9.90" for a decimal
    except Exception:  # a field's own code; Django saved the value all the same
        return False


def value_of(field: Any, value: object) -> object:
    """Return what is in the column: nothing that is known for an expression, a file's name for a file, a row's key."""
    if is_expression(value):
        return UNSET
    if hasattr(type(value), "_meta"):
        return vars(value).get(field.target_field.attname, UNSET) if field.is_relation else UNSET
    return str(value) if hasattr(field, "upload_to") and value is not None else value


def is_expression(value: object) -> bool:
    """Tell whether the database computes a value."""
    return hasattr(type(value), "resolve_expression")


def is_key_or_choice(field: Any) -> bool:
    """Tell whether a field's values may be told whatever their type."""
    return bool(field.is_relation or field.primary_key or getattr(field, "choices", None))


def is_secret(field: Any) -> bool:
    """Tell whether a field is of a type that holds passwords, or encrypts: its values are never told."""
    return _is_secret_type(type(field))


def where(model: Any, using: str) -> dict[str, object]:
    """Return where rows of a model are, and what people call them."""
    meta = model._meta
    found: dict[str, object] = {
        "table": meta.db_table,
        "database": using,
        "verbose_name": str(meta.verbose_name),
        "verbose_name_plural": str(meta.verbose_name_plural),
    }
    if meta.proxy:
        found["proxy_for"] = meta.concrete_model._meta.model_name
    return found


def displays(model: Any, changes: Collection[Change]) -> dict[str, object]:
    """Return what people call the choices that are told, under ``choices``: as far as their values are told at all.

    Choices that a function makes up are left alone: it may query.
    """
    found: dict[str, object] = {}
    for change in changes:
        if change.before is UNSET and change.after is UNSET:
            continue
        field = model._meta._forward_fields_map.get(change.field)
        choices = None if field is None else _choices(field)
        if choices:
            names = _names(choices)
            found[change.field] = [names.get(change.before), names.get(change.after)]
    return {"choices": found} if found else {}


def _choices(field: Any) -> Any:
    choices = getattr(field, "choices", None)
    return choices if isinstance(choices, (list, tuple)) else None


def _names(choices: Any) -> dict[object, str]:
    names: dict[object, str] = {}
    for value, name in choices:
        if isinstance(name, (list, tuple)):
            names.update((value, str(name)) for value, name in name)
        else:
            names[value] = str(name)
    return names


def expressions(values: Mapping[str, object]) -> dict[str, object]:
    """Return the texts of what the database computes, under ``expressions``, with ``?`` in the place of values."""
    found = {
        name: text for name, value in values.items() if is_expression(value) and (text := _text(value)) is not None
    }
    return {"expressions": found} if found else {}


def _text(expression: Any) -> str | None:
    """Return an expression's text; None for one that is made of more than names, values and operators."""
    kind = type(expression).__name__
    if kind == "F":
        return f"F({expression.name})"
    if kind == "Value":
        return "?"
    if kind == "CombinedExpression":
        sides = [_text(expression.lhs), _text(expression.rhs)]
        if None in sides:
            return None
        text = f"{sides[0]} {expression.connector} {sides[1]}"
        return text if len(text) <= _LONGEST_EXPRESSION else None
    return None
