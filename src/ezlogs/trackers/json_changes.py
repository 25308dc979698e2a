"""What differs between two versions of a document, such as a JSON column's: the paths, with their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from ezlogs.expressions import expression

MAX_DEPTH = 5
"""How many keys a path has at most; what differs below is told as a change of what is there."""

MAX_PATHS = 20
"""How many paths are told; of a document with more differences each key at its top is told, or the document."""

MAX_COMPARED = 10_000
"""How many values are looked at; a larger document is told as a whole."""

_NAME = expression(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What looks like a name of somebody's code. Other keys, such as addresses, may be data themselves."""

Path = tuple[str, ...]
Difference = tuple[Path, Any, Any]


def differences(before: object, after: object) -> list[Difference]:
    """Return where two versions of a document differ: path, value before, value after.

    Objects are compared by key and lists of the same length item by item, with the position in the path. A side that
    has no such key is `msgspec.UNSET`; a path stops above a key that does not look like a name.

    Args:
        before: The one version: what `json.loads` returns.
        after: The other.

    Example:
        >>> differences({"theme": "dark", "font": {"size": 9}}, {"theme": "dark", "font": {"size": 10}})
        [(('font', 'size'), 9, 10)]
        >>> differences({"tags": ["a"]}, {"tags": ["a", "b"]})
        [(('tags',), ['a'], ['a', 'b'])]
        >>> differences([1], [1])
        []
    """
    for depth in (MAX_DEPTH, 1):
        found = []
        try:
            for difference in _Comparison().walk((), before, after, depth):
                found.append(difference)
                if len(found) > MAX_PATHS:
                    break
            else:
                return found
        except (_TooLargeError, RecursionError):
            break
    return [((), before, after)]


class _TooLargeError(Exception):
    """A document has more values than are looked at."""


class _Comparison:
    def __init__(self) -> None:
        self._left = MAX_COMPARED

    def walk(self, path: Path, before: Any, after: Any, depth: int) -> Iterator[Difference]:
        self._left -= 1
        if self._left < 0:
            raise _TooLargeError
        if same(before, after):
            return
        children = list(self._children(before, after)) if depth > len(path) else None
        if not children or not all(_NAME.fullmatch(name) or name.isdecimal() for name, _, _ in children):
            yield path, before, after
            return
        for name, old, new in children:
            yield from self.walk((*path, name), old, new, depth)

    @staticmethod
    def _children(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
        """Return what to compare one by one: nothing where the two are no objects, or lists of different lengths."""
        if type(before) is dict and type(after) is dict:
            for key in [*before, *(key for key in after if key not in before)]:
                old, new = before.get(key, UNSET), after.get(key, UNSET)
                if not same(old, new):
                    yield str(key), old, new
        elif type(before) is list and type(after) is list and len(before) == len(after):
            for position, (old, new) in enumerate(zip(before, after, strict=True)):
                if not same(old, new):
                    yield str(position), old, new


def same(before: Any, after: Any) -> bool:
    """Tell whether two documents are the same: unlike Python, JSON tells ``true`` from ``1``.

    Example:
        >>> same({"a": [1, {}]}, {"a": [1.0, {}]}), same([True], [1])
        (True, False)
    """
    if before != after:
        return False
    if type(before) is dict and type(after) is dict:
        return all(same(value, after[key]) for key, value in before.items())
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        return all(map(same, before, after))
    return isinstance(before, bool) is isinstance(after, bool)
