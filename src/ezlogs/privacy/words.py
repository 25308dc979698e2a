"""Single words: most texts are one, and in most of them there is nothing to go by."""

from __future__ import annotations

from typing import Final

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
