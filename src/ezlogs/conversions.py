"""Conversions: how values of each odd type are shown in a snapshot, looked up once a type."""

from __future__ import annotations

import dataclasses
from array import array
from base64 import b64encode
from codecs import getincrementaldecoder
from collections import UserDict, UserList, deque
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePath
from re import Pattern
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec

from ezlogs.loaded import loaded_identity
from ezlogs.snapshot import (
    BUILT_IN,
    MAX_TEXT,
    OVERLAP,
    Convert,
    Freezing,
    Value,
    integer_text,
    text,
    type_name,
)
from ezlogs.stored import MISSING, declared, stored


@lru_cache(maxsize=1024)
def conversion_of(kind: type) -> Convert:
    """Return how instances of a type are shown.

    The type itself is asked, never an instance: ``isinstance`` reads ``__class__``, which makes a lazy proxy, such as
    Django's ``request.user``, load what it stands for.

    Args:
        kind: Any type that is not in `ezlogs.snapshot.BUILT_IN`.
    """
    if (names := _field_names(kind)) is not None:
        return _record(names)
    for kinds, convert in _CONVERSIONS:
        if issubclass(kind, kinds):
            return convert
    if declared(kind, "dtype") is not MISSING and declared(kind, "item") is not MISSING:
        return _array_scalar
    return _named


def message_of(error: BaseException) -> str | None:
    """Return an exception's message, or None where it has none or cannot tell.

    Exceptions with the built-in ``__str__`` show their arguments, and those may be anything, rows of an ORM among
    them: they are frozen, not asked. One with a ``__str__`` of its own is asked, as every log of it would.
    """
    own = declared(type(error), "__str__")
    try:
        arguments = BaseException.args.__get__(error)  # type: ignore[attr-defined]  # a getset descriptor
        if own in _BUILT_IN_MESSAGES and not all(type(argument) in _SAFE_ARGUMENTS for argument in arguments):
            frozen = Freezing().items(arguments, len(arguments))
            message = ", ".join(str(item) for item in frozen) if isinstance(frozen, tuple) else str(frozen)
        else:
            message = str(error)
        return text(message) or None
    except Exception:  # its own text raised
        return None


