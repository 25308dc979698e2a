"""Single words, times and amounts: most texts are one of these, and in most of them there is nothing to go by."""

from __future__ import annotations

from typing import Final

from ezlogs.expressions import expression

_MOMENT_OR_AMOUNT: Final = expression(
    r"-?[0-9]{1,8}(?:\.[0-9]{1,6})?"
    r"|(?:[0-9]{4}-[01][0-9]-[0-3][0-9]T?)?"
    r"(?:[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{6})?"
    r"(?:[+-][0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{6})?)?)?)?"
)
_STARTS: Final = frozenset("-0123456789")
_TOO_SHORT_TO_TELL: Final = 14
SHORTEST_NUMBER: Final = 9


def is_one_word(text: str) -> bool:
    """Tell whether a text is one short word, in which there is nothing to go by."""
    if len(text) >= _TOO_SHORT_TO_TELL or not (text.isalnum() or text.isidentifier() or not text):
        return False
    if not text.isascii() and any(map(str.isdigit, text)):  # 密码是Abc12345: scripts without spaces
        return False
    # 12345678Z, AAAPL1234C: states give people numbers that end in a letter.
    return len(text) < SHORTEST_NUMBER or not text[-1].isupper() or text.isalpha()


def is_moment_or_amount(text: str) -> bool:
    """Tell whether a text is a date or time as Python writes it in ISO 8601, or a decimal of a few digits.

    They are what rows are full of, never come again, and look like enough to be searched for long.

    Example:
        >>> [is_moment_or_amount(text) for text in ("2026-03-01T09:30:00+00:00", "-12.50", "123456789", "tomorrow")]
        [True, True, False, False]
    """
    return text[:1] in _STARTS and _MOMENT_OR_AMOUNT.fullmatch(text) is not None
