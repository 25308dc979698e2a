"""What is told of the fields of Django's models: what is in a column, and what people call it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import UNSET

from ezlogs.event import Change
from ezlogs.snapshot import Pairs
from ezlogs.trackers.data import Field
from ezlogs.trackers.data.alike import PLAIN
from ezlogs.trackers.json_changes import differences, same
from ezlogs_instrumentors.django.data import shapes
from ezlogs_instrumentors.django.data.shapes import Shape, is_key_or_choice, is_secret, names_of, shape_of

_LONGEST_EXPRESSION = 200
"""Characters of an expression's text."""


def written(
    shape: Shape,
    known: Mapping[str, object],
    now: Mapping[str, object],
    *,
    created: bool,
    only: Collection[str] | None,
) -> Iterator[Field]:
    """Return the fields that a save wrote; of an update those that differ from what is known.

    Args:
        shape: That of the model.
        known: The row before, by attribute.
        now: The row that was saved, the same.
        created: Whether the row was inserted.
        only: The names of the fields that were saved, where it was not all of them.
    """
    for field, name, attname, is_written, is_harmless, is_hidden in shape.columns:
        if not is_written or attname not in now:
            continue
        if only is not None and name not in only and attname not in only:
            continue
        before, after = known.get(attname, UNSET), now[attname]
        if type(after) not in PLAIN:
            after = value_of(field, after)
        if (created and after is None) or (before is not UNSET and (before is after or is_same(field, before, after))):
            continue
        if isinstance(before, (dict, list)):
            yield from changed(field, before, after)
        else:
            yield Field(name, before, after, is_harmless, is_hidden)


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


def where(model: Any, using: str) -> dict[str, object]:
    """Return where rows of a model are, and what people call them."""
    known = shape_of(model).where
    found = shapes.where(model) if known is None else dict(known)
    found["database"] = using
    return found


def displays(model: Any, changes: Collection[Change]) -> dict[str, object]:
    """Return what people call the choices that are told, under ``choices``: as far as their values are told at all.

    Choices that a function makes up are left alone: it may query.
    """
    choices = shape_of(model).choices
    found: list[tuple[str, object]] = []
    for change in changes if choices else ():
        if change.field not in choices or (change.before is UNSET and change.after is UNSET):
            continue
        names = choices[change.field]
        if names is None:  # in the language of the moment
            names = names_of(model._meta.get_field(change.field).choices)
        found.append((change.field, (names.get(change.before), names.get(change.after))))
    return {"choices": Pairs(found)} if found else {}


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
