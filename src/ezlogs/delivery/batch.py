"""Batches: ended spans and loose events become one OTLP request, scrubbed and encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, StatusCode

from ezlogs.delivery.carriers import TRACE_IDS, CarrierSpan, carried, place_of
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.delivery.items import Carried, EndedSpan, Item, number_of, parted, receipts_of
from ezlogs.delivery.packing import packed
from ezlogs.delivery.sealed import AnyResource, EncodedResource, EncodedScope, Form, SealedEvent, SealedSpan
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.delivery.span_now import as_now, attributes_of, events_of
from ezlogs.event import UniversalEvent
from ezlogs.otlp import (
    EVENT_HEADS,
    EVENT_OF_SPAN,
    BegunSpan,
    encode_begun_span,
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
from ezlogs.wire import rules_of

if TYPE_CHECKING:
    from ezlogs.delivery.row_encoder import RowEncoder
    from ezlogs.trackers.data.alike import AlikeRow

ROWS = "data.change"
"""What rows are told as."""

_PACKED = int(Form.PACKED_FOR_SPANS)
_STRETCH = 64
"""Sealed spans and events that are encoded at a stretch: a tenth of the 5 ms after which a thread is interrupted.

Each change of threads is a cold start for the application's: fewer would be cheaper, but then it waits for longer.
"""

_UNSEALED = 6
"""How many of them a span counts for that is yet to be scrubbed and encoded."""

_OF_ROWS = 3
"""How many of them a carrier of rows counts for, which are encoded already."""


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

    is_own: bool = False
    """Whether it tells of ezlogs itself: then nobody has handed it over, and nobody misses it."""
    part: bool = False
    """Whether it is a part of one that was journaled: what it is acknowledged by is that of all parts."""

    def journaled(self) -> bool:
        """Return whether all of it is in this process's journal."""
        return self.part or (not self.adopted and bool(self.receipts) and all(self.receipts))


