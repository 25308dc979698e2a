"""What is written in an encoding - percent signs, escapes, entities, base64 - is read as its reader would read it."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from urllib.parse import unquote

from ezlogs.expressions import expression
from ezlogs.forks import OWN_LOADING
from ezlogs.privacy.rule import Span

_ANY_ESCAPE = (
    r"(?P<ascii>%[0-7][0-9A-Fa-f])|(?P<bytes>(?:%[89A-Fa-f][0-9A-Fa-f])+)"
    r"|\\{1,4}(?:u(?P<unicode>[0-9A-Fa-f]{4})|x(?P<hex>[0-9A-Fa-f]{2}))"
    r"|(?P<entity>&(?:[A-Za-z]{2,8}|#[0-9]{1,7}|#[Xx][0-9A-Fa-f]{1,6});)"
)
_ESCAPED = expression(_ANY_ESCAPE)
_ESCAPED_OR_PLUS = expression(rf"{_ANY_ESCAPE}|(?P<plus>\+)")
#: name=some+words, as forms have it: a plus sign stands for a space.
_FORM = expression(r"[\w\]\-.]=[^\s&=+]{0,64}\+")
_BASE64 = expression(r"[A-Za-z0-9+/_-]{10,}={0,2}")


class Reading:
    """A text as it is read once its escapes are undone; knows where each part of it is written.

    Args:
        written: The text with its escapes.
        pattern: What finds them.

    Example:
        >>> reading = Reading("mail=ada%40example.com", _ESCAPED)
        >>> reading.text, reading.where(5, 20)
        ('mail=ada@example.com', (5, 22))
    """

    __slots__ = ("_read", "_written", "text")

    def __init__(self, written: str, pattern: re.Pattern[str]) -> None:
        pieces: list[str] = []
        self._written = [0]
        for match in pattern.finditer(written):
            pieces += written[self._written[-1] : match.start()], _unescaped(match)
            self._written += match.span()
        pieces.append(written[self._written[-1] :])
        # Boundaries of what stands between two escapes and of the escapes themselves, by turns.
        self._read = [0, *accumulate(map(len, pieces[:-1]))]
        self.text = "".join(pieces)

    def where(self, start: int, end: int) -> Span:
        """Return where a part of what is read is written: with all of an escape, if it holds some of it."""
        return self._place(start, 0), self._place(end - 1, 1)

    def _place(self, position: int, after: int) -> int:
        piece = bisect_right(self._read, position) - 1
        if piece % 2:
            return self._written[piece + after]
        return self._written[piece] + position - self._read[piece] + after


def reading_of(text: str) -> Reading | None:
    """Return what a text with escapes reads as, one level of them undone; None for a text without any."""
    if "+" in text and _FORM.search(text):
        return Reading(text, _ESCAPED_OR_PLUS)
    if "%" in text or "\\" in text or "&" in text:
        reading = Reading(text, _ESCAPED)
        return None if reading.text == text else reading
    return None


def base64_texts(text: str) -> Iterator[tuple[Span, str]]:
    """Yield where something is written in base64, and the text that it says."""
    for match in _BASE64.finditer(text):
        said = base64_text(match[0])
        if said is not None:
            yield match.span(), said


def base64_text(token: str) -> str | None:
    """Return the text that is written in base64, of either alphabet and with or without padding; None for no text."""
    token = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(token + "=" * (-len(token) % 4)).decode()
    except (Base64Error, UnicodeDecodeError):
        return None


def _unescaped(match: re.Match[str]) -> str:
    kind, escape = match.lastgroup, match[0]
    if kind in ("unicode", "hex"):
        return chr(int(match[kind], 16))
    if kind == "entity":
        return _unescaped_entity(escape)
    return " " if kind == "plus" else unquote(escape)


def _unescaped_entity(entity: str) -> str:
    # Where another thread loads it, the import waits, as long as that does not wait for this thread in its turn.
    is_held = OWN_LOADING.acquire(blocking=False)
    try:
        from html import unescape  # a table of two thousand names, which few texts need
    finally:
        if is_held:
            OWN_LOADING.release()
    return unescape(entity)
