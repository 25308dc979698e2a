"""Sealed rows: many events of one transaction under one span, encoded as they stand in a span, as one record and item.

What a thousand rows have in common is judged, journaled and handed over once, and the worker copies bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from ezlogs.delivery.sealed import Form, SealedEvent, head_of, make_unknown, opened_head
from ezlogs.otlp import EVENT_OF_SPAN
from ezlogs.otlp.protobuf import pieces
from ezlogs.otlp.values import message_field
from ezlogs.priority import Priority

_TIME: Final = 1
_NAME: Final = 2


class SealedRows(msgspec.Struct, gc=False, eq=False):
    """Events that may leave the application together, on one carrier span.

    Args:
        body: The events, each scrubbed and encoded as a field of a span: with its tag and its length in front.
        number: How many.
        timestamp: When the first one happened: nanoseconds since 1970.
        last: When the last one did.
        trace_id: The trace that they belong to, in 16 bytes.
        span_id: The span under which they happened; 0 for none.
        event_type: What they are, all of them.
        priority: Whether they go before others, where not all can be kept.
        flags: The trace flags of that span.
        rules: By which rules privacy kept something back.
    """

    body: bytes
    number: int
    timestamp: int
    last: int
    trace_id: bytes
    span_id: int
    event_type: str
    priority: int = Priority.NORMAL
    flags: int = 0
    rules: Sequence[str] = ()
    receipt: Any = None
    """What they are acknowledged by in the journal, together; true once they are in there."""

    def head(self) -> bytes:
        """Return what stands in front of the body in what is journaled; `opened_rows` reads both.

        >>> from ezlogs.otlp import encode_event
        >>> body = b"".join(message_field(EVENT_OF_SPAN, encode_event("data.change", time, {})) for time in (7, 9))
        >>> again = opened_rows(SealedRows(body, 2, 7, 9, bytes(16), 5, "data.change").head() + body)
        >>> again.number, again.timestamp, again.last, again.span_id, again.event_type
        (2, 7, 9, 5, 'data.change')
        """
        return head_of(Form.ROWS_FOR_SPANS, self.flags, self.trace_id, self.span_id, self.timestamp)

    def events(self) -> list[SealedEvent]:
        """Return the events one by one."""
        return [
            SealedEvent(
                body,
                timestamp,
                self.trace_id,
                self.span_id,
                (),
                self.event_type,
                self.priority,
                self.flags,
                receipt=self.receipt,
            )
            for body, timestamp, _ in _parted(self.body)
        ]


def opened_rows(payload: bytes) -> SealedRows:
    """Return rows from what was journaled of them.

    Args:
        payload: What `SealedRows.head` returned, and the body.

    Raises:
        ValueError: It is no such payload.
        struct.error: So it is, too.
    """
    form, flags, trace_id, span_id, first, body = opened_head(payload)
    if form is not Form.ROWS_FOR_SPANS:
        raise ValueError("these are no rows")
    parted = list(_parted(body))
    if not parted:
        raise ValueError("there is no row")
    last = max(timestamp for _, timestamp, _ in parted)
    return SealedRows(body, len(parted), first, last, trace_id, span_id, parted[0][2], flags=flags)


def make_rows_unknown(rows: SealedRows, reason: str) -> None:
    """Give events the outcome ``unknown``; see `ezlogs.delivery.sealed.make_unknown`."""
    events = rows.events()
    for event in events:
        make_unknown(event, reason)
    rows.body = b"".join(message_field(EVENT_OF_SPAN, event.body) for event in events)


def are_rows(payload: bytes) -> bool:
    """Return whether what was journaled are rows that belong together."""
    return payload[:1] == _FORM


def _parted(body: bytes) -> Iterator[tuple[bytes, int, str]]:
    """Yield each event, its time and its type."""
    for _, event, _ in pieces(body):
        if not isinstance(event, bytes):
            raise ValueError("this is no event")
        timestamp, event_type = 0, ""
        for number, value, whole in pieces(event):
            if number == _TIME:
                (timestamp,) = _pack_time.unpack(whole[-8:])
            elif number == _NAME and isinstance(value, bytes):
                event_type = value.decode(errors="replace")
                break
        yield event, timestamp, event_type


_pack_time: Final = struct.Struct("<Q")
_FORM: Final = bytes([Form.ROWS_FOR_SPANS])
