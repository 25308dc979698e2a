"""Batches: ended spans and loose events become one OTLP request, scrubbed and encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, SpanKind, Status, TraceFlags

from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.delivery.riders import RidingEvent
from ezlogs.delivery.sealed import AnyResource, EncodedResource, SealedEvent
from ezlogs.event import UniversalEvent
from ezlogs.ids import new_span_id, new_trace_id
from ezlogs.otlp import (
    EVENT_HEADS,
    ResourceGroup,
    encode_request,
    encode_resource,
    encode_scope,
    encode_span,
    event_parts,
)
from ezlogs.privacy import Scrubber
from ezlogs.privacy.span import scrub_span
from ezlogs.runtime import log
from ezlogs.version import __version__
from ezlogs.wire import rules_of

MAX_CARRIED = 100
"""Events on one carrier span."""


SCOPE = InstrumentationScope("ezlogs", __version__)
"""What carrier spans and log records of ezlogs' own say they come from."""


class EndedSpan(NamedTuple):
    """A span of the application and the ezlogs events that rode on it."""

    span: ReadableSpan
    events: Sequence[UniversalEvent | SealedEvent]


LooseEvent = UniversalEvent | tuple[UniversalEvent, SpanContext] | SealedEvent
"""An event without a span to ride on, with the span it happened under if there was one."""

Rider = UniversalEvent | SealedEvent
"""An event that rides on a span."""


class Batch(NamedTuple):
    """An encoded request and what is in it. Resent byte-identical until it is delivered."""

    body: bytes
    records: int
    """Spans or log records, whichever the request is of."""
    events: int
    redactions: Mapping[str, int]
    """What privacy kept back: how often, by rule."""
    broken: int
    """Events that could not be encoded, and so are lost."""
    receipts: Sequence[Any] = ()
    """What the events that are journaled are acknowledged by."""
    adopted: bool = False
    """Whether a process that has ended left it."""
    items: int = 0
    since: int = 0
    """When its oldest event happened: nanoseconds since 1970, or 0 where that is not known."""


class CarrierSpan:
    """A span of ezlogs' own for loose events: always recorded, seen by no processor of the application's.

    It belongs to a private provider only in spirit: the batch makes it when it is encoded, so it costs the
    application nothing.
    """

    name = "ezlogs.events"
    kind = SpanKind.INTERNAL
    attributes = {"ezlogs.carrier": True}  # noqa: RUF012  # never changed; a span's attributes are a mapping
    events: Sequence[Any] = ()
    links: Sequence[Any] = ()
    status = Status()
    dropped_attributes = dropped_events = dropped_links = 0
    instrumentation_scope = SCOPE

    def __init__(self, trace_id: int, parent_span_id: int, events: Sequence[Rider], resource: AnyResource) -> None:
        sampled = TraceFlags(TraceFlags.SAMPLED)
        self.context = SpanContext(trace_id, new_span_id(), False, sampled)
        self.parent = SpanContext(trace_id, parent_span_id, False, sampled) if parent_span_id else None
        self.resource = resource
        self.start_time = min(event.timestamp for event in events)
        self.end_time = max(event.timestamp for event in events)


class WithoutRiders:
    """A span without the copies of ezlogs' events that it shows to other processors."""

    def __init__(self, span: ReadableSpan, events: Sequence[Any]) -> None:
        self._span = span
        self.events = events

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)


