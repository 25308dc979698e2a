"""The row encoder: rows that are alike become the events of a span without being made into events first.

What they have in common is encoded once, and of each only its key, its values and its moment. What needs a second look
- a text in which privacy may find something, a number that may be a card's - it leaves to the plain way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timezone
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from opentelemetry.context import Context

from ezlogs.delivery.event_encoder import EventEncoder, OfKey, encoded_value
from ezlogs.ids import event_digits, sequence_of
from ezlogs.otlp import EVENT_OF_SPAN, event_name
from ezlogs.otlp.values import Remembered, varint
from ezlogs.snapshot import Pairs, freeze
from ezlogs.wire import METADATA

if TYPE_CHECKING:
    from ezlogs.trackers.data.alike import Alike, AlikeRow, Choice, Form, Side

MOST: Final = 100
"""Rows that are encoded as one: as many events as one span takes."""

_LARGE: Final = 128 << 10
"""Bytes from which on they are enough: a record of the journal has its bounds, too."""

_CHOICES: Final = "choices"
_MOST_CHOSEN: Final = 1024
_SHORT: Final = 9
"""Numbers with fewer digits are nobody's."""

_encode_json: Final = msgspec.json.Encoder().encode
_time: Final = struct.Struct("<Q")

Encode = Callable[[Sequence[Any]], "list[str | None]"]
"""Encodes the values of one column; None where one needs a second look."""


class EncodedRows(NamedTuple):
    """Rows, encoded as the events of a span; without tails where each of them is to be told in the plain way."""

    body: bytes
    tails: Sequence[int]
    """The end of the id of each."""
    rows: Sequence[Any]


