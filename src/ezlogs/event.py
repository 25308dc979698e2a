"""UniversalEvent: one immutable record of who did what to what, how it ended, and why it belongs where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ezlogs.correlation import Correlation
from ezlogs.facts import FAILURES, OUTCOMES, SEVERITIES, Change, Facts, Failure, Outcome, Severity, checked, failure_of
from ezlogs.ids import event_id
from ezlogs.party import ANONYMOUS, SYSTEM, UNKNOWN_ACTOR, Actor, Subject, type_and_id
from ezlogs.snapshot import ATOMS, Pairs, freeze_mapping, text, thaw

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


class UniversalEvent:
    """Who (actor) did what (event_type, action) to what (subject), how it ended (outcome), and why (correlation).

    Immutable all the way down. `create` snapshots and checks what it is given. What `ezlogs.event` returns was
    snapshotted at the call as well, and takes its final form at the first reading: the application's thread pays for
    the copy, whoever reads for the form.

    Two events are equal when all their fields are. `to_json` and `from_json` keep every field.
    """

    __slots__ = ("_facts", "_said")

    _facts: Facts
    _said: tuple[Any, ...]

    event_id: str
    """``evt_`` and a UUIDv7: ids sort by time."""
    timestamp: int
    """Unix time in nanoseconds."""
    event_type: str
    """Two lower-case segments, such as ``order.action``; never holds dynamic values."""
    action: str
    actor: Actor
    subject: Subject | None
    outcome: Outcome
    duration: float | None
    """Seconds, measured."""
    correlation: Correlation
    sequence: int
    """Order of emission within the process, and so within each scope."""
    changes: tuple[Change, ...]
    error: Failure | None
    severity: Severity
    invalid: tuple[str, ...]
    """What was wrong with the event as it was given, when it was repaired rather than refused."""

    def __init__(self, facts: Facts) -> None:
        _set_facts(self, facts)

    @property
    def facts(self) -> Facts:
        """All fields as one frozen record; metadata as pairs."""
        try:
            return self._facts
        except AttributeError:
            facts = _settled(*self._said)
            _set_facts(self, facts)
            return facts

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
        return cls(facts)

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

        return cls(from_json(document))

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of `to_json`, with its version in ``$id``."""
        from ezlogs.document import json_schema

        return json_schema()

    if not TYPE_CHECKING:  # to a type checker the fields are those declared above

        def __getattr__(self, name: str) -> Any:
            if name in Facts.__struct_fields__:
                return getattr(self.facts, name)
            raise AttributeError(f"a UniversalEvent has no {name!r}")

        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(f"a UniversalEvent cannot be changed: {name}")

        def __delattr__(self, name: str) -> None:
            raise AttributeError(f"a UniversalEvent cannot be changed: {name}")

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

    def __reduce__(self) -> tuple[type[UniversalEvent], tuple[Facts]]:
        return UniversalEvent, (self.facts,)


_new = object.__new__
_set_facts = UniversalEvent.__dict__["_facts"].__set__
_set_said = UniversalEvent.__dict__["_said"].__set__


def said(*fields: Any) -> UniversalEvent:
    """Return an event of fields that are known to be right and immutable; see `_settled` for their order."""
    event = _new(UniversalEvent)
    _set_said(event, fields)
    return event


def is_flat(metadata: object) -> bool:
    """Return whether a copy of some metadata is a snapshot of it: a ``dict`` of immutable scalars."""
    try:
        return type(metadata) is dict and ATOMS.issuperset(map(type, metadata.values()))
    except Exception:  # a class that cannot be hashed
        return False


def _settled(  # noqa: PLR0917  # called with the fields of `said`, in their order
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
    identity: int | str,
    timestamp: int,
    sequence: int,
) -> Facts:
    """Return the facts of an event as it was said: those of `checked`, without the checks.

    Args:
        identity: An id reserved earlier, or the tail of a new one.
    """
    return Facts(
        event_id=identity if isinstance(identity, str) else event_id(timestamp, identity),
        timestamp=timestamp,
        event_type=event_type,
        action=text(action),
        actor=actor if type(actor) is Actor else Actor(text(actor[0]), text(str(actor[1]))),
        subject=subject
        if subject is None or type(subject) is Subject
        else Subject(text(subject[0]), text(str(subject[1]))),
        outcome=outcome,
        duration=None if duration is None else float(duration),
        correlation=correlation,
        sequence=sequence,
        metadata=freeze_mapping(metadata) if metadata else Pairs(),
        changes=changes,
        error=error,
        severity=severity or ("error" if outcome in FAILURES else "info"),
    )