class Sources:
    """The encoded resources and scopes, which hardly ever change: both signals send them around their records."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._resources: dict[int, tuple[Resource, bytes]] = {}
        self._scopes: dict[InstrumentationScope | None, bytes] = {}

    def group(
        self, resource: AnyResource, scopes: Mapping[InstrumentationScope | None, Iterable[bytes]]
    ) -> ResourceGroup:
        """Return the encoded records of one resource, by scope, as a request takes them."""
        return (
            self._resource(resource),
            resource.schema_url,
            [
                (self._scope(scope), (scope.schema_url or "") if scope else "", records)
                for scope, records in scopes.items()
            ],
        )

    def encoded(self, resource: Resource) -> EncodedResource:
        """Return a resource as it is sent, for those who will send it when this process has ended."""
        return EncodedResource(self._resource(resource), resource.schema_url)

    def _resource(self, resource: AnyResource) -> bytes:
        if isinstance(resource, EncodedResource):
            return resource.body
        known = self._resources.get(id(resource))
        if known is None:
            if len(self._resources) >= 64:
                self._resources.clear()
            attributes = self._scrubber.attributes(resource.attributes, [])
            known = self._resources[id(resource)] = (resource, encode_resource(attributes))
        return known[1]

    def _scope(self, scope: InstrumentationScope | None) -> bytes:
        encoded = self._scopes.get(scope)
        if encoded is None:
            if len(self._scopes) >= 1024:
                self._scopes.clear()
            encoded = self._scopes[scope] = (
                encode_scope(
                    scope.name,
                    scope.version or "",
                    attributes=self._scrubber.attributes(scope.attributes or {}, [], "scope."),
                )
                if scope
                else b""
            )
        return encoded


class SpanEncoder:
    """Turns ended spans and loose events into batches of spans."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._sources = Sources(scrubber)
        self._events = EventEncoder(scrubber, EVENT_HEADS)

    def seal(self, event: UniversalEvent, under: SpanContext | None) -> SealedEvent:
        """Return an event as it will be sent, scrubbed and encoded."""
        parts = event_parts(event.event_type, event.timestamp)
        rules = self._events.append(parts, event)
        trace_id, span_id = (under.trace_id, under.span_id) if under is not None and under.is_valid else (0, 0)
        return SealedEvent(b"".join(parts), event.timestamp, trace_id or _trace_id_of(event), span_id, rules)

    def encoded(self, resource: Resource) -> EncodedResource:
        """Return a resource as it is sent."""
        return self._sources.encoded(resource)

    def batch(self, items: Sequence[EndedSpan | LooseEvent], resource: AnyResource) -> Batch:
        """Return the OTLP request of some items; loose events ride on carrier spans of ``resource``."""
        ended = [item for item in items if isinstance(item, EndedSpan)]
        ended += carried((item for item in items if not isinstance(item, EndedSpan)), resource)
        groups: dict[int, tuple[AnyResource, dict[InstrumentationScope | None, list[bytes]]]] = {}
        events = broken = 0
        receipts: list[Any] = []
        redactions: Counter[str] = Counter()
        for item in ended:
            receipts += (event.receipt for event in item.events if type(event) is SealedEvent)
            try:
                encoded, redacted = self._encode(item)
            except Exception:  # one span that cannot be encoded must not cost the others
                log.exception("ezlogs: a span could not be encoded")
                broken += len(item.events)
                continue
            events += len(item.events)
            redactions.update(redacted)
            _, scopes = groups.setdefault(id(item.span.resource), (item.span.resource, {}))
            scopes.setdefault(item.span.instrumentation_scope, []).append(encoded)
        body = encode_request([self._sources.group(*group) for group in groups.values()])
        return Batch(body, len(ended), events, redactions, broken, receipts)

    def _encode(self, item: EndedSpan) -> tuple[bytes, list[str]]:
        """Return an encoded span with its riders, and the rules by which privacy kept something back."""
        clean = scrub_span(without_riders(item.span), self._scrubber)
        redacted = rules_of(clean.attributes or {})
        riders = []
        for event in item.events:
            if isinstance(event, SealedEvent):
                redacted += event.rules
                riders.append(event.body)
                continue
            parts = event_parts(event.event_type, event.timestamp)
            redacted += self._events.append(parts, event)
            riders.append(b"".join(parts))
        return encode_span(clean, riders), redacted


def without_riders(span: Any) -> Any:
    """Return the span, or a view of it without ezlogs' own events if it shows any."""
    others = [event for event in span.events if not _is_rider(event)]
    return span if len(others) == len(span.events) else WithoutRiders(span, others)


def _is_rider(event: Any) -> bool:
    return isinstance(event, RidingEvent) or "ezlogs.event.id" in (event.attributes or ())


def carried(loose: Iterable[LooseEvent], resource: AnyResource) -> list[EndedSpan]:
    """Put loose events on carrier spans: one per trace and parent span, at most `MAX_CARRIED` events each."""
    groups: dict[tuple[int, int], list[Rider]] = {}
    for item in loose:
        if isinstance(item, SealedEvent):
            groups.setdefault((item.trace_id, item.span_id), []).append(item)
            continue
        event, under = (item, INVALID_SPAN_CONTEXT) if isinstance(item, UniversalEvent) else item
        key = (under.trace_id, under.span_id) if under.is_valid else (_trace_id_of(event), 0)
        groups.setdefault(key, []).append(event)
    spans = []
    for (trace_id, parent_span_id), events in groups.items():
        remaining = iter(events)
        while chunk := list(islice(remaining, MAX_CARRIED)):
            spans.append(EndedSpan(CarrierSpan(trace_id, parent_span_id, chunk, resource), chunk))  # type: ignore[arg-type]  # a span by its public names
    return spans


def _trace_id_of(event: UniversalEvent) -> int:
    """Return the trace id that a story outside any trace is known by."""
    correlation_id = event.correlation.correlation_id
    try:
        trace_id = int(correlation_id, 16) if len(correlation_id) == 32 else 0
    except ValueError:
        trace_id = 0
    return trace_id or new_trace_id()