def _field_names(kind: type) -> tuple[str, ...] | None:
    """Return the names of a record type's fields: a dataclass, or one of attrs, pydantic or msgspec."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if isinstance(attributes := declared(kind, "__attrs_attrs__"), tuple):
        return tuple(attribute.name for attribute in attributes)
    for mark in ("__pydantic_fields__", "model_fields", "__fields__"):  # of pydantic 2 and 1
        found = declared(kind, mark)
        if isinstance(found, (tuple, dict)):
            return tuple(found)
    return None


def _record(names: tuple[str, ...]) -> Convert:
    def convert(value: Any, freezing: Freezing) -> Value:
        found = [(name, item) for name in names if (item := stored(value, name)) is not MISSING]
        pairs: Value = freezing.pairs(found, len(found), value)
        return pairs

    return convert


def _named(value: object, freezing: Freezing) -> Value:
    """Show an object of no known kind: the row of an ORM as ``type:id``, any other by its type."""
    identity = loaded_identity(value)
    if identity is None:
        return type_name(value)
    return freezing.text(identity.type if identity.id is None else f"{identity.type}:{identity.id}")


def _bytes(data: Any, freezing: Freezing) -> Value:
    """Show bytes as the text that they encode, else as base64."""
    view = memoryview(data).cast("B")
    cut = max(0, len(view) - MAX_TEXT)
    head = bytes(view[: MAX_TEXT + OVERLAP])
    whole = len(head) == len(view)
    try:
        shown = getincrementaldecoder("utf-8")().decode(head, final=whole)  # a character across the cut is no error
    except UnicodeDecodeError:
        limit = MAX_TEXT // 4 * 3
        cut = max(0, len(view) - limit)
        shown = b64encode(head[: limit + OVERLAP // 4 * 3]).decode()
    if not cut:
        return freezing.text(shown)
    room = freezing.text(shown[:MAX_TEXT])
    return f"{shown}… (+{cut} bytes)" if len(room) == len(shown[:MAX_TEXT]) else room


def _named_or_plain_tuple(value: tuple[Any, ...], freezing: Freezing) -> Value:
    names = declared(type(value), "_fields")
    if isinstance(names, tuple) and len(names) == len(value):
        pairs: Value = freezing.pairs(zip(names, tuple.__iter__(value), strict=True), len(names), value)
        return pairs
    return freezing.items(tuple.__iter__(value), tuple.__len__(value), value)


def _set(value: Set[object], freezing: Freezing) -> Value:
    frozen = freezing.items(value, len(value), value)
    return tuple(sorted(frozen, key=str)) if isinstance(frozen, tuple) else frozen  # the marker of a cut sorts last


def _mapping(value: Mapping[Any, object], freezing: Freezing) -> Value:
    pairs: Value = freezing.pairs(value.items(), len(value), value)
    return pairs


def _array_scalar(value: Any, freezing: Freezing) -> Value:
    """Show a scalar of an array library (numpy and those like it) as the number or text it stands for."""
    shape = tuple(value.shape)
    if shape:
        return f"{type_name(value)} {shape}"
    item = value.item()
    return freezing.value(item) if type(item) in _SCALARS else type_name(value)


def _exception(error: BaseException, freezing: Freezing) -> Value:
    message = message_of(error)
    return type(error).__qualname__ if message is None else f"{type(error).__qualname__}: {freezing.text(message)}"


def _text_of(method: Callable[[Any], str]) -> Convert:
    """Return a conversion by the method of the base class, so that no override of a subclass runs."""
    return lambda value, freezing: freezing.text(method(value))


_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Convert], ...] = (
    (Enum, lambda value, freezing: freezing.value(stored(value, "_value_"))),
    (str, lambda value, freezing: freezing.text(value)),
    (int, lambda value, freezing: freezing.value(int.__int__(value))),
    (float, lambda value, freezing: freezing.value(float.__float__(value))),
    (complex, _text_of(complex.__str__)),
    (dict, lambda value, freezing: freezing.pairs(dict.items(value), dict.__len__(value), value)),
    (list, lambda value, freezing: freezing.items(list.__iter__(value), list.__len__(value), value)),
    (tuple, _named_or_plain_tuple),
    ((set, frozenset), _set),
    ((bytes, bytearray, memoryview), _bytes),
    (array, lambda value, freezing: freezing.items(array.__iter__(value), array.__len__(value), value)),
    ((deque, range), lambda value, freezing: freezing.items(value, len(value), value)),
    (UserList, lambda value, freezing: freezing.value(stored(value, "data"))),
    (UserDict, lambda value, freezing: freezing.value(stored(value, "data"))),
    (Decimal, _text_of(Decimal.__str__)),
    (Fraction, lambda value, _: f"{integer_text(value.numerator)}/{integer_text(value.denominator)}"),
    (datetime, _text_of(datetime.isoformat)),
    (date, _text_of(date.isoformat)),
    (time, _text_of(time.isoformat)),
    (timedelta, lambda value, _: timedelta.total_seconds(value)),
    (UUID, _text_of(UUID.__str__)),
    (PurePath, _text_of(PurePath.__str__)),
    (
        (IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface),
        lambda value, freezing: freezing.text(str(value)),
    ),
    (Pattern, lambda value, freezing: freezing.value(value.pattern)),
    (BaseException, _exception),
    (type, lambda value, _: type_name(value)),
    (SimpleNamespace, lambda value, freezing: freezing.value(vars(value))),
    (Mapping, _mapping),
)
"""By type, the first that fits; by methods of the base class where it is a built-in one."""

_SCALARS = frozenset({*BUILT_IN, bool, bytes, complex, datetime, date, timedelta, type(None)})
_SAFE_ARGUMENTS = frozenset({str, int, float, bool, bytes, type(None)})
_BUILT_IN_MESSAGES = frozenset(
    {
        declared(kind, "__str__")
        for kind in (BaseException, KeyError, OSError, ImportError, SyntaxError, UnicodeDecodeError, UnicodeEncodeError)
    }
)
