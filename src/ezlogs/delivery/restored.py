"""Restored items: what is in a journal becomes again what a batch is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from ezlogs.delivery.sealed import EncodedResource, Form, SealedEvent, SealedSpan, make_unknown, opened, opened_span
from ezlogs.delivery.sealed_rows import SealedRows, are_rows, make_rows_unknown, opened_rows
from ezlogs.journal import Ending, Found, Kind, Record
from ezlogs.otlp import encode_span_end
from ezlogs.otlp.protobuf import fields
from ezlogs.settings import OtlpSignal

_INTERRUPTED: Final = {"ezlogs.interrupted": True}
"""What a span says of which nobody saw the end."""


def item_of(found: Found, resource: EncodedResource) -> SealedEvent | SealedRows | SealedSpan:
    """Return what a dead process left as an item to be sent.

    Raises:
        Exception: It is of a kind that this version does not journal.
    """
    if found.kind in (Kind.EVENT, Kind.SCOPE_OPEN):
        return opened(found.payload)
    if found.kind == Kind.PREPARED and are_rows(found.payload):
        rows = opened_rows(found.payload)
        if found.ending is not Ending.COMMITTED:
            make_rows_unknown(rows, "interrupted")
        return rows
    if found.kind == Kind.PREPARED:
        event = opened(found.payload)
        if found.ending is not Ending.COMMITTED:
            make_unknown(event, "interrupted")
        return event
    span = opened_span(found.payload, resource)
    events = span.events = [opened(event.payload) for event in found.events]
    if found.ending is Ending.INTERRUPTED:
        last = max((event.timestamp for event in events), default=found.timestamp)
        span.body += encode_span_end(max(last, found.timestamp), _INTERRUPTED)
    return span


def put_together(
    records: Sequence[Record], resource: EncodedResource
) -> Iterator[SealedEvent | SealedRows | SealedSpan]:
    """Yield the items of some records of this process: spans with the events that rode on them, and other events."""
    riding: dict[bytes, list[SealedEvent]] = {}
    for record in records:
        if record.kind == Kind.SPAN_CLOSE:
            span = opened_span(record.payload, resource)
            span.events = riding.pop(record.item_id, [])
            yield span
        elif record.kind == Kind.EVENT and record.owner:
            riding.setdefault(record.owner, []).append(opened(record.payload))
        elif record.kind in (Kind.EVENT, Kind.PREPARED):  # which never ride on a span: there may be many
            yield opened_rows(record.payload) if are_rows(record.payload) else opened(record.payload)
    for events in riding.values():  # their span was given up
        yield from events


def signal_of(found: Found) -> OtlpSignal | None:
    """Return the signal that something was journaled for; None of what this version cannot send."""
    with suppress(Exception):  # no payload of ours, however it came there
        item = item_of(found, EncodedResource(b"", ""))
        if not isinstance(item, SealedEvent):
            return "traces"
        if item.plain is not None or fields(item.body):  # else all would be refused
            return "logs" if item.form >= Form.ENCODED_FOR_LOGS else "traces"
    return None
