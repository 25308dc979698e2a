"""The measured programs: each runs in a fresh process and prints one number as JSON.

The event is the same everywhere: a name and 16 attributes, 12 of them the event's own and 4 of metadata.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from typing import Any

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


def otel_attributes(number: int) -> dict[str, Any]:
    """Return the 16 attributes of event ``number``."""
    return {**ATTRIBUTES, **METADATA, "subject.id": str(number), "order_no": number}


def percentile_50(call: Callable[[int], None], number: int) -> float:
    """Return the median nanoseconds of one call, garbage collection off as ``timeit`` has it."""
    gc.disable()
    times = []
    for position in range(number):
        begin = perf_counter_ns()
        call(position)
        times.append(perf_counter_ns() - begin)
    return sorted(times)[number // 2]


def creation_otel() -> float:
    """``Span.add_event`` with 16 attributes on a recording span, nothing else."""
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider

    span = TracerProvider(span_limits=SpanLimits(max_events=1000)).get_tracer("bench").start_span("bench")
    prepared = [otel_attributes(number) for number in range(1000)]
    return percentile_50(lambda number: span.add_event("order.action", prepared[number % 1000]), 20_000)


def creation_ezlogs() -> float:
    """``ezlogs.event`` with the same fields: made, checked, snapshotted and handed to a carrier."""
    import ezlogs
    from ezlogs.correlation import Correlation
    from ezlogs.scope import CorrelationManager
    from ezlogs.testing import capture

    prepared = [(("order", str(number)), {**METADATA, "order_no": number}) for number in range(1000)]
    story = Correlation(
        correlation_id=ATTRIBUTES["correlation.id"],
        flow_type="checkout",
        flow_id=ATTRIBUTES["flow.id"],
        parent_event_id=ATTRIBUTES["parent_event.id"],
    )
    with capture(strict=False) as captured, CorrelationManager.with_context(story):

        def call(number: int) -> None:
            subject, metadata = prepared[number % 1000]
            ezlogs.event(
                "order.action",
                "placed",
                actor=("user", "81723"),
                subject=subject,
                metadata=metadata,
                duration=0.08425,
            )

        result = percentile_50(call, 20_000)
        assert len(captured.events) == 20_000
    return result


def whole_way_otel(endpoint: str, events: int) -> float:
    """A span with one event each through BatchSpanProcessor and OTLP/HTTP: process CPU per event, in nanoseconds."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    processor = BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces"), max_queue_size=events + 1)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("bench")
    begin = process_time_ns()
    for number in range(events):
        with tracer.start_as_current_span("order") as span:
            span.add_event("order.action", otel_attributes(number))
    provider.shutdown()
    return (process_time_ns() - begin) / events


def whole_way_ezlogs(endpoint: str, events: int) -> float:
    """The same events with no current span, privacy on, through ezlogs: process CPU per event, in nanoseconds."""
    import ezlogs
    from ezlogs.scope import CorrelationManager

    ezlogs.configure(service_name="bench", endpoint=endpoint, instrument="none")
    begin = process_time_ns()
    with CorrelationManager.start_flow_context("checkout", 42):
        for number in range(events):
            ezlogs.event(
                "order.action",
                "placed",
                actor=("user", "81723"),
                subject=("order", str(number)),
                metadata={**METADATA, "order_no": number},
                duration=0.08425,
            )
    assert ezlogs.flush(60), ezlogs.health()
    spent = process_time_ns() - begin
    assert ezlogs.health()["delivered"] == events, ezlogs.health()
    ezlogs.shutdown()
    return spent / events


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(json.dumps(globals()[name](*(int(item) if item.isdigit() else item for item in arguments))))
