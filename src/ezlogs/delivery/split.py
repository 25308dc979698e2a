"""Batches that a collector finds too large: each becomes two, and all that is counted of it is shared out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ezlogs.delivery.batch import Batch
from ezlogs.otlp.loading import held_off

if TYPE_CHECKING:
    from ezlogs.otlp.split import Part


def split(batch: Batch) -> tuple[Batch, Batch] | None:
    """Return two batches with the records of one, to be sent in its place; None where it cannot be split.

    What the batch counts is the sum of what the two count, so that no ledger shows that it was split - but for a
    carrier span, of which two are made. What privacy kept back goes with the first, and what is acknowledged in the
    journal with the second, which is sent last.

    Args:
        batch: One that was answered with 413, or in gRPC with words to that effect.
    """
    with held_off():
        from ezlogs.otlp.split import halves
    parts = halves(batch.body)
    if parts is None:
        return None
    first, second = parts
    batch = batch._replace(part=batch.journaled())
    events = _events(batch, first, second)
    share = first.records / (first.records + second.records)
    items, spans = min(batch.items, round(batch.items * share)), min(batch.spans, round(batch.spans * share))
    return (
        batch._replace(
            body=first.body,
            records=first.records,
            events=events,
            receipts=(),
            items=items,
            types=first.types,
            spans=spans,
        ),
        batch._replace(
            body=second.body,
            records=second.records,
            events=batch.events - events,
            redactions={},
            broken=0,
            types=second.types,
            items=batch.items - items,
            spans=batch.spans - spans,
        ),
    )


def _events(batch: Batch, first: Part, second: Part) -> int:
    """Return how many of a batch's events are in its first part: on spans, or each a log record of its own."""
    if first.riders or second.riders:
        return min(first.riders, batch.events)
    return min(first.records, batch.events)
