"""Carrier spans: what brings events to a collector that have no span to ride on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, SpanKind, Status, TraceFlags

from ezlogs.delivery.items import Carried, EndedSpan, LooseEvent
from ezlogs.delivery.sealed import AnyResource, SealedEvent
from ezlogs.delivery.sealed_rows import SealedRows
from ezlogs.event import UniversalEvent
from ezlogs.ids import new_span_id, new_trace_id
from ezlogs.otlp.values import Remembered
from ezlogs.version import __version__

MAX_CARRIED = 100
"""Events on one carrier span."""

SCOPE = InstrumentationScope("ezlogs", __version__)
"""What carrier spans and log records of ezlogs' own say they come from."""


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

    def __init__(self, trace_id: int, parent_span_id: int, events: Sequence[Carried], resource: AnyResource) -> None:
        sampled = TraceFlags(TraceFlags.SAMPLED)
        self.context = SpanContext(trace_id, new_span_id(), False, sampled)
        self.parent = SpanContext(trace_id, parent_span_id, False, sampled) if parent_span_id else None
        self.resource = resource
        self.start_time = min(event.timestamp for event in events)
        self.end_time = max(event.last if type(event) is SealedRows else event.timestamp for event in events)


def carried(loose: Iterable[LooseEvent], resource: AnyResource) -> list[EndedSpan]:
    """Put loose events on carrier spans: one per trace and parent span, at most `MAX_CARRIED` events each."""
    groups: dict[tuple[bytes, int], list[Carried]] = {}
    last_trace, last_span = b"", 0
    group: list[Carried] = []
    for item in loose:
        if type(item) is SealedEvent or type(item) is SealedRows:
            if item.trace_id != last_trace or item.span_id != last_span:  # most often it is the story of the one before
                last_trace, last_span = item.trace_id, item.span_id
                group = groups.setdefault((last_trace, last_span), [])
            group.append(item)
        else:
            event, under = (item, INVALID_SPAN_CONTEXT) if isinstance(item, UniversalEvent) else item  # type: ignore[misc]  # no sealed one
            groups.setdefault(place_of(event, under), []).append(event)
    spans = []
    for (trace, parent_span_id), events in groups.items():
        trace_id = int.from_bytes(trace, "big")
        for chunk in _chunks(events):
            spans.append(EndedSpan(CarrierSpan(trace_id, parent_span_id, chunk, resource), chunk))  # type: ignore[arg-type]  # a span by its public names
    return spans


def _chunks(riders: Sequence[Carried]) -> Iterator[Sequence[Carried]]:
    """Yield as many as one carrier span takes, in their order."""
    begin = number = 0
    for at, rider in enumerate(riders):
        further = rider.number if type(rider) is SealedRows else 1
        if number + further > MAX_CARRIED and at > begin:
            yield riders[begin:at]
            begin, number = at, 0
        number += further
    yield riders[begin:]


def place_of(event: UniversalEvent, under: SpanContext | None) -> tuple[bytes, int]:
    """Return where an event belongs that has no span to ride on: the trace in 16 bytes, and the id of the span above.

    Args:
        event: The event.
        under: The span that it happened under.
    """
    place = None if under is None else place_under(under)
    return place or (TRACE_IDS[event.correlation.correlation_id], 0)


def place_under(span: SpanContext) -> tuple[bytes, int] | None:
    """Return the place of what belongs under a span; None where that is no valid one."""
    known_by, place = _last_place[0]
    if known_by is not span:  # most often it is the span of the event before
        place = (span.trace_id.to_bytes(16, "big"), span.span_id) if span.is_valid else None
        _last_place[0] = span, place
    return place


_last_place: Final[list[tuple[SpanContext, tuple[bytes, int] | None]]] = [(INVALID_SPAN_CONTEXT, None)]
"""In one piece, which threads replace as they come."""


def _trace_id_of(correlation_id: str) -> bytes:
    """Return the trace id that a story outside any trace is known by."""
    try:
        trace_id = int(correlation_id, 16) if len(correlation_id) == 32 else 0
    except ValueError:
        trace_id = 0
    return (trace_id or new_trace_id()).to_bytes(16, "big")


TRACE_IDS: Final[Remembered[str, bytes]] = Remembered(_trace_id_of)
"""What stories are known by, remembered: most events in a row are of the same few."""