class RowEncoder:
    """Encodes rows that are alike.

    Args:
        events: Encodes events as they are sent in the same signal.
        event_type: What rows are told as.
    """

    def __init__(self, events: EventEncoder, event_type: str) -> None:
        self._events = events
        self._name = event_name(event_type)
        self._heads: Remembered[int, bytes] = Remembered(
            lambda size: EVENT_OF_SPAN + varint(1 + _time.size + size) + b"\x09"
        )
        """What stands in front of an event's time, by the size of what comes after it."""

    def encoded(
        self, rows: Sequence[Any], next_tail: Callable[[], int], admits: Callable[[Context], bool]
    ) -> Iterator[EncodedRows]:
        """Yield rows, encoded: those of one context together; those that need a second look are not encoded.

        Args:
            rows: The rows.
            next_tail: Numbers an event.
            admits: Whether what happened in a context may be told without asking for each.
        """
        from ezlogs.trackers.data.alike import AlikeRow  # whoever has rows has loaded it

        for start in range(0, len(rows), MOST):
            some = rows[start : start + MOST]
            told = self._told([row if type(row) is AlikeRow else None for row in some], admits)
            at = 0
            while at < len(some):
                if told[at] is None:
                    found = EncodedRows(b"", (), some[at : at + 1])
                else:
                    found = self._together(some, told, at, next_tail)
                yield found
                at += len(found.rows)

    def _together(
        self, rows: Sequence[Any], told: Sequence[str | None], at: int, next_tail: Callable[[], int]
    ) -> EncodedRows:
        """Return the rows from one on that are of its context and can be told."""
        heads, sequence_heads, integer = self._heads, self._events.sequence_heads, self._events.integer
        pack_time = _time.pack
        parts: list[bytes] = []
        tails: list[int] = []
        size, ctx, previous, constant = 0, rows[at].alike.at.context, None, b""
        for row, of_row in zip(rows[at:], told[at:], strict=True):
            if of_row is None:
                break
            if row.alike is not previous:
                if row.alike.at.context is not ctx:
                    break
                previous, constant = row.alike, self._constant(row.alike) or b""
            timestamp, tail = row.timestamp, next_tail()
            sequence = integer(sequence_of(tail))
            own = f"{event_digits(timestamp, tail)}{sequence_heads[len(sequence)]}{sequence}{of_row}".encode("latin-1")
            length = len(constant) + len(own)
            parts += (heads[length], pack_time(timestamp), constant, own)
            tails.append(tail)
            size += length
            if size >= _LARGE:
                break
        return EncodedRows(b"".join(parts), tails, rows[at : at + len(tails)])

    def _told(self, rows: Sequence[AlikeRow | None], admits: Callable[[Context], bool]) -> list[str | None]:
        """Return what each of some rows tells that others do not: its key and its values; None for a second look."""
        groups: dict[tuple[Alike, Form], list[int]] = {}
        for at, row in enumerate(rows):
            if row is not None:
                groups.setdefault((row.alike, row.form), []).append(at)
        told: list[str | None] = [None] * len(rows)
        for (alike, form), places in groups.items():
            if self._constant(alike) is None or not admits(alike.at.context):
                continue
            encoding = form.encoding
            if encoding is None or encoding.encoder is not self:
                encoding = form.encoding = _Encoding(self, form)
            for at, text in zip(places, encoding.told(alike, [rows[at] for at in places]), strict=True):
                told[at] = text
        return told

    def subject_of(self, alike: Alike) -> Encode:
        """Return what encodes the ids of subjects out of the values of rows that are alike."""
        events, key_at, heads = self._events, alike.key_at, self._events.subject_heads
        is_short = events.knows_short_texts() and key_at >= 0

        def subject(values: Sequence[Any]) -> str | None:
            text = alike.key_of(values)
            return "" if text is None else events.looked_at_subject_id(text)

        def subjects(rows: Sequence[Sequence[Any]]) -> list[str | None]:
            if is_short:
                keys = [values[key_at] for values in rows]
                if set(map(type, keys)) == _WHOLE and min(keys) >= 0 and max(keys) < _FEW:
                    return [heads[len(number)] + number for number in map(str, keys)]
            return list(map(subject, rows))

        return subjects

    def _constant(self, alike: Alike) -> bytes | None:
        """Return what rows have in common that are alike, from the event's name to the beginning of its id."""
        known = alike.encoding
        if known is None or known[0] is not self:
            known = alike.encoding = (self, self._encoded_constant(alike))
        encoded: bytes | None = known[1]
        return encoded

    def _encoded_constant(self, alike: Alike) -> bytes | None:
        action = f"{alike.model}.{alike.verb}"
        told = self._events.constant(action, alike.at.actor, alike.correlation, alike.model, alike.where())
        return None if told is None else self._name + (told + self._events.own_id_head).encode("latin-1")

    def encoder_of(self, side: Side) -> Encode | None:
        """Return what encodes the values of a field; None where none is told as it is."""
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
    """Encodes what is told of rows of one form, column by column: what is done for each row is done by C."""

    def __init__(self, encoder: RowEncoder, form: Form) -> None:
        self.encoder = encoder
        found = [encoder.encoder_of(side) for side in form.sides]
        keys = [METADATA + _CHOICES] if form.choices else []
        keys += [key for side in form.sides if side.kind is type(None) and (key := encoder.key_of(side))]
        names = encoder.names(form.names)
        self._is_plain = names is not None and None not in found
        self._constant = (names or "") + encoder.json_keys(tuple(keys))
        sides = [(side, encode) for side, encode in zip(form.sides, found, strict=True) if encode is not None]
        for side, encode in sides:
            if side.kind is type(None):
                self._constant += encode([None])[0] or ""
        values = [(side, encode) for side, encode in sides if side.kind is not type(None)]
        self._of_before = [(encode, side.at) for side, encode in values if not side.is_after]
        self._of_after = [(encode, side.at) for side, encode in values if side.is_after]
        self._chosen = _Chosen(encoder, form.choices)
        self._chosen_before = [choice.at for choice in form.choices if choice.has_before]
        self._chosen_after = [choice.at for choice in form.choices if choice.has_after]

    def told(self, alike: Alike, rows: Sequence[AlikeRow]) -> list[str | None]:
        """Return what each of some rows tells that others do not; None for one that needs a second look."""
        if not self._is_plain:
            return [None] * len(rows)
        try:
            return self._told(alike, rows)
        except (KeyError, TypeError, ValueError):  # a value that is more than its type says
            return [None] if len(rows) == 1 else [told for row in rows for told in self.told(alike, [row])]

    def _told(self, alike: Alike, rows: Sequence[AlikeRow]) -> list[str | None]:
        all_values = [row.values for row in rows]
        after = tuple(zip(*all_values, strict=True))
        before = tuple(zip(*[row.before for row in rows], strict=True))
        pieces = [self.encoder.subject_of(alike)(all_values)]
        pieces += [encode(after[at]) for encode, at in self._of_after]
        pieces += [encode(before[at]) for encode, at in self._of_before]
        pieces.append([self._constant] * len(rows))
        if self._chosen.choices:
            chosen = zip(
                *[before[at] for at in self._chosen_before], *[after[at] for at in self._chosen_after], strict=True
            )
            pieces.append(list(map(self._chosen.__getitem__, chosen)))
        try:
            return list(map("".join, zip(*pieces, strict=True)))
        except TypeError:  # some need a second look
            return [None if None in of_row else "".join(of_row) for of_row in zip(*pieces, strict=True)]


