"""Runs rules over a text: only those whose clues it holds, and all of their findings at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ezlogs.privacy.encodings import base64_texts, reading_of
from ezlogs.privacy.expressions import any_of, expression
from ezlogs.privacy.rule import Rule, form_of, shape_of

Found = tuple[int, int, str]
"""Start, end and rule of a finding."""

_TOO_SHORT_TO_TELL: Final = 14
_SHORTEST_NUMBER: Final = 9
_SHORTEST_WORD: Final = 3
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
        # One bit a rule: a clue stands for the set of rules that it wakes.
        self._always = 0
        self._by_mark: dict[str, int] = {}
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
                    short = len(word) < _SHORTEST_WORD or not word.isascii()
                    by_text, text = (self._by_mark, clue) if short else (self._by_word, word)
                by_text[text] = by_text.get(text, 0) | bit
        self._by_digits = sorted(by_digits.items())
        alternatives = any_of(self._by_word)
        self._any_word = expression(alternatives)
        self._words = expression(f"(?=({alternatives}))")
        for word in self._by_word:  # the longest of those that begin alike is found, and wakes for all of them
            for length in range(_SHORTEST_WORD, len(word)):
                self._by_word[word] |= self._by_word.get(word[:length], 0)

    def findings(self, text: str, levels: int = _LEVELS) -> list[Found]:
        """Start, end and rule of each finding, in the order of the rules; they may overlap."""
        if not self.short and is_one_word(text):
            return []
        awake = self._awake(text)
        found: list[Found] = []
        while awake:
            bit = awake & -awake
            rule = self.rules[bit.bit_length() - 1]
            found += [(start, end, rule.name) for start, end in rule.find(text)]
            awake ^= bit
        if levels:
            found += self._encoded(text, levels - 1, found)
        return found

    def _awake(self, text: str) -> int:
        awake = self._always
        for mark, rules in self._by_mark.items():
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
        first = self._any_word.search(shape)
        if first is not None:
            for word in self._words.findall(shape, first.start()):
                awake |= self._by_word[word]
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


def is_one_word(text: str) -> bool:
    """Tell whether a text is one short word, in which there is nothing to go by."""
    if len(text) >= _TOO_SHORT_TO_TELL or not (text.isalnum() or text.isidentifier() or not text):
        return False
    if not text.isascii() and any(map(str.isdigit, text)):  # 密码是Abc12345: scripts without spaces
        return False
    # 12345678Z, AAAPL1234C: states give people numbers that end in a letter.
    return len(text) < _SHORTEST_NUMBER or not text[-1].isupper() or text.isalpha()


def replace(text: str, findings: Iterable[Found], replaced: Callable[[list[str], str], str | None]) -> str:
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


def _runs(findings: Iterable[Found]) -> Iterator[tuple[int, int, list[str]]]:
    run: list[Found] = []
    reach = 0
    for finding in sorted(findings):
        if run and finding[0] >= reach:
            yield _run(run, reach)
            run = []
        run.append(finding)
        reach = max(reach, finding[1])
    if run:
        yield _run(run, reach)


def _run(run: list[Found], end: int) -> tuple[int, int, list[str]]:
    by_length = sorted(run, key=lambda finding: finding[0] - finding[1])
    return run[0][0], end, [rule for _, _, rule in by_length]
