"""A layer: the settings that one place gives, flat or by group, and what there is no setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec

from ezlogs.settings.group import Group
from ezlogs.settings.kinds import Kind, UnacceptableError
from ezlogs.settings.problem import Problem, nearest, unknown
from ezlogs.settings.table import GROUPS, TABLE

Path = tuple[str, ...]
"""Where a value stands in its place: ``("timeout",)``, or with its group ``("delivery", "timeout")``."""


class Given(NamedTuple):
    """A value that somebody gave a setting."""

    name: str
    """The setting that it was given to; others may follow that one."""

    source: str
    """Where: ``"configure()"``, ``"ezlogs.toml:3"`` or ``"EZLOGS_TIMEOUT in the environment"``."""

    label: str
    """What the setting is called there: ``"timeout"``, ``"delivery.timeout"`` or ``"[delivery] timeout"``."""

    kind: Kind
    """How the value is read there."""

    value: object


class Layer(NamedTuple):
    """What one place gives."""

    given: Mapping[str, Given]
    """By setting."""

    problems: tuple[Problem, ...] = ()
    """Names that are no settings, and settings that are given twice."""


class Place(Protocol):
    """A place where settings are given by name and by group: how it is spoken of."""

    def source(self, path: Path) -> str:
        """Say where a value stands."""

    def label(self, path: Path) -> str:
        """Say what a setting or a group is called there."""

    def read(self, kind: Kind, value: object) -> object:
        """Return a value as its kind is to read it."""


class InCode(msgspec.Struct, frozen=True):
    """The call of ``configure()``.

    >>> InCode().label(("delivery", "timeout"))
    'delivery.timeout'
    """

    def source(self, path: Path) -> str:
        """Say where a value stands."""
        return "configure()"

    def label(self, path: Path) -> str:
        """Say what a setting or a group is called in code."""
        return ".".join(path)

    def read(self, kind: Kind, value: object) -> object:
        """Return the value as it is."""
        return value


IN_CODE: Final = InCode()


def layer(values: Mapping[str, object], place: Place) -> Layer:
    """Make a layer of what one place gives.

    Args:
        values: By name; settings, or groups with their settings by name.
        place: How the place is spoken of.

    Example:
        >>> layer({"debug": True, "delivery": {"timeout": 5}}, IN_CODE).given["timeout"].label
        'delivery.timeout'
        >>> print(*layer({"delivery": {"timout": 5}}, IN_CODE).problems)
        configure(): delivery.timout: unknown setting; did you mean delivery.timeout?
    """
    given: dict[str, Given] = {}
    problems: list[Problem] = []
    for path, value in _members(values):
        name = path[-1]
        reason = _stranger(path, value, place)
        if not reason:
            kind = TABLE[name].kind
            new = Given(name, place.source(path), place.label(path), kind, place.read(kind, value))
            reason = _contradiction(given.setdefault(name, new), new)
        if reason:
            problems.append(Problem(place.source(path), place.label(path), reason))
    return Layer(given, tuple(problems))


def _members(values: Mapping[str, object]) -> Iterator[tuple[Path, object]]:
    for name, value in values.items():
        if name not in GROUPS:
            yield (name,), value
        elif isinstance(value, (GROUPS[name], Mapping)):
            members = value.given() if isinstance(value, Group) else value
            yield from (((name, member), inner) for member, inner in members.items())
        elif value is not None:
            yield (name,), value


def _stranger(path: Path, value: object, place: Place) -> str:
    """Say what is wrong with the name of a setting, if anything."""
    *within, name = path
    row = TABLE.get(name)
    if row is not None and within in ([], [row.group]):
        return ""
    if row is not None:
        return f"it belongs to another group; use {place.label((row.group, name))}"
    if name in GROUPS:
        return f"a group, with settings of its own; use {GROUPS[name].__name__}(...) in code, a table in a file"
    if within and (near := nearest(name, GROUPS[within[0]].rows)):
        return unknown(place.label((within[0], near)))
    # A table that nobody knows is a misspelled group rather than a misspelled setting.
    known = [*GROUPS] if isinstance(value, Mapping) else [*TABLE, *GROUPS]
    near = nearest(name, known)
    return unknown(place.label((near,)) if near else None)


def _contradiction(first: Given, second: Given) -> str:
    """Say that a setting is given two values, if it is."""
    if first is second or _means_the_same(first, second):
        return ""
    values = f"{first.kind.quoted(first.value)} and {second.kind.quoted(second.value)}"
    return f"given twice, {values}; {first.label} says so too; keep one of them"


def _means_the_same(first: Given, second: Given) -> bool:
    try:
        return bool(first.kind.parse(first.value) == second.kind.parse(second.value))
    except UnacceptableError:
        return False
