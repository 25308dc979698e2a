"""The event JSON of the Ruby agent, and of the Go collector that takes it: to events, and back.

What has a place in a `UniversalEvent` is put there. The rest - platform, timing, impact, and whatever has another form
than ezlogs would give it - is kept in the metadata under ``legacy``, so that nothing of a document is lost: what is
read and written again has every key of it, with its value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any, Final

import msgspec

from ezlogs.correlation import Correlation
from ezlogs.event import OUTCOMES, Change, Failure, UniversalEvent
from ezlogs.facts import Sampled, is_timestamp
from ezlogs.ids import EVENT_ID_PREFIX
from ezlogs.party import Actor, Subject
from ezlogs.snapshot import plain
from ezlogs.story.tree import Told

LEGACY: Final = "legacy"
"""The key of metadata that holds what has no other place."""

OWN: Final = "ezlogs"
"""The key of a document that holds what the Ruby agent knows nothing of."""

_OF_STORY: Final = ("primary_correlation_id", "correlation_id", "id")
_IDS: Final = ("flow_id", "parent_flow_id", "session_id", "request_id", "transaction_id", "parent_event_id")
_OWN_IDS: Final = ("flow_type", "job_id", "attempt", "linked_correlation_id", "sampling")
_ENDINGS: Final = {"failed": "failure", "failure": "failure", "error": "failure", "retry": "retried", "dead": "dead"}


class NoEvent(ValueError):  # noqa: N818  # the name says what the document is
    """A JSON document that is no event of the Ruby agent's."""


def is_event(document: object) -> bool:
    """Return whether a decoded JSON document is an event of the Ruby agent's, and none of `UniversalEvent.to_json`."""
    return isinstance(document, Mapping) and "event_type" in document and "schema_version" not in document


def read(document: Mapping[str, Any]) -> Told:
    """Return the event in a document, and the service that it comes from.

    An event type, action or subject of a form that ezlogs does not allow is repaired, and marked as ``invalid``. What
    is missing is filled in: an id made of the content, so that reading twice gives one event, and the epoch as time.

    Args:
        document: As the Ruby agent writes it, or the Go collector hands it on.

    Raises:
        NoEvent: It has no ``event_type``.

    Example:
        >>> told = read({
        ...     "event_type": "payment.processed", "action": "charged", "actor": {"type": "user", "id": 7},
        ...     "correlation": {"primary_correlation_id": "corr_1"}, "platform": {"service": "shop"},
        ...     "timing": {"event_created_at": "2025-06-27T10:00:00.123Z"},
        ... })
        >>> told.service, told.event.actor, told.event.correlation.correlation_id
        ('shop', Actor(type='user', id='7', label=None, on_behalf_of=None), 'corr_1')
    """
    if not is_event(document):
        raise NoEvent("an event has an event_type")
    event = _event(document)
    service = _text(_mapping(document.get("platform")).get("service")) or ""
    written = write(event, service)
    kept = {key: value for key, value in document.items() if key not in written or written[key] != value}
    if kept:
        metadata = {**plain(event.facts.metadata), LEGACY: kept}
        event = UniversalEvent.of(msgspec.structs.replace(event.facts, metadata=_event_with(metadata).facts.metadata))
    return Told(event, service)


