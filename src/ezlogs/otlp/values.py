"""OTLP values: attributes and the fields that messages are made of, with what stands in front of each remembered."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from operator import getitem
from typing import Any, NamedTuple, TypeVar

# Readers refuse a request in which messages nest deeper than 100. A map in a map is three levels.
_MAX_NESTING = 24

_SHORT = 192
"""Characters of a text that may come again: a browser's name has more than a hundred."""

_MOST_TEXTS = 128
"""Texts of one key that are remembered."""

_NEW_EACH_TIME = 4
"""How often they may be too many: then they are ids, and it costs more to remember them than to encode them."""

_MAX_UINT32 = 0xFFFF_FFFF
_MAX_UINT64 = 0xFFFF_FFFF_FFFF_FFFF

_OF_MESSAGES = 16
"""Times 128: bytes of a message that is usual."""

_K = TypeVar("_K")
_T = TypeVar("_T")

_pack_double = struct.Struct("<d").pack
_pack_time_fields = struct.Struct("<cQcQ").pack
_pack_time_field = struct.Struct("<cQ").pack


def append_attributes(parts: list[bytes], of: Heads, attributes: Mapping[str, Any] | None) -> int:
    """Append one ``KeyValue`` field per attribute; return how many have no OTLP form and were left out."""
    if attributes is None:
        return 0
    snapshot = _snapshot(attributes)
    if not snapshot:
        return 0
    before = len(parts)
    try:  # all of them in one go
        parts += map(getitem, of.shapes[tuple(snapshot)], snapshot.values())
    except Exception:  # a value can be anything, and the other attributes are still worth sending
        del parts[before:]
        return _append_one_by_one(parts, of, snapshot)
    return 0


def _append_one_by_one(parts: list[bytes], of: Heads, attributes: Mapping[str, Any]) -> int:
    left_out = 0
    for key, value in attributes.items():
        try:
            encoded = _encode_value(value, 0)
            parts.append(of.values[key][len(encoded)] + encoded)
        except Exception:
            left_out += 1
    return left_out


def any_value_field(tag: bytes, value: object) -> bytes:
    """Return the field of an ``AnyValue``; an empty one for None, and for what has no OTLP form."""
    try:
        encoded = _encode_value(value, 0)
    except Exception:  # a value can be anything, and what stands beside it is still worth sending
        encoded = b""
    return message_field(tag, encoded)


