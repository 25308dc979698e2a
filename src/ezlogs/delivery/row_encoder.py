"""The row encoder: rows that are alike become the events of a span without being made into events first.

What they have in common is encoded once, and of each only its key, its values and its moment. What needs a second look
- a text in which privacy may find something, a number that may be a card's - it leaves to the plain way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ezlogs.delivery.event_encoder import EventEncoder, OfKey, encoded_value
from ezlogs.ids import event_digits, sequence_of
from ezlogs.otlp import EVENT_OF_SPAN, event_name
from ezlogs.otlp.values import Remembered, varint
from ezlogs.snapshot import Pairs, freeze
from ezlogs.wire import METADATA

if TYPE_CHECKING:
    from ezlogs.trackers.data.alike import Alike, Choice, Form, Side

MOST: Final = 100
"""Rows that are encoded as one: as many events as one span takes."""

_LARGE: Final = 64 << 10
"""Bytes from which on they are enough: a record of the journal has its bounds, too."""

_CHOICES: Final = "choices"
_MOST_CHOSEN: Final = 1024
_SHORT: Final = 9
"""Numbers with fewer digits are nobody's."""

_pack_time: Final = struct.Struct("<cQ").pack

Encode = Callable[[Any], "str | None"]


class EncodedRows(NamedTuple):
    """Rows, encoded as the events of a span."""

    body: bytes
    tails: Sequence[int]
    """The end of the id of each."""


class RowEncoder:
    """Encodes rows that are alike.

    Args:
        events: Encodes events as they are sent in the same signal.
        event_type: What rows are told as.
    """

    def __init__(self, events: EventEncoder, event_type: str) -> None:
        self._events = events
        self._name = event_name(event_type)
        self._fields: Remembered[int, bytes] = Remembered(lambda size: EVENT_OF_SPAN + varint(size))

    def encoded(self, rows: Sequence[Any], start: int, next_tail: Callable[[], int]) -> EncodedRows:
        """Return the next rows, encoded: those of one context, up to the first one that needs a second look.

        Args:
            rows: The rows.
            start: The position of the first.
            next_tail: Numbers an event.
        """
        parts: list[bytes] = []
        tails: list[int] = []
        from ezlogs.trackers.data.alike import AlikeRow  # whoever has rows has loaded it

        size, fields, events, ctx = 0, self._fields, self._events, rows[start].alike.at.context
        sequences, encode_integer = events.sequence_heads, events.integer
        heads, is_short = events.subject_heads, events.knows_short_texts()
        previous: Alike | None = None
        constant: str | None = None
        for row in rows[start : start + MOST]:
            if type(row) is not AlikeRow:
                break
            alike, form, timestamp, after = row.alike, row.form, row.timestamp, row.values
            if alike is not previous:
                if alike.at.context is not ctx:
                    break
                previous, constant, key_at = alike, self._constant(alike), alike.key_at
            encoding = form.encoding
            if encoding is None or encoding.encoder is not self:
                encoding = form.encoding = _Encoding(self, form)
            try:
                key = after[key_at] if key_at >= 0 else None
                if is_short and type(key) is int and 0 <= key < _FEW:
                    number = str(key)
                    subject: str | None = heads[len(number)] + number
                else:
                    key = alike.key_of(after)
                    subject = "" if key is None else events.looked_at_subject_id(key)
                pieces = encoding.told(row.before, after)
                if pieces is None or constant is None or subject is None:
                    break
                told = "".join(pieces)
            except (KeyError, TypeError):  # a value that is more than its type says
                break
            tail = next_tail()
            sequence = encode_integer(sequence_of(tail))
            attributes = (
                f"{constant}{event_digits(timestamp, tail)}{sequences[len(sequence)]}{sequence}{subject}{told}"
            ).encode("latin-1")
            length = 9 + len(self._name) + len(attributes)
            parts += (fields[length], _pack_time(b"\x09", timestamp), self._name, attributes)
            tails.append(tail)
            size += length
            if size >= _LARGE:
                break
        return EncodedRows(b"".join(parts), tails)

    def _constant(self, alike: Alike) -> str | None:
        known = alike.encoding
        if known is None or known[0] is not self:
            known = alike.encoding = (self, self._encoded_constant(alike))
        encoded: str | None = known[1]
        return encoded

    def _encoded_constant(self, alike: Alike) -> str | None:
        action = f"{alike.model}.{alike.verb}"
        told = self._events.constant(action, alike.at.actor, alike.correlation, alike.model, alike.where())
        return None if told is None else told + self._events.own_id_head

    def encoder_of(self, side: Side) -> Encode | None:
        """Return what encodes a value of a field; None where none is told as it is."""
        of_key = self._events.side(side.field, is_after=side.is_after)
        return None if of_key is None else _encoder(self._events, side.field, of_key, side.kind)

    def key_of(self, side: Side) -> str | None:
        """Return the key of a side of a field."""
        of_key = self._events.side(side.field, is_after=side.is_after)
        return None if of_key is None else of_key.key

    def names(self, names: tuple[str, ...]) -> str | None:
        """Return the names of changed fields as they are sent."""
        return self._events.names(names) if names else ""

    def json_keys(self, keys: tuple[str, ...]) -> str:
        """Return the names of attributes that are JSON as they are sent."""
        return self._events.json_keys(keys) if keys else ""

    def nested(self, value: Pairs) -> str | None:
        """Return what people call some choices as it is sent."""
        return self._events.nested(_CHOICES, value)


