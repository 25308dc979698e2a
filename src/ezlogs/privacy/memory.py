"""What was judged before and will come again: a few thousand short texts, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

MOST: Final = 4096
"""How many are remembered; then all are forgotten, which costs less than to know which is the oldest."""

_LONGEST: Final = 256


class Memory(set[str]):
    """Texts that are known."""

    def remember(self, text: str) -> None:
        """Add a text, unless it is so long that it will hardly come again."""
        if len(text) <= _LONGEST:
            if len(self) >= MOST:
                self.clear()
            self.add(text)


T = TypeVar("T")


class Verdicts(dict[str, T], Generic[T]):
    """Verdicts on texts, by text; each is found when first asked for.

    >>> Verdicts(str.isupper)["A"]
    True
    """

    __slots__ = ("_judge",)

    def __init__(self, judge: Callable[[str], T]) -> None:
        self._judge = judge

    def __missing__(self, text: str) -> T:
        verdict = self._judge(text)
        if len(text) <= _LONGEST:
            if len(self) >= MOST:
                self.clear()
            self[text] = verdict
        return verdict
