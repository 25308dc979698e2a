"""UniversalEvent: one immutable record of who did what to what, how it ended, and why it belongs where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ezlogs.correlation import Correlation
from ezlogs.facts import (
    OUTCOMES,
    SEVERITIES,
    Change,
    Facts,
    Failure,
    Outcome,
    Severity,
    checked,
    failure_of,
    is_right,
    usual_severity,
)
from ezlogs.ids import event_id, sequence_of
from ezlogs.party import ANONYMOUS, SYSTEM, UNKNOWN_ACTOR, Actor, Subject, party, type_and_id
from ezlogs.snapshot import Pairs, freeze_mapping, text, thaw

__all__ = [
    "ANONYMOUS",
    "OUTCOMES",
    "SEVERITIES",
    "SYSTEM",
    "UNKNOWN_ACTOR",
    "Actor",
    "Change",
    "Failure",
    "InvalidEvent",
    "Outcome",
    "Severity",
    "Subject",
    "UniversalEvent",
    "failure_of",
    "type_and_id",
]


_EVENT_TYPE, _OUTCOME, _CORRELATION, _SEVERITY, _TIMESTAMP = 0, 5, 7, 10, 12
"""Where in ``said`` the fields are that are final when they are said."""


class InvalidEvent(ValueError):  # noqa: N818  # the name users read in their terminal says what is wrong
    """An event that breaks the rules; the text lists every problem at once."""


class UniversalEvent(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Who (actor) did what (event_type, action) to what (subject), how it ended (outcome), and why (correlation).

    Immutable all the way down. `create` snapshots and checks what it is given. What `ezlogs.event` returns was
    snapshotted at the call as well, and takes its final form at the first reading: the application's thread pays for
    the copy, whoever reads for the form.

    Two events are equal when all their fields are. `to_json` and `from_json` keep every field.
    """

    said: tuple[Any, ...]
    """The fields as `_settled` takes them; empty where there are facts from the start."""
    _facts: Facts | msgspec.UnsetType = msgspec.UNSET

    @property
    def facts(self) -> Facts:
        """All fields as one frozen record; metadata as pairs."""
        facts = self._facts
        if facts is msgspec.UNSET:
            facts = _settled(*self.said)
            msgspec.structs.force_setattr(self, "_facts", facts)
        return facts

    @property
    def event_id(self) -> str:
        """``evt_`` and a UUIDv7: ids sort by time."""
        return self.facts.event_id

    @property
    def timestamp(self) -> int:
        """Unix time in nanoseconds."""
        return self.said[_TIMESTAMP] if self.said else self.facts.timestamp

    @property
    def event_type(self) -> str:
        """Two lower-case segments, such as ``order.action``; never holds dynamic values."""
        return self.said[_EVENT_TYPE] if self.said else self.facts.event_type

    @property
    def action(self) -> str:
        """The low-cardinality verb, such as ``placed``."""
        return self.facts.action

    @property
    def actor(self) -> Actor:
        """Who did it."""
        return self.facts.actor

    @property
    def subject(self) -> Subject | None:
        """What it was done to."""
        return self.facts.subject

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return self.facts.outcome

    @property
    def duration(self) -> float | None:
        """Seconds, measured."""
        return self.facts.duration

    @property
    def correlation(self) -> Correlation:
        """The story, flow and cause that it belongs to."""
        return self.said[_CORRELATION] if self.said else self.facts.correlation

    @property
    def sequence(self) -> int:
        """Order of emission within the process, and so within each scope."""
        return self.facts.sequence

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changed fields of a row."""
        return self.facts.changes

    @property
    def error(self) -> Failure | None:
        """The error that decided the outcome."""
        return self.facts.error

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        if self.said:
            given: Severity | None = self.said[_SEVERITY]
            return given or usual_severity(self.said[_OUTCOME])
        return self.facts.severity

    @property
    def invalid(self) -> tuple[str, ...]:
        """What was wrong with the event as it was given, when it was repaired rather than refused."""
        return self.facts.invalid

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata as a read-only view, nested mappings and sequences included."""
        view: Mapping[str, Any] = thaw(self.facts.metadata)
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
            actor: An `Actor`, a ``("user", 7)`` pair, a mapping with ``type`` and ``id``, or an object that
                `ezlogs.register_identity` or an ORM identifies; the system when left out.
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
        facts = checked(
            event_type,
            action,
            actor=actor,
            subject=subject,
            metadata=metadata,
            outcome=outcome,
            duration=duration,
            correlation=correlation,
            changes=changes,
            error=error,
            severity=severity,
            event_id=event_id,
            timestamp=timestamp,
            sequence=sequence,
        )
        if strict and facts.invalid:
            raise InvalidEvent("; ".join(facts.invalid))
        return cls((), facts)

    def to_json(self) -> bytes:
        """Return the event as a JSON object; see `json_schema`.

        Example:
            >>> story = Correlation(correlation_id="0af7651916cd43dd8448eb211c80319c")
            >>> event = UniversalEvent.create("order.action", "placed", correlation=story)
            >>> UniversalEvent.from_json(event.to_json()) == event
            True
        """
        from ezlogs.document import to_json

        return to_json(self.facts)

    @classmethod
    def from_json(cls, document: bytes | str) -> UniversalEvent:
        """Return the event in a JSON object that `to_json` wrote, in this or any other minor version of the schema.

        Raises:
            InvalidEvent: It is no such object; the text says where and why.
        """
        from ezlogs.document import from_json

        return cls((), from_json(document))

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of `to_json`, with its version in ``$id``."""
        from ezlogs.document import json_schema

        return json_schema()

    def __eq__(self, other: object) -> bool:
        return self.facts == other.facts if type(other) is UniversalEvent else NotImplemented

    def __hash__(self) -> int:
        return hash(self.facts.event_id)

    def __repr__(self) -> str:
        facts = self.facts
        return f"<UniversalEvent {facts.event_type} {facts.action!r} {facts.outcome} {facts.event_id}>"

    def __copy__(self) -> UniversalEvent:
        return self

    def __deepcopy__(self, memo: object) -> UniversalEvent:
        return self

    def __reduce__(self) -> tuple[type[UniversalEvent], tuple[tuple[()], Facts]]:
        return UniversalEvent, ((), self.facts)


def _settled(  # noqa: PLR0917  # called with the fields of an event as it was said, in this order
    event_type: str,
    action: str,
    actor: Any,
    subject: Any,
    metadata: dict[Any, Any] | None,
    outcome: Outcome,
    duration: float | None,
    correlation: Correlation,
    changes: tuple[Change, ...],
    error: Failure | None,
    severity: Severity | None,
    reserved: str | None,
    timestamp: int,
    tail: int,
) -> Facts:
    """Return the facts of an event as it was said: those of `checked`, which is asked where something is not right.

    Args:
        reserved: The event's id where it was reserved earlier.
        tail: The end of its id otherwise, and its sequence number; see `ezlogs.ids.Tails`.
    """
    problems: list[str] = []
    own_id, sequence = reserved or event_id(timestamp, tail), sequence_of(tail)
    if is_right(action, outcome, duration):
        who = party(Actor, "actor", actor, problems)
        what = None if subject is None else party(Subject, "subject", subject, problems)
        facts = Facts(
            event_id=own_id,
            timestamp=timestamp,
            event_type=event_type,
            action=text(action),
            actor=who,
            subject=what,
            outcome=outcome,
            duration=duration,
            correlation=correlation,
            sequence=sequence,
            metadata=freeze_mapping(metadata) if metadata else Pairs(),
            changes=changes,
            error=error,
            severity=severity or usual_severity(outcome),
            invalid=tuple(problems),
        )
    else:
        facts = checked(
            event_type,
            action,
            actor=actor,
            subject=subject,
            metadata=metadata,
            outcome=outcome,
            duration=duration,
            correlation=correlation,
            changes=changes,
            error=error,
            severity=severity,
            event_id=own_id,
            timestamp=timestamp,
            sequence=sequence,
        )
    if facts.invalid:
        from ezlogs.runtime import repaired  # it imports this module

        repaired(facts.invalid)
    return facts
