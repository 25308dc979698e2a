"""UniversalEvent: one immutable record of who did what to what, how it ended, and why it belongs where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    Sampled,
    Severity,
    checked,
    failure_of,
    is_right,
    usual_severity,
)
from ezlogs.ids import event_id, is_own_id, sequence_of
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


class InvalidEvent(ValueError):  # noqa: N818  # the name users read in their terminal says what is wrong
    """An event that breaks the rules; the text lists every problem at once."""


class UniversalEvent(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Who (actor) did what (event_type, action) to what (subject), how it ended (outcome), and why (correlation).

    Immutable all the way down. `create` snapshots and checks what it is given. What `ezlogs.event` returns was
    snapshotted at the call as well, and takes its final form at the first reading: the application's thread pays for
    the copy, whoever reads for the form.

    Two events are equal when all their fields are. `to_json` and `from_json` keep every field.
    """

    event_type: str
    """Two lower-case segments, such as ``order.action``; never holds dynamic values."""
    said_action: Any
    said_actor: Any
    said_subject: Any
    said_metadata: dict[Any, Any] | None
    said_outcome: Any
    said_duration: Any
    correlation: Correlation
    """The story, flow and cause that it belongs to."""
    changes: tuple[Change, ...]
    """The changed fields of a row."""
    error: Failure | None
    """The error that decided the outcome."""
    said_severity: Severity | None
    said_id: str | None
    """Its id, where that was reserved earlier."""
    timestamp: int
    """Unix time in nanoseconds."""
    said_tail: int | None
    """The end of its id otherwise, and its sequence number; see `ezlogs.ids.tails`. None if there were facts first."""
    _facts: Facts | msgspec.UnsetType = msgspec.UNSET
    sampling: Sampled | None = None
    """How it was sampled; None where it stands for itself alone."""

    @property
    def facts(self) -> Facts:
        """All fields as one frozen record; metadata as pairs."""
        facts = self._facts
        if facts is msgspec.UNSET:
            facts = _settled(self)
            msgspec.structs.force_setattr(self, "_facts", facts)
        return facts

    @property
    def event_id(self) -> str:
        """``evt_`` and a UUIDv7: ids sort by time."""
        if self.said_tail is not None:
            if self.said_id is None:
                return event_id(self.timestamp, self.said_tail)
            if type(self.said_id) is str and is_own_id(self.said_id):
                return self.said_id
        return self.facts.event_id

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
    def sequence(self) -> int:
        """Order of emission within the process, and so within each scope."""
        return self.facts.sequence

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        if self.said_severity is None and type(self.said_outcome) is str:
            return usual_severity(self.said_outcome)
        return self.said_severity or self.facts.severity

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
            __tracebackhide__ = True  # by pytest: the mistake is where the event was told
            raise InvalidEvent("; ".join(facts.invalid))
        return cls.of(facts)

    @classmethod
    def of(cls, facts: Facts) -> UniversalEvent:
        """Return the event that has these facts."""
        return cls(
            facts.event_type,
            None,
            None,
            None,
            None,
            None,
            None,
            facts.correlation,
            facts.changes,
            facts.error,
            facts.severity,
            facts.event_id,
            facts.timestamp,
            None,
            facts,
            facts.sampling,
        )

    def named(self) -> UniversalEvent:
        """Return the same event, with its id said: whoever notes it before it is told will know it by that."""
        return msgspec.structs.replace(self, said_id=self.event_id)

    def sampled(self, sampling: Sampled) -> UniversalEvent:
        """Return the same event, with what sampling says of it."""
        facts = self._facts
        if facts is not msgspec.UNSET:
            facts = msgspec.structs.replace(facts, sampling=sampling)
        return msgspec.structs.replace(self, sampling=sampling, _facts=facts)

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

        return cls.of(from_json(document))

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

    def __reduce__(self) -> tuple[Callable[[Facts], UniversalEvent], tuple[Facts]]:
        return UniversalEvent.of, (self.facts,)


def _settled(said: UniversalEvent) -> Facts:
    """Return the facts of an event as it was said: those of `checked`, which is asked where something is not right."""
    tail: int = said.said_tail  # type: ignore[assignment]  # an event without one has its facts
    problems: list[str] = []
    own_id, sequence = said.said_id or event_id(said.timestamp, tail), sequence_of(tail)
    if is_right(said.said_action, said.said_outcome, said.said_duration):
        subject, metadata = said.said_subject, said.said_metadata
        who = party(Actor, "actor", said.said_actor, problems)
        what = None if subject is None else party(Subject, "subject", subject, problems)
        facts = Facts(
            event_id=own_id,
            timestamp=said.timestamp,
            event_type=said.event_type,
            action=text(said.said_action),
            actor=who,
            subject=what,
            outcome=said.said_outcome,
            duration=said.said_duration,
            correlation=said.correlation,
            sequence=sequence,
            metadata=freeze_mapping(metadata) if metadata else Pairs(),
            changes=said.changes,
            error=said.error,
            severity=said.said_severity or usual_severity(said.said_outcome),
            invalid=tuple(problems),
            sampling=said.sampling,
        )
    else:
        facts = checked(
            said.event_type,
            said.said_action,
            actor=said.said_actor,
            subject=said.said_subject,
            metadata=said.said_metadata,
            outcome=said.said_outcome,
            duration=said.said_duration,
            correlation=said.correlation,
            changes=said.changes,
            error=said.error,
            severity=said.said_severity,
            event_id=own_id,
            timestamp=said.timestamp,
            sequence=sequence,
        )
        if said.sampling is not None:
            facts = msgspec.structs.replace(facts, sampling=said.sampling)
    if facts.invalid:
        from ezlogs.runtime import repaired  # it imports this module

        repaired(facts.invalid)
    return facts
