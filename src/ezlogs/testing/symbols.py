"""Symbols: names for what is different in each run - ids, times, durations - that are the same in each run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from ezlogs.event import Actor, Subject

_ID_IN_TEXT: Final = re.compile(
    r"evt_[0-9a-f]{32}"
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b"
)
_TIME_IN_TEXT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_ADDRESS_IN_TEXT: Final = re.compile(r"\b0x[0-9a-f]{6,}\b|(?<=127\.0\.0\.1:)\d+|(?<=localhost:)\d+")
_VOLATILE: Final = frozenset(
    {
        *("age", "at", "delay", "duration", "durations", "elapsed", "host", "hostname", "lag", "late", "lateness"),
        *("latency", "ms", "pid", "port", "seconds", "thread", "time", "timestamp", "wait", "waited", "worker"),
    }
)
"""Words in the names of values that are different in each run."""
_VARIES: Final = "…"
_SIMPLE: Final = re.compile(r"[a-z_][a-z0-9_]*")


class Symbols:
    """Gives each thing a name by its kind, in the order in which it is met: ``user#1``, ``order#1``, ``order#2``.

    Example:
        >>> symbols = Symbols()
        >>> [symbols.of("order", number) for number in (907, 911, 907)]
        ['order#1', 'order#2', 'order#1']
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self._by_value: dict[str, str] = {}

    def of(self, kind: str, value: object) -> str:
        """Return the name of a thing of a kind."""
        key = (kind, str(value))
        if key not in self._known:
            self._numbers[kind] += 1
            self._known[key] = self._by_value[key[1]] = f"{kind}#{self._numbers[kind]}"
        return self._known[key]

    def party(self, party: Actor | Subject) -> str:
        """Return the name of an actor or subject; its type where it has no id."""
        return party.type if party.id is None else self.of(party.type, party.id)

    def text(self, text: str) -> str:
        """Return a text with names for the ids in it, and without times and addresses."""
        text = _ID_IN_TEXT.sub(lambda found: self._by_value.get(found[0]) or self.of("id", found[0]), text)
        return _ADDRESS_IN_TEXT.sub(_VARIES, _TIME_IN_TEXT.sub(_VARIES, text))

    def value(self, name: str, value: Any) -> object:
        """Return a value with names for what is different in each run.

        Args:
            name: What it is called: what is called ``order_id`` is the id of an order, ``duration`` is never the same.
            value: The value.
        """
        if isinstance(value, Mapping):
            return {key: self.value(str(key), inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(name, inner) for inner in value]
        if is_volatile(name) and not isinstance(value, bool) and value is not None:
            return _VARIES
        kind = kind_of_id(name)
        if kind is not None and isinstance(value, (int, str)) and not isinstance(value, bool):
            known = self._by_value.get(str(value)) if kind == "id" else None
            return known or self.of(kind, value)
        return self.text(value) if isinstance(value, str) else value


def is_volatile(name: str) -> bool:
    """Return whether a value of this name is different in each run."""
    return not _VOLATILE.isdisjoint(re.split(r"[^a-z]+", name.lower()))


def kind_of_id(name: str) -> str | None:
    """Return of what a value of this name is the id: of an order, if it is called ``order_id``.

    Example:
        >>> kind_of_id("order_id"), kind_of_id("id"), kind_of_id("total")
        ('order', 'id', None)
    """
    lower = name.lower()
    if lower in ("id", "pk", "uuid"):
        return "id"
    for suffix in ("_id", "_pk", "_uuid", ".id"):
        if lower.endswith(suffix):
            return re.sub(r"[^a-z0-9_]", "_", lower.removesuffix(suffix)) or "id"
    return None


def is_simple(kind: str) -> bool:
    """Return whether a type of actors or subjects can be part of a symbol."""
    return _SIMPLE.fullmatch(kind) is not None