def write(event: UniversalEvent, service: str = "") -> dict[str, Any]:
    """Return an event as a document that the Ruby agent's readers, and the Go collector, understand.

    Correlation is there in both of its forms, nested and as ``correlation_id``, and so is the time.

    Args:
        event: The event.
        service: The service that it comes from.

    Example:
        >>> story = Correlation(correlation_id="corr_1")
        >>> event = UniversalEvent.create("order.action", "placed", subject=("order", 42), correlation=story)
        >>> document = write(event, "shop")
        >>> document["correlation_id"], document["subject"], document["platform"]
        ('corr_1', {'type': 'order', 'id': '42'}, {'service': 'shop'})
    """
    facts = event.facts
    correlation, at = facts.correlation, _rfc3339(facts.timestamp)
    metadata: dict[str, Any] = plain(facts.metadata)
    legacy = metadata.pop(LEGACY, {})
    ids = {name: value for name in _IDS if (value := getattr(correlation, name)) is not None}
    own: dict[str, Any] = {
        "timestamp": facts.timestamp,
        "outcome": facts.outcome,
        "severity": facts.severity,
        "sequence": facts.sequence,
        **{name: value for name in _OWN_IDS if (value := getattr(correlation, name)) is not None},
    }
    if facts.changes:
        own["changes"] = [{"field": change.field, **_sides(change)} for change in facts.changes]
    if facts.invalid:
        own["invalid"] = list(facts.invalid)
    if facts.sampling is not None:
        own["sampled"] = msgspec.to_builtins(facts.sampling)
    timing: dict[str, Any] = {"event_created_at": at}
    if facts.duration is not None:
        own["duration"] = facts.duration
        timing["duration_ms"] = facts.duration * 1000
    document: dict[str, Any] = {
        "event_id": facts.event_id,
        "timestamp": at,
        "event_type": facts.event_type,
        "action": facts.action,
        "actor": _party(facts.actor),
        **({"subject": _party(facts.subject)} if facts.subject is not None else {}),
        "correlation_id": correlation.correlation_id,
        "correlation": {**dict.fromkeys(_OF_STORY, correlation.correlation_id), **ids},
        "metadata": metadata,
        "timing": timing,
        **({"platform": {"service": service}} if service else {}),
        **({"error": msgspec.to_builtins(facts.error)} if facts.error is not None else {}),
        OWN: own,
    }
    return {**document, **legacy} if isinstance(legacy, dict) else document


def _event(document: Mapping[str, Any]) -> UniversalEvent:
    own = _mapping(document.get(OWN))
    metadata, timing = _mapping(document.get("metadata")), _mapping(document.get("timing"))
    made = UniversalEvent.create(
        document["event_type"],
        document.get("action") or "unknown",
        actor=_actor(document.get("actor")),
        subject=_subject(document.get("subject")),
        metadata=metadata,
        outcome=_outcome(document, own, metadata),
        duration=_duration(own, timing, metadata),
        correlation=_correlation(document, own),
        changes=_changes(own, metadata),
        error=_failure(document, metadata),
        severity=_text(own.get("severity")),
        event_id=_text(document.get("event_id")) or _id_of(document),
        timestamp=_timestamp(document, own, timing),
        sequence=own["sequence"] if isinstance(own.get("sequence"), int) else 0,
    )
    if not own:
        return made
    said, facts = own.get("invalid"), made.facts
    if isinstance(said, list):
        facts = msgspec.structs.replace(facts, invalid=tuple(map(str, said)))
    with suppress(msgspec.ValidationError):  # what it says of sampling is no matter of life and death
        facts = msgspec.structs.replace(facts, sampling=msgspec.convert(own.get("sampled"), Sampled | None))
    return UniversalEvent.of(facts)


def _event_with(metadata: Mapping[str, object]) -> UniversalEvent:
    return UniversalEvent.create("legacy.event", "read", metadata=metadata, correlation=Correlation(correlation_id="-"))


def _actor(found: object) -> object:
    given = _mapping(found)
    if not given.get("type"):
        return None
    label = given.get("label") or given.get("name")
    return Actor(str(given["type"]), _text(given.get("id")), _text(label), _text(given.get("on_behalf_of")))


def _subject(found: object) -> object:
    given = _mapping(found)
    return Subject(str(given["type"]), _text(given.get("id")), _text(given.get("label"))) if given.get("type") else None


