"""Values of changed fields: which of them may be told, and how."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import UNSET

from ezlogs.event import Change
from ezlogs.facts import FrozenChanges
from ezlogs.privacy.policy import hashed, masked
from ezlogs.runtime import current_runtime
from ezlogs.snapshot import Value, freeze, plain
from ezlogs.trackers.data.policy import ModelPolicy, policy_of_changes

_HARMLESS = (bool, int, float, Decimal, date, time, timedelta, Enum, UUID)
_HARMLESS_TYPES = frozenset({bool, int, float, Decimal, date, datetime, time, timedelta, UUID, type(None), type(UNSET)})
"""Those of them that are usual, for a look-up."""
_TEXTS = {
    Decimal: Decimal.__str__,
    datetime: datetime.isoformat,
    date: date.isoformat,
    UUID: UUID.__str__,
}
"""What `ezlogs.snapshot.freeze` makes of values that are exactly of such a type."""
_SECRET_TYPE = re.compile("passw(?:or)?d|encrypt|secret", re.IGNORECASE)


class Field(NamedTuple):
    """One field that a write touched; a side that is `msgspec.UNSET` is not known."""

    name: str
    before: object = UNSET
    after: object = UNSET
    harmless: bool = False
    """A key or one of a set of choices: its values may be told whatever their type."""
    secret: bool = False
    """Of a type that holds passwords or encrypts: its values are never told, whatever its name."""


def told(fields: Iterable[Field], policy: str | ModelPolicy) -> FrozenChanges:
    """Return what may be told of written fields.

    Args:
        fields: The fields, with their values.
        policy: That of their model, or one word for all of it: ``none`` tells nothing; ``names`` the names; ``safe``
            also the values of keys, choices, booleans, numbers and dates; ``full`` every value. Passwords and other
            secrets are never told.

    Example:
        >>> told([Field("total", 1, 2), Field("note", "a", "b")], "safe")
        (Change(field='total', before=1, after=2), Change(field='note', before=UNSET, after=UNSET))
        >>> told([Field("email", UNSET, "ada@example.com")], ModelPolicy(hidden={"email": "mask"}))
        (Change(field='email', before=UNSET, after='…@example.com'),)
    """
    if isinstance(policy, str):
        policy = policy_of_changes(policy)
    if policy.changes == "none":
        return FrozenChanges()
    telling = policy.telling
    changes = []
    for field in fields:
        name, before, after, harmless, secret = field
        how = telling(name)
        if how == "nothing":
            continue
        if secret or how == "name":
            changes.append(Change(name))
        elif how == "full" or (how == "safe" and (harmless or (is_harmless(before) and is_harmless(after)))):
            changes.append(Change(name, before if before is UNSET else _frozen(before), _frozen(after)))
        elif how == "safe":
            changes.append(Change(name))
        else:
            hide = _masked if how == "masked" else _hashed
            changes.append(Change(name, _hidden(before, hide), _hidden(after, hide)))
    return FrozenChanges(changes)


def is_secret_type(kind: type) -> bool:
    """Tell by the names of a field's type and its bases whether its values are passwords or encrypted.

    Example:
        >>> class PasswordType: pass
        >>> class Hashed(PasswordType): pass
        >>> is_secret_type(Hashed), is_secret_type(str)
        (True, False)
    """
    return any(_SECRET_TYPE.search(base.__name__) for base in kind.__mro__)


def is_harmless_type(kind: type) -> bool:
    """Tell whether values that are of exactly this type say nothing about anybody."""
    return kind in _HARMLESS_TYPES or (kind is not str and issubclass(kind, _HARMLESS))


def is_harmless(value: object) -> bool:
    """Tell whether a value is of a type that says nothing about anybody: a number, a date, a choice."""
    kind = type(value)
    return kind in _HARMLESS_TYPES or (kind is not str and issubclass(kind, _HARMLESS))


def _frozen(value: object) -> Any:
    as_text: Any = _TEXTS.get(type(value))
    if as_text is None:
        return value if value is UNSET else freeze(value)
    try:
        return as_text(value)
    except Exception:  # of a time zone: its own code
        return freeze(value)


def _hidden(value: object, hide: Any) -> Any:
    if value is UNSET or value is None:
        return value
    return hide(_text(freeze(value)))


def _text(value: Value) -> str:
    return value if isinstance(value, str) else str(plain(value))


def _masked(text: str) -> str:
    is_address = text.count("@") == 1 and "." in text.rpartition("@")[2].strip(".") and " " not in text
    return masked("email" if is_address else "text", text)


def _hashed(text: str) -> str:
    runtime = current_runtime()
    key = None if runtime is None else runtime.settings.hash_key
    if key:
        return hashed(text, key.encode())
    if runtime is not None:
        runtime.warn_once("fields of models that are to be hashed are masked: set hash_key")
    return _masked(text)
