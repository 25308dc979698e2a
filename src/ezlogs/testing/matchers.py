"""Matchers: what a test expects of an event, field by field, by value, pattern, condition, or another event's field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from ezlogs.event import OUTCOMES, SEVERITIES, Actor, Change, Subject, UniversalEvent, type_and_id
from ezlogs.nearest import nearest
from ezlogs.party import party
from ezlogs.snapshot import frozen, thaw

_SYMBOL: Final = re.compile(r"\$[a-z_][a-z0-9_]*|[a-z_][a-z0-9_]*#[1-9][0-9]*")
_TYPE: Final = re.compile(r"\*|[a-z][a-z0-9_*]*\.[a-z0-9_*]+")
_SHORT_SUFFIX: Final = ".action"
_PARTIES: Final = {"actor": Actor, "subject": Subject}
_NOTHING: Final = "nothing"


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


class Times(NamedTuple):
    """How often something is expected. Made by `at_least` and `at_most`, or of a number."""

    least: int
    most: int | None

    def __repr__(self) -> str:
        if self.most is None:
            return f"at_least({self.least})"
        return str(self.least) if self.least == self.most else f"at_most({self.most})"

    @property
    def words(self) -> str:
        """How often, in words."""
        if self.most is None:
            return f"at least {self.least} times" if self.least != 1 else "at least once"
        often = {0: "never", 1: "once", 2: "twice"}.get(self.most, f"{self.most} times")
        return often if self.least == self.most else f"at most {often}"


class Field(NamedTuple):
    """One field of an event beside what was expected of it."""

    name: str
    expected: str
    got: str
    fits: bool


class Variable(NamedTuple):
    """A field whose value is that of another one: of those with the same symbol, or of another event."""

    field: str
    """Of the event that the matcher is for."""
    symbol: str
    """The symbol, or the field of the other event."""
    of: str | None = None
    """The other event."""


def any_of(*choices: object) -> AnyOf:
    """Return an expectation that any of some others meets.

    Args:
        *choices: Values, patterns or conditions.

    Example:
        >>> event("order.action", any_of("placed", "changed"))
        event('order.action', any_of('placed', 'changed'))
    """
    return AnyOf(choices)


def same(of: str, field: str | None = None) -> Same:
    """Return an expectation that another expected event's field meets: the same actor, subject, flow ...

    Args:
        of: The other one: its ``name``, its type, or type and action as in ``order.placed``.
        field: Its field; the one that this is put for when left out.

    Example:
        >>> event("email.delivery", actor=same("order.placed"))
        event('email.delivery', actor=same('order.placed'))
    """
    return Same(of, field)


def at_least(number: int) -> Times:
    """Return that an event is expected a number of times or more.

    Example:
        >>> event("data.change", times=at_least(2))
        event('data.change', times=at_least(2))
    """
    return Times(_count(number), None)


def at_most(number: int) -> Times:
    """Return that an event is expected a number of times, fewer, or never.

    Example:
        >>> event("job.execution", outcome="retried", times=at_most(3))
        event('job.execution', outcome='retried', times=at_most(3))
    """
    return Times(0, _count(number))


class Matcher:
    """What is expected of an event. Made by `event`; ``matcher == captured_event`` asks whether it fits."""

    __slots__ = ("expected", "name", "times", "variables", "where")

    def __init__(
        self,
        expected: dict[str, Any],
        where: Callable[[UniversalEvent], object] | None,
        times: Times | None,
        name: str | None,
    ) -> None:
        self.expected = expected
        self.where = where
        self.times = times
        self.name = name
        self.variables = tuple(_variables(expected))
        """What has to be the same in several events."""

    @property
    def least(self) -> int:
        """How many events are needed."""
        return 1 if self.times is None else self.times.least

    @property
    def most(self) -> int | None:
        """How many events may be there; None for any number."""
        return None if self.times is None else self.times.most

    @property
    def label(self) -> str:
        """What it is called in messages: its name, else type and action."""
        if self.name is not None:
            return self.name
        action = self.expected.get("action")
        return f"{self.expected['type']} {action}" if isinstance(action, str) else str(self.expected["type"])

    def goes_by(self, reference: str) -> bool:
        """Return whether a reference means this one."""
        kind, action = str(self.expected["type"]), self.expected.get("action")
        short = f"{kind.removesuffix(_SHORT_SUFFIX)}.{action}" if kind.endswith(_SHORT_SUFFIX) else None
        return reference in (self.name, self.label, kind, short)

    def fits(self, found: UniversalEvent) -> bool:
        """Return whether an event is as expected, whatever symbols and `same` stand for."""
        if not all(_fits(name, wanted, found) for name, wanted in self.expected.items()):
            return False
        return self.where is None or bool(self.where(found))

    def compare(self, found: UniversalEvent, known: Mapping[str, object] | None = None) -> list[Field]:
        """Return each expected field beside what an event has.

        Args:
            found: The event.
            known: What fields have to be since other events have it, by field, as far as that is known.
        """
        known = known or {}
        fields = []
        for name, wanted in self.expected.items():
            expected, fits = _shown(wanted), _fits(name, wanted, found)
            if name in known:
                fits = fits and known[name] == comparable(name, found)
                expected = f"{expected}, which is {_plainly(known[name])}"
            fields.append(Field("caused_by" if name == "cause" else name, expected, shown_field(name, found), fits))
        if self.where is not None:
            fields.append(Field("where", getattr(self.where, "__name__", "where"), "", bool(self.where(found))))
        return fields

    def __eq__(self, other: object) -> bool:
        return self.fits(other) if isinstance(other, UniversalEvent) else self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        parts = [repr(self.expected["type"])]
        for name, wanted in self.expected.items():
            if name == "action":
                parts.append(_shown(wanted))
            elif name != "type":
                parts.append(f"{'caused_by' if name == 'cause' else name}={_shown(wanted)}")
        if self.where is not None:
            parts.append(f"where={getattr(self.where, '__name__', repr(self.where))}")
        if self.times is not None:
            parts.append(f"times={self.times!r}")
        if self.name is not None:
            parts.append(f"name={self.name!r}")
        return f"event({', '.join(parts)})"


def event(
    event_type: object,
    action: object = UNSET,
    *,
    actor: object = UNSET,
    subject: object = UNSET,
    outcome: object = UNSET,
    metadata: Mapping[str, object] | object = UNSET,
    changes: Mapping[str, object] | Sequence[str] | object = UNSET,
    error: object = UNSET,
    severity: object = UNSET,
    duration: object = UNSET,
    flow: object = UNSET,
    session: object = UNSET,
    attempt: object = UNSET,
    caused_by: str | object = UNSET,
    where: Callable[[UniversalEvent], object] | None = None,
    times: int | Times | None = None,
    name: str | None = None,
) -> Matcher:
    """Return what a test expects of an event; what is left out may be anything.

    A field is expected by its value; in texts ``*`` stands for anything. It may also be a compiled regular expression
    that is searched for, a function that is called with the field, `any_of` several, `same` as in another event, or a
    symbol: whatever ``$user`` or ``order#1`` is, it is the same wherever it is written; ``order#1`` and ``order#2`` are
    orders, and not the same one.

    Args:
        event_type: Such as ``order.action``; ``order.placed`` is short for that with the action ``placed``, ``data.*``
            stands for all that begin so.
        action: Such as ``placed``.
        actor: Who acts: ``"user:42"``, ``"user:*"``, ``"user"``, a pair, an `Actor`, or an object that has an identity.
        subject: What is acted on, in the same ways; None for nothing.
        outcome: Such as ``"failure"``.
        metadata: What some keys hold, others may be there; mappings inside are compared in the same way.
        changes: The names of changed fields, or by name a new value, or a pair of old and new value.
        error: The type of the error, such as ``*.SMTPServerDisconnected``; None for no error.
        severity: Such as ``"warn"``.
        duration: In seconds: a function, most likely.
        flow: The flow's id, such as ``checkout:42``; None for no flow.
        session: The session's id.
        attempt: Which run of the job.
        caused_by: The expected event that is its direct cause, named as for `same`.
        where: Called with the event; whether it returns something true.
        times: How many there are: a number, `at_least`, `at_most`; at least one when left out.
        name: What `same` and messages call it.

    Raises:
        ValueError: Such an event cannot be: the text says what is wrong and what is allowed.

    Example:
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture() as captured:
        ...     _ = ezlogs.event("order.action", "placed", actor=("user", 42), metadata={"total": 99.9})
        >>> event("order.placed", actor="user:*", metadata={"total": lambda total: total > 50}) == captured.events[0]
        True
    """
    given = {
        "type": event_type,
        "action": action,
        "actor": actor,
        "subject": subject,
        "outcome": outcome,
        "metadata": metadata,
        "changes": changes,
        "error": error,
        "severity": severity,
        "duration": duration,
        "flow": flow,
        "session": session,
        "attempt": attempt,
        "cause": Same(caused_by, "id") if isinstance(caused_by, str) else caused_by,
    }
    expected = {name: wanted for name, wanted in given.items() if wanted is not UNSET}
    _check(expected)
    for role, kind in _PARTIES.items():
        if role in expected:
            expected[role] = _party(kind, role, expected[role])
    if isinstance(times, int):
        times = Times(_count(times), times)
    return Matcher(expected, where, times, name)


def _check(expected: Mapping[str, Any]) -> None:
    kind = expected["type"]
    if isinstance(kind, str) and not _TYPE.fullmatch(kind):
        raise ValueError(f"event type {kind!r}: two lower-case segments, such as 'order.action', or with '*'")
    for field, known in (("outcome", OUTCOMES), ("severity", SEVERITIES)):
        wanted = expected.get(field)
        if isinstance(wanted, str) and "*" not in wanted and wanted not in known:
            near = nearest(wanted, known)
            hint = f"; did you mean {near!r}?" if near else f"; use {', '.join(known)}"
            raise ValueError(f"{field} {wanted!r}{hint}")
    for field in ("metadata",):
        if field in expected and not (isinstance(expected[field], Mapping) or callable(expected[field])):
            raise ValueError(f"{field} {expected[field]!r}: a mapping of what some keys hold, or a function")


def _count(number: int) -> int:
    if number < 0:
        raise ValueError(f"times {number}: use 0 or more")
    return number


def _party(kind: type[Any], role: str, wanted: Any) -> Any:
    """Return an expected actor or subject with objects replaced by who they are."""
    if isinstance(wanted, AnyOf):
        return AnyOf(tuple(_party(kind, role, choice) for choice in wanted.choices))
    if wanted is None or isinstance(wanted, (str, re.Pattern, Same, kind)) or _is_condition(wanted):
        return wanted
    problems: list[str] = []
    found = party(kind, role, wanted, problems)
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _is_condition(wanted: object) -> bool:
    return callable(wanted) and not isinstance(wanted, type) and not hasattr(wanted, "_meta")


def _variables(expected: Mapping[str, Any]) -> Iterator[Variable]:
    for name, wanted in expected.items():
        if isinstance(wanted, Same):
            yield Variable(name, wanted.field or name, wanted.of)
        elif is_symbol(name, wanted):
            yield Variable(name, wanted)
        elif name == "metadata" and isinstance(wanted, Mapping):
            for key, inner in wanted.items():
                if isinstance(inner, Same):
                    yield Variable(f"metadata.{key}", inner.field or f"metadata.{key}", inner.of)


def is_symbol(field: str, wanted: object) -> bool:
    """Return whether what is expected of a field is a symbol, which may stand for any value."""
    return field in _SYMBOLIC and isinstance(wanted, str) and _SYMBOL.fullmatch(wanted) is not None


_SYMBOLIC: Final = frozenset({"actor", "subject", "flow", "session"})


def _fits(name: str, wanted: Any, found: UniversalEvent) -> bool:
    if name == "type":
        return _fits_type(wanted, found)
    if name == "metadata" and isinstance(wanted, Mapping):
        return fits_mapping(wanted, found.metadata)
    if name == "changes":
        return _fits_changes(wanted, found.changes)
    if name in _PARTIES:
        return _fits_party(wanted, getattr(found, name))
    if is_symbol(name, wanted):
        return field_of(name, found) is not None
    return fits_value(wanted, field_of(name, found), glob=True)


def _fits_type(wanted: Any, found: UniversalEvent) -> bool:
    if fits_value(wanted, found.event_type, glob=True):
        return True
    short = found.event_type.endswith(_SHORT_SUFFIX) and isinstance(wanted, str)
    return short and wanted == f"{found.event_type.removesuffix(_SHORT_SUFFIX)}.{found.action}"


def _fits_party(wanted: Any, found: Actor | Subject | None) -> bool:
    if isinstance(wanted, AnyOf):
        return any(_fits_party(choice, found) for choice in wanted.choices)
    if wanted is None or found is None:
        return wanted is found or isinstance(wanted, Same) or (_is_condition(wanted) and bool(wanted(found)))
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
    return _plainly(value)


def _change(change: Change) -> str:
    before = "" if change.before is UNSET else f"{thaw(change.before)!r} -> "
    return f"{change.field}: {before}{thaw(change.after)!r}"


def _plainly(value: object) -> str:
    if isinstance(value, (Actor, Subject)):
        return type_and_id(value)
    return _NOTHING if value is None else value if isinstance(value, str) else repr(value)


def _shown(wanted: Any) -> str:
    """Return an expectation as it was written."""
    if isinstance(wanted, (Actor, Subject)):
        return repr(type_and_id(wanted))
    if isinstance(wanted, re.Pattern):
        return f"re.compile({wanted.pattern!r})"
    if isinstance(wanted, Same) and wanted.field == "id":
        return repr(wanted.of)
    if isinstance(wanted, Mapping):
        return "{" + ", ".join(f"{key!r}: {_shown(inner)}" for key, inner in wanted.items()) + "}"
    if not isinstance(wanted, (AnyOf, Same)) and callable(wanted):
        return getattr(wanted, "__name__", repr(wanted))
    return repr(wanted)
