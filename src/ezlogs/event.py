"""UniversalEvent: one immutable record of who did what to what, how it ended, and why it belongs where it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import time_ns
from typing import Any, Literal, get_args

import msgspec

from ezlogs.correlation import Correlation
from ezlogs.identity import describe, identify
from ezlogs.ids import new_event_id
from ezlogs.snapshot import Pairs, freeze, freeze_mapping, thaw

Outcome = Literal["success", "failure", "rolled_back", "retried", "dead", "unknown"]
Severity = Literal["debug", "info", "warn", "error", "fatal"]

OUTCOMES: tuple[str, ...] = get_args(Outcome)
SEVERITIES: tuple[str, ...] = get_args(Severity)

_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


class InvalidEvent(ValueError):  # noqa: N818  # the name users read in their terminal says what is wrong
    """An event that breaks the rules; the text lists every problem at once."""


class Actor(msgspec.Struct, frozen=True):
    """Who acts: a user, a service, a job, the system.

    ``unknown`` is an actor that the application had not resolved; ``anonymous`` one that it knows to be nobody.
    """

    type: str
    id: str | None = None
    label: str | None = None
    on_behalf_of: str | None = None
    """``type:id`` of the one who is impersonated."""


class Subject(msgspec.Struct, frozen=True):
    """What is acted on."""

    type: str
    id: str | None = None
    label: str | None = None


class Change(msgspec.Struct, frozen=True):
    """One field of a changed row. A side that is `msgspec.UNSET` is not known, or not to be told."""

    field: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET


class Failure(msgspec.Struct, frozen=True):
    """The error that decided the outcome: its type (``smtplib.SMTPServerDisconnected``) and message."""

    type: str
    message: str | None = None


SYSTEM = Actor("system", "system")
UNKNOWN_ACTOR = Actor("unknown")
ANONYMOUS = Actor("anonymous")


class UniversalEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Who (actor) did what (event_type, action) to what (subject), how it ended (outcome), and why (correlation).

    Make one with `create`, which snapshots and checks what it is given; the constructor takes ready values.
    """

    event_id: str
    timestamp: int
    """Unix time in nanoseconds."""
    event_type: str
    """Two lower-case segments, such as ``order.action``; never holds dynamic values."""
    action: str
    actor: Actor
    subject: Subject | None = None
    outcome: Outcome = "success"
    duration: float | None = None
    """Seconds, measured."""
    correlation: Correlation
    sequence: int = 0
    """Order of emission within the process, and so within each scope."""
    frozen_metadata: Pairs = Pairs()
    changes: tuple[Change, ...] = ()
    error: Failure | None = None
    severity: Severity = "info"
    invalid: tuple[str, ...] = ()
    """What was wrong with the event as it was given, when it was repaired rather than refused."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata as a read-only view, nested mappings and sequences included."""
        view: Mapping[str, Any] = thaw(self.frozen_metadata)
        return view

    @classmethod
    def create(
        cls,
        event_type: str,
        action: str,
        *,
        actor: object = None,
        subject: object = None,
        metadata: Mapping[str, object] | None = None,
        outcome: str = "success",
        duration: float | None = None,
        correlation: Correlation,
        changes: tuple[Change, ...] = (),
        error: BaseException | Failure | None = None,
        severity: str | None = None,
        event_id: str | None = None,
        timestamp: int | None = None,
        sequence: int = 0,
        strict: bool = False,
    ) -> UniversalEvent:
        """Return a checked event that shares nothing mutable with its arguments.

        Args:
            event_type: Two lower-case segments, e.g. ``order.action``.
            action: The low-cardinality verb, e.g. ``placed`` or ``POST /orders/{id}``.
            actor: An `Actor`, a ``("user", 7)`` pair, a mapping with ``type`` and ``id``, or an object whose class
                is known to `ezlogs.register_identity`; the system when left out.
            subject: The same for what is acted on; may be left out.
            metadata: Further facts; any values, snapshotted.
            outcome: One of `OUTCOMES`.
            duration: Seconds.
            correlation: The story that the event belongs to.
            changes: The changed fields of a row.
            error: An exception or `Failure`.
            severity: One of `SEVERITIES`; follows from the outcome when left out.
            event_id: An id reserved earlier; a new one when left out.
            timestamp: Unix time in nanoseconds; now when left out.
            sequence: Order of emission within the process.
            strict: Raise instead of repairing.

        Raises:
            InvalidEvent: With ``strict``, naming every problem, what was given and what is allowed.

        Example:
            >>> story = Correlation(correlation_id="0af7651916cd43dd8448eb211c80319c")
            >>> event = UniversalEvent.create("order.action", "placed", subject=("order", 42), correlation=story)
            >>> event.subject
            Subject(type='order', id='42', label=None)
        """
        problems: list[str] = []
        now = time_ns() if timestamp is None else timestamp
        event_type = _checked_event_type(event_type, problems)
        action = _checked_action(action, problems)
        who = SYSTEM if actor is None else actor if type(actor) is Actor else _party(Actor, "actor", actor, problems)
        what = None if subject is None else _party(Subject, "subject", subject, problems)
        outcome = _one_of("outcome", outcome, OUTCOMES, "unknown", problems)
        severity = _one_of(
            "severity",
            severity or ("error" if outcome in ("failure", "dead") else "info"),
            SEVERITIES,
            "info",
            problems,
        )
        details = _checked_metadata(metadata, problems)
        if duration is not None and not _is_duration(duration):
            problems.append(f"duration {_shown(duration)}: use seconds as a number, 0 or more")
            duration = None
        if problems and strict:
            raise InvalidEvent("; ".join(problems))
        return cls(
            event_id=event_id or new_event_id(now),
            timestamp=now,
            event_type=event_type,
            action=action,
            actor=who,
            subject=what,
            outcome=outcome,  # type: ignore[arg-type]  # checked above
            duration=duration,
            correlation=correlation,
            sequence=sequence,
            frozen_metadata=details,
            changes=changes,
            error=failure_of(error) if isinstance(error, BaseException) else error,
            severity=severity,  # type: ignore[arg-type]  # checked above
            invalid=tuple(problems),
        )