def _snapshot(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    # The SDK's mappings iterate in Python but copy in C, and a copy can be read while another thread writes.
    copy: Callable[[], Mapping[str, Any]] | None = getattr(attributes, "copy", None)
    return copy() if copy else attributes


def _encode_value(value: Any, nesting: int) -> bytes:
    """Encode an ``AnyValue``, without the length in front."""
    encode = _ENCODERS.get(type(value)) or _encoder_of_subclass(value)
    return encode(value, nesting)


def _encode_none(_value: None, _nesting: int) -> bytes:
    return b""


def _encode_text(value: str, _nesting: int) -> bytes:
    return text_field(b"\x0a", value)


def _encode_bool(value: bool, _nesting: int) -> bytes:
    return b"\x10\x01" if value else b"\x10\x00"


def _encode_int(value: int, _nesting: int) -> bytes:
    if -(1 << 63) <= value < 1 << 63:
        return b"\x18" + varint(value & _MAX_UINT64)
    return text_field(b"\x0a", str(int(value)))


def _encode_double(value: float, _nesting: int) -> bytes:
    return b"\x21" + _pack_double(value)


def _encode_bytes(value: bytes | bytearray | memoryview, _nesting: int) -> bytes:
    return message_field(b"\x3a", bytes(value))


def _encode_array(values: Sequence[Any], nesting: int) -> bytes:
    nesting = _deeper(nesting)
    return message_field(b"\x2a", b"".join([message_field(b"\x0a", _encode_value(value, nesting)) for value in values]))


def _encode_map(values: Mapping[Any, Any], nesting: int) -> bytes:
    nesting = _deeper(nesting)
    parts: list[bytes] = []
    for key, value in _snapshot(values).items():
        encoded = _encode_value(value, nesting)
        parts += (_MAP.values[str(key)][len(encoded)], encoded)
    return message_field(b"\x32", b"".join(parts))


def _deeper(nesting: int) -> int:
    if nesting == _MAX_NESTING:
        raise ValueError(f"a value is nested more than {_MAX_NESTING} levels deep")
    return nesting + 1


_Encoder = Callable[[Any, int], bytes]

_ENCODERS: dict[type, _Encoder] = {
    type(None): _encode_none,
    str: _encode_text,
    bool: _encode_bool,
    int: _encode_int,
    float: _encode_double,
    bytes: _encode_bytes,
    list: _encode_array,
    tuple: _encode_array,
    dict: _encode_map,
}

_BASES: tuple[tuple[type | tuple[type, ...], _Encoder], ...] = (
    (str, _encode_text),
    (int, _encode_int),
    (float, _encode_double),
    ((bytes, bytearray, memoryview), _encode_bytes),
    (Sequence, _encode_array),
    (Mapping, _encode_map),
)


def _encoder_of_subclass(value: Any) -> _Encoder:
    for base, encode in _BASES:
        if isinstance(value, base):
            return encode
    raise TypeError(f"OTLP has no form for a {type(value).__name__}")


def text_field(tag: bytes, text: object) -> bytes:
    """Return a text's field: tag, length, UTF-8."""
    return message_field(tag, _utf8(text))


def _utf8(text: object) -> bytes:
    return (text if isinstance(text, str) else str(text)).encode("utf-8", "replace")


def optional_text_field(tag: bytes, text: str | None) -> bytes:
    """Return a text's field, or nothing for no text."""
    return text_field(tag, text) if text else b""


def message_field(tag: bytes, body: bytes) -> bytes:
    """Return the field of an encoded message: tag, length, body."""
    return tag + varint(len(body)) + body


def count_field(tag: bytes, count: int) -> bytes:
    """Return the field of a count, within 32 bits."""
    return tag + varint(min(count, _MAX_UINT32))


def time_field(tag: bytes, time_unix_nano: int | None) -> bytes:
    """Return the field of a time in nanoseconds since 1970."""
    try:
        return _pack_time_field(tag, time_unix_nano or 0)
    except struct.error:  # a float, a negative: not a time, so it is sent as missing rather than invented
        return tag + bytes(8)


def time_fields(tag: bytes, time_unix_nano: int | None, other_tag: bytes, other: int | None) -> bytes:
    """Return the fields of two times, one after the other; see `time_field`."""
    try:
        return _pack_time_fields(tag, time_unix_nano or 0, other_tag, other or 0)
    except struct.error:
        return time_field(tag, time_unix_nano) + time_field(other_tag, other)


def varint(number: int) -> bytes:
    """Return a number as a varint: seven bits a byte, the lowest first."""
    return VARINTS[number] if number < _USUAL else _long_varint(number)


def _long_varint(number: int) -> bytes:
    encoded = _CONTINUED[number & 0x7F]
    number >>= 7
    while number >= _USUAL:
        encoded += _CONTINUED[number & 0x7F]
        number >>= 7
    return encoded + VARINTS[number]


_LAST = tuple(bytes((number,)) for number in range(0x80))
"""Seven bits of a varint, with nothing after them."""

_CONTINUED = tuple(bytes((number | 0x80,)) for number in range(0x80))
"""Seven bits of a varint after which more come."""

VARINTS = (*_LAST, *(low + high for high in _LAST[1:_OF_MESSAGES] for low in _CONTINUED))
"""The varints of numbers that sizes most often are, by number."""
_USUAL = len(VARINTS)


class Remembered(dict[_K, _T]):
    """What was made of a key before, within bounds: long texts are too many to be worth the memory."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[_K], _T]) -> None:
        self._make = make

    def __missing__(self, key: _K) -> _T:
        made = self._make(key)
        if not isinstance(key, str) or (type(key) is str and len(key) < 128):
            if len(self) >= 512:
                self.clear()
            self[key] = made
        return made


class _ValueHeads(dict[int, bytes]):
    """What stands in front of an ``AnyValue`` under one key, by the size of the value in bytes."""

    __slots__ = ("_key_field", "_tag")

    def __init__(self, tag: bytes, key: str) -> None:
        self._tag = tag
        self._key_field = text_field(b"\x0a", key)

    def __missing__(self, size: int) -> bytes:
        head = self._head(size)
        if size < 512:
            self[size] = head
        return head

    def _head(self, size: int) -> bytes:
        head = self._key_field + b"\x12" + varint(size)
        return self._tag + varint(len(head) + size) + head


class _TextHeads(_ValueHeads):
    """What stands in front of a text under one key, by the size of the text in bytes."""

    __slots__ = ()

    def _head(self, size: int) -> bytes:
        text_head = b"\x0a" + varint(size)
        return super()._head(len(text_head) + size) + text_head


class _Fields(dict[Any, bytes]):
    """The whole attribute of one key, by its value: most texts are short and come again, and are remembered."""

    __slots__ = ("_double_head", "_heads", "_too_many", "_value_heads")

    def __init__(self, heads: _TextHeads, value_heads: _ValueHeads) -> None:
        self._heads = heads
        self._value_heads = value_heads
        self._double_head = value_heads[9] + b"\x21"
        self._too_many = 0

    def __missing__(self, value: Any) -> bytes:
        kind: type = type(value)
        if kind is str:
            try:
                encoded: bytes = value.encode()
            except UnicodeEncodeError:
                encoded = _utf8(value)
            field: bytes = self._heads[len(encoded)] + encoded
            if self._too_many < _NEW_EACH_TIME and len(value) <= _SHORT:
                if len(self) >= _MOST_TEXTS:
                    self.clear()
                    self._too_many += 1
                self[value] = field
            return field
        if kind is float:
            return self._double_head + _pack_double(value)
        encoded = b"\x18" + VARINTS[value] if kind is int and 0 <= value < _USUAL else _encode_value(value, 0)
        return self._value_heads[len(encoded)] + encoded


class Heads(NamedTuple):
    """What stands in front of attribute values, by key and size, in one kind of message."""

    texts: Remembered[str, _TextHeads]
    values: Remembered[str, _ValueHeads]
    shapes: Remembered[tuple[str, ...], tuple[_Fields, ...]]
    """Whole attributes by value, of each key in turn: who makes the same attributes again does so in the same order."""


def heads(tag: bytes) -> Heads:
    """Return the heads of attributes whose field has a tag."""
    texts: Remembered[str, _TextHeads] = Remembered(lambda key: _TextHeads(tag, key))
    values: Remembered[str, _ValueHeads] = Remembered(lambda key: _ValueHeads(tag, key))
    fields: Remembered[str, _Fields] = Remembered(lambda key: _Fields(texts[key], values[key]))
    return Heads(texts, values, Remembered(lambda keys: tuple(map(fields.__getitem__, keys))))


_MAP = heads(b"\x0a")
