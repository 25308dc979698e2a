"""What an object stores, read without running any of its code: no property, no descriptor, no ``__getattr__``."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable
from functools import lru_cache
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

import msgspec

MISSING: Final = msgspec.UNSET
"""Stands for what an object does not store."""

_type_mro = type.__dict__["__mro__"].__get__
_type_dict = type.__dict__["__dict__"].__get__


def stored(value: object, name: str) -> Any:
    """Return an attribute that an instance itself stores, in its ``__dict__`` or in a slot, else `MISSING`.

    Reading an attribute the usual way may run a property, load a row from a database or raise. This does neither.

    Args:
        value: Any object.
        name: The attribute's name.

    Example:
        >>> class Order:
        ...     number = 7
        ...     def __init__(self):
        ...         self.total = 99
        ...     @property
        ...     def customer(self):
        ...         raise RuntimeError("a query")
        >>> order = Order()
        >>> stored(order, "total"), stored(order, "customer") is MISSING, stored(order, "number") is MISSING
        (99, True, True)
    """
    found = dict.get(instance_dict(value), name, MISSING)
    if found is not MISSING:
        return found
    found = declared(type(value), name)
    if type(found) is MemberDescriptorType:
        try:
            return found.__get__(value)
        except AttributeError:  # an empty slot
            return MISSING
    return MISSING


def instance_dict(value: object) -> dict[str, Any]:
    """Return an instance's ``__dict__`` whatever its class makes of attribute access; {} where it has none."""
    kind = type(value)
    # A class whose own class is none of these may have code for being a key.
    found = _known_reader(kind) if type(kind) in _OF_CLASSES else _reader(kind)  # type: ignore[arg-type]  # it can be one
    return {} if found is None else found(value)


def _reader(of: type) -> Callable[[object], dict[str, Any]] | None:
    """Return what reads the ``__dict__`` of a class's instances; None where they have none."""
    for kind in _type_mro(of):
        descriptor = _type_dict(kind).get("__dict__")
        if descriptor is not None:
            is_own = type(descriptor) is GetSetDescriptorType and descriptor.__objclass__ is kind
            return descriptor.__get__ if is_own else None
    return None


_known_reader = lru_cache(maxsize=256)(_reader)
_OF_CLASSES: Final = (type, ABCMeta)


def declared(kind: type, name: str) -> Any:
    """Return what a class or its bases declare under a name, unbound, else `MISSING`.

    Example:
        >>> declared(int, "real")
        <attribute 'real' of 'int' objects>
    """
    for base in _type_mro(kind):
        found = _type_dict(base).get(name, MISSING)
        if found is not MISSING:
            return found
    return MISSING
