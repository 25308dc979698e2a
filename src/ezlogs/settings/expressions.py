"""The kinds of value that are regular expressions: those of users' own rules by name, and those of URLs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from ezlogs.settings.fixed import Fixed
from ezlogs.settings.kinds import Kind, UnacceptableError, Words

_UNREADABLE: Final = "patterns"
"""The name of the rule that stands for patterns that cannot be told from each other."""


class Patterns(Fixed[str]):
    """Regular expressions by name: immutable, and fit for JSON.

    >>> Patterns({"badge": "BDG-[0-9]{6}"})
    Patterns({'badge': 'BDG-[0-9]{6}'})
    """

    __slots__ = ()


class PatternList(Kind, frozen=True):
    """``name=expression``, one a line, or a JSON object; a mapping in code and in files.

    >>> PatternList().parse("badge=BDG-[0-9]{6}")
    Patterns({'badge': 'BDG-[0-9]{6}'})
    >>> PatternList().parse("badge=(")
    Traceback (most recent call last):
        ...
    ezlogs.settings.kinds.UnacceptableError: 'badge': not a regular expression: missing ), unterminated subpattern at \
position 0
    """

    @property
    def allowed(self) -> str:
        return "lines such as 'badge=BDG-[0-9]{6}', or a JSON object of names and regular expressions"

    def parse(self, given: object) -> object:
        from ezlogs.privacy.users import PatternError, rule_of  # here: start-up uses no regular expression of privacy's

        patterns = self._read(given)
        problems = []
        for name, pattern in patterns.items():
            try:
                rule_of(name, pattern)
            except PatternError as problem:
                problems.append(f"{self.quoted(name)}: {problem}")
        if problems:
            raise UnacceptableError("; ".join(problems))
        return Patterns(patterns)

    def closed(self, given: object) -> object:
        """Return the patterns as they were given: for each that cannot be used, all goes that it might have found."""
        try:
            return Patterns(self._read(given))
        except UnacceptableError:
            return Patterns({_UNREADABLE: ""})

    def shown(self, value: object) -> object:
        assert isinstance(value, Patterns)
        return value.shown()

    def _read(self, given: object) -> dict[str, str]:
        pairs = self._pairs(given) if isinstance(given, str) else given
        if not isinstance(pairs, Mapping):
            raise self.refusal()
        if not all(isinstance(part, str) for pair in pairs.items() for part in pair):
            raise self.refusal("not texts")
        return {name.strip(): pattern for name, pattern in pairs.items()}

    def _pairs(self, text: str) -> object:
        if text.lstrip().startswith("{"):
            try:
                return json.loads(text)
            except ValueError:
                raise self.refusal("no JSON") from None
        lines = [line.strip().partition("=") for line in text.splitlines() if line.strip()]
        if not all(equals for _, equals, _ in lines):
            raise self.refusal()
        return {name: pattern for name, _, pattern in lines}


class UrlPatterns(Words, frozen=True):
    """Regular expressions that are searched for in URLs, as OpenTelemetry's instrumentations do.

    >>> UrlPatterns("expressions").parse("healthz$, /internal/")
    ('healthz$', '/internal/')
    """

    def parse(self, given: object) -> object:
        patterns = super().parse(given)
        assert isinstance(patterns, tuple)
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as problem:
                raise self.refusal(f"{self.quoted(pattern)}: {problem}") from None
        return patterns


NO_PATTERNS: Final = Patterns()
