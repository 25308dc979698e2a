"""From spans as they were received to the events that stories are told of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ezlogs.story.tree import Told
from ezlogs.wire import from_attributes

if TYPE_CHECKING:
    from ezlogs.dev.decode import ReceivedSpan


def told(spans: Iterable[ReceivedSpan]) -> list[Told]:
    """Return the ezlogs events that spans carry, each with the ``service.name`` of its resource.

    Args:
        spans: As `ezlogs.dev.decode.decode_request` returns them; span events of other makes are left out.
    """
    return [
        Told(found, str(span.resource.get("service.name", "")))
        for span in spans
        for event in span.events
        if (found := from_attributes(event.name, event.timestamp, event.attributes)) is not None
    ]
