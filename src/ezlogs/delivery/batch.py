"""Batches: ended spans and loose events become one OTLP request, scrubbed and encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeGuard

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.delivery.packing import packed
from ezlogs.delivery.riders import RidingEvent
from ezlogs.delivery.sealed import AnyResource, EncodedResource, EncodedScope, Form, SealedEvent, SealedSpan
from ezlogs.event import UniversalEvent
from ezlogs.ids import new_span_id, new_trace_id
from ezlogs.otlp import (
    EVENT_HEADS,
    EVENT_OF_SPAN,
    encode_request,
    encode_resource,
    encode_scope,
    encode_span,
    event_head,
    event_parts,
)
from ezlogs.otlp.values import Remembered, varint
from ezlogs.priority import Priorities, Priority
from ezlogs.privacy import Scrubber
from ezlogs.privacy.span import scrub_span
from ezlogs.privacy.surfaces import STRUCTURAL
from ezlogs.runtime import log
from ezlogs.version import __version__
from ezlogs.wire import rules_of

MAX_CARRIED = 100
"""Events on one carrier span."""


_PACKED = int(Form.PACKED_FOR_SPANS)

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

Item = EndedSpan | SealedSpan | LooseEvent
"""What is handed over to be sent."""


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
    """How many items of the queue it was made of."""
    priority: int = Priority.NORMAL
    """That of its most important record."""
    types: Mapping[str, int] = MappingProxyType({})
    """How many events there are, by type."""
    spans: int = 0
    """How many of the records are spans of the application's: the others only carry events."""
    number: int = 0
    """How many items there were before, ever."""
    since: int = 0
    """When its oldest event happened: nanoseconds since 1970, or 0 where that is not known."""

    part: bool = False
    """Whether it is a part of one that was journaled: what it is acknowledged by is that of all parts."""

    def journaled(self) -> bool:
        """Return whether all of it is in this process's journal."""
        return self.part or (not self.adopted and bool(self.receipts) and all(self.receipts))


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


