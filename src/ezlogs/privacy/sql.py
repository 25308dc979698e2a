"""Values that databases repeat: literals in statements, bound parameters and rows in error messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec

from ezlogs.expressions import expression
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.rule import REDACTED, Clue, Span
from ezlogs.privacy.values import end_of_brackets

_VERB: Final = expression(
    r"\b(?:(?:insert|merge|replace)\s{1,16}(?:\w{1,16}\s{1,16})?into|delete\s{1,16}from"
    r"|update\s{1,16}\S{1,256}\s{1,16}set|(?P<select>select)|(?:create|alter)\s{1,16}(?:user|role|login)|grant)\b",
    re.IGNORECASE,
)
_FROM: Final = expression(r"\bfrom\b", re.IGNORECASE)
_IDENTIFIER: Final = expression(r"[^\W\d]\w*")
# From here on whatever is quoted or a number is a value; before, double quotes may hold identifiers.
_VALUES: Final = expression(r"\bvalues\b|\[parameters\b", re.IGNORECASE)
_SINGLE_QUOTED: Final = r"'(?P<single>(?:[^']|'')*)"
_DOUBLE_QUOTED: Final = r'"(?P<double>(?:[^"]|"")*)'
_DOLLAR_QUOTED: Final = r"\$(?P<tag>\w{0,64})\$(?P<dollar>.*?)(?:\$(?P=tag)\$|\Z)"
_NUMBER: Final = r"(?<![\w$:%.])(?P<number>\d[\d.]*)(?!\w)"
_STRINGS: Final = expression(f'{_SINGLE_QUOTED}(?:\'|\\Z)|"[^"]*(?:"|\\Z)|{_DOLLAR_QUOTED}', re.DOTALL)
_LITERALS: Final = expression(
    f"{_SINGLE_QUOTED}(?:'|\\Z)|{_DOUBLE_QUOTED}(?:\"|\\Z)|{_DOLLAR_QUOTED}|{_NUMBER}", re.DOTALL
)

_ROW: Final = expression(
    r"(?:failing row contains\s{1,4}|\bkey\s{1,4}\((?P<columns>[^()]{1,512})\)=)(?=\()", re.IGNORECASE
)
_DUPLICATE: Final = expression(
    r"duplicate entry '(?P<value>[^\r\n]{0,1024}?)' for key '(?P<columns>[^']{1,128})", re.IGNORECASE
)


class SqlLiterals(msgspec.Struct, frozen=True):
    """The literals of a statement that names a denied column: ``INSERT INTO users (password) VALUES ('x')``.

    Which literal belongs to which column only the database knows, so all of them go. Statements with
    placeholders and statements without a denied column stay as they are.
    """

    keys: KeyMatcher
    name: ClassVar[str] = "sql"
    clues: ClassVar[tuple[Clue, ...]] = ("into", "delete", "update", "select", "create", "alter", "identified by")

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        verb = _VERB.search(text)
        if verb is None or (verb["select"] and not _FROM.search(text, verb.end())):
            return
        start = verb.start()
        words = (word[0] for word in _IDENTIFIER.finditer(text, start))
        if not any(self.keys.denies(word) or word.lower() == "identified" for word in words):
            return
        for quote in ("'", '"'):
            if "\\" + quote in text:
                # Whether a backslash escapes depends on the database: all between the outer quotes goes.
                first, last = text.find(quote, start), text.rfind(quote)
                if 0 <= first < last:
                    yield first + 1, last
        values = _VALUES.search(text, start)
        values_start = values.end() if values is not None else len(text)
        for pattern, begin, end in ((_STRINGS, start, values_start), (_LITERALS, values_start, len(text))):
            for match in pattern.finditer(text, begin, end):
                group = match.lastgroup
                if group is not None and match[group] not in ("", REDACTED):
                    yield match.span(group)


class DatabaseErrors(msgspec.Struct, frozen=True):
    """Rows and keys that PostgreSQL and MySQL quote in their error messages."""

    keys: KeyMatcher
    name: ClassVar[str] = "row"
    clues: ClassVar[tuple[Clue, ...]] = ("failing row", "key", "duplicate entry")

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        position = 0
        while (row := _ROW.search(text, position)) is not None:
            position = row.end()
            if row["columns"] is None or self._any_denied(row["columns"]):
                start, position = position, _end_of_row(text, position)
                yield start, position
        for entry in _DUPLICATE.finditer(text):
            if self._any_denied(entry["columns"]) and entry["value"] != REDACTED:
                yield entry.span("value")

    def _any_denied(self, columns: str) -> bool:
        return any(self.keys.denies(column) for column in columns.replace(".", ",").split(","))


def _end_of_row(text: str, start: int) -> int:
    """After the bracketed row, and the rest of its line: a value may hold brackets of its own."""
    line_end = text.find("\n", start)
    return max(end_of_brackets(text, start), line_end if line_end >= 0 else len(text))