def _correlation(document: Mapping[str, Any], own: Mapping[str, Any]) -> Correlation:
    given = {**_mapping(document.get("correlation_context")), **_mapping(document.get("correlation"))}
    names = [_text(given.get(name)) for name in _OF_STORY]
    story = next(filter(None, [*names, _text(document.get("correlation_id"))]), None) or _id_of(document)
    kept: dict[str, Any] = {name: _text(given.get(name)) for name in _IDS}
    kept |= {name: _text(own.get(name)) for name in _OWN_IDS if name != "attempt"}
    attempt = own.get("attempt")
    return Correlation(correlation_id=story, attempt=attempt if isinstance(attempt, int) else None, **kept)


def _outcome(document: Mapping[str, Any], own: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Return how an event ended: as it says, by its action's last word, or by its status."""
    if own.get("outcome") in OUTCOMES:
        return str(own["outcome"])
    ended = str(document.get("action") or "").rpartition(".")[2]
    status = _mapping(metadata.get("response")).get("status", metadata.get("status"))
    if isinstance(status, int) and status >= 500:
        return "failure"
    said = _mapping(metadata.get("outcome")).get("status", document.get("outcome"))
    return _ENDINGS.get(str(said), _ENDINGS.get(ended, "success"))


def _duration(own: Mapping[str, Any], timing: Mapping[str, Any], metadata: Mapping[str, Any]) -> float | None:
    if isinstance(own.get("duration"), (int, float)):
        return float(own["duration"])
    performance = _mapping(metadata.get("performance"))
    for place in (timing, performance, metadata):
        for name in ("duration_ms", "execution_time_ms", "total_time_ms"):
            found = place.get(name)
            if isinstance(found, (int, float)) and not isinstance(found, bool) and found >= 0:
                return float(found) / 1000
    return None


def _changes(own: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[Change, ...]:
    if isinstance(own.get("changes"), list):
        return tuple(
            Change(str(one.get("field")), one.get("from", msgspec.UNSET), one.get("to", msgspec.UNSET))
            for one in own["changes"]
            if isinstance(one, Mapping)
        )
    return tuple(_change(str(field), told) for field, told in _mapping(metadata.get("changes")).items())


def _change(field: str, told: object) -> Change:
    """Return a change as the agent tells it: both sides by name, the value of a new row, or a pair."""
    if isinstance(told, Mapping):
        after = told.get("to", told.get("value", msgspec.UNSET))
        return Change(field, told.get("from", msgspec.UNSET), after)
    return Change(field, told[0], told[1]) if isinstance(told, list) and len(told) == 2 else Change(field)


def _failure(document: Mapping[str, Any], metadata: Mapping[str, Any]) -> Failure | None:
    for found in (document.get("error"), _mapping(metadata.get("outcome")).get("error"), metadata.get("error")):
        given = _mapping(found)
        kind = given.get("type") or given.get("class") or given.get("error_class")
        if kind:
            return Failure(str(kind), _text(given.get("message")))
    return None


def _timestamp(document: Mapping[str, Any], own: Mapping[str, Any], timing: Mapping[str, Any]) -> int:
    if is_timestamp(own.get("timestamp")):
        return int(own["timestamp"])
    for found in (document.get("timestamp"), timing.get("event_created_at"), timing.get("started_at")):
        if isinstance(found, str) and (at := _nanoseconds(found)) is not None:
            return at
    return 0


def _nanoseconds(text: str) -> int | None:
    from ezlogs.document import nanoseconds

    try:
        at = nanoseconds(text)
    except (ValueError, OverflowError):
        return None
    return at if is_timestamp(at) else None


def _rfc3339(timestamp: int) -> str:
    seconds, rest = divmod(timestamp, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def _sides(change: Change) -> dict[str, Any]:
    sides = (("from", change.before), ("to", change.after))
    return {name: plain(value) for name, value in sides if value is not msgspec.UNSET}


def _party(party: Actor | Subject) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(party).items() if value is not None}


def _id_of(document: Mapping[str, Any]) -> str:
    """Return an id for a document that has none; the same each time."""
    content = json.dumps(document, sort_keys=True).encode()
    return EVENT_ID_PREFIX + hashlib.sha256(content).hexdigest()[:32]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
