"""Identities: how a user's own objects become the type, id and label of an actor or a subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ezlogs.loaded import UNRESOLVED, Identity, key_text, loaded_identity, resolved, snake_case
from ezlogs.snapshot import freeze, type_name

__all__ = ["Adapter", "Identity", "describe", "id_text", "identify", "register_identity"]

Adapter = Callable[[Any], object]

_adapters: dict[type, Adapter] = {}


def register_identity(kind: type, adapter: Adapter) -> None:
    """Teach ezlogs who the instances of a class are, wherever they are given as an actor or a subject.

    The adapter must only read what is already loaded: it runs in the application's thread, in the middle of a
    request. Subclasses inherit it; the nearest class wins. Instances of Django's and SQLAlchemy's models, and
    dataclasses, attrs, pydantic and msgspec objects with an ``id`` need none, except for a label.

    Args:
        kind: The class, such as a model's base class.
        adapter: Takes an instance and returns its `Identity`, an `ezlogs.Actor` or `ezlogs.Subject`, a
            ``(type, id[, label])`` tuple, a mapping of these, or only its id: the type is then the name of its
            class in snake case. For None the next class's adapter is asked.

    Example:
        >>> class Invoice:
        ...     number = "2026-7"
        >>> register_identity(Invoice, lambda invoice: invoice.number)
        >>> identify(Invoice())
        Identity(type='invoice', id='2026-7', label=None)
    """
    _adapters[kind] = adapter


def identify(value: object) -> Identity | None:
    """Return who or what a value is, in any form that events accept; None when nothing tells.

    That is a ``(type, id[, label])`` tuple, a mapping, an instance of a registered class, an actor or subject, or
    what `loaded_identity` knows. A lazy object that nobody has asked for yet is ``unknown``, and stays so.
    """
    value = resolved(value)
    if value is UNRESOLVED:
        return Identity("unknown")
    kind = type(value)
    if kind is not tuple and kind is not dict:
        for base in kind.__mro__:
            adapter = _adapters.get(base)
            if adapter is not None and (told := adapter(value)) is not None:
                return _told(told, kind)
        known = _party(value) or loaded_identity(value)
        if known is not None:
            return known
    return _spelt_out(value)


def id_text(value: Any) -> str | None:
    """Return a value as the id of something: a key's text, or the id of the object that stands for it.

    Runs no code of the value's but a registered adapter, whose error is reported; an object that nothing identifies
    is told by its type.

    Example:
        >>> id_text(42), id_text((7, "a")), id_text(None)
        ('42', '7,a', None)
    """
    try:
        return None if value is None else _id_text(value)
    except Exception as problem:  # an adapter of the application's
        from ezlogs.runtime import current_runtime  # it imports this module

        runtime = current_runtime()
        if runtime is not None:
            runtime.report(f"the id of {describe(value)} could not be told", problem)
        return type_name(type(value))


def _id_text(value: Any) -> str | None:
    kind = type(value)
    if (text := key_text(value)) is not None:
        return text
    if issubclass(kind, tuple):  # a composite key
        return ",".join(map(_part_text, tuple.__iter__(value)))
    if issubclass(kind, list):
        return ",".join(map(_part_text, list.__iter__(value)))
    if issubclass(kind, Mapping):
        return _part_text(value.get("id", value))
    identity = identify(value)
    return _part_text(value) if identity is None else identity.id


def _part_text(value: object) -> str:
    return key_text(value) or str(freeze(value))  # what is frozen is of built-in types


def describe(value: Any) -> str:
    """Return a short text of a rejected actor or subject for an error message; runs none of the object's code."""
    kind = type(value)
    if kind is dict:
        shown = [(describe(key), describe(part)) for key, part in list(value.items())[:5]]
        return f"{{{', '.join(f'{key}: {_NAME if key == _LABEL else part}' for key, part in shown)}}}"
    if kind is tuple:
        return f"({', '.join(_NAME if index == 2 else describe(part) for index, part in enumerate(value[:5]))})"
    if kind in (str, int, float, bool, type(None)):
        return repr(value)
    return type_name(value if issubclass(kind, type) else kind)  # of the class, as it may be asked what it is


_NAME, _LABEL = "…", repr("label")
"""Labels are names of people, and are not repeated in messages."""


def _told(told: object, kind: type) -> Identity:
    """Return what an adapter told of an instance of a class."""
    return _party(told) or loaded_identity(told) or _spelt_out(told) or Identity(snake_case(kind), id_text(told))


def _party(value: Any) -> Identity | None:
    from ezlogs.event import Actor, Subject  # it imports this module

    if type(value) not in (Actor, Subject):
        return None
    return Identity(id_text(value.type), id_text(value.id), id_text(value.label))  # type: ignore[arg-type]  # a missing type is reported by the caller


def _spelt_out(value: Any) -> Identity | None:
    # By the type alone: isinstance would ask the value for its class, which wakes what is lazy.
    if issubclass(type(value), tuple) and 2 <= len(value) <= 3:
        kind, identifier, *label = value
    elif issubclass(type(value), Mapping):
        kind, identifier, *label = (value.get(name) for name in ("type", "id", "label"))
    else:
        return None
    return Identity(id_text(kind), id_text(identifier), id_text(label[0]) if label else None)  # type: ignore[arg-type]  # a missing type is reported by the caller
