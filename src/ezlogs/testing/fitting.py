"""Fitting: whether a field of an event is as expected - by value, pattern, condition, symbol - and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from ezlogs.event import Actor, Change, Subject, UniversalEvent, type_and_id
from ezlogs.snapshot import frozen, thaw

SHORT_SUFFIX: Final = ".action"
"""What types end with of which ``order.placed`` is short for: ``order.action`` with the action ``placed``."""

PARTIES: Final = {"actor": Actor, "subject": Subject}

_SYMBOL: Final = re.compile(r"\$[a-z_][a-z0-9_]*|[a-z_][a-z0-9_]*#[1-9][0-9]*")
_NOTHING: Final = "nothing"
_SYMBOLIC: Final = frozenset({"actor", "subject", "flow", "session"})


class AnyOf(NamedTuple):
    """One of several expectations. Made by `any_of`."""

    choices: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"any_of({', '.join(map(repr, self.choices))})"


class Same(NamedTuple):
    """What another event has. Made by `same`."""

    of: str
    field: str | None = None

    def __repr__(self) -> str:
        return f"same({self.of!r})" if self.field is None else f"same({self.of!r}, {self.field!r})"


def is_symbol(field: str, wanted: object) -> bool:
    """Return whether what is expected of a field is a symbol, which may stand for any value."""
    return field in _SYMBOLIC and isinstance(wanted, str) and _SYMBOL.fullmatch(wanted) is not None


def is_condition(wanted: object) -> bool:
    """Return whether what is expected is a function to be called with what is there."""
    return callable(wanted) and not isinstance(wanted, type) and not hasattr(wanted, "_meta")


def fits_field(name: str, wanted: Any, found: UniversalEvent) -> bool:
    """Return whether a field of an event is as expected, whatever symbols and `same` stand for.

    Args:
        name: The field, by the name that expectations have for it.
        wanted: What is expected.
        found: The event.
    """
    if name == "type":
        return _fits_type(wanted, found)
    if name == "metadata" and isinstance(wanted, Mapping):
        return fits_mapping(wanted, found.metadata)
    if name == "changes":
        return _fits_changes(wanted, found.changes)
    if name in PARTIES:
        return _fits_party(wanted, getattr(found, name))
    if is_symbol(name, wanted):
        return field_of(name, found) is not None
    return fits_value(wanted, field_of(name, found), glob=True)


def _fits_type(wanted: Any, found: UniversalEvent) -> bool:
    if fits_value(wanted, found.event_type, glob=True):
        return True
    short = found.event_type.endswith(SHORT_SUFFIX) and isinstance(wanted, str)
    return short and wanted == f"{found.event_type.removesuffix(SHORT_SUFFIX)}.{found.action}"


def _fits_party(wanted: Any, found: Actor | Subject | None) -> bool:
    if isinstance(wanted, AnyOf):
        return any(_fits_party(choice, found) for choice in wanted.choices)
    if wanted is None or found is None:
        return wanted is found or isinstance(wanted, Same) or (is_condition(wanted) and bool(wanted(found)))
    if isinstance(wanted, str):
        if _SYMBOL.fullmatch(wanted):
            return wanted.startswith("$") or wanted.partition("#")[0] == found.type
        return _matches(wanted, type_and_id(found)) or (":" not in wanted and _matches(wanted, found.type))
    if isinstance(wanted, (Actor, Subject)):
        return (wanted.type, wanted.id) == (found.type, found.id) and wanted.label in (None, found.label)
    if isinstance(wanted, re.Pattern):
        return wanted.search(type_and_id(found)) is not None
    return isinstance(wanted, Same) or bool(wanted(found))


def _fits_changes(wanted: Any, found: Sequence[Change]) -> bool:
    if not isinstance(wanted, Mapping) and callable(wanted):
        return bool(wanted(found))
    by_field = {change.field: change for change in found}
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    if not names:
        return not found
    if not all(name in by_field for name in names):
        return False
    if not isinstance(wanted, Mapping):
        return True
    return all(_fits_sides(sides, by_field[name]) for name, sides in wanted.items())


def _fits_sides(wanted: Any, change: Change) -> bool:
    if type(wanted) is tuple and len(wanted) == 2:
        return fits_value(wanted[0], thaw(change.before)) and fits_value(wanted[1], thaw(change.after))
    return fits_value(wanted, thaw(change.after))


def fits_mapping(wanted: Mapping[str, Any], found: object) -> bool:
    """Return whether a mapping has what is expected of some of its keys."""
    if not isinstance(found, Mapping):
        return False
    return all(key in found and fits_value(inner, found[key]) for key, inner in wanted.items())


def fits_value(wanted: Any, found: Any, *, glob: bool = False) -> bool:
    """Return whether a value is as expected.

    Args:
        wanted: A value, a pattern, a condition ...; see `event`.
        found: The value.
        glob: Whether ``*`` in a text stands for anything.
    """
    if isinstance(wanted, Same):
        return True
    if isinstance(wanted, AnyOf):
        return any(fits_value(choice, found, glob=glob) for choice in wanted.choices)
    if isinstance(wanted, re.Pattern):
        return isinstance(found, str) and wanted.search(found) is not None
    if isinstance(wanted, Mapping):
        return fits_mapping(wanted, found)
    if glob and isinstance(wanted, str):
        return isinstance(found, str) and _matches(wanted, found)
    if wanted is None or not callable(wanted):
        return bool(wanted == found) or bool(frozen(wanted) == frozen(found))
    return bool(wanted(found))


def _matches(pattern: str, text: str) -> bool:
    if "*" not in pattern:
        return pattern == text
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def field_of(name: str, found: UniversalEvent) -> Any:
    """Return a field of an event by the name that expectations have for it."""
    getter = _FIELDS.get(name)
    if getter is not None:
        return getter(found)
    if name.startswith("metadata."):
        return found.metadata.get(name.partition(".")[2])
    return getattr(found, name)


_FIELDS: Final[Mapping[str, Callable[[UniversalEvent], Any]]] = {
    "type": attrgetter("event_type"),
    "id": attrgetter("event_id"),
    "error": lambda found: found.error.type if found.error else None,
    "cause": attrgetter("correlation.parent_event_id"),
    "flow": attrgetter("correlation.flow_id"),
    "session": attrgetter("correlation.session_id"),
    "attempt": attrgetter("correlation.attempt"),
}


def comparable(name: str, found: UniversalEvent) -> object:
    """Return a field of an event as it is compared with that of another one; labels make no difference."""
    value = field_of(name, found)
    if isinstance(value, (Actor, Subject)):
        return type_and_id(value)
    try:
        hash(value)
    except TypeError:
        return repr(frozen(value))
    return value


def shown_field(name: str, found: UniversalEvent) -> str:
    """Return a field of an event for a message."""
    value = field_of(name, found)
    if name == "changes":
        parts = [change.field if change.after is UNSET else _change(change) for change in found.changes]
        return ", ".join(parts) or _NOTHING
    if name == "metadata":
        return repr(dict(value))
    return plainly(value)


def _change(change: Change) -> str:
    before = "" if change.before is UNSET else f"{thaw(change.before)!r} -> "
    return f"{change.field}: {before}{thaw(change.after)!r}"


def plainly(value: object) -> str:
    """Return what a field holds for a message."""
    if isinstance(value, (Actor, Subject)):
        return type_and_id(value)
    return _NOTHING if value is None else value if isinstance(value, str) else repr(value)


def shown(wanted: Any) -> str:
    """Return an expectation as it was written."""
    if isinstance(wanted, (Actor, Subject)):
        return repr(type_and_id(wanted))
    if isinstance(wanted, re.Pattern):
        return f"re.compile({wanted.pattern!r})"
    if isinstance(wanted, Same) and wanted.field == "id":
        return repr(wanted.of)
    if isinstance(wanted, Mapping):
        return "{" + ", ".join(f"{key!r}: {shown(inner)}" for key, inner in wanted.items()) + "}"
    if not isinstance(wanted, (AnyOf, Same)) and callable(wanted):
        return getattr(wanted, "__name__", repr(wanted))
    return repr(wanted)
