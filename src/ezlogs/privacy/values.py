"""Where a value ends that free text gives to a name: quoted, in brackets, in lines of its own, or bare."""

from __future__ import annotations

import re
from typing import Final

from ezlogs.expressions import expression
from ezlogs.privacy.rule import Span

NAME: Final = r"[\w.\-%\[\]\u00ad\u200b-\u200d\u2060\ufeff]"
"""A character of a name, in text and in forms."""

#: Names whose value is the rest of the line, spaces and all.
_WHOLE_LINE: Final = frozenset({"authorization", "cookie", "cookies", "passphrase", "phrase", "mnemonic"})
_LINE = expression(r"[^\r\n]*")

_QUOTE = expression(r"""[bBuUrRfFnNeE]{0,2}(\\*)(["'`])""")
_QUOTED_BODY: Final = {quote: expression(rf"(?:[^{quote}\\]|\\.?|{quote}{quote})*", re.S) for quote in ('"', "'", "`")}
_BRACKET_OR_STRING = expression(r"""[()\[\]{}]|\\.|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.S)
# A bare value ends at white space, at a comma or semicolon that starts something new, and at a closing mark
# that is not in the middle of a word.
_BARE = expression(
    rf"""(?:[^\s,;&()\[\]{{}}"'<>\\]|\\(?!["'])|[,;&](?!\s|\Z|{NAME}{{1,64}}\s?[=:])|[)\]}}"'>](?=\w))+"""
)
#: In YAML, the lines below that are further in than the name.
_BLOCK = expression(r"[|>][+\-\d]{0,2}[ \t]{0,8}\r?\n")
_INDENTED = expression(r"(?:(?P<indent>[ \t]{1,64})\S[^\r\n]*|[ \t]*)(?:\r?\n|\Z)")


def value_at(text: str, start: int, words: tuple[str, ...], key_start: int) -> Span:
    """Return where a value starts and ends: at the end of the text where it is not closed.

    Args:
        text: What it is in.
        start: Where it begins.
        words: Those of its name.
        key_start: Where its name begins.
    """
    quote = _QUOTE.match(text, start)
    if quote is not None:
        return quote.end(), end_of_quoted(text, quote)
    block = _BLOCK.match(text, start)
    if block is not None:
        return block.end(), _end_of_block(text, block.end())
    if words and words[-1] in _WHOLE_LINE:
        return start, _end_of_line(text, start, text[key_start - 1 : key_start])
    end = start
    while end < len(text):
        if text[end] in "([{":
            end = end_of_brackets(text, end)
        elif (bare := _BARE.match(text, end)) is not None:
            end = bare.end()
        else:
            break
    return start, end


def end_of_quoted(text: str, quote: re.Match[str]) -> int:
    """The position of the quote that closes an opened one, or the end of the text."""
    escape, mark = quote.groups()
    if not escape:
        body = _QUOTED_BODY[mark].match(text, quote.end())
        return body.end() if body is not None else len(text)
    # JSON in a string: the value ends at the same number of backslashes and the quote.
    closing = re.compile(rf"(?<!\\){re.escape(escape + mark)}").search(text, quote.end())
    return closing.start() if closing is not None else len(text)


def end_of_brackets(text: str, start: int) -> int:
    """The position after the bracket that closes the one at ``start``, or the end of the text."""
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(text, start):
        if match[0] in "([{":
            depth += 1
        elif match[0] in ")]}":
            depth -= 1
            if depth == 0:
                return match.end()
    return len(text)


def _end_of_line(text: str, start: int, before_key: str) -> int:
    line = _LINE.match(text, start)
    end = line.end() if line is not None else len(text)
    if before_key in ("'", '"'):  # the whole header is quoted: 'Cookie: a=b'
        closing = text.find(before_key, start, end)
        end = closing if closing >= 0 else end
    return end


def _end_of_block(text: str, start: int) -> int:
    end, least = start, 0
    while end < len(text):
        line = _INDENTED.match(text, end)
        if line is None or (line["indent"] and len(line["indent"]) < least):
            break
        least = least or len(line["indent"] or "")
        end = line.end()
    return end
