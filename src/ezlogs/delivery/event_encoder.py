"""The event encoder: events become the attributes of OTLP messages, scrubbed, and little of them is looked at twice.

Most events hold nothing that privacy would keep back, and half of their attributes were in the event before. So what
comes again - who acts, in which story, with which outcome - is kept encoded, texts that are known to be clean are not
searched, and only what is new is encoded, all of it at once. Every other event goes the long way over
`ezlogs.wire.scrubbed_attributes`, with the same result.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from weakref import ref

import msgspec
from msgspec import UNSET

from ezlogs.correlation import Correlation
from ezlogs.event import UniversalEvent
from ezlogs.facts import ENDLESS, Change, Sampled, is_right, usual_severity
from ezlogs.ids import EVENT_ID_PREFIX, OWN_ID_SIZE, event_id, sequence_of
from ezlogs.otlp.values import Heads, Remembered, append_attributes, varint
from ezlogs.party import Actor, Subject, party
from ezlogs.privacy import Scrubber
from ezlogs.privacy.memory import MOST
from ezlogs.snapshot import Pairs, as_sent, freeze, plain, text, thaw
from ezlogs.wire import (
    CHANGE,
    JSON_KEYS,
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

_LONGEST = 256
"""Characters of a text that may come again."""

_MOST_NESTED, _LONGEST_NESTED = 64, 1024
"""Nested values that are remembered, and characters of one."""

_FEW: Final = 16

_DIGITS: Final = frozenset("-0123456789")

_pack_double = struct.Struct("<cd").pack
_encode_json = msgspec.json.Encoder().encode


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
        self._is_clean = scrubber.is_clean
        self._texts = AllTexts(scrubber.is_clean)
        self._metadata = Remembered(self._of_metadata)
        self._fields = Remembered(self._of_field)
        self._changed_fields = Remembered(self._encoded_names)
        self._json_keys = Remembered(self._encoded_json_keys)
        self._nested: dict[tuple[str, Pairs], str] = {}
        self._event_id = _as_text(heads.texts["ezlogs.event.id"])
        self.own_id_head = self._event_id[OWN_ID_SIZE] + EVENT_ID_PREFIX
        """What stands in front of the 32 digits of an id that ezlogs has made."""
        self._story_id = _as_text(heads.texts["ezlogs.correlation.id"])
        self._cause_id = _as_text(heads.texts["ezlogs.parent_event.id"])
        self._sequence = self.sequence_heads = self._value_heads("ezlogs.sequence")
        self.integer = _integer
        """Encodes a whole number."""
        self._subject_number = _as_text(heads.texts["ezlogs.subject.id"])
        self.subject_heads = self._subject_number
        """What stands in front of a subject's id, by its length."""
        self._subject_id = self._texts_of("ezlogs.subject.id")
        self._duration = self._value_heads("ezlogs.duration")[9]
        if scrubber.summarise is not None:  # a sentence is made of all that an event tells
            self._known = lambda event, tail: None  # type: ignore[method-assign]  # costs others nothing

    def append(self, parts: list[bytes], event: UniversalEvent) -> list[str]:
        """Append an event's attributes to the parts of a message; return the rules of the redactions in them."""
        known = self.known(event)
        if known is not None:
            parts.append(known)
            return []
        attributes = scrubbed_attributes(event, self._scrubber)
        append_attributes(parts, self._heads, attributes)
        return rules_of(attributes)

    def known(self, event: UniversalEvent) -> bytes | None:
        """Return the attributes of an event in which nothing needs a second look, else None: `append` has them all."""
        tail = event.said_tail
        try:
            return None if tail is None else self._known(event, tail)
        except TypeError:  # a part of an actor or a subject that is no text, and cannot even be looked up
            return None

    def _known(self, event: UniversalEvent, tail: int) -> bytes | None:
        """Return the attributes of an event that holds nothing but clean ASCII texts and plain numbers, else None.

        They are gathered as text, each character a byte, so that texts need no encoding of their own.
        """
        kind = self._kinds[event.said_action, event.said_outcome, event.said_severity]
        who, story = self._actors[event.said_actor], self._correlations[event.correlation]
        if kind is None or who is None or story is None or event.error is not None:
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
                encoded_id = self.subject_id(subject_id)
                if encoded_id is None:
                    return None
                pieces.append(encoded_id)
        if duration is not None:
            if type(duration) is not float or not 0.0 <= duration < ENDLESS:
                return None
            pieces += (self._duration, _pack_double(b"\x21", duration).decode("latin-1"))
        json_keys: list[str] = []
        if metadata and not self._add_metadata(pieces, metadata, json_keys):
            return None
        if event.changes and not self._add_changes(pieces, event.changes, json_keys):
            return None
        if json_keys:
            pieces.append(self._json_keys[tuple(json_keys)])
        return "".join(pieces).encode("latin-1")

    def is_plain(self, event: UniversalEvent) -> bool:
        """Return whether there is nothing to keep back in an event, nor anything but ASCII texts and plain numbers.

        What has changes is not: to encode it at once takes less than to look at all of them twice.
        """
        tail, own_id, subject, duration = event.said_tail, event.said_id, event.said_subject, event.said_duration
        if tail is None or event.error is not None or event.changes or (own_id is not None and not own_id.isascii()):
            return False
        try:
            if (
                self._kinds[event.said_action, event.said_outcome, event.said_severity] is None
                or self._actors[event.said_actor] is None
                or not self._is_plain_story(event.correlation)
            ):
                return False
            if subject is not None:
                if type(subject) is not tuple or self._subjects[subject[0]] is None:
                    return False
                subject_id = subject[1]
                if subject_id is not None:
                    if type(subject_id) is int:
                        subject_id = str(subject_id)
                    if not self._is_clean_number(subject_id) and self._subject_id[subject_id] is None:
                        return False
        except TypeError:  # a part of an actor or a subject that is no text, and cannot even be looked up
            return False
        if duration is not None and (type(duration) is not float or not 0.0 <= duration < ENDLESS):
            return False
        metadata = event.said_metadata
        if metadata:
            of_keys = self._metadata
            for key, value in metadata.items():
                of_key = of_keys[key]
                if of_key is None:
                    return False
                kind = type(value)
                if kind is str:
                    if of_key.texts[value] is None:
                        return False
                elif kind is int or kind is float:
                    if not -_CARD < value < _CARD:
                        return False
                elif kind is not bool:
                    return False
        return True

    def _is_plain_story(self, correlation: Correlation) -> bool:
        """Return whether there is nothing to keep back in a correlation; that of a request is not worth remembering."""
        story, cause = correlation.correlation_id, correlation.parent_event_id
        is_of_ours = correlation == Correlation(correlation_id=story, parent_event_id=cause)
        return is_of_ours or self._correlations[correlation] is not None

    def constant(
        self, action: str, actor: Actor, correlation: Correlation, subject_type: str, metadata: Mapping[str, object]
    ) -> str | None:
        """Return what events have in common that succeeded in one story; None where something needs a second look."""
        kind, who = self._kinds[action, "success", None], self._actors[actor]
        story, subject = self._correlations[correlation], self._subjects[subject_type]
        if kind is None or who is None or story is None or subject is None:
            return None
        for key, value in metadata.items():
            if type(value) is str:
                self._scrubber.finds_nothing_in(key, value)  # what holds nothing is remembered from then on
        pieces, json_keys = [kind, who, story, subject], list[str]()
        return "".join(pieces) if self._add_metadata(pieces, metadata, json_keys) and not json_keys else None

    def subject_id(self, subject_id: str) -> str | None:
        """Return the id of a subject; None where it needs a second look."""
        if self._is_clean_number(subject_id):
            return self._subject_number[len(subject_id)] + subject_id
        return self._subject_id[subject_id]

    def looked_at_subject_id(self, subject_id: str) -> str | None:
        """Return the same after a second look at it; None where privacy keeps something back."""
        known = self.subject_id(subject_id)
        if known is None and subject_id.isascii() and self._scrubber.finds_nothing(subject_id):
            return self._subject_number[len(subject_id)] + subject_id
        return known

    def side(self, field: str, *, is_after: bool) -> OfKey | None:
        """Return what is known of a changed field before or after; None where privacy keeps back what is in it."""
        of_field = self._fields[field]
        return None if of_field is None else of_field.after if is_after else of_field.before

    def names(self, names: tuple[str, ...]) -> str | None:
        """Return the names of changed fields; None where one is there twice, or needs a second look."""
        return self._changed_fields[names] if all(self._fields[name] is not None for name in names) else None

    def json_keys(self, keys: tuple[str, ...]) -> str:
        """Return the names of the attributes that are JSON."""
        return self._json_keys[keys]

    def nested(self, key: str, value: Pairs) -> str | None:
        """Return a metadata attribute that holds a few texts by name; None where it needs a second look."""
        of_key = self._metadata[key]
        return None if of_key is None else self._known_nested(key, value, of_key)

    def finds_nothing_in(self, field: str, value: str) -> bool:
        """Return whether privacy lets a value of a changed field pass as it is."""
        return self._scrubber.finds_nothing_in(field, value)

    def knows_short_texts(self) -> bool:
        """Return whether moments and numbers of a few digits hold nothing: not where the application has own rules."""
        return self._scrubber.knows_forms()

    def _is_clean_number(self, subject_id: object) -> bool:
        """Return whether an id is a number that privacy lets pass: most are, and none comes again."""
        return type(subject_id) is str and subject_id.isdigit() and subject_id.isascii() and self._is_clean(subject_id)

    def _add_metadata(self, pieces: list[str], metadata: Mapping[Any, Any], json_keys: list[str]) -> bool:
        of_keys, append = self._metadata, pieces.append
        for key, value in metadata.items():
            of_key = of_keys[key]
            if of_key is None:
                return False
            known = of_key.texts[value] if type(value) is str else encoded_value(of_key, value)
            if known is None:
                if type(value) is not Pairs or (known := self._known_nested(key, value, of_key)) is None:
                    return False
                json_keys.append(METADATA + key)
            append(known)
        return True

    def _add_changes(self, pieces: list[str], changes: tuple[Change, ...], json_keys: list[str]) -> bool:
        of_fields, append = self._fields, pieces.append
        names = []
        for change in changes:
            name, before, after = change.field, change.before, change.after
            of_field = of_fields[name]
            if of_field is None:
                return False
            names.append(name)
            for of_side, value in ((of_field.before, before), (of_field.after, after)):
                if value is UNSET:
                    continue
                if of_side is None:
                    return False
                if value is None:
                    known: str | None = of_side.nothing
                    json_keys.append(of_side.key)
                elif type(value) is str:
                    known = of_side.texts[value]
                else:
                    known = encoded_value(of_side, value)
                if known is None:
                    return False
                append(known)
        told = self._changed_fields[tuple(names)]
        if told is None:
            return False
        append(told)
        return True

    def _known_nested(self, key: str, value: Pairs, of_key: OfKey) -> str | None:
        """Return an attribute whose value is a few texts by name, such as what people call two states; else None."""
        known = self._nested.get((key, value))
        if known is None and _are_texts(value) and self._scrubber.finds_nothing_in(key, thaw(value)):
            encoded = _encode_json(plain(value)).decode()
            if not encoded.isascii() or len(encoded) > _LONGEST_NESTED or freeze(value) != value:
                return None
            if len(self._nested) >= _MOST_NESTED:
                self._nested.clear()
            known = self._nested[key, value] = of_key.texts.encoded(encoded)
        return known

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
        story, cause = correlation.correlation_id, correlation.parent_event_id
        if correlation == Correlation(correlation_id=story, parent_event_id=cause):  # each request has such a one
            if story.isascii() and (cause is None or cause.isascii()):
                told = self._story_id[len(story)] + story
                return told if cause is None else told + self._cause_id[len(cause)] + cause
        elif not all(map(self._scrubber.finds_nothing, given_ids(correlation).values())):
            return None
        return self._encoded(correlation_attributes(correlation))

    def _encoded_sampling(self, sampling: Sampled) -> str:
        return self._encoded(sampling_attributes(sampling))

    def _of_metadata(self, key: object) -> OfKey | None:
        """Return what is known of a metadata attribute, or None for a key that privacy or the snapshot would change."""
        if type(key) is not str or as_sent(text(key)) != key or self._scrubber.keys.denies(key):
            return None
        if not self._scrubber.finds_nothing(key) or self._scrubber.keys.hints(key):
            return None
        return self._of_key(METADATA + key)

    def _of_field(self, field: object) -> OfField | None:
        """Return what is known of a changed field, or None for a name that privacy or the snapshot would change."""
        if type(field) is not str or as_sent(text(field)) != field or not self._scrubber.finds_nothing(field):
            return None
        if self._scrubber.keys.denies(field) or self._scrubber.keys.hints(field):
            return OfField(None, None)
        return OfField(self._of_key(f"{CHANGE}{field}.from"), self._of_key(f"{CHANGE}{field}.to"))

    def _of_key(self, key: str) -> OfKey:
        texts = self._texts_of(key)
        return OfKey(key, texts, self._value_heads(key), texts.encoded("null"))

    def _encoded_names(self, names: tuple[str, ...]) -> str | None:
        """Return the names of changed fields as they are sent; None where one is there twice."""
        return self._encoded({"ezlogs.changed_fields": names}) if len(set(names)) == len(names) else None

    def _encoded_json_keys(self, keys: tuple[str, ...]) -> str:
        return self._encoded({JSON_KEYS: keys})

    def _texts_of(self, key: str) -> Texts:
        return self._texts.of(_as_text(self._heads.texts[key]))

    def _value_heads(self, key: str) -> Remembered[int, str]:
        return _as_text(self._heads.values[key])

    def _encoded_as_sent(self, attributes: Mapping[str, str]) -> str:
        return self._encoded({key: as_sent(value) for key, value in attributes.items()})

    def _encoded(self, attributes: Mapping[str, Any]) -> str:
        parts: list[bytes] = []
        append_attributes(parts, self._heads, attributes)
        return b"".join(parts).decode("latin-1")


