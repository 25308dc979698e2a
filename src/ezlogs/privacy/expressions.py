"""What lists of words become: sets, and regular expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache


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
