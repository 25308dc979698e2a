"""The JSON document of an event: its schema, versioned, and the way there and back."""

from __future__ import annotations

from datetime import datetime, timezone
from inspect import cleandoc
from typing import Annotated, Any, Final

import msgspec

from ezlogs.correlation import Correlation
from ezlogs.facts import OUTCOMES, SEVERITIES, Change, Facts, Failure, Sampled
from ezlogs.party import Actor, Subject
from ezlogs.snapshot import Pairs, frozen, plain

VERSION: Final = "1.0"
"""Major and minor: a reader takes any minor version of its major one, ignores what it does not know, and takes the
default for what is not there."""

_SCHEMA_ID: Final = f"urn:ezlogs:event:{VERSION}"
_BILLION: Final = 1_000_000_000


def _one_of(words: tuple[str, ...]) -> msgspec.Meta:
    """Name the words of this version in the schema; a reader takes others, which a later one may add."""
    return msgspec.Meta(extra_json_schema={"examples": list(words)})


class ChangeDocument(msgspec.Struct, frozen=True, omit_defaults=True, rename={"before": "from", "after": "to"}):
    """One changed field. A side that is left out is not known, or not to be told."""

    field: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET


class EventDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A UniversalEvent: who did what to what, how it ended, and why it belongs where it is."""

    schema_version: Annotated[str, msgspec.Meta(pattern=r"^1\.\d+$")]
    event_id: str
    timestamp: Annotated[str, msgspec.Meta(description="RFC 3339, UTC, in nanoseconds")]
    event_type: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]
    action: Annotated[str, msgspec.Meta(min_length=1)]
    actor: Actor
    correlation: Correlation
    subject: Subject | None = None
    outcome: Annotated[str, _one_of(OUTCOMES)] = "success"
    severity: Annotated[str, _one_of(SEVERITIES)] = "info"
    duration: Annotated[float, msgspec.Meta(ge=0, description="seconds")] | None = None
    sequence: int = 0
    metadata: dict[str, Any] = {}
    changes: tuple[ChangeDocument, ...] = ()
    error: Failure | None = None
    invalid: tuple[str, ...] = ()
    sampling: Sampled | None = None


def to_json(facts: Facts) -> bytes:
    """Return an event's facts as a JSON object."""
    return _encode(
        EventDocument(
            schema_version=VERSION,
            event_id=facts.event_id,
            timestamp=_rfc3339(facts.timestamp),
            event_type=facts.event_type,
            action=facts.action,
            actor=facts.actor,
            correlation=facts.correlation,
            subject=facts.subject,
            outcome=facts.outcome,
            severity=facts.severity,
            duration=facts.duration,
            sequence=facts.sequence,
            metadata=plain(facts.metadata),
            changes=tuple(
                [
                    ChangeDocument(change.field, _plain_side(change.before), _plain_side(change.after))
                    for change in facts.changes
                ]
            ),
            error=facts.error,
            invalid=facts.invalid,
            sampling=facts.sampling,
        )
    )


def from_json(document: bytes | str) -> Facts:
    """Return the facts in a JSON object; see `VERSION` for what is read.

    Raises:
        InvalidEvent: The text is no such object.
    """
    from ezlogs.event import InvalidEvent

    try:
        found = _decode(document)
        timestamp = nanoseconds(found.timestamp)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidEvent(f"no event of schema version {VERSION.partition('.')[0]}.x: {error}") from None
    return Facts(
        event_id=found.event_id,
        timestamp=timestamp,
        event_type=found.event_type,
        action=found.action,
        actor=found.actor,
        correlation=found.correlation,
        subject=found.subject,
        outcome=found.outcome if found.outcome in OUTCOMES else "unknown",  # type: ignore[arg-type]  # one of them
        severity=found.severity if found.severity in SEVERITIES else "info",  # type: ignore[arg-type]  # one of them
        duration=found.duration,
        sequence=found.sequence,
        metadata=Pairs((key, frozen(value)) for key, value in found.metadata.items()),
        changes=tuple(Change(change.field, _side(change.before), _side(change.after)) for change in found.changes),
        error=found.error,
        invalid=found.invalid,
        sampling=found.sampling,
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the document."""
    (schema,), components = msgspec.json.schema_components([EventDocument], ref_template="#/$defs/{name}")
    for component in components.values():
        component["description"] = cleandoc(component["description"])  # alike in every version of Python
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _SCHEMA_ID,
        **schema,
        "$defs": components,
    }


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(EventDocument).decode


def _plain_side(value: Any) -> Any:
    return value if value is msgspec.UNSET else plain(value)


def _side(value: Any) -> Any:
    return value if value is msgspec.UNSET else frozen(value)


def _rfc3339(timestamp: int) -> str:
    seconds, nanoseconds = divmod(timestamp, _BILLION)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def nanoseconds(text: str) -> int:
    """Return the Unix time in nanoseconds of an RFC 3339 time, with any number of digits after the second."""
    whole, _, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    moment = datetime.fromisoformat((whole + rest[len(digits) :]).replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"timestamp {text[:40]!r} has no offset; use UTC, e.g. '2026-01-31T12:00:00.000000001Z'")
    return int(moment.timestamp()) * _BILLION + int(digits[:9].ljust(9, "0"))
