"""Secrets that free text assigns to a telling name: ``password=x``, ``"pwd": "x"``, ``--token x``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec

from ezlogs.privacy.expressions import expression
from ezlogs.privacy.keys import KeyMatcher, words_of
from ezlogs.privacy.rule import Clue, Span

_NAME = r"[\w.\-%\[\]\u00ad\u200b-\u200d\u2060\ufeff]"

#: A name and what stands between it and its value; every match ends where the value starts.
_FORMS: Final = tuple(
    (mark, expression(form))
    for mark, form in (
        # password = x   "pwd": "x"   user[password]=x   Key (password)=(x)   \"password\": \"x\"
        (
            "",
            rf"""(?<!{_NAME})(?P<key>{_NAME}{{1,128}})\\{{0,4}}["'`)]{{0,2}}\s{{0,4}}(?:=>|:=|[!~]?={{1,3}}|:)\s{{0,4}}""",
        ),
        # --password x
        ("--", r"(?<![\w-])--(?P<key>[\w-]{1,64})\s{1,4}(?![\s-])"),
        # <password>x</password>
        ("</", r"<(?:\w{1,32}:)?(?P<key>[\w.\-]{1,64})(?:\s[^<>]{0,256})?>(?=[^<])"),
        # ('password', 'x')
        (
            ", ",
            r"""[(\[]b?(?P<quote>["'])(?P<key>[\w.\-]{1,64})(?P=quote), (?=b?["'][^"']{0,4096}["'][)\]])""",
        ),
    )
)

#: Headers whose value is the rest of the line, spaces and all.
_WHOLE_LINE: Final = frozenset({"authorization", "cookie", "cookies"})
_LINE = expression(r"[^\r\n]*")

_QUOTE = expression(r"""[bBuUrRfFnNeE]{0,2}(\\*)(["'`])""")
_QUOTED_BODY: Final = {quote: expression(rf"(?:[^{quote}\\]|\\.?|{quote}{quote})*", re.S) for quote in ('"', "'", "`")}
_BRACKET_OR_STRING = expression(r"""[()\[\]{}]|\\.|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.S)
# A bare value ends at white space, at a comma or semicolon that starts something new, and at a closing mark
# that is not in the middle of a word.
_BARE = expression(
    rf"""(?:[^\s,;&()\[\]{{}}"'<>\\]|\\(?!["'])|[,;&](?!\s|\Z|{_NAME}{{1,64}}\s?[=:])|[)\]}}"'>](?=\w))+"""
)

#: Values that give nothing away: bind parameters, types in a signature, nothing at all.
_HARMLESS = expression(
    r"""\*+|%s|\?|\$\d+|%\(\w+\)s|\{\w*\}|\[(?i:redacted|filtered|scrubbed)\]|<(?i:redacted|hidden|filtered)>"""
    r"""|(?i:null|none|nil|true|false|undefined|str|string|bytes|int|bool)"""
)
_BIND = expression(r":(\w+)")


class Assignments(msgspec.Struct, frozen=True):
    """The values that free text gives to denied names."""

    keys: KeyMatcher
    name: ClassVar[str] = "key"
    clues: ClassVar[tuple[Clue, ...]] = ("=", ":", "--", "</", ", ")

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        for mark, form in _FORMS:
            if mark not in text:
                continue
            position = 0
            while (match := form.search(text, position)) is not None:
                position = match.end()
                if self.keys.denies(match["key"]):
                    start, end = _element_at(text, match) if mark == "</" else _value_at(text, match)
                    position = max(position, end)
                    if end > start and not self._is_harmless(text[start:end], match["key"]):
                        yield start, end

    def _is_harmless(self, value: str, key: str) -> bool:
        bind = _BIND.fullmatch(value)
        return value == key or bool(_HARMLESS.fullmatch(value)) or (bind is not None and self.keys.denies(bind[1]))


def _element_at(text: str, tag: re.Match[str]) -> Span:
    end = text.find("<", tag.end())
    return tag.end(), end if end >= 0 else len(text)


def _value_at(text: str, assignment: re.Match[str]) -> Span:
    """Where the value of an assignment starts and ends: at the end of the text where it is not closed."""
    start = assignment.end()
    quote = _QUOTE.match(text, start)
    if quote is not None:
        return quote.end(), _end_of_quoted(text, quote)
    words = words_of(assignment["key"])
    if words and words[-1] in _WHOLE_LINE:
        return start, _end_of_line(text, start, text[assignment.start("key") - 1 : assignment.start("key")])
    end = start
    while end < len(text):
        if text[end] in "([{":
            end = end_of_brackets(text, end)
        elif (bare := _BARE.match(text, end)) is not None:
            end = bare.end()
        else:
            break
    return start, end


def _end_of_quoted(text: str, quote: re.Match[str]) -> int:
    escape, mark = quote.groups()
    if not escape:
        body = _QUOTED_BODY[mark].match(text, quote.end())
        return body.end() if body is not None else len(text)
    # JSON in a string: the value ends at the same number of backslashes and the quote.
    closing = re.compile(rf"(?<!\\){re.escape(escape + mark)}").search(text, quote.end())
    return closing.start() if closing is not None else len(text)


def _end_of_line(text: str, start: int, before_key: str) -> int:
    line = _LINE.match(text, start)
    end = line.end() if line is not None else len(text)
    if before_key in ("'", '"'):  # the whole header is quoted: 'Cookie: a=b'
        closing = text.find(before_key, start, end)
        end = closing if closing >= 0 else end
    return end


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
