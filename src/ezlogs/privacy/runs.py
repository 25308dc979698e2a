"""Findings that overlap are one run, which is replaced as a whole: as whatever in it must be hidden best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ezlogs.privacy.policy import is_secret
from ezlogs.privacy.rule import BY_NAME, Found


class Run(NamedTuple):
    """A part of a text that one finding or several that overlap make up.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        rule: The rule that decides what is done with it: one whose findings give access, else that which found most.
        secret: Whether what it found gives access.
        rules: All of the rules that found something there, the one that found most first.
    """

    start: int
    end: int
    rule: str
    secret: bool
    rules: tuple[str, ...]


def runs_of(findings: Iterable[Found]) -> tuple[Run, ...]:
    """Return findings as runs, in the order of the text; those that only touch are kept apart.

    >>> [(run.start, run.end, run.rules) for run in runs_of([(5, 8, "ip"), (1, 3, "email"), (1, 4, "key")])]
    [(1, 4, ('key', 'email')), (5, 8, ('ip',))]
    """
    return tuple(_runs(sorted(findings)))


def _runs(findings: list[Found]) -> Iterator[Run]:
    together: list[Found] = []
    reach = 0
    for finding in findings:
        if together and finding[0] >= reach:
            yield _run(together, reach)
            together = []
        together.append(finding)
        reach = max(reach, finding[1])
    if together:
        yield _run(together, reach)


def _run(findings: list[Found], end: int) -> Run:
    rules = tuple(dict.fromkeys(rule for _, _, rule in sorted(findings, key=lambda found: found[0] - found[1])))
    # Who sees an address and a password in the same place must take it for a password.
    secret = next((rule for rule in rules if rule == BY_NAME or is_secret(rule)), None)
    return Run(findings[0][0], end, secret or rules[0], secret is not None, rules)
