"""The wire: a UniversalEvent as OpenTelemetry attributes, and back again without a difference."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ezlogs.correlation import Correlation
from ezlogs.event import UniversalEvent
from ezlogs.facts import Change, Facts, Failure, Outcome, Sampled, Severity
from ezlogs.party import Actor, Subject
from ezlogs.privacy.rule import REDACTED as REDACTED_TEXT
from ezlogs.privacy.walk import DROPPED
from ezlogs.snapshot import Pairs, as_sent, frozen, plain, sent, thaw

if TYPE_CHECKING:
    from ezlogs.privacy import Scrubber

SCHEMA_VERSION = "1.0"
METADATA = "ezlogs.metadata."
CHANGE = "ezlogs.change."
JSON_KEYS = "ezlogs.json_keys"
REDACTED = "ezlogs.redacted"
SUMMARY = "ezlogs.summary"

_CORRELATION = {
    "correlation_id": "ezlogs.correlation.id",
    "parent_event_id": "ezlogs.parent_event.id",
    "flow_type": "ezlogs.flow.type",
    "flow_id": "ezlogs.flow.id",
    "parent_flow_id": "ezlogs.parent_flow.id",
    "session_id": "ezlogs.session.id",
    "request_id": "ezlogs.request.id",
    "transaction_id": "ezlogs.transaction.id",
    "job_id": "ezlogs.job.id",
    "attempt": "ezlogs.attempt",
    "linked_correlation_id": "ezlogs.linked_correlation.id",
    "sampling": "ezlogs.sampling.inherited",
}
_SAMPLING = {
    "probability": "ezlogs.sampling.probability",
    "added": "ezlogs.sampling.added",
    "partial": "ezlogs.sampling.partial",
    "reason": "ezlogs.sampling.reason",
}
_GIVEN_IDS = ("flow_id", "parent_flow_id", "session_id", "request_id", "transaction_id", "job_id")
"""What applications choose: an e-mail address is somebody's id of a flow."""
_CUT_FOR_GOOD = frozenset({*_CORRELATION.values(), "session.id", "ezlogs.event.id", "error.type"})
"""Texts that were not cut as snapshots are."""
_MAX_REDACTIONS_TOLD = 32

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


def attributes(event: UniversalEvent) -> dict[str, Any]:
    """Return an event as OpenTelemetry attributes; its name and timestamp are the span event's own.

    Scalars and lists of one scalar type are native values; anything else is compact JSON, its key listed in
    ``ezlogs.json_keys``. Keys are never split or joined.
    """
    return _attributes(event.facts)


def _attributes(event: Facts) -> dict[str, Any]:
    found = {
        **own_attributes(event),
        **kind_attributes(event.action, event.outcome, event.severity),
        **actor_attributes(event.actor),
        **correlation_attributes(event.correlation),
    }
    if event.sampling is not None:
        found.update(sampling_attributes(event.sampling))
    if event.error is not None:
        found["error.type"] = event.error.type
        if event.error.message is not None:
            found["ezlogs.error.message"] = event.error.message
    if event.invalid:
        found["ezlogs.invalid"] = event.invalid
    json_keys: list[str] = []
    for key, value in event.metadata:
        _put_value(found, METADATA + key, value, json_keys)
    if event.changes:
        found["ezlogs.changed_fields"] = tuple(change.field for change in event.changes)
    for change in event.changes:
        for side, value in (("from", change.before), ("to", change.after)):
            if value is not msgspec.UNSET:
                _put_value(found, f"{CHANGE}{change.field}.{side}", value, json_keys)
    if json_keys:
        found[JSON_KEYS] = tuple(json_keys)
    return found


def own_attributes(event: Facts) -> dict[str, Any]:
    """Return the attributes that no two events have in common: id, sequence, subject, duration."""
    found: dict[str, Any] = {"ezlogs.event.id": event.event_id, "ezlogs.sequence": event.sequence}
    if event.subject is not None:
        _put_party(found, "ezlogs.subject.", event.subject)
    if event.duration is not None:
        found["ezlogs.duration"] = event.duration
    return found


def kind_attributes(action: str, outcome: str, severity: str) -> dict[str, Any]:
    """Return the attributes of what happened and how it ended, beside the schema's version."""
    return {
        "ezlogs.schema.version": SCHEMA_VERSION,
        "ezlogs.action": action,
        "ezlogs.outcome": outcome,
        "ezlogs.severity": severity,
    }


