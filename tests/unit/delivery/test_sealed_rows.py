"""Rows that are handed over together count as what they are: many events, on as many spans as their number asks for."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags

from ezlogs.delivery.batch import ROWS, SpanEncoder
from ezlogs.delivery.carriers import carried
from ezlogs.delivery.intake import weight_of
from ezlogs.delivery.items import count_of, events_of, number_of, receipts_of
from ezlogs.delivery.oldest import oldest
from ezlogs.delivery.restored import item_of, put_together, signal_of
from ezlogs.delivery.sealed import SealedEvent, opened
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.dev.decode import decode_request
from ezlogs.journal import Ending, Found, Kind, Record
from ezlogs.otlp import EVENT_OF_SPAN, encode_event
from ezlogs.otlp.values import message_field
from ezlogs.priority import Priority
from ezlogs.privacy import Scrubber

UNDER = SpanContext(0xA1, 0xB2, False, TraceFlags(TraceFlags.SAMPLED))
SHOP = Resource({"service.name": "shop"})


def some(number: int, first: int = 7, receipt: object = 1) -> SealedRows:
    """Rows as they are handed over."""
    bodies = [encode_event(ROWS, first + at, {"ezlogs.outcome": "success"}) for at in range(number)]
    body = b"".join(message_field(EVENT_OF_SPAN, event) for event in bodies)
    trace_id = UNDER.trace_id.to_bytes(16, "big")
    return SealedRows(body, number, first, first + number - 1, trace_id, UNDER.span_id, ROWS, 3, 1, (), receipt)


def loose() -> SealedEvent:
    """Another event under the same span."""
    body = encode_event("order.action", 5, {})
    return SealedEvent(body, 5, UNDER.trace_id.to_bytes(16, "big"), UNDER.span_id, (), "order.action", receipt=2)


@pytest.mark.parametrize(
    ("numbers", "spans"), [((40, 60), [100]), ((60, 41), [60, 41]), ((100, 100), [100, 100]), ((150, 1), [150, 1])]
)
def test_a_carrier_takes_no_more_than_its_limit(numbers: tuple[int, ...], spans: list[int]) -> None:
    """Unless rows came together that are more."""
    found = carried([some(number) for number in numbers], SHOP)
    assert [number_of(span.events) for span in found] == spans


def test_a_batch_counts_each_event() -> None:
    """And says by what they are acknowledged, together."""
    encoder = SpanEncoder(Scrubber())
    items = [some(3), loose(), some(2, first=20)]
    batch = encoder.batch(items, SHOP)
    assert (batch.events, batch.records, batch.spans, batch.priority) == (6, 1, 0, Priority.AUDIT)
    assert batch.types == {ROWS: 5, "order.action": 1}
    assert list(batch.receipts) == [1, 2, 1]
    (span,) = decode_request(batch.body)
    assert [event.name for event in span.events] == [ROWS, ROWS, ROWS, "order.action", ROWS, ROWS]
    assert (span.start_time, span.end_time) == (5, 21)
    assert encoder.priority(items[0]) == Priority.AUDIT


def test_they_are_taken_apart_where_somebody_asks_for_each() -> None:
    """Each has its own time, and what all of them are acknowledged by."""
    rows = some(3)
    assert [(event.timestamp, event.receipt, event.event_type) for event in events_of(rows)] == [
        (7, 1, ROWS),
        (8, 1, ROWS),
        (9, 1, ROWS),
    ]
    assert (count_of([rows, loose()]), receipts_of(rows), oldest([some(2, first=9)])) == (4, [1], 9)
    assert weight_of(rows) == len(rows.body)


@pytest.mark.parametrize(("ending", "outcome"), [(Ending.COMMITTED, "success"), (Ending.UNKNOWN, "unknown")])
def test_what_is_found_of_them_after_a_crash_is_all_of_them(ending: Ending, outcome: str) -> None:
    """With the outcome that is known."""
    rows = some(3)
    encoder = SpanEncoder(Scrubber())
    shop = encoder.encoded(SHOP)
    found = Found(Kind.PREPARED, ending, b"id", b"txn", rows.head() + rows.body, 3, 7, shop.written(), (1,))
    item = item_of(found, shop)
    (span,) = decode_request(encoder.batch([item], shop).body)
    assert [event.attributes["ezlogs.outcome"] for event in span.events] == [outcome] * 3
    assert signal_of(found) == "traces"
    record = Record(Kind.PREPARED, 3, b"id", b"txn", 7, rows.head() + rows.body, 0, 0, done=False, moved=False)
    assert [again.body for again in put_together([record], shop)] == [rows.body]  # type: ignore[union-attr]  # rows


def test_they_are_no_single_event() -> None:
    """Nobody takes them for one."""
    rows = some(2)
    with pytest.raises(ValueError, match="several"):
        opened(rows.head() + rows.body)
