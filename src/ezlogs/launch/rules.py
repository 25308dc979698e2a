"""Rules of privacy that other distributions bring along, by the entry point group ``ezlogs_privacy_rules``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ezlogs.otlp.loading import uninterrupted
from ezlogs.privacy import Rule

GROUP = "ezlogs_privacy_rules"


def installed_rules(warn: Callable[[str], None]) -> tuple[Rule, ...]:
    """Return the rules that are installed: what each entry point names is a rule, some rules, or what returns either.

    Finding them takes as long as a quarter of all starting, so it waits until something is scrubbed; a fork waits
    meanwhile, since a module that is half loaded stays locked in the child.

    Args:
        warn: Told of an entry point that gives no rules; the others count all the same.
    """
    with uninterrupted:
        from importlib.metadata import entry_points

        found: list[Rule] = []
        for point in entry_points(group=GROUP):
            try:
                found += _rules_in(point.load())
            except Exception as problem:  # of a distribution that is none of ours
                warn(
                    f"the privacy rules of the entry point {point.name!r} are not in use: {type(problem).__qualname__}"
                )
        return tuple(found)


def _rules_in(named: Any) -> list[Rule]:
    if not _is_rule(named) and callable(named):
        named = named()
    rules = [named] if _is_rule(named) else list(named) if isinstance(named, Iterable) else [named]
    for rule in rules:
        if not _is_rule(rule):
            raise TypeError(f"{type(rule).__qualname__} has no name, clues and find(); see ezlogs.privacy.Rule")
    return rules


def _is_rule(named: Any) -> bool:
    return (
        not isinstance(named, type)
        and callable(getattr(named, "find", None))
        and isinstance(getattr(named, "name", None), str)
        and isinstance(getattr(named, "clues", None), tuple)
    )
