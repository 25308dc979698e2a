"""Regular expressions that are compiled when first used: there are dozens, and start-up uses none of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub")


def expression(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return what ``re.compile`` would, for all that its methods do; a wrong pattern is told when it is first used.

    Args:
        pattern: The regular expression.
        flags: As for ``re.compile``.

    Example:
        >>> expression("[0-9]+").findall("4 of 10")
        ['4', '10']
    """
    return cast("re.Pattern[str]", _Expression(pattern, flags))


def listed(text: str) -> frozenset[str]:
    """Return the words of a text: long lists are read best as text.

    >>> sorted(listed("pin otp"))
    ['otp', 'pin']
    """
    return frozenset(text.split())


def any_of(words: Iterable[str]) -> str:
    """Return an expression for any of some words, the longest of those that begin alike.

    Words are told apart letter by letter, so that a letter with which none goes on ends the search.

    >>> any_of(("pwds", "pin", "pwd"))
    'p(?:in|wd(?:s)?)'
    """
    return _any_of(tuple(sorted(set(words))))


@cache
def _any_of(words: tuple[str, ...]) -> str:
    if not words:
        return "(?!)"
    branches = []
    for head in dict.fromkeys(word[0] for word in words if word):
        rest = tuple(word[1:] for word in words if word and word[0] == head)
        branches.append(re.escape(head) + (_any_of(rest) if rest != ("",) else ""))
    if words[0] == "":
        return f"(?:{'|'.join(branches)})?"
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


class _Expression:
    """A regular expression that has the methods of its compiled form once one of them was asked for."""

    __slots__ = ("_flags", "_pattern", *_METHODS)

    def __init__(self, pattern: str, flags: int) -> None:
        self._pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:  # asked only while the slot of a method is empty
        if name not in _METHODS:
            raise AttributeError(f"an expression that is compiled when first used has no {name!r}")
        compiled = re.compile(self._pattern, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)