class _Encoding:
    """Encodes what is told of rows of one form."""

    def __init__(self, encoder: RowEncoder, form: Form) -> None:
        self.encoder = encoder
        self._choices = form.choices
        self._chosen: dict[tuple[object, ...], str | None] = {}
        self._before, self._after = _of_choices(form.choices, after=False), _of_choices(form.choices, after=True)
        found = [encoder.encoder_of(side) for side in form.sides]
        keys = [METADATA + _CHOICES] if form.choices else []
        keys += [key for side in form.sides if side.kind is type(None) and (key := encoder.key_of(side))]
        names = encoder.names(form.names)
        self._is_plain = names is not None and None not in found
        self._constant = (names or "") + encoder.json_keys(tuple(keys))
        sides = [(side, encode) for side, encode in zip(form.sides, found, strict=True) if encode is not None]
        for side, encode in sides:
            if side.kind is type(None):
                self._constant += encode(None) or ""
        values = [(side, encode) for side, encode in sides if side.kind is not type(None)]
        self._of_before = [(encode, side.at) for side, encode in values if not side.is_after]
        self._of_after = [(encode, side.at) for side, encode in values if side.is_after]

    def told(self, before: Sequence[Any], after: Sequence[Any]) -> list[str | None] | None:
        """Return what is told of one row, in pieces of which one that is None needs a second look; or None for all."""
        if not self._is_plain:
            return None
        pieces = [encode(after[at]) for encode, at in self._of_after]
        pieces.append(self._constant)
        if self._of_before:
            pieces += [encode(before[at]) for encode, at in self._of_before]
        if self._choices:
            chosen = (*self._before(before), *self._after(after)) if before else self._after(after)
            try:
                pieces.append(self._chosen[chosen])
            except KeyError:
                pieces.append(self._called(chosen, before, after))
        return pieces

    def _called(self, chosen: tuple[object, ...], before: Sequence[Any], after: Sequence[Any]) -> str | None:
        called = Pairs(
            (
                choice.field,
                (
                    choice.names.get(before[choice.at]) if choice.has_before else None,
                    choice.names.get(after[choice.at]) if choice.has_after else None,
                ),
            )
            for choice in self._choices
        )
        if len(self._chosen) >= _MOST_CHOSEN:
            self._chosen.clear()
        encoded = self._chosen[chosen] = self.encoder.nested(called)
        return encoded


def _of_choices(choices: Sequence[Choice], *, after: bool) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    places = [choice.at for choice in choices]
    if len(places) == 1:
        at = places[0]
        return lambda values: (values[at],)
    return itemgetter(*places) if places else lambda values: ()


def _encoder(events: EventEncoder, field: str, of_key: OfKey, kind: type) -> Encode:
    """Return what encodes values of exactly one type; it returns None where one needs a second look."""
    texts, heads, short = of_key.texts, of_key.texts.heads, events.knows_short_texts()
    encode = partial(encoded_value, of_key)
    if kind is type(None):
        return lambda _: of_key.nothing

    def text(value: str) -> str | None:
        known = texts[value]
        if known is None and value.isascii() and events.finds_nothing_in(field, value):
            return texts.encoded(value)
        return known

    if kind is str:
        return text
    if kind is int:
        return _Integers(of_key).__getitem__
    if kind is bool:
        return {value: encode(value) for value in (False, True)}.__getitem__
    if kind is float:
        return encode
    if kind is Decimal:

        def decimal(value: Decimal) -> str | None:
            told = str(value)
            return heads[len(told)] + told if short and len(told) < _SHORT else text(told)

        return decimal
    if kind in (datetime, date, time) and short:

        def moment(value: Any) -> str | None:
            told: str = value.isoformat()
            return heads[len(told)] + told

        return moment

    def others(value: object) -> str | None:
        frozen = freeze(value)
        return text(frozen) if type(frozen) is str else encode(frozen)

    return others


class _Integers(dict[int, "str | None"]):
    """Whole numbers under one key; small ones come again."""

    __slots__ = ("_encode",)

    def __init__(self, of_key: OfKey) -> None:
        self._encode = partial(encoded_value, of_key)

    def __missing__(self, value: int) -> str | None:
        encoded = self._encode(value)
        if -_SMALL < value < _SMALL:
            self[value] = encoded
        return encoded


_SMALL: Final = 1000
_FEW: Final = 10**8
"""Keys below this have too few digits to be looked at."""
