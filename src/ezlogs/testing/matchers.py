"""Matchers: what a test expects of an event, field by field, by value, pattern, condition, or another event's field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from ezlogs.event import OUTCOMES, SEVERITIES, UniversalEvent
from ezlogs.nearest import nearest
from ezlogs.party import party
from ezlogs.testing.fitting import (
    PARTIES,
    SHORT_SUFFIX,
    AnyOf,
    Same,
    comparable,
    fits_field,
    is_condition,
    is_symbol,
    plainly,
    shown,
    shown_field,
)

_TYPE: Final = re.compile(r"\*|[a-z][a-z0-9_*]*\.[a-z0-9_*]+")


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
        short = f"{kind.removesuffix(SHORT_SUFFIX)}.{action}" if kind.endswith(SHORT_SUFFIX) else None
        return reference in (self.name, self.label, kind, short)

    def fits(self, found: UniversalEvent) -> bool:
        """Return whether an event is as expected, whatever symbols and `same` stand for."""
        if not all(fits_field(name, wanted, found) for name, wanted in self.expected.items()):
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
            expected, fits = shown(wanted), fits_field(name, wanted, found)
            if name in known:
                fits = fits and known[name] == comparable(name, found)
                expected = f"{expected}, which is {plainly(known[name])}"
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
                parts.append(shown(wanted))
            elif name != "type":
                parts.append(f"{'caused_by' if name == 'cause' else name}={shown(wanted)}")
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
    for role, kind in PARTIES.items():
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
    if wanted is None or isinstance(wanted, (str, re.Pattern, Same, kind)) or is_condition(wanted):
        return wanted
    problems: list[str] = []
    found = party(kind, role, wanted, problems)
    if problems:
        raise ValueError("; ".join(problems))
    return found


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
