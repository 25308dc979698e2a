"""Runs rules over a text: only those whose clues it holds, and all of their findings at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ezlogs.expressions import BeingCompiledError, long_expression
from ezlogs.privacy.encodings import base64_texts, reading_of
from ezlogs.privacy.expressions import any_of
from ezlogs.privacy.memory import MOST
from ezlogs.privacy.rule import Found, Rule, form_of, shape_of
from ezlogs.privacy.runs import Run, runs_of
from ezlogs.privacy.words import is_moment_or_amount, is_one_word

_SHORTEST_WORD: Final = 3
_LONGEST_KNOWN: Final = 256
_LEVELS: Final = 3
"""Encodings in encodings that are looked into: JSON in a form in base64."""


class Search:
    """Finds what any of the rules finds, also where it is written in an encoding.

    What is left of a text without its separators, capitals and differences between digits decides which rules run at
    all: one pass tells that it holds no word that any rule looks for, and for most values none runs.

    Args:
        rules: tried in this order, and recorded in it.
        short: whether any of them finds something in one short word.
    """

    def __init__(self, rules: Iterable[Rule], *, short: bool = False) -> None:
        self.short = short
        self.rules = tuple(rules)
        #: Where something was found in short texts, which come again as well as clean ones do; by their hashes, so
        #: that nothing sensitive is kept.
        self._known: dict[int, tuple[int, tuple[Run, ...]]] = {}
        # One bit a rule: a clue stands for the set of rules that it wakes.
        self._always = 0
        self._chosen = _Chosen(self.rules)
        self._by_mark: dict[str, int] = {}
        self._by_foreign_mark: dict[str, int] = {}
        self._by_word: dict[str, int] = {}
        by_digits: dict[str, int] = {}
        self._by_form: dict[str, int] = {}
        for position, rule in enumerate(self.rules):
            bit = 1 << position
            if not rule.clues:
                self._always |= bit
            for clue in rule.clues:
                if isinstance(clue, bytes):
                    by_text, text = self._by_form if clue.strip(b"0") else by_digits, clue.decode("ascii")
                else:
                    word = shape_of(clue)
                    if not clue.isascii():
                        by_text, text = self._by_foreign_mark, clue
                    else:
                        by_text, text = (self._by_mark, clue) if len(word) < _SHORTEST_WORD else (self._by_word, word)
                by_text[text] = by_text.get(text, 0) | bit
        self._by_digits = sorted(by_digits.items())
        words = tuple(self._by_word)
        self._any_word = long_expression(lambda: any_of(words))
        self._words = long_expression(lambda: f"(?=({any_of(words)}))")
        for word in self._by_word:  # the longest of those that begin alike is found, and wakes for all of them
            for length in range(_SHORTEST_WORD, len(word)):
                self._by_word[word] |= self._by_word.get(word[:length], 0)

    def runs(self, text: str) -> tuple[Run, ...]:
        """What is to be replaced in a text: `findings`, those that overlap as one."""
        known = self._known.get(hash(text))
        if known is not None and known[0] == len(text):
            return known[1]
        runs = runs_of(self.findings(text))
        if runs and len(text) <= _LONGEST_KNOWN:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[hash(text)] = (len(text), runs)
        return runs

    def findings(self, text: str, levels: int = _LEVELS) -> list[Found]:
        """Start, end and rule of each finding, in the order of the rules; they may overlap."""
        if not self.short and (is_one_word(text) or is_moment_or_amount(text)):
            return []
        found: list[Found] = []
        for rule in self._chosen[self._awake(text)]:
            for start, end in rule.find(text):
                found.append((start, end, rule.name))
        if levels:
            found += self._encoded(text, levels - 1, found)
        return found

    def _awake(self, text: str) -> int:
        awake = self._always
        for mark, rules in self._by_mark.items():
            if mark in text:
                awake |= rules
        if not text.isascii():
            for mark, rules in self._by_foreign_mark.items():
                if mark in text:
                    awake |= rules
        shape = shape_of(text)
        if "0" in shape:
            for digits, rules in self._by_digits:
                if digits not in shape:
                    break
                awake |= rules
            form = form_of(shape)
            for part, rules in self._by_form.items():
                if part in form:
                    awake |= rules
        try:
            first = self._any_word.search(shape)
            if first is not None:
                for word in self._words.findall(shape, first.start()):
                    awake |= self._by_word[word]
        except BeingCompiledError:
            for word, rules in self._by_word.items():
                if word in shape:
                    awake |= rules
        return awake

    def _encoded(self, text: str, levels: int, plain: list[Found]) -> Iterator[Found]:
        """Yield what is found in encodings, unless it was found as it is written."""
        reading = reading_of(text)
        if reading is not None:
            seen = tuple(plain)
            for read_start, read_end, _ in self.findings(reading.text, levels):
                start, end = reading.where(read_start, read_end)
                if not any(first <= start and end <= last for first, last, _ in seen):
                    yield start, end, "escaped"
        for (start, end), said in base64_texts(text):
            if self.findings(said, levels):
                yield start, end, "base64"


class _Chosen(dict[int, tuple[Rule, ...]]):
    """The rules of a set of them, told by one bit each; few sets come up, again and again."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules

    def __missing__(self, bits: int) -> tuple[Rule, ...]:
        if len(self) >= MOST:
            self.clear()
        chosen = self[bits] = tuple(rule for position, rule in enumerate(self._rules) if bits >> position & 1)
        return chosen
