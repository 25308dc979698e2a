"""From spans and log records as they were received to the events that stories are told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ezlogs.event import UniversalEvent
from ezlogs.story.passages import SCOPES
from ezlogs.story.tree import Told
from ezlogs.wire import from_attributes

if TYPE_CHECKING:
    from ezlogs.dev.decode import ReceivedLog, ReceivedSpan


_DEEPEST = 64
"""Spans that are looked at above an event, which may be in a circle if they are of others' making."""


def told(received: Iterable[ReceivedSpan | ReceivedLog]) -> list[Told]:
    """Return the ezlogs events in spans and log records, each with the ``service.name`` of its resource.

    An event that names no cause has as its cause what happened around it: the request, job, schedule or command whose
    event is on its span or on one above. So services that drop baggage stay joined while the trace lasts.

    Args:
        received: As `ezlogs.dev.decode` returns them; span events and log records of other makes are left out.
    """
    items = list(received)
    above = {item.span_id: item.parent_span_id for item in items if hasattr(item, "parent_span_id")}
    found = [(item, _home(item), event) for item in items for event in _events_of(item)]
    around: dict[tuple[str, str], UniversalEvent] = {
        (event.correlation.correlation_id, home): event for _, home, event in found if event.event_type in SCOPES
    }

    def cause_of(event: UniversalEvent, span_id: str) -> str | None:
        if event.correlation.parent_event_id is not None:
            return None
        for _ in range(_DEEPEST):
            cause = around.get((event.correlation.correlation_id, span_id))
            if cause is not None and cause.event_id != event.event_id:
                return cause.event_id
            if not (span_id := above.get(span_id, "")):
                break
        return None

    return [
        Told(event, str(item.resource.get("service.name", "")), cause_of(event, home) if home else None)
        for item, home, event in found
    ]


def _home(item: ReceivedSpan | ReceivedLog) -> str:
    """Return the span that an event happened in: that above a carrier span, which only carries."""
    if item.attributes.get("ezlogs.carrier") is True and hasattr(item, "parent_span_id"):
        return item.parent_span_id
    return item.span_id


def _events_of(item: ReceivedSpan | ReceivedLog) -> Iterator[UniversalEvent]:
    if hasattr(item, "events"):
        found = [(event.name, event.timestamp, event.attributes) for event in item.events]
    else:
        found = [(item.event_name, item.timestamp, item.attributes)]
    for name, timestamp, attributes in found:
        if (event := from_attributes(name, timestamp, attributes)) is not None:
            yield event
