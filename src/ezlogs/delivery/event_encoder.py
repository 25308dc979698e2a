"""The event encoder: events become the attributes of OTLP messages, scrubbed, and little of them is looked at twice.

Most events hold nothing that privacy would keep back, and half of their attributes were in the event before. So what
comes again - who acts, in which story, with which outcome - is kept encoded, texts that are known to be clean are not
searched, and only what is new is encoded, all of it at once. Every other event goes the long way over
`ezlogs.wire.scrubbed_attributes`, with the same result.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from ezlogs.correlation import Correlation
from ezlogs.event import UniversalEvent
from ezlogs.facts import ENDLESS, Sampled, is_right, usual_severity
from ezlogs.ids import event_id, sequence_of
from ezlogs.otlp.values import VARINTS, Heads, Remembered, append_attributes, varint
from ezlogs.party import Actor, Subject, party
from ezlogs.privacy import Scrubber
from ezlogs.privacy.memory import Memory
from ezlogs.snapshot import as_sent, text
from ezlogs.wire import (
    METADATA,
    actor_attributes,
    correlation_attributes,
    given_ids,
    kind_attributes,
    rules_of,
    sampling_attributes,
    scrubbed_attributes,
)

_CARD = 10**13
"""Numbers below this are no payment cards."""

_SMALL = len(VARINTS)
_pack_double = struct.Struct("<cd").pack


class EventEncoder:
    """Encodes the attributes of events for one kind of OTLP message.

    Args:
        scrubber: Says what must not leave.
        heads: What stands in front of an attribute in that message; see `ezlogs.otlp.values.heads`.
    """

    def __init__(self, scrubber: Scrubber, heads: Heads) -> None:
        self._scrubber = scrubber
        self._heads = heads
        self._kinds = Remembered(self._encoded_kind)
        self._actors = Remembered(self._encoded_actor)
        self._correlations = Remembered(self._encoded_correlation)
        self._subjects = Remembered(self._encoded_subject_type)
        self._sampling = Remembered(self._encoded_sampling)
        self._texts = Memory()
        self._metadata = Remembered(self._metadata_heads)
        self._event_id = self._heads_of("ezlogs.event.id").texts
        self._sequence = self._heads_of("ezlogs.sequence").values
        self._subject_id = self._heads_of("ezlogs.subject.id").texts
        self._duration = self._heads_of("ezlogs.duration").values[9]

    def append(self, parts: list[bytes], event: UniversalEvent) -> list[str]:
        """Append an event's attributes to the parts of a message; return the rules of the redactions in them."""
        tail = event.said_tail
        try:
            known = None if tail is None else self._known(event, tail)
        except TypeError:  # a part of an actor or a subject that is no text, and cannot even be looked up
            known = None
        if known is not None:
            parts.append(known)
            return []
        attributes = scrubbed_attributes(event, self._scrubber)
        append_attributes(parts, self._heads, attributes)
        return rules_of(attributes)

    def _known(self, event: UniversalEvent, tail: int) -> bytes | None:
        """Return the attributes of an event that holds nothing but clean ASCII texts and plain numbers, else None.

        They are gathered as text, each character a byte, so that texts need no encoding of their own.
        """
        kind = self._kinds[event.said_action, event.said_outcome, event.said_severity]
        who, story = self._actors[event.said_actor], self._correlations[event.correlation]
        if kind is None or who is None or story is None or event.error is not None or event.changes:
            return None
        own_id = event.said_id
        if own_id is None:
            own_id = event_id(event.timestamp, tail)
        elif not own_id.isascii():
            return None
        sequence = _integer(sequence_of(tail))
        pieces = [kind, who, story, self._event_id[len(own_id)], own_id]
        pieces += (self._sequence[len(sequence)], sequence)
        if event.sampling is not None:
            pieces.append(self._sampling[event.sampling])
        subject, duration, metadata = event.said_subject, event.said_duration, event.said_metadata
        if subject is not None:
            if type(subject) is not tuple:
                return None
            subject_type, subject_id = self._subjects[subject[0]], subject[1]
            if subject_type is None:
                return None
            pieces.append(subject_type)
            if subject_id is not None:
                if type(subject_id) is int:
                    subject_id = str(subject_id)
                if subject_id not in self._texts and not self._is_plain(subject_id):
                    return None
                pieces += (self._subject_id[len(subject_id)], subject_id)
        if duration is not None:
            if type(duration) is not float or not 0.0 <= duration < ENDLESS:
                return None
            pieces += (self._duration, _pack_double(b"\x21", duration).decode("latin-1"))
        if metadata and not self._add_metadata(pieces, metadata):
            return None
        return "".join(pieces).encode("latin-1")

    def _add_metadata(self, pieces: list[str], metadata: Mapping[Any, Any]) -> bool:
        of_keys, texts = self._metadata, self._texts
        for key, value in metadata.items():
            heads = of_keys[key]
            if heads is None:
                return False
            kind = type(value)
            if kind is str:
                if value not in texts and not self._is_plain(value):
                    return False
                pieces += (heads.texts[len(value)], value)
                continue
            if kind is int and -_CARD < value < _CARD:
                encoded = _integer(value)
            elif kind is float and -_CARD < value < _CARD:
                encoded = _pack_double(b"\x21", value).decode("latin-1")
            elif kind is bool:
                encoded = "\x10\x01" if value else "\x10\x00"
            else:
                return False
            pieces += (heads.values[len(encoded)], encoded)
        return True

    def _is_plain(self, value: str) -> bool:
        """Return whether a text is clean and its own encoding; one that may come again is remembered."""
        plain = value.isascii() and self._scrubber.is_clean(value)
        if plain and not value.isdigit():
            self._texts.remember(value)
        return plain

    def _encoded_kind(self, kind: tuple[str, str, str | None]) -> str | None:
        action, outcome, severity = kind
        if not is_right(action, outcome, None) or text(action) != action:
            return None
        if not self._scrubber.finds_nothing(action):
            return None
        return self._encoded_as_sent(kind_attributes(action, outcome, severity or usual_severity(outcome)))

    def _encoded_actor(self, given: object) -> str | None:
        problems: list[str] = []
        actor = party(Actor, "actor", given, problems)
        given_texts = filter(None, (actor.id, actor.label, actor.on_behalf_of))
        if problems or not all(map(self._scrubber.finds_nothing, given_texts)):
            return None
        return self._encoded_as_sent(actor_attributes(actor))

    def _encoded_subject_type(self, subject_type: str) -> str | None:
        problems: list[str] = []
        subject = party(Subject, "subject", (subject_type, None), problems)
        return None if problems else self._encoded_as_sent({"ezlogs.subject.type": subject.type})

    def _encoded_correlation(self, correlation: Correlation) -> str | None:
        if not all(map(self._scrubber.finds_nothing, given_ids(correlation).values())):
            return None
        return self._encoded(correlation_attributes(correlation))

    def _encoded_sampling(self, sampling: Sampled) -> str:
        return self._encoded(sampling_attributes(sampling))

    def _metadata_heads(self, key: object) -> KeyHeads | None:
        """Return the heads of a metadata attribute, or None for a key that privacy or the snapshot would change."""
        if type(key) is not str or as_sent(text(key)) != key or self._scrubber.keys.denies(key):
            return None
        return self._heads_of(METADATA + key) if self._scrubber.finds_nothing(key) else None

    def _heads_of(self, key: str) -> KeyHeads:
        texts, values = self._heads
        return KeyHeads(
            Remembered(lambda size: texts[key][size].decode("latin-1")),
            Remembered(lambda size: values[key][size].decode("latin-1")),
        )

    def _encoded_as_sent(self, attributes: Mapping[str, str]) -> str:
        return self._encoded({key: as_sent(value) for key, value in attributes.items()})

    def _encoded(self, attributes: Mapping[str, Any]) -> str:
        parts: list[bytes] = []
        append_attributes(parts, self._heads, attributes)
        return b"".join(parts).decode("latin-1")


class KeyHeads(NamedTuple):
    """What stands in front of one key's values, by their size in bytes."""

    texts: Remembered[int, str]
    values: Remembered[int, str]


def _integer(number: int) -> str:
    encoded = VARINTS[number] if 0 <= number < _SMALL else varint(number & 0xFFFF_FFFF_FFFF_FFFF)
    return (b"\x18" + encoded).decode("latin-1")
