"""Rules of privacy that other distributions bring along, by the entry point group ``ezlogs_privacy_rules``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ezlogs.forks import lock_for_loading
from ezlogs.privacy import Rule

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "ezlogs_privacy_rules"

_loading = lock_for_loading()


def installed_rules(warn: Callable[[str], None]) -> tuple[Rule, ...]:
    """Return the rules that are installed: what each entry point names is a rule, some rules, or what returns either.

    Finding them takes as long as a fifth of all starting, so it waits until something is scrubbed: by then most often
    in the worker's thread.

    Args:
        warn: Told of an entry point that gives no rules; the others count all the same.
    """
    found: list[Rule] = []
    with _loading:
        try:
            from importlib.metadata import entry_points

            points = tuple(entry_points(group=GROUP))
        except Exception as problem:  # the metadata of some distribution cannot be read
            warn(f"no privacy rules of other distributions are in use: {type(problem).__qualname__}")
            points = ()
        for point in points:
            try:
                found += rules_of(point)
            except Exception as problem:  # of a distribution that is none of ours
                what = type(problem).__qualname__
                warn(f"the privacy rules of the entry point {point.name!r} are not in use: {what}")
    return tuple(found)


def rules_of(point: EntryPoint) -> list[Rule]:
    """Return the rules that one entry point gives.

    Raises:
        Exception: Whatever loading it raises; a `TypeError` where it gives something that is no rule.
    """
    return _rules_in(point.load())


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
