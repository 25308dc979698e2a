"""Reading protobuf: the fields of a message by their numbers, without anybody's generated code."""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _BYTES = 0, 2  # wire types
_FIXED_SIZES = {1: 8, 5: 4}


def bytes_of(value: int | bytes | None) -> bytes:
    """Return the value of a field that holds bytes; nothing where it is missing or holds something else."""
    return value if isinstance(value, bytes) else b""


def text_of(value: int | bytes | None) -> str:
    """Return the value of a field that holds text, as well as it can be read."""
    return bytes_of(value).decode("utf-8", "replace")


def fields(message: bytes) -> dict[int, int | bytes]:
    """Read the last value of each field of a protobuf message; nothing of one that is malformed."""
    try:
        return dict(iterate_fields(message))
    except (IndexError, ValueError):
        return {}


def iterate_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the value of each field, in their order: a whole number, or bytes.

    Raises:
        ValueError: The message is malformed.
        IndexError: So it is, too.
    """
    return ((number, value) for number, value, _ in pieces(message))


def pieces(message: bytes) -> Iterator[tuple[int, int | bytes, bytes]]:
    """Yield the number and the value of each field, and the bytes that it is made of; raises like `iterate_fields`.

    >>> list(pieces(bytes([8, 5, 18, 1, 120])))
    [(1, 5, b'\\x08\\x05'), (2, b'x', b'\\x12\\x01x')]
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at)
        wire_type = tag & 7
        if wire_type == _VARINT:
            number, at = _read_varint(message, at)
            yield tag >> 3, number, message[start:at]
            continue
        if wire_type == _BYTES:
            size, at = _read_varint(message, at)
        elif wire_type in _FIXED_SIZES:
            size = _FIXED_SIZES[wire_type]
        else:
            raise ValueError(f"wire type {wire_type}")
        end = at + size
        if end > len(message):
            raise ValueError("a field is cut off")
        yield tag >> 3, message[at:end], message[start:end]
        at = end


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number is longer than 64 bits")
