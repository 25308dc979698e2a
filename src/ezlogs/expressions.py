"""Regular expressions that are compiled when first used: there are dozens, and start-up uses hardly any of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub")


def expression(pattern: str | Callable[[], str], flags: int = 0) -> re.Pattern[str]:
    """Return what ``re.compile`` would, for all that its methods do; a wrong pattern is told when it is first used.

    Args:
        pattern: The regular expression, or what returns it.
        flags: As for ``re.compile``.

    Example:
        >>> expression("[0-9]+").findall("4 of 10")
        ['4', '10']
    """
    return cast("re.Pattern[str]", _Expression(pattern, flags))


class _Expression:
    """A regular expression that has the methods of its compiled form once one of them was asked for."""

    __slots__ = ("_flags", "_pattern", *_METHODS)

    def __init__(self, pattern: str | Callable[[], str], flags: int) -> None:
        self._pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:  # asked only while the slot of a method is empty
        if name not in _METHODS:
            raise AttributeError(f"an expression that is compiled when first used has no {name!r}")
        pattern = self._pattern
        compiled = re.compile(pattern() if callable(pattern) else pattern, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)
