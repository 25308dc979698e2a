"""Scrubbed spans: what ezlogs exports of a span that anybody made, without touching the span itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ezlogs.privacy.scrubber import Scrubber
from ezlogs.readable import EventLike, LinkLike, SpanLike, StatusLike

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, SpanKind, StatusCode

REDACTIONS: Final = "ezlogs.redacted"
"""The attribute that says what was redacted, by which rule: ``["attributes.card: card", "name: email"]``."""

MAX_REDACTIONS: Final = 32
"""Redactions that are listed on a span."""


class ScrubbedEvent(msgspec.Struct, frozen=True):
    """A span event without its secrets."""

    name: str
    timestamp: int
    attributes: Mapping[str, Any]
    dropped_attributes: int


class ScrubbedLink(msgspec.Struct, frozen=True):
    """A span link without its secrets."""

    context: SpanContext
    attributes: Mapping[str, Any]
    dropped_attributes: int


class ScrubbedStatus(msgspec.Struct, frozen=True):
    """A span status without its secrets."""

    status_code: StatusCode
    description: str | None


class ScrubbedSpan(msgspec.Struct, frozen=True):
    """A span without its secrets, for exporters: the names and types of the SDK's ``ReadableSpan``."""

    name: str
    context: SpanContext
    parent: SpanContext | None
    kind: SpanKind
    start_time: int | None
    end_time: int | None
    attributes: Mapping[str, Any]
    events: Sequence[EventLike]
    links: Sequence[LinkLike]
    status: StatusLike
    resource: Any
    instrumentation_scope: Any
    dropped_attributes: int
    dropped_events: int
    dropped_links: int

    def get_span_context(self) -> SpanContext:
        """The span's identity, as the SDK's exporters ask for it."""
        return self.context


def scrub_span(span: SpanLike, scrubber: Scrubber) -> SpanLike:
    """Scrub the name, attributes, events, links and status of a span.

    The span itself is never changed: other exporters hold it too. Its resource is the same for all spans of a
    process and is left to whoever sends it once a batch: ``scrubber.attributes(resource.attributes, found)``.

    Args:
        span: an ended span, of the SDK or with the same public attributes.
        scrubber: knows the rules, and counts what raised.

    Returns:
        The same span where nothing was found, else a copy with the attribute ``ezlogs.redacted``, which
        lists at most 32 findings as ``"path: rule"``.
    """
    found: list[str] = []
    attributes = span.attributes or {}
    name = scrubber.text(span.name, "name", found)
    scrubbed = scrubber.attributes(attributes, found, "attributes.")
    events = [_scrub_event(event, f"events[{i}]", scrubber, found) for i, event in enumerate(span.events)]
    links = [_scrub_link(link, f"links[{i}]", scrubber, found) for i, link in enumerate(span.links)]
    status = _scrub_status(span.status, scrubber, found)
    if not found:
        return span
    earlier = attributes.get(REDACTIONS, ())
    listed = (*(earlier if isinstance(earlier, Sequence) and not isinstance(earlier, str) else ()), *found)
    return ScrubbedSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        kind=span.kind,
        start_time=span.start_time,
        end_time=span.end_time,
        attributes={**scrubbed, REDACTIONS: tuple(dict.fromkeys(listed))[:MAX_REDACTIONS]},
        events=tuple(events),
        links=tuple(links),
        status=status,
        resource=span.resource,
        instrumentation_scope=span.instrumentation_scope,
        dropped_attributes=span.dropped_attributes,
        dropped_events=span.dropped_events,
        dropped_links=span.dropped_links,
    )


def _scrub_event(event: EventLike, path: str, scrubber: Scrubber, found: list[str]) -> EventLike:
    before = event.attributes or {}
    name = scrubber.text(event.name, f"{path}.name", found)
    attributes = scrubber.attributes(before, found, f"{path}.")
    if name is event.name and attributes is before:
        return event
    return ScrubbedEvent(name, event.timestamp, attributes, event.dropped_attributes)


def _scrub_link(link: LinkLike, path: str, scrubber: Scrubber, found: list[str]) -> LinkLike:
    before = link.attributes or {}
    attributes = scrubber.attributes(before, found, f"{path}.")
    return link if attributes is before else ScrubbedLink(link.context, attributes, link.dropped_attributes)


def _scrub_status(status: StatusLike, scrubber: Scrubber, found: list[str]) -> StatusLike:
    if status.description is None:
        return status
    description = scrubber.text(status.description, "status.description", found)
    return status if description is status.description else ScrubbedStatus(status.status_code, description)
