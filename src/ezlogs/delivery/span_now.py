"""Spans as they are at one moment, read once: the SDK's make what they show anew each time that they are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status

from ezlogs.delivery.riders import RidingEvent


class SpanNow(msgspec.Struct, frozen=True, gc=False):
    """A span as it was at one moment, by the public names of the SDK's."""

    name: str
    context: SpanContext
    parent: SpanContext | None
    kind: SpanKind
    start_time: int | None
    end_time: int | None
    attributes: Mapping[str, Any]
    events: Sequence[Any]
    links: Sequence[Any]
    status: Status
    resource: Resource
    instrumentation_scope: InstrumentationScope | None
    dropped_attributes: int
    dropped_events: int
    dropped_links: int


def as_now(span: Any) -> SpanNow:
    """Return a span as it is now, read once, without the copies of ezlogs' events that it shows to other processors.

    The SDK's spans make what they show anew each time that they are asked.
    """
    return SpanNow(
        name=span.name,
        context=span.context,
        parent=span.parent,
        kind=span.kind,
        start_time=span.start_time,
        end_time=span.end_time,
        attributes=attributes_of(span),
        events=events_of(span),
        links=span.links,
        status=span.status,
        resource=span.resource,
        instrumentation_scope=span.instrumentation_scope,
        dropped_attributes=span.dropped_attributes,
        dropped_events=span.dropped_events,
        dropped_links=span.dropped_links,
    )


def attributes_of(span: Any) -> Mapping[str, Any]:
    """Return a copy of a span's attributes, which can be read while another thread writes; the SDK's copies in C."""
    attributes = span.attributes
    copied: Callable[[], Mapping[str, Any]] | None = getattr(attributes, "copy", None)
    return copied() if copied else attributes or {}


def events_of(span: Any) -> list[Any]:
    """Return the events of a span without the copies of ezlogs' own."""
    return [event for event in span.events if not _is_rider(event)]


def _is_rider(event: Any) -> bool:
    return isinstance(event, RidingEvent) or "ezlogs.event.id" in (event.attributes or ())