def actor_attributes(actor: Actor) -> dict[str, Any]:
    """Return the attributes of who acts."""
    found: dict[str, Any] = {}
    _put_party(found, "ezlogs.actor.", actor)
    if actor.on_behalf_of is not None:
        found["ezlogs.actor.on_behalf_of"] = actor.on_behalf_of
    if actor.type == "user" and actor.id is not None:
        found["user.id"] = actor.id
    return found


def correlation_attributes(correlation: Correlation) -> dict[str, Any]:
    """Return the attributes of where an event belongs."""
    found: dict[str, Any] = {}
    for field, key in _CORRELATION.items():
        value = getattr(correlation, field)
        if value is not None:
            found[key] = value
    if correlation.session_id is not None:
        found["session.id"] = correlation.session_id
    return found


def sampling_attributes(sampling: Sampled) -> dict[str, Any]:
    """Return the attributes of how an event was sampled; the probability is told always, so that none is lost."""
    found: dict[str, Any] = {_SAMPLING["probability"]: sampling.probability}
    for field in ("added", "partial", "reason"):
        value = getattr(sampling, field)
        if value:
            found[_SAMPLING[field]] = value
    return found


def from_attributes(event_type: str, timestamp: int, found: Mapping[str, Any]) -> UniversalEvent | None:
    """Return the event in a span event's attributes, or None when it is not one of ezlogs'."""
    event_id, correlation_id = found.get("ezlogs.event.id"), found.get("ezlogs.correlation.id")
    if not event_id or not correlation_id:
        return None
    json_keys = frozenset(found.get(JSON_KEYS, ()))

    def value_of(key: str) -> Any:
        value = found[key]
        if key in json_keys:
            with suppress(msgspec.MsgspecError, TypeError, RecursionError):  # else its text is kept: it was cut
                value = _decode_json(value)
        return frozen(value)

    subject_type = found.get("ezlogs.subject.type")
    error_type = found.get("error.type")
    facts = Facts(
        event_id=event_id,
        timestamp=timestamp,
        event_type=event_type,
        action=found.get("ezlogs.action", "unknown"),
        actor=Actor(
            found.get("ezlogs.actor.type", "unknown"),
            found.get("ezlogs.actor.id"),
            found.get("ezlogs.actor.label"),
            found.get("ezlogs.actor.on_behalf_of"),
        ),
        subject=Subject(subject_type, found.get("ezlogs.subject.id"), found.get("ezlogs.subject.label"))
        if subject_type
        else None,
        outcome=cast(Outcome, found.get("ezlogs.outcome", "unknown")),
        severity=cast(Severity, found.get("ezlogs.severity", "info")),
        duration=found.get("ezlogs.duration"),
        sequence=found.get("ezlogs.sequence", 0),
        correlation=Correlation(**{field: found.get(key) for field, key in _CORRELATION.items()}),  # type: ignore[arg-type]  # correlation_id is there: checked above
        metadata=Pairs((key[len(METADATA) :], value_of(key)) for key in found if key.startswith(METADATA)),
        changes=tuple(
            Change(
                field,
                *(
                    value_of(key) if (key := f"{CHANGE}{field}.{side}") in found else msgspec.UNSET
                    for side in ("from", "to")
                ),
            )
            for field in found.get("ezlogs.changed_fields", ())
        ),
        error=Failure(error_type, found.get("ezlogs.error.message")) if error_type else None,
        invalid=tuple(found.get("ezlogs.invalid", ())),
        sampling=_sampled(found),
    )
    return UniversalEvent.of(facts)


def _sampled(found: Mapping[str, Any]) -> Sampled | None:
    told = {field: found[key] for field, key in _SAMPLING.items() if key in found}
    return Sampled(**told) if told else None


