"""All rules, which become a search when something is first scrubbed.

They are loaded at the start: whoever were interrupted while they are loaded could not scrub what is told meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable

from ezlogs.privacy.assignments import Assignments
from ezlogs.privacy.commands import CommandLines
from ezlogs.privacy.detectors import DEFAULT_RULES
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.prose import Prose
from ezlogs.privacy.rule import Rule
from ezlogs.privacy.search import Search
from ezlogs.privacy.sql import DatabaseErrors, SqlLiterals
from ezlogs.privacy.urls import UrlParameters


def search_of(
    rules: Iterable[Rule] | None, further: tuple[Rule, ...], keys: KeyMatcher, *, in_url: bool = False
) -> Search:
    """Return what finds all that there is to find.

    Args:
        rules: The value rules; those of ezlogs if None.
        further: Those that every value is shown to.
        keys: Says which names are denied, for the rules that work by name.
        in_url: Whether for URLs, in which more names are.
    """
    every: tuple[Rule, ...] = (
        *(DEFAULT_RULES if rules is None else rules),
        *further,
        Assignments(keys),
        Prose(keys),
        CommandLines(),
        SqlLiterals(keys),
        DatabaseErrors(keys),
        UrlParameters(keys),
    )
    return Search((*every, UrlParameters(keys, bare=True)) if in_url else every, short=bool(further))
