"""From spans and log records as they were received to the events that stories are told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ezlogs.event import UniversalEvent
from ezlogs.story.tree import Told
from ezlogs.wire import from_attributes

if TYPE_CHECKING:
    from ezlogs.dev.decode import ReceivedLog, ReceivedSpan


def told(received: Iterable[ReceivedSpan | ReceivedLog]) -> list[Told]:
    """Return the ezlogs events in spans and log records, each with the ``service.name`` of its resource.

    Args:
        received: As `ezlogs.dev.decode` returns them; span events and log records of other makes are left out.
    """
    return [Told(event, str(item.resource.get("service.name", ""))) for item in received for event in _events_of(item)]


def _events_of(item: ReceivedSpan | ReceivedLog) -> Iterator[UniversalEvent]:
    if hasattr(item, "events"):
        found = [(event.name, event.timestamp, event.attributes) for event in item.events]
    else:
        found = [(item.event_name, item.timestamp, item.attributes)]
    for name, timestamp, attributes in found:
        if (event := from_attributes(name, timestamp, attributes)) is not None:
            yield event
