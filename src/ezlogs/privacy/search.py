"""Runs rules over a text: only those whose clues it holds, and all of their findings at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ezlogs.privacy.expressions import expression
from ezlogs.privacy.rule import Rule, shape_of

_TOO_SHORT_TO_TELL: Final = 14
_SHORTEST_NUMBER: Final = 9
_SHORT: Final = 200


class Search:
    """Finds what any of the rules finds.

    Substring tests at C speed decide which rules run at all; for most values none does.

    Args:
        rules: tried in this order, and recorded in it.
        short: whether any of them finds something in one short word.
    """

    def __init__(self, rules: Iterable[Rule], *, short: bool = False) -> None:
        self.short = short
        self.rules = tuple(rules)
        # One bit a rule: a clue stands for the set of rules that it wakes.
        self._clueless = 0
        self._by_mark: dict[str, int] = {}
        self._by_word: dict[str, int] = {}
        self._by_shape: dict[str, int] = {}
        self._any_shape = 0
        for position, rule in enumerate(self.rules):
            bit = 1 << position
            if not rule.clues:
                self._clueless |= bit
            for clue in rule.clues:
                if isinstance(clue, bytes):
                    shape = clue.decode("ascii")
                    self._by_shape[shape] = self._by_shape.get(shape, 0) | bit
                    self._any_shape |= bit
                else:
                    by_text = self._by_mark if len(clue) == 1 else self._by_word
                    by_text[clue] = by_text.get(clue, 0) | bit
        self._any_word = expression("|".join(map(re.escape, self._by_word)) or "(?!)")

    def findings(self, text: str) -> list[tuple[int, int, str]]:
        """Start, end and rule of each finding, in the order of the rules; they may overlap."""
        if not self.short and is_one_word(text):
            return []
        awake = self._clueless
        for clue, rules in self._by_mark.items():
            if clue in text:
                awake |= rules
        # In a short text one expression finds sooner that there is no word at all than a search for each.
        if len(text) > _SHORT or self._any_word.search(text):
            for clue, rules in self._by_word.items():
                if clue in text:
                    awake |= rules
        shape = shape_of(text)
        if shape is None:
            awake |= self._any_shape
        else:
            text_of_shape = shape.decode("ascii")  # CPython looks into text five times as fast as into bytes
            for clue, rules in self._by_shape.items():
                if clue in text_of_shape:
                    awake |= rules
        found: list[tuple[int, int, str]] = []
        while awake:
            bit = awake & -awake
            rule = self.rules[bit.bit_length() - 1]
            found.extend((start, end, rule.name) for start, end in rule.find(text))
            awake ^= bit
        return found


def is_one_word(text: str) -> bool:
    """Tell whether a text is one short word, in which there is nothing to go by."""
    if len(text) >= _TOO_SHORT_TO_TELL or not (text.isalnum() or text.isidentifier() or not text):
        return False
    # 12345678Z, AAAPL1234C: states give people numbers that end in a letter.
    return len(text) < _SHORTEST_NUMBER or not text[-1].isupper() or text.isalpha()


def replace(
    text: str, findings: Iterable[tuple[int, int, str]], replaced: Callable[[list[str], str], str | None]
) -> str:
    """Return the text with each finding, or run of overlapping ones, replaced.

    Args:
        text: What the findings were found in.
        findings: Start, end and rule of each.
        replaced: Given the rules of a run, the one that found most of it first, and what they found, returns what
            stands there instead; None for nothing.
    """
    pieces: list[str] = []
    done = 0
    for start, end, rules in _runs(findings):
        pieces += text[done:start], replaced(rules, text[start:end]) or ""
        done = end
    return "".join((*pieces, text[done:]))


def _runs(findings: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, list[str]]]:
    run: list[tuple[int, int, str]] = []
    reach = 0
    for finding in sorted(findings):
        if run and finding[0] >= reach:
            yield _run(run, reach)
            run = []
        run.append(finding)
        reach = max(reach, finding[1])
    if run:
        yield _run(run, reach)


def _run(run: list[tuple[int, int, str]], end: int) -> tuple[int, int, list[str]]:
    by_length = sorted(run, key=lambda finding: finding[0] - finding[1])
    return run[0][0], end, [rule for _, _, rule in by_length]
