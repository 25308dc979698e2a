"""Identities: how a user's own objects become the type, id and label of an actor or a subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ezlogs.snapshot import type_name


class Identity(NamedTuple):
    """Who or what an object is: ``Identity("order", "42", "Order #42")``."""

    type: str
    id: str | None = None
    label: str | None = None


Adapter = Callable[[Any], Identity]

_adapters: dict[type, Adapter] = {}


def register_identity(kind: type, adapter: Adapter) -> None:
    """Teach ezlogs who the instances of a class are, wherever they are given as an actor or a subject.

    The adapter must only read what is already loaded: it runs in the application's thread, in the middle of a
    request. Subclasses inherit it; the nearest class wins.

    Args:
        kind: The class, such as a model's base class.
        adapter: Takes an instance, returns its `Identity`.

    Example:
        >>> class Invoice:
        ...     number = "2026-7"
        >>> register_identity(Invoice, lambda invoice: Identity("invoice", invoice.number))
        >>> identify(Invoice())
        Identity(type='invoice', id='2026-7', label=None)
    """
    _adapters[kind] = adapter


def identify(value: object) -> Identity | None:
    """Return the identity of a ``(type, id[, label])`` tuple, a mapping or a registered object, else None."""
    if isinstance(value, tuple) and 2 <= len(value) <= 3:
        return Identity(*map(_optional_text, value))  # type: ignore[arg-type]  # a missing type is reported by the caller
    if isinstance(value, Mapping):
        return Identity(*(_optional_text(value.get(name)) for name in ("type", "id", "label")))  # type: ignore[arg-type]  # as above
    for kind in type(value).__mro__:
        if adapter := _adapters.get(kind):
            return adapter(value)
    return None


def loaded_identity(value: object) -> Identity | None:
    """Return who an object is by what it stores."""
    return None


def describe(value: object) -> str:
    """Return a short text of a rejected actor or subject for an error message; runs none of the object's code."""
    if isinstance(value, Mapping):
        return repr(
            {str(key): "…" if key == "label" else _optional_text(item) for key, item in list(value.items())[:5]}
        )
    return repr(value) if isinstance(value, (str, int, tuple)) else type_name(value)


def _optional_text(value: object) -> str | None:
    return value if value is None or type(value) is str else str(value)
