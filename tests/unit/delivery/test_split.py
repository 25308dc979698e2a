"""A batch that is too large becomes two, and what is counted stays the same."""

from __future__ import annotations

import pytest

from ezlogs.delivery.batch import Batch
from ezlogs.delivery.split import split
from ezlogs.otlp import encode_event, encode_request, encode_scope

OURS = encode_event("order.action", 1, {"ezlogs.event.id": "evt_1"})
OTHERS = encode_event("noise", 1, {"a": 1})


def record(*events: bytes) -> bytes:
    """Return the bytes of a span with some events, as far as a split looks at them."""
    return b"".join(b"\x5a" + bytes([len(event)]) + event for event in events) or b"\x2a\x01x"


def batch(records: list[bytes], events: int, items: int) -> Batch:
    """Return a batch of some records."""
    body = encode_request([(b"", "", [(encode_scope("ezlogs"), "", records)])])
    return Batch(body, len(records), events, {"email": 2}, 1, items=items)


@pytest.mark.parametrize(
    ("records", "events", "expected"),
    [
        ([record(OURS, OURS, OTHERS), record(OURS)], 3, [2, 1]),
        ([record(OTHERS), record(OURS, OURS)], 2, [0, 2]),
        ([record(), record()], 0, [0, 0]),
        ([record(), record(), record()], 3, [1, 2]),
    ],
    ids=["events on both", "events on the second", "no events", "log records"],
)
@pytest.mark.parametrize("items", [0, 1, 2, 7])
def test_what_is_counted_is_shared_out(records: list[bytes], events: int, expected: list[int], items: int) -> None:
    """Records, events, items and what privacy kept back add up to what they were."""
    whole = batch(records, events, items)
    parts = split(whole)
    assert parts is not None
    assert [part.events for part in parts] == expected
    assert sum(part.records for part in parts) == whole.records
    assert sum(part.items for part in parts) == items
    assert min(part.items for part in parts) >= 0
    assert sum(part.broken for part in parts) == whole.broken
    assert [dict(part.redactions) for part in parts] == [{"email": 2}, {}]


def test_one_record_is_not_split() -> None:
    """It is too large as it is, and lost."""
    assert split(batch([record(OURS)], 1, 1)) is None