def encoded_value(of_key: OfKey, value: Any) -> str | None:
    """Return an attribute whose value is no text; None for one that is more than a plain number or a switch."""
    kind = type(value)
    if kind is int and -_CARD < value < _CARD:
        encoded = _integer(value)
    elif kind is float and -_CARD < value < _CARD:
        encoded = _pack_double(b"\x21", value).decode("latin-1")
    elif kind is bool:
        encoded = "\x10\x01" if value else "\x10\x00"
    else:
        return None
    return of_key.heads[len(encoded)] + encoded


class Texts(dict[str, str | None]):
    """The values of one attribute: each encoded with its head, or None for one that is not clean, or no ASCII."""

    __slots__ = ("__weakref__", "_all", "heads")

    def __init__(self, of: AllTexts, heads: Remembered[int, str]) -> None:
        self._all = of
        self.heads = heads

    def __missing__(self, value: str) -> str | None:
        if not value.isascii() or not self._all.is_clean(value):
            return None
        encoded = self.encoded(value)
        if len(value) <= _LONGEST and value[:1] not in _DIGITS:  # a number or a time of something hardly comes again
            self._all.has_one_more()
            self[value] = encoded
        return encoded

    def encoded(self, value: str) -> str:
        """Return an ASCII text with its head, whatever privacy says of it."""
        return self.heads[len(value)] + value


