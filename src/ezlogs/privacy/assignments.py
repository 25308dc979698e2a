"""Secrets that free text assigns to a telling name: ``password=x``, ``"pwd": "x"``, ``--token x``, ``<pin>x</pin>``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar, Final, NamedTuple

import msgspec

from ezlogs.expressions import expression
from ezlogs.privacy.keys import KeyMatcher, words_of
from ezlogs.privacy.plausible import Kind, end_of_groups, kind_of
from ezlogs.privacy.randomness import is_key_material
from ezlogs.privacy.rule import BY_NAME, Clue, Span
from ezlogs.privacy.values import NAME, value_at

_QUOTED_NAME: Final = r"""["'](?P<key>[\w.\-\[\] ]{1,64})["']"""
_OTHER_ATTRIBUTES: Final = r"""[\s,;]{1,8}(?:[\w:.\-]{1,32}\s?=\s?(?:"[^"<>]{0,64}"|'[^'<>]{0,64}')\s{1,8}){0,4}"""
_NAMES_A_NAME: Final = r"(?:name|key|field|id|param|Name|Key)"
_NAMES_A_VALUE: Final = r"(?:value|val|content|Value)"


class _Form(NamedTuple):
    """One way to write a name and its value.

    Attributes:
        mark: What a text without such an assignment lacks; nothing is searched for then.
        pattern: Matches from the name to where the value starts.
        value: Returns where the value is.
    """

    mark: str
    pattern: re.Pattern[str]
    value: Callable[[str, re.Match[str]], Span]


def _value_after(text: str, name: re.Match[str]) -> Span:
    return value_at(text, name.end(), words_of(name["key"] or ""), name.start("key"))


def _element(text: str, tag: re.Match[str]) -> Span:
    start = tag.end()
    if text.startswith("<![CDATA[", start):
        start += len("<![CDATA[")
        end = text.find("]]>", start)
    else:
        end = text.find("<", start)
    return start, end if end >= 0 else len(text)


def _part(text: str, head: re.Match[str]) -> Span:
    """The body of a part of a form, up to the boundary."""
    end = text.find("\n--", head.end())
    return head.end(), end if end >= 0 else len(text)


def _named_group(text: str, match: re.Match[str]) -> Span:
    return match.span("value")


_FORMS: Final = (
    # password = x   "pwd": "x"   user[password]=x   Key (password)=(x)   \"password\": \"x\"   d['password'] = x
    _Form(
        "",
        expression(
            rf"""(?<!{NAME})(?P<key>{NAME}{{1,128}})\\{{0,4}}["'`)\]]{{0,2}}\s{{0,4}}"""
            r"""(?:=>|:=|[-\u2500]>|\u2192|[!~]?={1,3}|[:\uff1a\uff1d])\s{0,4}(?:!!\w{1,16}\s{1,4})?"""
        ),
        _value_after,
    ),
    # --password x   -storepass x
    _Form("-", expression(r"(?:(?<![\w-])--|(?<= )-)(?P<key>[A-Za-z][\w-]{2,63})\s{1,4}(?![\s-])"), _value_after),
    # <password>x</password>   <password><![CDATA[x]]></password>
    _Form("</", expression(r"<(?:\w{1,32}:)?(?P<key>[\w.\-]{1,64})(?:\s[^<>]{0,256})?>(?=[^<]|<!\[CDATA\[)"), _element),
    # <key>password</key><value>x</value>
    _Form(
        "</",
        expression(r"<(?:key|name|Key|Name)>(?P<key>[\w.\- ]{1,64})</\w{1,8}>\s{0,32}<(?:\w{1,32}:)?\w{1,16}>(?=[^<])"),
        _element,
    ),
    # ('password', 'x')
    _Form(
        ", ",
        expression(r"""[(\[]b?(?P<quote>["'])(?P<key>[\w.\-]{1,64})(?P=quote), (?=b?["'][^"']{0,4096}["'][)\]])"""),
        _value_after,
    ),
    # name="password" value="x"   {'name': 'password', 'value': 'x'}
    _Form(
        "val",
        expression(
            rf"""["']?\b{_NAMES_A_NAME}["']?\s{{0,4}}[:=]\s{{0,4}}{_QUOTED_NAME}{_OTHER_ATTRIBUTES}"""
            rf"""["']?{_NAMES_A_VALUE}["']?\s{{0,4}}[:=]\s{{0,4}}"""
        ),
        _value_after,
    ),
    # value="x" name="password"
    _Form(
        "val",
        expression(
            rf"""\b{_NAMES_A_VALUE}["']?\s{{0,4}}[:=]\s{{0,4}}(?P<quote>["'])(?P<value>[^"'\r\n]{{1,512}})(?P=quote)"""
            rf"""{_OTHER_ATTRIBUTES}["']?{_NAMES_A_NAME}["']?\s{{0,4}}[:=]\s{{0,4}}{_QUOTED_NAME}"""
        ),
        _named_group,
    ),
    # Content-Disposition: form-data; name="password"
    _Form(
        "form-data",
        expression(
            rf"form-data;[^\r\n]{{0,64}}?\bname={_QUOTED_NAME}[^\r\n]{{0,256}}\r?\n(?:[^\r\n]{{1,256}}\r?\n){{0,8}}\r?\n"
        ),
        _part,
    ),
    # password\n  String should have ... [type=..., input_value='x', as pydantic tells what was wrong
    _Form(
        "input_value=",
        expression(r"(?:\A|\n)(?:[\w.]{1,128}\.)?(?P<key>\w{1,64})\n  [^\n]{0,512}?\binput_value="),
        _value_after,
    ),
    # {'loc': ('body', 'password'), ..., 'input': 'x'}
    _Form(
        "input",
        expression(
            r"""["']loc["']: [(\[](?:[^()\[\]]{0,128}[, ])?["'](?P<key>[\w.\-]{1,64})["'],?[)\]]"""
            r"""[^{}]{0,256}?["']input["']: """
        ),
        _value_after,
    ),
    # x=y; Path=/: a cookie as it is set, whatever it is called
    _Form(
        "; ",
        expression(
            r"""(?<![^\s,"'])(?P<key>)[^\s=;,"']{1,64}=(?P<value>[^;\s"']{4,4096})"""
            r"""(?=;\s?(?i:path|httponly|secure|samesite|max-age|domain|expires)\b)"""
        ),
        _named_group,
    ),
    # set_password("x")   SecretStr('x')
    _Form(
        "(",
        expression(
            r"\b(?:(?i:(?:set|change|update|reset|check|verify|validate|hash|encrypt|with|use|confirm)_?)"
            r"(?P<key>[A-Za-z_]{2,48})|(?P<type>Secret(?:Str|Bytes)))\((?=\s{0,4}b?[\"'])\s{0,4}"
        ),
        _value_after,
    ),
)

#: Values that give nothing away: bind parameters, types in a signature, nothing at all.
_HARMLESS = expression(
    r"""\*+|%s|\?|\$\d+|%\(\w+\)s|\{\w*\}|\[(?i:redacted|filtered|scrubbed)\]|<(?i:redacted|hidden|filtered)>"""
    r"""|(?i:null|none|nil|true|false|undefined|str|string|bytes|int|bool)|[^\w\s]{1,2}"""
    r"""|(?i:required|optional|missing|invalid|incorrect|wrong|empty|blank|expired|changed|unset|valid|ok)"""
    r"""|(?:typing\.)?(?:Optional|Union|Final|ClassVar|Literal|Annotated|[Ll]ist|[Dd]ict|[Tt]uple|Callable)\[.*"""
)
_BIND = expression(r":(\w+)")


#: Before a name whose value is a number then, and no secret: *max tokens: 4096*.
_COUNTED: Final = expression(r"(?i:max|min|maximum|minimum|num|total|count|remaining|of) {1,2}\Z")


def _is_count(text: str, name: re.Match[str], end: int) -> bool:
    before = name.start("key")
    return text[name.end() : end].isdigit() and _COUNTED.search(text, max(0, before - 12), before) is not None


class Assignments(msgspec.Struct, frozen=True):
    """The values that free text gives to denied names, and what looks drawn at random beside names that hint at it."""

    keys: KeyMatcher
    name: ClassVar[str] = BY_NAME
    clues: ClassVar[tuple[Clue, ...]] = (
        "=",
        ":",
        "\uff1a",
        "\uff1d",
        "->",
        "\u2500>",
        "\u2192",
        "--",
        " -",
        "</",
        ", ",
        "(",
    )

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        for mark, pattern, value in _FORMS:
            if mark not in text:
                continue
            position = 0
            while (match := pattern.search(text, position)) is not None:
                position = match.end()
                key = match["key"] or ""
                if self.keys.denies(key) or not key:
                    start, end = value(text, match)
                    if end > start and text[end - 1].isdigit() and self._is_number(key):
                        end = end_of_groups(text, end)
                    position = max(position, end)
                    if end > start and not self._is_harmless(text[start:end], key) and not _is_count(text, match, end):
                        yield start, end
                elif self.keys.hints(key):
                    start, end = value(text, match)
                    if is_key_material(text[start:end]):
                        yield start, end

    def _is_number(self, key: str) -> bool:
        words = words_of(key)
        return bool(words) and kind_of(self.keys, " ".join(words)) in (Kind.CODE, Kind.CARD_CODE, Kind.PERSONAL)

    def _is_harmless(self, value: str, key: str) -> bool:
        bind = _BIND.fullmatch(value)
        return (
            value == key
            or bool(_HARMLESS.fullmatch(value.rstrip(",;")))
            or (bind is not None and self.keys.denies(bind[1]))
        )
