"""What is written in an encoding - percent signs, escapes, base64 - is looked into."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import msgspec

from ezlogs.privacy.expressions import expression
from ezlogs.privacy.rule import Clue, Rule, Span


class Encoded(msgspec.Struct, frozen=True):
    """Looks into what is written in an encoding: a finding inside makes the whole token one.

    Args:
        name: what is recorded.
        clues: see :attr:`ezlogs.privacy.rule.Rule.clues`.
        tokens: one encoded token a match; linear.
        decode: the text behind a token, or ``None`` where it is not encoded after all.
        rules: what is looked for in the decoded text.
    """

    name: str
    clues: tuple[Clue, ...]
    tokens: re.Pattern[str]
    decode: Callable[[str], str | None]
    rules: tuple[Rule, ...]

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        for match in self.tokens.finditer(text):
            decoded = self.decode(match[0])
            if decoded is not None and any(True for rule in self.rules for _ in rule.find(decoded)):
                yield match.span()


def encodings_of(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Rules that find the same under percent signs, ``\\u`` escapes and base64."""
    return (
        Encoded("escaped", ("%", "\\u", "\\x"), _ESCAPED_WORD, _unescaped, rules),
        Encoded("base64", (), _BASE64, base64_text, rules),
    )


_ESCAPE = expression(r"\\{1,4}(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
_IN_WORD = r"""[^\s"'<>&=?;,/]"""
_ANY_ESCAPE = r"(?:%[0-9A-Fa-f]{2}|\\[ux][0-9A-Fa-f]{2})"
_ESCAPED_WORD = expression(rf"(?<!{_IN_WORD})(?:(?!{_ANY_ESCAPE}){_IN_WORD})*{_ANY_ESCAPE}{_IN_WORD}*")
_BASE64 = expression(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,}")


def base64_text(token: str) -> str | None:
    """Return the text that is written in base64, of either alphabet and with or without padding; None for no text."""
    token = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = a2b_base64(token + "=" * (-len(token) % 4)).decode()
    except (Base64Error, UnicodeDecodeError):
        return None
    return text


def _unescaped(token: str) -> str | None:
    plain = _ESCAPE.sub(lambda escape: chr(int(escape[1] or escape[2], 16)), token)
    for _ in range(3):  # what was escaped twice, by a proxy or by a log of a log
        plain = unquote(plain)
    return plain if plain != token else None
