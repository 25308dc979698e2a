"""Numbers that are nobody's until a word before them says whose: ``SIN: 046 454 286``, ``call me on 07700 900123``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from ezlogs.expressions import expression
from ezlogs.privacy.rule import Clue, Span

_LOOKED_BACK: Final = 48


def telling(words: str, *, apart: int = 24) -> re.Pattern[str]:
    """Return what finds one of some words shortly before the end of a text, with no other number between.

    Args:
        words: Alternatives of a regular expression, whose letters may be of either case.
        apart: Characters that may stand between.

    Example:
        >>> bool(telling("phone|tel").search("userPhone is ")), bool(telling("phone|tel").search("hotel "))
        (True, False)
    """
    # A word may begin after an underscore, or with a capital inside of a name.
    begins = r"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z]))"
    return expression(rf"{begins}(?i:{words})(?![a-zà-ÿ])[^\d\n]{{0,{apart}}}\Z")


class Number(msgspec.Struct, frozen=True):
    """A rule for numbers of one kind, which count alone or beside a telling word only.

    Args:
        name: what is recorded.
        clues: see :attr:`ezlogs.privacy.rule.Rule.clues`.
        pattern: one number a match; linear.
        is_valid: says whether it can be one: its checksum, its date.
        beside: what must stand before it, from `telling`; None where it needs no word.
        alone: says which are so unlike anything else that they need no word.
    """

    name: str
    clues: tuple[Clue, ...]
    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool]
    beside: re.Pattern[str] | None = None
    alone: Callable[[str], object] | None = None

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        for match in self.pattern.finditer(text):
            start = match.start()
            if self.is_valid(match[0]) and (
                self.beside is None
                or (self.alone is not None and self.alone(match[0]))
                or self.beside.search(text[max(start - _LOOKED_BACK, 0) : start])
            ):
                yield match.span()
