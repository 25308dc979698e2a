"""Values of changed fields: which of them may be told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import UNSET

from ezlogs.event import Change
from ezlogs.privacy import KeyMatcher
from ezlogs.snapshot import freeze

_HARMLESS = (bool, int, float, Decimal, date, time, timedelta, Enum, UUID)
_secrets = KeyMatcher()


class Field(NamedTuple):
    """One field that a write touched; a side that is `msgspec.UNSET` is not known."""

    name: str
    before: object = UNSET
    after: object = UNSET
    harmless: bool = False
    """A key or one of a set of choices: its values may be told whatever their type."""


def told(fields: Iterable[Field], policy: str) -> tuple[Change, ...]:
    """Return what may be told of written fields.

    Args:
        fields: The fields, with their values.
        policy: ``none`` tells nothing; ``names`` the names; ``safe`` also the values of keys, choices, booleans,
            numbers and dates; ``full`` every value. Passwords and other secrets are never told.

    Example:
        >>> told([Field("total", 1, 2), Field("note", "a", "b")], "safe")
        (Change(field='total', before=1, after=2), Change(field='note', before=UNSET, after=UNSET))
    """
    if policy == "none":
        return ()
    return tuple(
        Change(field.name, _frozen(field.before), _frozen(field.after))
        if _may_tell(field, policy)
        else Change(field.name)
        for field in fields
    )


def _may_tell(field: Field, policy: str) -> bool:
    if policy == "names" or _secrets.denies(field.name):
        return False
    return policy == "full" or field.harmless or (_is_harmless(field.before) and _is_harmless(field.after))


def _is_harmless(value: object) -> bool:
    return value is UNSET or value is None or isinstance(value, _HARMLESS)


def _frozen(value: object) -> Any:
    return value if value is UNSET else freeze(value)
