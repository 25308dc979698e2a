"""Records: one thing that waits for delivery, as bytes that show by themselves whether they are whole.

A record is ::

    check: 4 | state: 1, and 3 of zero | length: 4, kind: 1, priority: 1, sizes of the ids: 2, time: 8 | ids | payload

Numbers are little-endian. The check is the CRC-32 of all that follows the state, begun with the salt of its segment; it
is written last, so a record is there as soon as its check is, and not before. The state is the one byte that changes
later: an acknowledgement is a single store and takes no room.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple
from zlib import crc32


class Kind(IntEnum):
    """What a record tells."""

    SPAN_OPEN = 1
    """A span began: sent as interrupted if its end is not there."""
    EVENT = 2
    """An event; its owner is the span that it rides on, if it rides on one."""
    SPAN_CLOSE = 3
    """A span ended: its final form."""
    SCOPE_OPEN = 4
    """A scope began that will be the event of the same id when it ends."""
    PREPARED = 5
    """An event that holds only if a transaction, its owner, is committed."""
    COMMITTED = 6
    """A transaction, by its id, was committed."""
    ROLLED_BACK = 7
    """A transaction, by its id, was rolled back."""
    WORK_OPEN = 8
    """A span began and the scope, its owner, that is told on it: `SPAN_OPEN` and `SCOPE_OPEN` in one; see `halves`."""


VERDICTS: Final = (Kind.COMMITTED, Kind.ROLLED_BACK)
"""What is not delivered itself: it tells what becomes of what was prepared."""

WAITING: Final = 0
DONE: Final = 1
"""The states of a record: not yet acknowledged, acknowledged. Any other byte is damage, and counts as waiting."""

MOVED: Final = 0x80
"""The bit of the kind that a copy has which was moved out of an older segment."""

STATE_AT: Final = 4
BODY_AT: Final = 8
HEAD_SIZE: Final = 16
SMALLEST: Final = BODY_AT + HEAD_SIZE

HEAD: Final = "<IBBBBq"
_HEAD: Final = struct.Struct(HEAD)
_CHECK: Final = struct.Struct("<I")

pack_head: Final = _HEAD.pack
"""Packs what a body begins with: its length, kind, priority, the sizes of both ids, and the time."""
pack_check_into: Final = _CHECK.pack_into
pack_check: Final = _CHECK.pack


class Record(NamedTuple):
    """A record as it was read."""

    kind: int
    """A `Kind`, or a number that a later version of ezlogs knows."""
    priority: int
    item_id: bytes
    owner: bytes
    timestamp: int
    """Unix time in nanoseconds."""
    payload: bytes
    offset: int
    """Where the record begins."""
    end: int
    """Where the next one begins."""
    done: bool
    moved: bool


def body_of(
    kind: int, item_id: bytes, payload: bytes, priority: int, *, owner: bytes = b"", timestamp: int = 0
) -> bytes:
    """Return all of a record that its check covers.

    Args:
        kind: A `Kind`, with the bit `MOVED` for a copy.
        item_id: What the record is about; 255 bytes at most.
        payload: Anything.
        priority: A `Priority`.
        owner: The span or the transaction that it belongs to; 255 bytes at most.
        timestamp: Unix time in nanoseconds.

    Raises:
        struct.error: Something does not fit.

    Example:
        >>> from ezlogs.priority import Priority
        >>> len(body_of(Kind.EVENT, b"id", b"payload", Priority.NORMAL))
        25
    """
    length = HEAD_SIZE + len(item_id) + len(owner) + len(payload)
    return b"".join((pack_head(length, kind, priority, len(item_id), len(owner), timestamp), item_id, owner, payload))


def whole(span: bytes, scope: bytes) -> bytes:
    """Return the payload of a `WORK_OPEN`.

    Args:
        span: The payload of a `SPAN_OPEN`.
        scope: The payload of a `SCOPE_OPEN`.

    Example:
        >>> halves(whole(b"span", b"scope"))
        (b'span', b'scope')
    """
    return pack_check(len(span)) + span + scope


def halves(payload: bytes) -> tuple[bytes, bytes]:
    """Return what `whole` put together; of what it did not, some first part and the rest."""
    end = _CHECK.size + int.from_bytes(payload[: _CHECK.size], "little")
    return payload[_CHECK.size : end], payload[end:]


def check_of(body: bytes | memoryview, salt: int) -> int:
    """Return the check of a body: never zero, which is how room without a record reads."""
    return crc32(body, salt) or 1


def record_of(body: bytes, salt: int) -> bytes:
    """Return a whole record.

    Example:
        >>> from ezlogs.priority import Priority
        >>> record = record_of(body_of(Kind.EVENT, b"id", b"payload", Priority.NORMAL), salt=1)
        >>> read_record(record, 0, salt=1).payload
        b'payload'
        >>> read_record(record[:-1], 0, salt=1) is None
        True
    """
    return pack_check(check_of(body, salt)) + bytes(BODY_AT - STATE_AT) + body


def read_record(data: bytes, offset: int, salt: int) -> Record | None:
    """Return the record at an offset, or None where none is, or one that is not whole."""
    head_end = offset + SMALLEST
    if head_end > len(data):
        return None
    (check,) = _CHECK.unpack_from(data, offset)
    if not check:
        return None
    start = offset + BODY_AT
    length, kind, priority, id_size, owner_size, timestamp = _HEAD.unpack_from(data, start)
    end, payload_start = start + length, head_end + id_size + owner_size
    if payload_start > end or end > len(data) or check != check_of(data[start:end], salt):
        return None
    return Record(
        kind & ~MOVED,
        priority,
        data[head_end : head_end + id_size],
        data[head_end + id_size : payload_start],
        timestamp,
        data[payload_start:end],
        offset,
        end,
        data[offset + STATE_AT] == DONE,
        kind & MOVED != 0,
    )


def size_at(head: bytes) -> int:
    """Return the bytes that a whole record takes, from its first `SMALLEST` bytes."""
    size: int = _HEAD.unpack_from(head, BODY_AT)[0]
    return BODY_AT + size


def read_records(data: bytes, offset: int, salt: int) -> Iterator[Record]:
    """Yield the records from an offset on, up to the first place where none is or one is not whole."""
    while (record := read_record(data, offset, salt)) is not None:
        yield record
        offset = record.end
