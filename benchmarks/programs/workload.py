"""The event that is measured everywhere: a name and 16 attributes, 12 of them the event's own and 4 of metadata."""

from __future__ import annotations

from typing import Any

from ezlogs.correlation import Correlation

METADATA = {"customer": "customer-81723", "currency": "EUR", "channel": "web"}
ATTRIBUTES = {
    "event_type": "order.action",
    "action": "placed",
    "actor.type": "user",
    "actor.id": "81723",
    "subject.type": "order",
    "correlation.id": "0af7651916cd43dd8448eb211c80319c",
    "flow.id": "checkout:42",
    "parent_event.id": "evt_018bcfe568007000800000000000abcd",
    "service": "shop",
    "outcome": "success",
    "duration_ms": 84.25,
}
STORY = Correlation(
    correlation_id=ATTRIBUTES["correlation.id"],
    flow_type="checkout",
    flow_id=ATTRIBUTES["flow.id"],
    parent_event_id=ATTRIBUTES["parent_event.id"],
)
"""What `ezlogs.event` finds in its context."""


def otel_attributes(number: int) -> dict[str, Any]:
    """Return the 16 attributes of event ``number``, as OpenTelemetry's ``add_event`` takes them."""
    return {**ATTRIBUTES, **METADATA, "subject.id": str(number), "order_no": number}


def own_fields(number: int) -> tuple[tuple[str, str], dict[str, Any]]:
    """Return the subject and the metadata of event ``number``; the other fields are the same for all."""
    return ("order", str(number)), {**METADATA, "order_no": number}
