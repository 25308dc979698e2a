"""Snapshots: any Python value becomes an immutable, bounded one that OTLP and JSON can carry."""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from math import isfinite
from types import MappingProxyType
from typing import Any, Union, cast
from uuid import UUID

MAX_DEPTH = 8
MAX_ITEMS = 256
MAX_TEXT = 8192

Value = Union[str, bool, int, float, None, tuple[Any, ...]]  # noqa: UP007  # evaluated on 3.10, where None | is none
"""A frozen value: a scalar, a tuple of values, or `Pairs` (a mapping)."""


class Pairs(tuple[tuple[str, Any], ...]):
    """An immutable mapping as a tuple of ``(key, value)`` pairs, so that what holds it stays hashable."""

    __slots__ = ()


def freeze(value: object) -> Value:
    """Return an immutable copy of a value: later changes of the original do not reach it.

    Nested mappings become `Pairs`, sequences and sets become tuples, well-known types their usual text or number.
    Objects of unknown types are named, never asked for their ``repr``, which could recurse, raise or query a
    database. Depth, item count and text length are bounded; what was cut is said in its place.

    Args:
        value: Anything. Text longer than `MAX_TEXT` characters, collections of more than `MAX_ITEMS` items and
            nesting deeper than `MAX_DEPTH` are cut.

    Example:
        >>> freeze({"total": Decimal("9.90"), "tags": ["a", "b"]})
        (('total', '9.90'), ('tags', ('a', 'b')))
    """
    return _freeze(value, 0)


def freeze_mapping(items: Mapping[Any, object]) -> Pairs:
    """Return the `Pairs` of a mapping; see `freeze`."""
    return cast(Pairs, _pairs(items, 0))


def thaw(value: Value) -> Any:
    """Return a frozen value as read-only views: `Pairs` as mapping proxies, tuples as tuples."""
    if isinstance(value, Pairs):
        return MappingProxyType({key: thaw(item) for key, item in value})
    if isinstance(value, tuple):
        return tuple(thaw(item) for item in value)
    return value


def plain(value: Value) -> Any:
    """Return a frozen value as the dicts and lists that a JSON encoder takes."""
    if isinstance(value, Pairs):
        return {key: plain(item) for key, item in value}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def type_name(value: object) -> str:
    """Return ``<module.Class>`` of an object without running any of its code."""
    kind = value if isinstance(value, type) else type(value)
    return f"<{kind.__module__}.{kind.__qualname__}>"


def _freeze(value: object, depth: int) -> Value:
    if value is None or value is True or value is False:
        return value
    if (convert := _BUILT_IN.get(type(value))) is not None:
        return convert(value, depth)
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            try:
                return convert(value, depth)
            except Exception:  # a value's own code ran (a Mapping, an Enum, an int of somebody's making) and raised
                return type_name(value)
    if dataclasses.is_dataclass(value) and hasattr(value, "__dict__") and not isinstance(value, type):
        return _dataclass(value, depth)
    return type_name(value)


def _text(text: str, _depth: int = 0) -> str:
    text = str.__str__(text)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… (+{len(text) - MAX_TEXT} characters)"


def _integer(number: int, _depth: int) -> Value:
    number = int.__int__(number)
    return number if -(2**63) <= number < 2**63 else str(number)


def _float(number: float, _depth: int) -> Value:
    number = float.__float__(number)
    return number if isfinite(number) else str(number)


def _bytes(data: bytes | bytearray, _depth: int) -> Value:
    head = bytes(data[:MAX_TEXT])
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = b64encode(head).decode()
    return text if len(data) <= MAX_TEXT else f"{text}… (+{len(data) - MAX_TEXT} bytes)"


def _pairs(items: Mapping[Any, object], depth: int) -> Value:
    if depth >= MAX_DEPTH:
        return f"… (+{len(items)} items, nested deeper than {MAX_DEPTH})"
    kept = [
        (key if type(key) is str else str(_freeze(key, MAX_DEPTH)), _freeze(item, depth + 1))
        for key, item in islice(items.items(), MAX_ITEMS)
    ]
    if len(items) > MAX_ITEMS:
        kept.append(("…", f"+{len(items) - MAX_ITEMS} items"))
    return Pairs(kept)


def _sequence(items: Sequence[object], depth: int) -> Value:
    return _items(items, len(items), depth)


def _set(items: set[object] | frozenset[object], depth: int) -> Value:
    return _items(sorted(islice(items, MAX_ITEMS), key=_sort_key), len(items), depth)


def _sort_key(item: object) -> str:
    return str(_freeze(item, MAX_DEPTH))


def _items(items: Iterable[object], count: int, depth: int) -> Value:
    if depth >= MAX_DEPTH:
        return f"… (+{count} items, nested deeper than {MAX_DEPTH})"
    kept = [_freeze(item, depth + 1) for item in islice(items, MAX_ITEMS)]
    if count > MAX_ITEMS:
        kept.append(f"… (+{count - MAX_ITEMS} items)")
    return tuple(kept)


def _dataclass(value: Any, depth: int) -> Value:
    return _pairs({field.name: vars(value).get(field.name) for field in dataclasses.fields(value)}, depth)


_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any, int], Value]], ...] = (
    (Enum, lambda value, depth: _freeze(value.value, depth)),
    (str, _text),
    (int, _integer),
    (float, _float),
    (Mapping, _pairs),
    ((list, tuple), _sequence),
    ((set, frozenset), _set),
    ((bytes, bytearray), _bytes),
    (Decimal, lambda value, _: str(value)),
    ((datetime, date, time), lambda value, _: value.isoformat()),
    (timedelta, lambda value, _: value.total_seconds()),
    (UUID, lambda value, _: str(value)),
    (BaseException, lambda value, _: type(value).__qualname__),
)

_BUILT_IN: dict[type, Callable[[Any, int], Value]] = {
    str: _text,
    int: _integer,
    float: _float,
    dict: _pairs,
    list: _sequence,
    tuple: _sequence,
}
"""The conversions of values that are exactly of a built-in type, and so run no code of anybody's: the usual case."""
