"""What a rule is: a name, the clues without which it cannot match, and a search in linear time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import msgspec

from ezlogs.expressions import expression

REDACTED: Final = "[redacted]"
"""What stands in the place of a finding."""

BY_NAME: Final = "key"
"""The rule of what is found because its name says that it is none to tell."""

Span = tuple[int, int]
"""Start and end of a finding in a text."""

Found = tuple[int, int, str]
"""Start, end and rule of a finding."""

Clue = str | bytes
"""Without which a rule finds nothing: a word (``str``, whatever its capitals and spaces) or a form (``bytes``).

In a form, ``a`` stands for a letter and ``0`` for a digit: ``b"00000000a"`` is in every Spanish DNI.
"""

_FORM: Final = bytes.maketrans(b"bcdefghijklmnopqrstuvwxyz", b"a" * 25)
_SHAPE: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ123456789", b"abcdefghijklmnopqrstuvwxyz" + b"0" * 9)
_SEPARATORS: Final = b" -_.()/+'\t\r\n"
#: Of any script: spaces and hyphens of all widths, accents apart from their letters, and what is not seen at all.
_ANY_SEPARATOR: Final = expression(r"[\s\-_.()/+'\u00ad\u0300-\u036f\u200b-\u2015\u2019\u2060\ufeff]+")
_UNDECOMPOSED: Final = str.maketrans("łŁıŞş", "lLiSs")
_ANY_DIGIT: Final = expression(r"\d")


def shape_of(text: str) -> str:
    """The text in lower case, every digit as 0, without the separators that numbers are grouped with.

    One substring test on it can stand for a regular expression on the text.

    >>> shape_of("Card 4111-1111"), shape_of("Zürich")
    ('card00000000', 'zurich')
    """
    if text.isascii():
        return text.encode("ascii").translate(_SHAPE, _SEPARATORS).decode("ascii")
    text = unicodedata.normalize("NFKD", text.translate(_UNDECOMPOSED))
    return _ANY_DIGIT.sub("0", _ANY_SEPARATOR.sub("", text)).lower()


def form_of(shape: str) -> str:
    """A shape with every letter as a; letters of other scripts stay as they are.

    >>> form_of(shape_of("Card 4111-1111"))
    'aaaa00000000'
    """
    return shape.encode("utf-8", "replace").translate(_FORM).decode("utf-8")


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
        >>> badge = Pattern("badge", ("bdg-",), re.compile(r"BDG-[0-9]{6}"))
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
