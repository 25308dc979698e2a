"""Facts: the checked fields of an event; what was wrong with them as they were given is repaired and said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import time_ns
from typing import Any, Literal, get_args

import msgspec

from ezlogs.correlation import Correlation
from ezlogs.expressions import expression
from ezlogs.identity import describe
from ezlogs.ids import new_event_id
from ezlogs.nearest import nearest
from ezlogs.party import SYSTEM, Actor, Subject, party
from ezlogs.snapshot import Pairs, freeze, text

Outcome = Literal["success", "failure", "rolled_back", "retried", "dead", "unknown"]
Severity = Literal["debug", "info", "warn", "error", "fatal"]

OUTCOMES: tuple[str, ...] = get_args(Outcome)
SEVERITIES: tuple[str, ...] = get_args(Severity)
ENDLESS = float("inf")
FAILURES = frozenset({"failure", "dead"})
"""The outcomes of an event that is an error unless it says otherwise."""

_EVENT_TYPE = expression(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_LONGEST_TYPE = 200
_LONGEST_ID = 128
_END_OF_TIME = 2**63


class Change(msgspec.Struct, gc=False, frozen=True):
    """One field of a changed row. A side that is `msgspec.UNSET` is not known, or not to be told."""

    field: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET


class FrozenChanges(tuple[Change, ...]):
    """Changes whose values nobody can change any more."""

    __slots__ = ()


class Failure(msgspec.Struct, gc=False, frozen=True):
    """The error that decided the outcome: its type (``smtplib.SMTPServerDisconnected``) and message."""

    type: str
    message: str | None = None


class Sampled(msgspec.Struct, gc=False, frozen=True, omit_defaults=True):
    """What sampling says of an event that was kept, for whoever counts events or reads their story."""

    probability: float = 1.0
    """With which an event of this kind is kept by its story's id: it stands for one divided by this."""
    added: bool = False
    """Whether it was kept although its story's id says no; then others stand for it, and it counts as none."""
    partial: bool = False
    """Whether its story's id says no, so that other events of the story may be missing."""
    reason: str | None = None
    """What decided; told with the setting ``debug``."""