class _Chosen(dict[tuple[object, ...], "str | None"]):
    """What people call the choices of a row, encoded: by the values, those from before first."""

    __slots__ = ("_encoder", "choices")

    def __init__(self, encoder: RowEncoder, choices: Sequence[Choice]) -> None:
        self._encoder = encoder
        self.choices = choices

    def __missing__(self, values: tuple[object, ...]) -> str | None:
        rest = iter(values)
        before = [choice.names.get(next(rest)) if choice.has_before else None for choice in self.choices]
        after = [choice.names.get(next(rest)) if choice.has_after else None for choice in self.choices]
        fields = [choice.field for choice in self.choices]
        called = Pairs(zip(fields, zip(before, after, strict=True), strict=True))
        if len(self) >= _MOST_CHOSEN:
            self.clear()
        encoded = self[values] = self._encoder.nested(called)
        return encoded


def _encoder(events: EventEncoder, field: str, of_key: OfKey, kind: type) -> Encode:
    """Return what encodes values of exactly one type."""
    texts, heads, short = of_key.texts, of_key.texts.heads, events.knows_short_texts()
    encode = partial(encoded_value, of_key)
    if kind is type(None):
        return lambda values: [of_key.nothing] * len(values)

    def text(value: str) -> str | None:
        known = texts[value]
        if known is None and value.isascii() and events.finds_nothing_in(field, value):
            return texts.encoded(value)
        return known

    if kind is str:
        return _by_one(text)
    if kind is int:
        return _by_one(_Integers(of_key).__getitem__)
    if kind is bool:
        return _by_one({value: encode(value) for value in (False, True)}.__getitem__)
    if kind is float:
        return _by_one(encode)
    if kind is Decimal:

        def decimals(values: Sequence[Decimal]) -> list[str | None]:
            told = list(map(str, values))
            if short:
                return [heads[len(one)] + one if len(one) < _SHORT else text(one) for one in told]
            return list(map(text, told))

        return decimals
    if kind in (datetime, date, time) and short:
        return lambda values: [heads[len(told)] + told for told in _moments(values)]

    def others(value: object) -> str | None:
        frozen = freeze(value)
        return text(frozen) if type(frozen) is str else encode(frozen)

    return _by_one(others)


def _by_one(encode: Callable[[Any], str | None]) -> Encode:
    return lambda values: list(map(encode, values))


def _moments(values: Sequence[Any]) -> list[str]:
    """Return moments as ``isoformat`` does, in a fraction of its time where all are datetimes of UTC.

    >>> _moments([datetime(2026, 3, 1, 7, 30, tzinfo=timezone.utc)]), _moments([date(2026, 3, 1)])
    (['2026-03-01T07:30:00+00:00'], ['2026-03-01'])
    """
    if type(values[0]) is datetime and {value.tzinfo for value in values} == _UTC:
        return [told + "+00:00" for told in _encode_json(values)[2:-3].decode().split('Z","')]
    return [value.isoformat() for value in values]


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


_UTC: Final = {timezone.utc}
_WHOLE: Final = {int}
_SMALL: Final = 1000
_FEW: Final = 10**8
"""Keys below this have too few digits to be looked at."""
