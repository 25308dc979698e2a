"""What is wrong with a setting, in words that say where it came from and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ezlogs import nearest as spelled


class Problem(msgspec.Struct, frozen=True):
    """One setting that could not be used.

    Its text reads from the outside in, so that the first words are the place to go and mend:

    >>> print(Problem("configure()", "timeout 'soon'", "not a number; use 0.001 to 600 seconds"))
    configure(): timeout 'soon': not a number; use 0.001 to 600 seconds
    """

    source: str
    """Where it was given: ``"EZLOGS_TIMEOUT in the environment"``, ``"ezlogs.toml:3"`` or ``"configure()"``."""

    given: str
    """The setting and the value, secrets masked. Empty where the source already says it."""

    reason: str
    """Why it was not used, and what would be."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.given, self.reason) if part)


class InvalidSettings(ValueError):  # noqa: N818 - it reads as what it is at `except`
    """Raised by ``ezlogs.configure()`` when settings cannot be used; its text lists every problem at once.

    >>> str(InvalidSettings([Problem("configure()", "endpont", "unknown setting")]))
    'configure(): endpont: unknown setting'
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        if len(lines) > 1:
            lines = [f"{len(lines)} settings cannot be used:", *(f"  - {line}" for line in lines)]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[InvalidSettings], tuple[tuple[Problem, ...]]]:
        # BaseException would rebuild it from its text; a process pool sends it home by pickling.
        return type(self), (self.problems,)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelled most like this one, if any is near.

    >>> nearest("enpoint", ["endpoint", "enabled"])
    'endpoint'
    """
    return spelled.nearest(word.lower(), known)


def unknown(suggestion: str | None) -> str:
    """Say that there is no such setting, and which one may have been meant.

    >>> unknown("timeout")
    'unknown setting; did you mean timeout?'
    """
    return "unknown setting" + (f"; did you mean {suggestion}?" if suggestion else "")


def in_environment(variable: str) -> str:
    """Name a variable as the source of a value.

    >>> in_environment("EZLOGS_TIMEOUT")
    'EZLOGS_TIMEOUT in the environment'
    """
    return f"{variable} in the environment"
