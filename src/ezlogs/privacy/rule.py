"""What a rule is: a name, the clues without which it cannot match, and a search in linear time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import msgspec

REDACTED: Final = "[redacted]"
"""What stands in the place of a finding."""

Span = tuple[int, int]
"""Start and end of a finding in a text."""

Clue = str | bytes
"""A substring without which a rule finds nothing: of the text (``str``) or of its shape (``bytes``)."""

_SHAPE: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ123456789", b"abcdefghijklmnopqrstuvwxyz" + b"0" * 9)
_SEPARATORS: Final = b" -.()/+\t\r\n"


def shape_of(text: str) -> bytes | None:
    """The text in lower case, every digit as 0, without the separators that numbers are grouped with.

    Three passes in C, so that one substring test can stand for a regular expression. ``None`` for text that
    is not ASCII: it may hold digits and letters of other scripts, and every rule has to look at it.

    >>> shape_of("Card 4111-1111"), shape_of("Zürich")
    (b'card00000000', None)
    """
    return text.encode("ascii").translate(_SHAPE, _SEPARATORS) if text.isascii() else None


class Rule(Protocol):
    """Finds one kind of sensitive data in text."""

    @property
    def name(self) -> str:
        """What is recorded instead of the value: ``"card"``, ``"email"``."""

    @property
    def clues(self) -> tuple[Clue, ...]:
        """Every text with a finding has one of these at least; empty: there is no clue."""

    def find(self, text: str) -> Iterator[Span]:
        """The places to redact, in time linear in the length of the text."""


class Pattern(msgspec.Struct, frozen=True):
    """A rule made of a regular expression and a check of what it matched.

    Args:
        name: what is recorded.
        clues: see :attr:`Rule.clues`.
        pattern: must be linear: no nested or adjacent unbounded repetition over the same characters.
        check: says whether a match is real (a checksum, a range).
        group: the part of the match to redact.

    Example:
        >>> badge = Pattern("badge", (b"bdg",), re.compile(r"BDG-[0-9]{6}"))
        >>> list(badge.find("badge BDG-123456 at the door"))
        [(6, 16)]
    """

    name: str
    clues: tuple[Clue, ...]
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None = None
    group: int | str = 0

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`Rule.find`."""
        for match in self.pattern.finditer(text):
            if self.check is None or self.check(match[self.group]):
                yield match.span(self.group)


class Finder(msgspec.Struct, frozen=True):
    """A rule made of a function, where a regular expression alone is not enough."""

    name: str
    clues: tuple[Clue, ...]
    search: Callable[[str], Iterator[Span]]

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`Rule.find`."""
        return self.search(text)
