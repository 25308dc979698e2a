"""Paths of URLs that name resources: `/orders/7` and `/orders/8` differ in nothing that any rule looks at."""

from __future__ import annotations

from typing import Final

from ezlogs.expressions import expression
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.memory import Memory

_PLAIN: Final = expression(r"(?:/(?:v[0-9]{1,2}|[0-9]{1,6}|[a-z]{1,24}(?:[-_][a-z]{1,24}){0,3})?)+")
_LONGEST: Final = 256
_MOST_DIGITS: Final = 6
"""Fewer than any number has that is somebody's."""

_ZEROS: Final = str.maketrans("123456789", "000000000")


class Paths:
    """The forms of plain paths in which nothing was found: words, none of which says what comes next, and numbers.

    Args:
        keys: Say which words tell that a secret follows.

    Example:
        >>> paths = Paths(KeyMatcher())
        >>> paths.learn("/orders/7")
        >>> paths.knows("/orders/8"), paths.knows("/orders/88"), paths.knows("/orders/ada@example.com")
        (True, False, False)
    """

    __slots__ = ("_clean", "_keys")

    def __init__(self, keys: KeyMatcher) -> None:
        self._keys = keys
        self._clean = Memory()

    def knows(self, path: str) -> bool:
        """Tell whether a path differs in the digits of short numbers only from one in which nothing was found."""
        form = path.translate(_ZEROS)
        return form in self._clean

    def learn(self, path: str) -> None:
        """Remember a path in which nothing was found, if the numbers in it cannot be what somebody looks for."""
        form = path.translate(_ZEROS)
        if len(form) > _LONGEST or form.count("0") > _MOST_DIGITS or not _PLAIN.fullmatch(form):
            return
        keys = self._keys
        for name in (*form.split("/"), *form.replace("_", "/").replace("-", "/").split("/")):
            if keys.denies_in_url(name) or keys.hints(name) or keys.tells(name):
                return
        self._clean.remember(form)