def failure_of(error: BaseException) -> Failure:
    """Return the `Failure` of an exception; its message is privacy's to scrub, so it is kept as it is."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(freeze(str(error)))
    except Exception:  # an exception's own __str__ raised
        message = None
    return Failure(name, message or None)


def _party(kind: type[Any], role: str, value: object, problems: list[str]) -> Any:
    """Return an actor or subject; what cannot be one is reported and repaired to ``unknown``."""
    if type(value) is kind:
        return value
    try:
        identity = identify(value)
    except Exception as error:  # a registered adapter of the application's raised
        problems.append(f"{role}: the identity registered for {describe(value)} raised {type(error).__qualname__}")
        return kind("unknown")
    if identity is None:
        problems.append(
            f"{role} {describe(value)}: use a ('type', id) pair, a mapping with 'type' and 'id', or an object whose "
            "class was given to ezlogs.register_identity"
        )
        return kind("unknown")
    problems.extend(
        f"{role}: missing {part!r} (got {describe(value)})"
        for part in (("type", "id") if kind is Actor else ("type",))
        if not getattr(identity, part)
    )
    return kind(identity.type or "unknown", identity.id, identity.label)


def _checked_event_type(event_type: object, problems: list[str]) -> str:
    if isinstance(event_type, str) and _EVENT_TYPE.fullmatch(event_type):
        return event_type
    suggestion = _two_segments(event_type)
    problems.append(f"event_type {_shown(event_type)}: use two lower-case segments, e.g. {suggestion!r}")
    return suggestion


def _two_segments(event_type: object) -> str:
    """Return the nearest allowed event type to a wrong one: ``Order Placed`` gives ``order.placed``."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", event_type) if isinstance(event_type, str) else ""
    words = [word for word in re.split(r"[^a-z0-9]+", text.lower()[:100]) if word[:1].isalpha()]
    if not words:
        return "custom.event"
    return f"{words[0]}.{'_'.join(words[1:]) or 'event'}"


def _checked_action(action: object, problems: list[str]) -> str:
    if isinstance(action, str) and action.strip():
        return str(freeze(action))
    problems.append(f"action {_shown(action)}: use a short text, e.g. 'placed'")
    return "unknown"


def _checked_metadata(metadata: object, problems: list[str]) -> Pairs:
    if metadata is None:
        return Pairs()
    if type(metadata) is dict or isinstance(metadata, Mapping):
        return freeze_mapping(metadata)
    problems.append(f"metadata {describe(metadata)}: use a mapping, e.g. {{'total': 99.9}}")
    return Pairs((("value", freeze(metadata)),))


def _is_duration(duration: object) -> bool:
    return isinstance(duration, (int, float)) and duration >= 0


def _one_of(name: str, value: object, allowed: tuple[str, ...], default: str, problems: list[str]) -> str:
    if value in allowed:
        return str(value)
    problems.append(f"{name} {_shown(value)}: use one of {', '.join(allowed)}{nearest(value, allowed)}")
    return default


def nearest(value: object, allowed: tuple[str, ...]) -> str:
    """Return ``; did you mean 'x'?`` for a misspelt word, or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(str(value)[:100], allowed, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _shown(value: object) -> str:
    return (
        repr(value[:80])
        if isinstance(value, str)
        else repr(value)
        if isinstance(value, (int, float))
        else describe(value)
    )


def type_and_id(party: Actor | Subject) -> str:
    """Return ``type:id``, the only form in which an actor travels to another process."""
    return party.type if party.id is None else f"{party.type}:{party.id}"