class Facts(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """Every field of a UniversalEvent, each valid."""

    event_id: str
    timestamp: int
    event_type: str
    action: str
    actor: Actor
    subject: Subject | None = None
    outcome: Outcome = "success"
    duration: float | None = None
    correlation: Correlation
    sequence: int = 0
    metadata: Pairs = Pairs()
    changes: tuple[Change, ...] = ()
    error: Failure | None = None
    severity: Severity = "info"
    invalid: tuple[str, ...] = ()
    sampling: Sampled | None = None


def checked(
    event_type: object,
    action: object,
    *,
    actor: object,
    subject: object,
    metadata: object,
    outcome: object,
    duration: object,
    correlation: Correlation,
    changes: object,
    error: object,
    severity: object,
    event_id: str | None,
    timestamp: int | None,
    sequence: int,
) -> Facts:
    """Return the facts of an event that was given in any form, repaired where they were wrong.

    All problems are gathered: ``invalid`` of the result has a text for each, with what was given and what is allowed.
    """
    problems: list[str] = []
    now = _timestamp(timestamp, problems)
    event_type, action = _event_type(event_type, problems), _action(action, problems)
    who = SYSTEM if actor is None else party(Actor, "actor", actor, problems)
    what = None if subject is None else party(Subject, "subject", subject, problems)
    outcome = _one_of("outcome", outcome, OUTCOMES, "unknown", problems)
    usual = usual_severity(outcome)
    severity = _one_of("severity", usual if severity is None else severity, SEVERITIES, usual, problems)
    return Facts(
        event_id=_event_id(event_id, now, problems),
        timestamp=now,
        event_type=event_type,
        action=action,
        actor=who,
        subject=what,
        outcome=outcome,  # type: ignore[arg-type]  # checked above
        duration=_duration(duration, problems),
        correlation=correlation,
        sequence=sequence,
        metadata=_metadata(metadata, problems),
        changes=_changes(changes, problems),
        error=_failure(error, problems),
        severity=severity,  # type: ignore[arg-type]  # checked above
        invalid=tuple(problems),
    )


def usual_severity(outcome: str) -> Severity:
    """Return how bad an event is of which nobody said it."""
    return "error" if outcome in FAILURES else "info"


def failure_of(error: BaseException) -> Failure:
    """Return the `Failure` of an exception; its message is privacy's to scrub, so it is kept as it is."""
    from ezlogs.conversions import message_of

    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Failure(name, message_of(error))


def is_event_type(event_type: str) -> bool:
    """Return whether an event type has the right form: two lower-case segments, such as ``order.action``."""
    return _EVENT_TYPE.fullmatch(event_type) is not None and len(event_type) <= _LONGEST_TYPE


def is_right(action: object, outcome: object, duration: object) -> bool:
    """Return whether these are what they should be; what is neither is for `checked` to name."""
    return (
        type(action) is str
        and action != ""
        and not action.isspace()
        and type(outcome) is str
        and outcome in OUTCOMES
        and (duration is None or (type(duration) is float and 0.0 <= duration < ENDLESS))
    )


def frozen_changes(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Return changes whose values nobody can change any more; their own values where they are frozen already."""
    return tuple(
        change if change.before is before and change.after is after else Change(text(change.field), before, after)
        for change in changes
        for before, after in ((_side(change.before), _side(change.after)),)
    )


def _side(value: object) -> Any:
    return value if value is msgspec.UNSET else freeze(value)


def is_timestamp(timestamp: object) -> bool:
    """Return whether a time can be told: nanoseconds since 1970, as OTLP holds them."""
    return type(timestamp) is int and 0 <= timestamp < _END_OF_TIME


def _timestamp(timestamp: object, problems: list[str]) -> int:
    if timestamp is None:
        return time_ns()
    if is_timestamp(timestamp):
        return timestamp  # type: ignore[return-value]  # an int
    problems.append(f"timestamp {_shown(timestamp)}: use nanoseconds since 1970 as an int")
    return time_ns()


def _event_id(event_id: object, timestamp: int, problems: list[str]) -> str:
    if type(event_id) is str and event_id:
        return text(event_id, _LONGEST_ID)
    if event_id is not None:
        problems.append(f"event_id {_shown(event_id)}: use what ezlogs.ids.new_event_id() returned, or leave it out")
    return new_event_id(timestamp)


def _event_type(event_type: object, problems: list[str]) -> str:
    if type(event_type) is str and is_event_type(event_type):
        return event_type
    suggestion = _two_segments(event_type)
    problems.append(f"event_type {_shown(event_type)}: use two lower-case segments, e.g. {suggestion!r}")
    return suggestion


def _two_segments(event_type: object) -> str:
    """Return the nearest allowed event type to a wrong one: ``Order Placed`` gives ``order.placed``."""
    given = str.__str__(event_type) if issubclass(type(event_type), str) else ""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", given[:_LONGEST_TYPE])
    words = [word for word in re.split(r"[^a-z0-9]+", spaced.lower()[:100]) if word[:1].isalpha()]
    if not words:
        return "custom.event"
    return f"{words[0]}.{'_'.join(words[1:]) or 'event'}"


def _action(action: object, problems: list[str]) -> str:
    if issubclass(type(action), str) and str.strip(action):  # type: ignore[arg-type]  # a str
        return text(action)  # type: ignore[arg-type]  # a str
    problems.append(f"action {_shown(action)}: use a short text, e.g. 'placed'")
    return "unknown"


def _metadata(metadata: object, problems: list[str]) -> Pairs:
    if metadata is None:
        return Pairs()
    if issubclass(type(metadata), Mapping):
        frozen = freeze(metadata)
        if isinstance(frozen, Pairs):
            return frozen
        problems.append(f"metadata {describe(metadata)}: its items could not be read")
        return Pairs((("value", frozen),))
    problems.append(f"metadata {describe(metadata)}: use a mapping, e.g. {{'total': 99.9}}")
    return Pairs((("value", freeze(metadata)),))


def _duration(duration: object, problems: list[str]) -> float | None:
    if duration is None:
        return None
    if type(duration) in (int, float) and 0 <= duration < float("inf"):  # type: ignore[operator]  # a number
        return float(duration)  # type: ignore[arg-type]  # a number
    problems.append(f"duration {_shown(duration)}: use seconds as a number, 0 or more")
    return None


def _changes(changes: object, problems: list[str]) -> tuple[Change, ...]:
    if type(changes) in (tuple, list, FrozenChanges) and all(type(change) is Change for change in changes):  # type: ignore[attr-defined]  # a sequence
        return frozen_changes(tuple(changes))  # type: ignore[arg-type]  # a sequence of changes
    problems.append(f"changes {describe(changes)}: use a sequence of ezlogs.Change")
    return ()


def _failure(error: object, problems: list[str]) -> Failure | None:
    if error is None or type(error) is Failure:
        return error
    if issubclass(type(error), BaseException):
        return failure_of(error)  # type: ignore[arg-type]  # an exception
    problems.append(f"error {describe(error)}: use an exception")
    return None


def _one_of(name: str, value: object, allowed: tuple[str, ...], default: str, problems: list[str]) -> str:
    if type(value) is str and value in allowed:
        return value
    near = nearest(value[:100], allowed) if isinstance(value, str) else None
    hint = f"; did you mean {near!r}?" if near else ""
    problems.append(f"{name} {_shown(value)}: use one of {', '.join(allowed)}{hint}")
    return default


_LONGEST_SHOWN = 80


def _shown(value: object) -> str:
    """Return what was given, if it is short: of half a secret privacy would not know. Runs none of its code."""
    if type(value) is str:
        return repr(value) if len(value) <= _LONGEST_SHOWN else f"of {len(value)} characters"
    return repr(value) if type(value) in (int, float, bool, type(None)) else describe(value)
