"""Snapshots: any Python value becomes an immutable, bounded one that OTLP and JSON can carry."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Union, cast

from ezlogs.expressions import expression

MAX_DEPTH = 8
MAX_ITEMS = 256
MAX_TEXT = 8192
OVERLAP = 2048
"""Characters that are kept beyond a cut, for privacy to recognise what lies across it; `as_sent` takes them away."""
MAX_NODES = 4096
"""Values in one snapshot, however they are nested."""
MAX_TOTAL_TEXT = 262_144
"""Characters of all texts of one snapshot."""

_FEW, _SHORT = 16, 1024
"""A mapping of so few short texts needs no count of what it may still hold."""

_MARKER = expression(r"… \(\+([1-9][0-9]{0,11}) (characters|bytes)\)\Z")
_LONGEST_MARKER = 32

Value = Union[str, bool, int, float, None, tuple[Any, ...]]  # noqa: UP007  # evaluated on 3.10, where None | is none
"""A frozen value: a scalar, a tuple of values, or `Pairs` (a mapping)."""


class Pairs(tuple[tuple[str, Any], ...]):
    """An immutable mapping as a tuple of ``(key, value)`` pairs, so that what holds it stays hashable."""

    __slots__ = ()


def freeze(value: object) -> Value:
    """Return an immutable copy of a value: later changes of the original do not reach it.

    Nested mappings become `Pairs`, sequences and sets become tuples, well-known types their usual text or number,
    records (dataclasses, attrs, pydantic and msgspec objects, named tuples) the `Pairs` of their fields, rows of an
    ORM ``type:id``. Objects of other types are named, never asked for their ``repr``, which could recurse, raise or
    query a database. Iterators are named and not consumed.

    Args:
        value: Anything. Text longer than `MAX_TEXT` characters, collections of more than `MAX_ITEMS` items, nesting
            deeper than `MAX_DEPTH`, cycles, and whatever is beyond `MAX_NODES` values or `MAX_TOTAL_TEXT` characters
            in all is cut; a marker in its place says how much. Of a text that is cut, `OVERLAP` characters more are
            kept: see `as_sent`.

    Example:
        >>> from decimal import Decimal
        >>> freeze({"total": Decimal("9.90"), "tags": ["a", "b"]})
        (('total', '9.90'), ('tags', ('a', 'b')))
    """
    kind = type(value)
    if kind is str:
        if len(value) <= _SHORT and value.isascii():  # type: ignore[arg-type, attr-defined]  # a text
            return value  # type: ignore[return-value]  # the same
    elif kind is bool or value is None or (kind is int and -(2**63) <= value < 2**63):  # type: ignore[operator]  # a number
        return value  # type: ignore[return-value]  # one of these
    return Freezing().value(value)


def freeze_mapping(items: Mapping[Any, object]) -> Pairs:
    """Return the `Pairs` of a mapping; see `freeze`."""
    simple = _simple(items) if len(items) <= _FEW else None
    pairs: Pairs = Freezing().pairs(items.items(), len(items)) if simple is None else simple
    return pairs


def _simple(items: Mapping[Any, object]) -> Pairs | None:
    """Return the `Pairs` of a mapping whose every key and value is its own snapshot, as most are; else None."""
    for key, value in items.items():
        kind = type(value)
        if type(key) is not str or len(key) > _SHORT or not key.isascii():
            return None
        if kind is str:
            if len(value) > _SHORT or not value.isascii():  # type: ignore[arg-type, attr-defined]  # a text
                return None
        elif kind is int:
            if not -(2**63) <= value < 2**63:  # type: ignore[operator]  # an integer
                return None
        elif kind is float:
            if value - value != 0:  # type: ignore[operator]  # a float
                return None
        elif kind is not bool and value is not None:
            return None
    return Pairs(items.items())


def frozen(value: Any, levels: int = 64) -> Value:
    """Return what JSON or an attribute holds in the form of `freeze`, uncut: it was cut when it was said.

    Args:
        value: Mappings, lists, tuples and scalars.
        levels: How deep they may be nested; what is deeper was said by nobody who freezes, and is left out.

    Example:
        >>> frozen({"tags": ["a", "b"]})
        (('tags', ('a', 'b')),)
    """
    if levels == 0:
        return "…"
    if isinstance(value, Mapping):
        return Pairs((key, frozen(item, levels - 1)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(frozen(item, levels - 1) for item in value)
    return value  # type: ignore[no-any-return]  # a scalar


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
    """Return ``<module.Class>`` of an object, class or function without running any of its code."""
    kind = value if issubclass(type(value), type) else type(value)
    return f"<{type.__getattribute__(kind, '__module__')}.{type.__getattribute__(kind, '__qualname__')}>"


def text(value: str, limit: int | None = None) -> str:
    """Return a text as a plain ``str`` that UTF-8 can encode, cut with a marker.

    Args:
        value: The text.
        limit: Where it is cut, for good. When left out, it is cut as `freeze` does, for `as_sent` to finish.

    Example:
        >>> text("abcdef", 4), text("half a pair: " + chr(0xD83D))
        ('abcd… (+2 characters)', 'half a pair: ?')
    """
    return _cut(value, MAX_TEXT, OVERLAP) if limit is None else _cut(value, limit, 0)


def as_sent(value: str) -> str:
    """Return a frozen text without the characters that were kept beyond its cut, for privacy to look at before.

    As many go as the marker says were cut, `OVERLAP` at most: what was only begun when the text was cut for the first
    time, and so was not recognised, is among them. A text of somebody's that ends in such a marker loses them too.

    Example:
        >>> len(text("x" * 9000)), as_sent(text("x" * 9000)) == "x" * 8192 + "… (+808 characters)"
        (9019, True)
    """
    marker = _marker(value)
    if marker is None:
        return value
    number, end = min(int(marker[1]), OVERLAP), len(value) - len(marker[0])
    if marker[2] == "bytes":
        return value[:end].encode(errors="replace")[:-number].decode(errors="ignore") + marker[0]
    return value[: max(0, end - number)] + marker[0]


def sent(value: Value) -> Value:
    """Return a frozen value in which every text is as `as_sent` leaves it; the same object where none changes."""
    if type(value) is str:
        return as_sent(value)
    if isinstance(value, Pairs):
        pairs = Pairs((as_sent(key), sent(item)) for key, item in value)
        return value if pairs == value else pairs
    if isinstance(value, tuple):
        items = tuple(sent(item) for item in value)
        return value if items == value else items
    return value


def _marker(value: str) -> re.Match[str] | None:
    return _MARKER.search(value, max(0, len(value) - _LONGEST_MARKER)) if value.endswith("s)") else None


def _cut(value: str, limit: int, more: int) -> str:
    value = str.__str__(value)
    cut = len(value) - limit
    if cut > 0:
        if more and (marker := _marker(value)) and len(value) - len(marker[0]) <= limit + min(int(marker[1]), more):
            return value  # a snapshot of a snapshot: its end is told already
        value = value[: limit + more]
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # half a surrogate pair, which neither OTLP nor JSON can carry
            value = value.encode(errors="replace").decode()
    return value if cut <= 0 else f"{value}… (+{cut} characters)"


class Freezing:
    """One snapshot under way: how much it may still hold, and which collections it is inside of."""

    __slots__ = ("_inside", "characters", "nodes")

    def __init__(self) -> None:
        self.nodes = MAX_NODES
        self.characters = MAX_TOTAL_TEXT
        self._inside: list[int] = []

    def value(self, value: object) -> Value:
        """Return the frozen form of one value."""
        if value is None or value is True or value is False:
            return value
        try:
            kind = type(value)
            if (convert := BUILT_IN.get(kind)) is None:
                from ezlogs.conversions import conversion_of  # known only to odd values: most events have none

                convert = conversion_of(cast("Hashable", kind))
            return convert(value, self)
        except Exception:  # the value's own code ran (a mapping, a time zone, an exception's text) and raised
            return type_name(value)

    def text(self, value: str) -> str:
        """Return a text within what is left of the snapshot."""
        allowed = min(MAX_TEXT, self.characters)
        self.characters -= min(len(value), allowed)
        return _cut(value, allowed, OVERLAP if allowed else 0)

    def pairs(self, items: Iterable[tuple[Any, object]], count: int, owner: object = None) -> Any:
        """Return the `Pairs` of some named values, or a marker where they may not be held."""
        if (marker := self._enter(count, owner)) is not None:
            return marker
        try:
            kept: list[tuple[str, Value]] = []
            for key, item in islice(items, min(MAX_ITEMS, self.nodes)):
                self.nodes -= 1
                kept.append((self.text(key) if type(key) is str else self._key(key), self.value(item)))
            if count > len(kept):
                kept.append(("…", f"+{count - len(kept)} items"))
        finally:
            self._inside.pop()
        return Pairs(kept)

    def items(self, items: Iterable[object], count: int, owner: object = None) -> Value:
        """Return the tuple of some values, or a marker where they may not be held."""
        if (marker := self._enter(count, owner)) is not None:
            return marker
        try:
            kept: list[Value] = []
            for item in islice(items, min(MAX_ITEMS, self.nodes)):
                self.nodes -= 1
                kept.append(self.value(item))
            if count > len(kept):
                kept.append(f"… (+{count - len(kept)} items)")
        finally:
            self._inside.pop()
        return tuple(kept)

    def _enter(self, count: int, owner: object) -> str | None:
        identity = id(owner)
        if owner is not None and identity in self._inside:
            return f"… (+{count} items, inside themselves)"
        if len(self._inside) >= MAX_DEPTH:
            return f"… (+{count} items, nested deeper than {MAX_DEPTH})"
        self._inside.append(identity)
        return None

    def _key(self, key: object) -> str:
        frozen = self.value(key)
        return frozen if type(frozen) is str else str(frozen)


Convert = Callable[[Any, Freezing], Value]


def _integer(number: int, _: Freezing) -> Value:
    return number if -(2**63) <= number < 2**63 else integer_text(number)


def integer_text(number: int) -> str:
    """Return an integer beyond 64 bits as text; one too long for Python to write in decimal, by its size."""
    return str(number) if number.bit_length() < 10_000 else f"… (an integer of {number.bit_length()} bits)"


def _float(number: float, _: Freezing) -> Value:
    return number if number - number == 0 else str(number)  # not a number and infinity are no JSON


BUILT_IN: dict[type, Convert] = {
    str: lambda value, freezing: freezing.text(value),
    int: _integer,
    float: _float,
    dict: lambda value, freezing: freezing.pairs(value.items(), len(value), value),
    list: lambda value, freezing: freezing.items(value, len(value), value),
    tuple: lambda value, freezing: freezing.items(value, len(value), value),
    Pairs: lambda value, freezing: freezing.pairs(value, len(value), value),
}
"""The conversions of values that are exactly of a built-in type, and so run no code of anybody's: the usual case."""