def scrubbed_attributes(event: UniversalEvent, scrubber: Scrubber) -> dict[str, Any]:
    """Return `attributes` of an event without what privacy keeps back; what was redacted is in ``ezlogs.redacted``.

    Names and ids of ezlogs' own making are not scanned; what callers supply is, before nested values become JSON. Long
    texts are cut where they were to be only then, so that nothing that lies across the cut is missed.
    """
    redactions: list[str] = []
    scrubber = scrubber.within(event.event_type)

    def text(value: str | None, path: str) -> str | None:
        return value if value is None else _in_place(scrubber.text(value, path, redactions), value)

    def party(value: Any, path: str) -> Any:
        return msgspec.structs.replace(value, id=text(value.id, f"{path}.id"), label=text(value.label, f"{path}.label"))

    def details(key: str, value: Any, path: str) -> Any:
        if value is msgspec.UNSET or value is None:
            return value
        seen = thaw(value)
        clean = scrubber.value(key, seen, path, redactions)
        if clean is DROPPED:
            return msgspec.UNSET
        return sent(value if clean is seen else frozen(clean))

    facts = event.facts
    facts = msgspec.structs.replace(
        facts,
        action=text(facts.action, "action"),
        actor=msgspec.structs.replace(
            party(facts.actor, "actor"), on_behalf_of=text(facts.actor.on_behalf_of, "actor.on_behalf_of")
        ),
        subject=party(facts.subject, "subject") if facts.subject else None,
        correlation=scrubbed_correlation(facts.correlation, scrubber, redactions),
        error=Failure(facts.error.type, text(facts.error.message, "error.message")) if facts.error else None,
        invalid=tuple(scrubber.text(problem, "invalid", redactions) for problem in facts.invalid),
        metadata=Pairs(
            (as_sent(name), kept)
            for key, value in facts.metadata
            for name in (scrubber.name(key, "metadata.[redacted]", redactions),)
            for kept in (details(key, value, f"metadata.{name}"),)
            if kept is not msgspec.UNSET
        ),
        changes=tuple(
            Change(
                as_sent(scrubber.name(change.field, "change.[redacted]", redactions)),
                details(change.field, change.before, f"change.{change.field}.from"),
                details(change.field, change.after, f"change.{change.field}.to"),
            )
            for change in facts.changes
        ),
    )
    found = _attributes(facts)
    for key, value in found.items():
        if type(value) is str and key not in _CUT_FOR_GOOD:
            found[key] = as_sent(value)
    if scrubber.summarise is not None:
        found[SUMMARY] = scrubber.summarise(UniversalEvent.of(facts))
    if redactions:
        found[REDACTED] = tuple(redactions[:_MAX_REDACTIONS_TOLD])
    return found


def given_ids(correlation: Correlation) -> dict[str, str]:
    """Return the ids that an application chose, by field."""
    found = {}
    for field in _GIVEN_IDS:
        if value := getattr(correlation, field):
            found[field] = value
    return found


def scrubbed_correlation(correlation: Correlation, scrubber: Scrubber, redactions: list[str]) -> Correlation:
    """Return a correlation without what privacy keeps back of the ids that applications choose: itself, if nothing."""
    changed = {
        field: clean
        for field, value in given_ids(correlation).items()
        if (clean := _in_place(scrubber.text(value, f"correlation.{field}", redactions), value)) is not value
    }
    return correlation.replace(**changed) if changed else correlation


def _in_place(clean: str, given: str) -> str:
    """Return what is left of a field that cannot be left out."""
    return clean if clean or not given else REDACTED_TEXT


def rules_of(scrubbed: Mapping[str, Any]) -> list[str]:
    """Return the rules that redacted something, once for each redaction told in ``ezlogs.redacted``."""
    told = scrubbed.get(REDACTED, ())
    rules = [line.rpartition(": ")[2] for line in told if isinstance(line, str)] if isinstance(told, tuple) else []
    return [rule if rule.isidentifier() else "other" for rule in rules]  # on spans anybody may have written it


def _put_party(found: dict[str, Any], prefix: str, party: Actor | Subject) -> None:
    found[prefix + "type"] = party.type
    if party.id is not None:
        found[prefix + "id"] = party.id
    if party.label is not None:
        found[prefix + "label"] = party.label


def _put_value(found: dict[str, Any], key: str, value: Any, json_keys: list[str]) -> None:
    if _native(value):
        found[key] = value
    else:
        found[key] = _encode_json(plain(value)).decode()
        json_keys.append(key)


def _native(value: Any) -> bool:
    kind = type(value)
    if kind is tuple:
        return len({type(item) for item in value}) == 1 and type(value[0]) in (str, bool, int, float)
    return kind in (str, bool, int, float)
