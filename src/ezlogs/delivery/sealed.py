"""Sealed events: scrubbed and encoded before the application goes on, so that they can outlive its process."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from opentelemetry.sdk.resources import Resource

_HEAD: Final = struct.Struct(">QQQq")
_SCHEMA_SIZE: Final = struct.Struct(">H")
_HALF: Final = 64
_LOW: Final = (1 << _HALF) - 1


class SealedEvent:
    """An event of which only its bytes are left, and what a batch must know of it.

    Args:
        body: The event as it is encoded in its signal, without a length in front.
        timestamp: When it happened: nanoseconds since 1970.
        trace_id: The trace that it belongs to.
        span_id: The span under which it happened; 0 for none.
        rules: By which rules privacy kept something back.
    """

    __slots__ = ("body", "receipt", "rules", "span_id", "timestamp", "trace_id")

    def __init__(self, body: bytes, timestamp: int, trace_id: int, span_id: int, rules: Sequence[str] = ()) -> None:
        self.body = body
        self.timestamp = timestamp
        self.trace_id = trace_id
        self.span_id = span_id
        self.rules = rules
        self.receipt: object = None
        """What it is acknowledged by in the journal; true once it is in there."""

    def payload(self) -> bytes:
        """Return what is journaled of it; `opened` reads it.

        >>> event = SealedEvent(b"body", 7, 1 << 100, 5)
        >>> again = opened(event.payload())
        >>> again.body, again.timestamp, again.trace_id == event.trace_id, again.span_id
        (b'body', 7, True, 5)
        """
        return _HEAD.pack(self.trace_id >> _HALF, self.trace_id & _LOW, self.span_id, self.timestamp) + self.body


def opened(payload: bytes) -> SealedEvent:
    """Return an event from what was journaled of it.

    Args:
        payload: What `SealedEvent.payload` returned.

    Raises:
        struct.error: It is no such payload.
    """
    high, low, span_id, timestamp = _HEAD.unpack_from(payload)
    return SealedEvent(payload[_HEAD.size :], timestamp, high << _HALF | low, span_id)


class EncodedResource(NamedTuple):
    """A resource of which only its bytes are left: that of a process that has ended."""

    body: bytes
    schema_url: str

    def written(self) -> bytes:
        """Return it as one text of bytes.

        >>> EncodedResource.read(EncodedResource(b"shop", "https://schema").written())
        EncodedResource(body=b'shop', schema_url='https://schema')
        """
        schema_url = self.schema_url.encode()[:65535]
        return _SCHEMA_SIZE.pack(len(schema_url)) + schema_url + self.body

    @classmethod
    def read(cls, written: bytes) -> EncodedResource:
        """Return what was written; an empty resource from what never was."""
        if len(written) < _SCHEMA_SIZE.size:
            return cls(b"", "")
        (size,) = _SCHEMA_SIZE.unpack_from(written)
        end = _SCHEMA_SIZE.size + size
        return cls(written[end:], written[_SCHEMA_SIZE.size : end].decode(errors="replace"))


AnyResource = Resource | EncodedResource