class AllTexts:
    """The values of all attributes, which are not too many together.

    Args:
        is_clean: Whether privacy lets a text pass.
    """

    def __init__(self, is_clean: Callable[[str], bool]) -> None:
        self.is_clean = is_clean
        self._each: list[ref[Texts]] = []
        self._number = 0

    def of(self, heads: Remembered[int, str]) -> Texts:
        """Return those of one more attribute.

        Args:
            heads: What stands in front of a value, by its size in bytes.
        """
        if len(self._each) > MOST:
            self._each = [each for each in self._each if each() is not None]
        texts = Texts(self, heads)
        self._each.append(ref(texts))
        return texts

    def has_one_more(self) -> None:
        """Count one that is remembered; past the bound all are forgotten."""
        self._number += 1
        if self._number > MOST:
            self._number = 0
            for each in self._each:
                if (texts := each()) is not None:
                    texts.clear()

    def __len__(self) -> int:
        """Return how many are remembered."""
        return self._number


class OfKey(NamedTuple):
    """What is known of one attribute."""

    key: str
    texts: Texts
    heads: Remembered[int, str]
    """What stands in front of other values, by their size in bytes."""
    nothing: str
    """The attribute where its value is null."""


class OfField(NamedTuple):
    """What is known of one changed field: its value before and after, None where privacy keeps back what is in it."""

    before: OfKey | None
    after: OfKey | None


def _are_texts(value: Pairs) -> bool:
    """Return whether a mapping holds nothing but short lists of texts.

    What is equal to such a mapping has the same types, which numbers and switches do not have.
    """
    return len(value) <= _FEW and all(
        type(items) is tuple and len(items) <= _FEW and all(item is None or type(item) is str for item in items)
        for _, items in value
    )


def _as_text(heads: Mapping[int, bytes]) -> Remembered[int, str]:
    return Remembered(lambda size: heads[size].decode("latin-1"))


def _integer(number: int) -> str:
    if number < 0:
        return "\x18" + varint(number & 0xFFFF_FFFF_FFFF_FFFF).decode("latin-1")
    return _LAST[number] if number < 0x80 else _FIRST[number & 0x7F] + _REST[number >> 7]


_LAST: Final = tuple(f"\x18{chr(number)}" for number in range(0x80))
_FIRST: Final = tuple(f"\x18{chr(number | 0x80)}" for number in range(0x80))
_REST: Final[Remembered[int, str]] = Remembered(lambda number: varint(number).decode("latin-1"))
"""Of numbers that are told one after the other most bits are the same."""
