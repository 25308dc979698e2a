"""Rules that users write as one regular expression: compiled so that no text can make them hang."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar, Final

import msgspec

from ezlogs.privacy.policy import UNSEEN
from ezlogs.privacy.rule import Clue, Rule, Span

MOST_FINDINGS: Final = 1000
"""Findings of one pattern in one text; what comes after them goes as a whole."""

NAMED: Final = "value"
"""The group that is redacted where a pattern has one by this name; else all that it matches is."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HALF: Final = 2
_EXTRA: Final = "pip install 'ezlogs-opentelemetry[re2]'"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class PatternError(ValueError):
    """A pattern that is not used; its text says why, and what to do about it."""


class UserPattern(msgspec.Struct, frozen=True):
    """A rule of one expression, over google-re2.

    Args:
        name: What is recorded.
        pattern: The compiled expression.
        group: The number of the group that is redacted; 0 for all of a match.
    """

    name: str
    pattern: Any
    group: int = 0
    clues: ClassVar[tuple[Clue, ...]] = ()
    engine: ClassVar[str] = "google-re2"

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        number = 0
        for match in self._matches(text):
            start, end = match.span(self.group)
            if start < end:
                number += 1
                if number > MOST_FINDINGS:
                    yield start, len(text)
                    return
                yield start, end

    def _matches(self, text: str) -> Iterator[Any]:
        # It reads UTF-8, in which half of a surrogate pair cannot be written.
        return iter(self.pattern.finditer(text if text.isascii() else _SURROGATE.sub("?", text)))


class GuardedPattern(UserPattern, frozen=True):
    """The same over Python's own engine, which is shown a window of the text at a time.

    Matches of up to half a window are found wherever they are. A longer one is found if it matches in the window as
    far as that goes, and then to its end.
    """

    engine: ClassVar[str] = "re"

    def _matches(self, text: str) -> Iterator[Any]:
        from ezlogs.privacy.guard import WINDOW

        position = 0
        while position < len(text):
            end = position + WINDOW
            whole = end >= len(text)
            # What starts in its second half has more to go on in the next window.
            last_start = len(text) if whole else position + WINDOW // _HALF
            match = self.pattern.search(text, position, end)
            if match is None or (match.start() >= last_start and not whole):
                position = last_start
                continue
            if match.end() == end and not whole:
                match = self.pattern.match(text, match.start()) or match
            yield match
            position = max(match.end(), match.start() + 1)


class Unusable(msgspec.Struct, frozen=True):
    """What stands for a pattern that cannot be used: nobody knows what it would have found.

    So all goes that may hold it: every text of several words, or with a digit.

    >>> list(Unusable("badge").find("BDG-1")), list(Unusable("badge").find("http.route"))
    ([(0, 5)], [])
    """

    name: str
    clues: ClassVar[tuple[Clue, ...]] = ()

    def find(self, text: str) -> Iterator[Span]:
        """See :meth:`ezlogs.privacy.rule.Rule.find`."""
        if any(sign.isspace() or sign.isdigit() for sign in text):
            yield 0, len(text)


def rule_of(name: str, pattern: str) -> UserPattern:
    """Return the rule that a pattern makes: over google-re2 where that is installed and can, else guarded.

    Args:
        name: What is recorded: lower-case letters, digits and underscores.
        pattern: A regular expression. Where it has a group called ``value``, only that is redacted.

    Raises:
        PatternError: It is no regular expression, matches what is empty, or could take too long.

    Example:
        >>> list(rule_of("badge", "BDG-[0-9]{6}").find("badge BDG-123456 at the door"))
        [(6, 16)]
        >>> list(rule_of("locker", "locker (?P<value>[0-9]+)").find("has locker 12"))
        [(11, 13)]
    """
    if not _NAME.fullmatch(name) or name in UNSEEN:
        raise PatternError(f"{name!r} is no name for a rule; use lower-case letters, digits and underscores")
    compiled: re.Pattern[str] | None = None
    reason = "it is empty"
    if pattern:
        try:
            compiled = re.compile(pattern)
        except Exception as problem:  # also a warning that somebody made an error, and a bound that is too large
            reason = str(problem)
    linear = _linear(pattern) if pattern else None
    rule: UserPattern | None = None
    if linear is not None:
        rule = UserPattern(name, linear, linear.groupindex.get(NAMED, 0))
    elif compiled is not None:
        rule = GuardedPattern(name, compiled, compiled.groupindex.get(NAMED, 0))
    if rule is None:
        raise PatternError(f"not a regular expression: {reason}")
    if rule.pattern.search("") is not None:
        raise PatternError("it matches what is empty, and so every text")
    if isinstance(rule, GuardedPattern) and (trouble := _trouble(pattern)):
        raise PatternError(f"{trouble}: it could take too long; {_way_out()}")
    return rule


def rules_of(patterns: Mapping[str, str]) -> tuple[Rule, ...]:
    """Return the rules of some patterns, by name; an `Unusable` one for what makes none."""
    rules: list[Rule] = []
    for name, pattern in patterns.items():
        try:
            rules.append(rule_of(name, pattern))
        except PatternError:
            rules.append(Unusable(name))
    return tuple(rules)


def _linear(pattern: str) -> Any:
    """Return the expression compiled by google-re2, or None where that is not installed or cannot."""
    engine = _google_re2()
    if engine is None:
        return None
    options = engine.Options()
    options.log_errors = False
    try:
        return engine.compile(pattern, options=options)
    except Exception:  # it knows no looking ahead or behind, nor back-references
        return None


def _google_re2() -> Any:
    try:
        module = import_module("re2")
    except ImportError:
        return None
    return module if hasattr(module, "Options") else None  # pyre2 is imported by the same name


def _trouble(pattern: str) -> str:
    try:
        from ezlogs.privacy.guard import trouble_in
    except (ImportError, AttributeError):  # a Python that reads expressions in another way
        return "this Python does not say how the expression is made"
    return trouble_in(pattern)


def _way_out() -> str:
    if _google_re2() is None:
        return f"bound its repetitions, or install google-re2, which takes linear time: {_EXTRA}"
    return "google-re2 does not know all of it; do without looking ahead, looking behind and back-references"
