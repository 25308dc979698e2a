"""Regular expressions that are compiled when first used: there are dozens, and start-up uses hardly any of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, cast

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub")


class BeingCompiledError(Exception):
    """A long expression was asked for while it is being compiled; who asks goes another way, which may be slower."""


def expression(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return what ``re.compile`` would, for all that its methods do; a wrong pattern is told when it is first used.

    Args:
        pattern: The regular expression.
        flags: As for ``re.compile``.

    Example:
        >>> expression("[0-9]+").findall("4 of 10")
        ['4', '10']
    """
    return cast("re.Pattern[str]", _Expression(pattern, flags))


def long_expression(pattern: Callable[[], str]) -> re.Pattern[str]:
    """Return what `expression` would, for one that takes milliseconds to write and to compile.

    A signal handler that interrupts that and began it anew would be interrupted in turn, and never come to an end.
    Its methods raise `BeingCompiledError` instead; other threads, too, go the other way rather than wait.

    Args:
        pattern: Returns the regular expression.

    Example:
        >>> long_expression(lambda: "|".join(["pin", "otp"])).findall("your pin")
        ['pin']
    """
    return cast("re.Pattern[str]", _LongExpression(pattern))


class _Expression:
    """A regular expression that has the methods of its compiled form once one of them was asked for."""

    __slots__ = ("_flags", "_pattern", *_METHODS)

    def __init__(self, pattern: str | Callable[[], str], flags: int) -> None:
        self._pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:  # asked only while the slot of a method is empty
        if name not in _METHODS:
            raise AttributeError(f"an expression that is compiled when first used has no {name!r}")
        compiled = self._compiled()
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)

    def _compiled(self) -> re.Pattern[str]:
        pattern = self._pattern
        return re.compile(pattern() if callable(pattern) else pattern, self._flags)


class _LongExpression(_Expression):
    """A regular expression that is compiled once at a time."""

    __slots__ = ("_compiled_in",)

    def __init__(self, pattern: Callable[[], str]) -> None:
        super().__init__(pattern, 0)
        self._compiled_in = 0
        """The process that compiles it: after a fork, the thread that did is not there."""

    def _compiled(self) -> re.Pattern[str]:
        process = os.getpid()
        if self._compiled_in == process:
            raise BeingCompiledError
        self._compiled_in = process
        try:
            return super()._compiled()
        finally:
            self._compiled_in = 0