class Begun(NamedTuple):
    """What is known of a span since it was sealed while it was open."""

    encoded: BegunSpan
    attributes: Mapping[str, Any]
    """Those that are encoded in it."""

    def later(self, attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the attributes that came since then; None where one that is encoded has changed.

        Args:
            attributes: All that the span has now.
        """
        known = self.attributes
        later = {key: value for key, value in attributes.items() if known.get(key) is not value}
        return later if len(later) + len(known) == len(attributes) else None


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


Groups = dict[EncodedResource, dict[EncodedScope, list[bytes | Sequence[bytes]]]]
"""Encoded records, some of them in parts, by where they come from."""


def request_of(groups: Groups) -> bytes:
    """Return the request that brings some records."""
    return encode_request(
        (resource.body, resource.schema_url, [(scope.body, scope.schema_url, records) for scope, records in of.items()])
        for resource, of in groups.items()
    )


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

    @cached_property
    def rows(self) -> RowEncoder:
        """What encodes rows that are alike; loaded where there is a journal only."""
        from ezlogs.delivery.row_encoder import RowEncoder

        return RowEncoder(self._events, ROWS)

    def seal(self, event: UniversalEvent, under: SpanContext | None) -> SealedEvent:
        """Return an event as it will be sent, scrubbed and encoded."""
        if under is None:  # as `place_of` would say
            trace_id, span_id = TRACE_IDS[event.correlation.correlation_id], 0
        else:
            trace_id, span_id = place_of(event, under)
        event_type, priority = event.event_type, self._priorities.of(event)
        if self._events.is_plain(event) and (plain := packed(event)) is not None:
            return SealedEvent(plain, event.timestamp, trace_id, span_id, (), event_type, priority, 0, event, _PACKED)
        rules: list[str] = []
        body = self._body(event, rules)
        return SealedEvent(body, event.timestamp, trace_id, span_id, rules, event_type, priority)

    def seal_rows(self, body: bytes, rows: Sequence[AlikeRow], under: SpanContext | None) -> SealedRows:
        """Return rows that are encoded as they will be sent.

        Args:
            body: What `ezlogs.delivery.row_encoder.RowEncoder.encoded` returned of them.
            rows: The rows, of one context.
            under: The span that they happened under.
        """
        if under is not None and under.is_valid:
            trace_id, span_id = under.trace_id.to_bytes(16, "big"), under.span_id
        else:
            trace_id, span_id = TRACE_IDS[rows[0].alike.correlation.correlation_id], 0
        times = [row.timestamp for row in rows]
        priority = self._priorities.usual(ROWS)
        return SealedRows(body, len(rows), min(times), max(times), trace_id, span_id, ROWS, priority)

    def seal_span(self, span: ReadableSpan, events: Sequence[Carried], begun: Begun | None = None) -> SealedSpan:
        """Return a span as it will be sent - now, where it has not ended - and the events that rode on it.

        Args:
            span: The span.
            events: The events.
            begun: What `seal_open` encoded of it.
        """
        return self._seal_bare(span, events, begun) or self._seal_any(span, events)

    def _seal_bare(self, span: ReadableSpan, events: Sequence[Carried], begun: Begun | None) -> SealedSpan | None:
        """Return a span as `_seal_any` does that has nothing but attributes, and nothing to keep back; else None."""
        status, name = span.status, span.name
        only_facts = getattr(span, "only_facts", None)  # of a light span alone
        attributes = facts = only_facts() if only_facts else None
        if attributes is None:
            if status.description or span.links or span.dropped_links or span.dropped_events or events_of(span):
                return None
            attributes = attributes_of(span)
        found: list[str] = []
        later = None if begun is None else begun.later(attributes)
        if begun is None or later is None:
            begun, later = Begun(encode_begun_span(span, {}), {}), attributes
        clean = self._scrubber.attributes(later, found, "attributes.")
        if clean is not later or self._scrubber.text(name, "name", found) is not name or found:
            return None
        return SealedSpan(
            begun.encoded.ended(name, span, later),
            self._sources.scope(span.instrumentation_scope),
            span.resource,
            events,
            rules_of(attributes) if facts is None else (),
            self._of_span(status.status_code, events),
        )

    def _seal_any(self, span: ReadableSpan, events: Sequence[Carried]) -> SealedSpan:
        now = as_now(span)
        clean = scrub_span(now, self._scrubber)
        return SealedSpan(
            encode_span(clean),
            self._sources.scope(now.instrumentation_scope),
            now.resource,
            events,
            rules_of(clean.attributes or {}),
            self._of_span(now.status.status_code, events),
        )

    def seal_open(self, span: ReadableSpan) -> tuple[SealedSpan, Begun]:
        """Return a span that has not ended, as it would be sent if it never did, and what its end need not do again.

        Of its attributes those are in it that are known to hold nothing: the others are looked at when it ends.
        """
        scrubber = self._scrubber
        knows, attributes = scrubber.knows, attributes_of(span)
        known = {key: value for key, value in attributes.items() if key in STRUCTURAL or knows(key, value)}
        begun = Begun(encode_begun_span(span, known), known)
        body = begun.encoded.open(scrubber.text(span.name, "name", []))
        return SealedSpan(body, self._sources.scope(span.instrumentation_scope), span.resource), begun

    def encoded(self, resource: AnyResource) -> EncodedResource:
        """Return a resource as it is sent."""
        return self._sources.resource(resource)

    def priority(self, item: Item) -> int:
        """Return whether an item goes before others, where not all can be kept."""
        if type(item) is UniversalEvent:
            return self._priorities.of(item)
        if isinstance(item, (SealedEvent, SealedRows, SealedSpan)):
            return item.priority
        if not isinstance(item, EndedSpan):
            return self._priorities.of(item[0])  # type: ignore[index]  # no event of a class derived from ours
        return self._of_span(item.span.status.status_code, item.events)

    def _of_span(self, status: StatusCode, events: Sequence[Carried]) -> int:
        highest = self._highest(events)
        return max(Priority.ERROR, highest) if status is StatusCode.ERROR else highest

    def _highest(self, events: Sequence[Carried]) -> int:
        sealed = [event.priority for event in events if isinstance(event, (SealedEvent, SealedRows))]
        if sealed and len(sealed) == len(events):
            return max(sealed)
        others = [event for event in events if type(event) is UniversalEvent]
        return max([*sealed, self._priorities.of_all(others)])

    def batch(self, items: Sequence[Item], resource: AnyResource, between: Callable[[], object] = int) -> Batch:
        """Return the OTLP request of some items; loose events ride on carrier spans of ``resource``.

        Args:
            items: What is to be sent.
            resource: Of loose events.
            between: Called after each stretch of half a millisecond or so, and after each carrier of many events.
        """
        groups: Groups = {}
        since = 0
        tally = Tally()
        spans, loose = parted(items)
        for item in (*spans, *carried(loose, resource)):
            tally.receipts += receipts_of(item)
            try:
                span = item if isinstance(item, SealedSpan) else self.seal_span(*item)
                rules, record = [*span.rules], [span.body]
                for event in span.events:
                    if isinstance(event, SealedRows):
                        record.append(event.body)
                        rules += event.rules
                        continue
                    body = self._body(event, rules)
                    record += (EVENT_OF_SPAN, varint(len(body)), body)
            except Exception:  # one span that cannot be encoded must not cost the others
                log.exception("ezlogs: a span could not be encoded")
                tally.broken += number_of(item.events)
                continue
            is_carrier = isinstance(item, EndedSpan) and isinstance(item.span, CarrierSpan)
            tally.take(item.events, rules, span.priority, is_span=not is_carrier)
            scopes = groups.setdefault(self._sources.resource(span.resource), {})
            scopes.setdefault(span.scope, []).append(record)
            since += _work_of(item)
            if since >= _STRETCH:
                since = 0
                between()
        return tally.batch(request_of(groups))

    def _body(self, event: UniversalEvent | SealedEvent, rules: list[str]) -> bytes:
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


def _work_of(item: SealedSpan | EndedSpan) -> int:
    """Return as how many sealed events a span counts."""
    events = item.events
    if len(events) == 1 and type(events[0]) is SealedRows:
        return _OF_ROWS
    return (1 if isinstance(item, SealedSpan) else _UNSEALED) + len(events)


class Tally:
    """What a batch counts, as its records are made."""

    def __init__(self) -> None:
        self.receipts: list[Any] = []
        self.broken = 0
        self._records = self._spans = 0
        self._redactions: Counter[str] = Counter()
        self._types: Counter[str] = Counter()
        self._priority = int(Priority.DEBUG)

    def take(self, events: Sequence[Carried], rules: Sequence[str], priority: int, *, is_span: bool = False) -> None:
        """Count a record with some events."""
        self._records += 1
        self._spans += is_span
        types = self._types
        if rules:
            self._redactions.update(rules)
        for event in events:  # sooner done for the few of a request than `Counter.update` begins
            types[event.event_type] += event.number if type(event) is SealedRows else 1
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