class Sources:
    """The encoded resources and scopes, which hardly ever change: both signals send them around their records."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._resources: dict[int, tuple[Resource, EncodedResource]] = {}
        self._scopes: Remembered[InstrumentationScope | None, EncodedScope] = Remembered(self._encoded_scope)

    def resource(self, resource: AnyResource) -> EncodedResource:
        """Return a resource as it is sent."""
        if isinstance(resource, EncodedResource):
            return resource
        known = self._resources.get(id(resource))
        if known is None:
            if len(self._resources) >= 64:
                self._resources.clear()
            attributes = self._scrubber.attributes(resource.attributes, [])
            encoded = EncodedResource(encode_resource(attributes), resource.schema_url)
            known = self._resources[id(resource)] = (resource, encoded)
        return known[1]

    def scope(self, scope: InstrumentationScope | None) -> EncodedScope:
        """Return a scope as it is sent."""
        return self._scopes[scope]

    def _encoded_scope(self, scope: InstrumentationScope | None) -> EncodedScope:
        if scope is None:
            return EncodedScope(b"", "")
        attributes = self._scrubber.attributes(scope.attributes or {}, [], "scope.")
        return EncodedScope(
            encode_scope(scope.name, scope.version or "", attributes=attributes), scope.schema_url or ""
        )


Groups = dict[EncodedResource, dict[EncodedScope, list[bytes]]]
"""Encoded records by where they come from."""


def request_of(groups: Groups) -> bytes:
    """Return the request that brings some records."""
    return encode_request(
        (resource.body, resource.schema_url, [(scope.body, scope.schema_url, records) for scope, records in of.items()])
        for resource, of in groups.items()
    )


_UNSET: Final = Status()


class SpanEncoder:
    """Turns ended spans and loose events into batches of spans.

    Args:
        scrubber: Says what must not leave.
        priorities: Say what goes before others; as where nothing is an audit event if left out.
    """

    def __init__(self, scrubber: Scrubber, priorities: Priorities | None = None) -> None:
        self._scrubber = scrubber
        self._priorities = priorities or Priorities()
        self._sources = Sources(scrubber)
        self._events = EventEncoder(scrubber, EVENT_HEADS)

    def seal(self, event: UniversalEvent, under: SpanContext | None) -> SealedEvent:
        """Return an event as it will be sent, scrubbed and encoded."""
        if under is None:  # as `place_of` would say
            trace_id, span_id = _TRACE_IDS[event.correlation.correlation_id], 0
        else:
            trace_id, span_id = place_of(event, under)
        event_type, priority = event.event_type, self._priorities.of(event)
        if self._events.is_plain(event) and (plain := packed(event)) is not None:
            return SealedEvent(plain, event.timestamp, trace_id, span_id, (), event_type, priority, 0, event, _PACKED)
        rules: list[str] = []
        body = self._body(event, rules)
        return SealedEvent(body, event.timestamp, trace_id, span_id, rules, event_type, priority)

    def seal_span(self, span: ReadableSpan, events: Sequence[Rider]) -> SealedSpan:
        """Return a span as it will be sent - now, where it has not ended - and the events that rode on it."""
        clean = scrub_span(as_now(span), self._scrubber)
        return SealedSpan(
            encode_span(clean),
            self._sources.scope(span.instrumentation_scope),
            span.resource,
            events,
            rules_of(clean.attributes or {}),
            self.priority(EndedSpan(span, events)),
        )

    def seal_open(self, span: ReadableSpan) -> SealedSpan:
        """Return a span that has not ended, as it would be sent if it never did.

        Of its attributes those are in it that are known to hold nothing: all are looked at when it ends.
        """
        now = as_now(span)
        knows = self._scrubber.knows
        known = {key: value for key, value in now.attributes.items() if key in STRUCTURAL or knows(key, value)}
        begun = msgspec.structs.replace(
            now, name=self._scrubber.text(now.name, "name", []), attributes=known, events=(), links=(), status=_UNSET
        )
        return SealedSpan(encode_span(begun), self._sources.scope(span.instrumentation_scope), now.resource)

    def encoded(self, resource: AnyResource) -> EncodedResource:
        """Return a resource as it is sent."""
        return self._sources.resource(resource)

    def priority(self, item: Item) -> int:
        """Return whether an item goes before others, where not all can be kept."""
        if type(item) is UniversalEvent:
            return self._priorities.of(item)
        if isinstance(item, (SealedEvent, SealedSpan)):
            return item.priority
        if not isinstance(item, EndedSpan):
            return self._priorities.of(item[0])  # type: ignore[index]  # no event of a class derived from ours
        if item.span.status.status_code is StatusCode.ERROR:
            return max(Priority.ERROR, self._highest(item.events))
        return self._highest(item.events)

    def _highest(self, events: Sequence[Rider]) -> int:
        sealed = [event.priority for event in events if type(event) is SealedEvent]
        if sealed and len(sealed) == len(events):
            return max(sealed)
        others = [event for event in events if type(event) is UniversalEvent]
        return max([*sealed, self._priorities.of_all(others)])

    def batch(self, items: Sequence[Item], resource: AnyResource, between: Callable[[], object] = int) -> Batch:
        """Return the OTLP request of some items; loose events ride on carrier spans of ``resource``.

        Args:
            items: What is to be sent.
            resource: Of loose events.
            between: Called after each hundred events or so.
        """
        groups: Groups = {}
        since = 0
        tally = Tally()
        spans, loose = _parted(items)
        for item in (*spans, *carried(loose, resource)):
            tally.receipts += receipts_of(item)
            try:
                span = item if isinstance(item, SealedSpan) else self.seal_span(*item)
                rules, record = [*span.rules], [span.body]
                for event in span.events:
                    body = self._body(event, rules)
                    record += (EVENT_OF_SPAN, varint(len(body)), body)
            except Exception:  # one span that cannot be encoded must not cost the others
                log.exception("ezlogs: a span could not be encoded")
                tally.broken += len(item.events)
                continue
            is_carrier = isinstance(item, EndedSpan) and isinstance(item.span, CarrierSpan)
            tally.take(item.events, rules, span.priority, is_span=not is_carrier)
            scopes = groups.setdefault(self._sources.resource(span.resource), {})
            scopes.setdefault(span.scope, []).append(b"".join(record))
            since += 1 + len(item.events)
            if since >= MAX_CARRIED:
                since = 0
                between()
        return tally.batch(request_of(groups))

    def _body(self, event: Rider, rules: list[str]) -> bytes:
        """Return an encoded event; append the rules by which privacy kept something back."""
        if type(event) is SealedEvent:
            if event.rules:
                rules += event.rules
            if event.plain is None:
                return event.body
            event = event.plain
        known = self._events.known(event)  # type: ignore[arg-type]  # no sealed one
        if known is not None:
            return event_head(event.event_type, event.timestamp) + known
        parts = event_parts(event.event_type, event.timestamp)
        rules += self._events.append(parts, event)  # type: ignore[arg-type]  # the same
        return b"".join(parts)


class Tally:
    """What a batch counts, as its records are made."""

    def __init__(self) -> None:
        self.receipts: list[Any] = []
        self.broken = 0
        self._records = self._spans = 0
        self._redactions: Counter[str] = Counter()
        self._types: Counter[str] = Counter()
        self._priority = int(Priority.DEBUG)

    def take(self, events: Sequence[Rider], rules: Sequence[str], priority: int, *, is_span: bool = False) -> None:
        """Count a record with some events."""
        self._records += 1
        self._spans += is_span
        self._redactions.update(rules)
        self._types.update([event.event_type for event in events])
        self._priority = max(self._priority, priority)

    def batch(self, body: bytes) -> Batch:
        """Return the batch of an encoded request."""
        return Batch(
            body,
            self._records,
            self._types.total(),
            self._redactions,
            self.broken,
            self.receipts,
            priority=self._priority,
            types=self._types,
            spans=self._spans,
        )


def _parted(items: Iterable[Item]) -> tuple[list[EndedSpan | SealedSpan], list[LooseEvent]]:
    """Return the spans among some items, and the events that ride on none."""
    spans: list[EndedSpan | SealedSpan] = []
    loose: list[LooseEvent] = []
    for item in items:
        if type(item) is SealedEvent or is_loose(item):
            loose.append(item)
        else:
            spans.append(item)  # type: ignore[arg-type]  # it is no loose event
    return spans, loose


def is_loose(item: Item) -> TypeGuard[LooseEvent]:
    """Tell whether an item is an event without a span to ride on."""
    return not isinstance(item, (EndedSpan, SealedSpan))


def events_of(item: Item) -> Sequence[Rider]:
    """Return the events that an item is of."""
    if isinstance(item, (EndedSpan, SealedSpan)):
        return item.events
    return (item,) if isinstance(item, (UniversalEvent, SealedEvent)) else item[:1]


def receipts_of(item: Item) -> list[Any]:
    """Return what an item is acknowledged by in the journal: first the events on a span, then the span itself."""
    receipts = [event.receipt for event in events_of(item) if type(event) is SealedEvent]
    return [*receipts, *item.receipts] if isinstance(item, SealedSpan) else receipts


def as_now(span: Any) -> SpanNow:
    """Return a span as it is now, read once, without the copies of ezlogs' events that it shows to other processors.

    The SDK's spans make what they show anew each time that they are asked.
    """
    attributes = span.attributes
    copied: Callable[[], Mapping[str, Any]] | None = getattr(attributes, "copy", None)
    return SpanNow(
        name=span.name,
        context=span.context,
        parent=span.parent,
        kind=span.kind,
        start_time=span.start_time,
        end_time=span.end_time,
        attributes=copied() if copied else attributes or {},
        events=[event for event in span.events if not _is_rider(event)],
        links=span.links,
        status=span.status,
        resource=span.resource,
        instrumentation_scope=span.instrumentation_scope,
        dropped_attributes=span.dropped_attributes,
        dropped_events=span.dropped_events,
        dropped_links=span.dropped_links,
    )


def _is_rider(event: Any) -> bool:
    return isinstance(event, RidingEvent) or "ezlogs.event.id" in (event.attributes or ())


def carried(loose: Iterable[LooseEvent], resource: AnyResource) -> list[EndedSpan]:
    """Put loose events on carrier spans: one per trace and parent span, at most `MAX_CARRIED` events each."""
    groups: dict[tuple[bytes, int], list[Rider]] = {}
    last_trace, last_span = b"", 0
    group: list[Rider] = []
    for item in loose:
        if type(item) is SealedEvent:
            if item.trace_id != last_trace or item.span_id != last_span:  # most often it is the story of the one before
                last_trace, last_span = item.trace_id, item.span_id
                group = groups.setdefault((last_trace, last_span), [])
            group.append(item)
        else:
            event, under = (item, INVALID_SPAN_CONTEXT) if isinstance(item, UniversalEvent) else item  # type: ignore[misc]  # no sealed one
            groups.setdefault(place_of(event, under), []).append(event)
    spans = []
    for (trace, parent_span_id), events in groups.items():
        trace_id, remaining = int.from_bytes(trace, "big"), iter(events)
        while chunk := list(islice(remaining, MAX_CARRIED)):
            spans.append(EndedSpan(CarrierSpan(trace_id, parent_span_id, chunk, resource), chunk))  # type: ignore[arg-type]  # a span by its public names
    return spans


def place_of(event: UniversalEvent, under: SpanContext | None) -> tuple[bytes, int]:
    """Return where an event belongs that has no span to ride on: the trace in 16 bytes, and the id of the span above.

    Args:
        event: The event.
        under: The span that it happened under.
    """
    if under is not None and under.is_valid:
        return under.trace_id.to_bytes(16, "big"), under.span_id
    return _TRACE_IDS[event.correlation.correlation_id], 0


def _trace_id_of(correlation_id: str) -> bytes:
    """Return the trace id that a story outside any trace is known by."""
    try:
        trace_id = int(correlation_id, 16) if len(correlation_id) == 32 else 0
    except ValueError:
        trace_id = 0
    return (trace_id or new_trace_id()).to_bytes(16, "big")


_TRACE_IDS: Final[Remembered[str, bytes]] = Remembered(_trace_id_of)
