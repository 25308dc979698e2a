"""Encoding: spans of OpenTelemetry's SDK to the bytes of a request, by ezlogs' encoder and by the official one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider

from benchmarks.programs.stopwatch import mean_call
from benchmarks.programs.workload import otel_attributes
from ezlogs.otlp import encode_request, encode_resource, encode_scope, encode_span

_SETS = 5
"""Batches that are encoded in turn: what is new in an event is not new in the next round."""


def of_one() -> dict[str, float]:
    """512 spans with an event each."""
    return _compared(512, 1)


def of_many() -> dict[str, float]:
    """Three spans with 200 events each."""
    return _compared(3, 200)


def _compared(spans: int, events: int) -> dict[str, float]:
    """Return the time of an event on both sides, after a look whether what comes out is the same."""
    batches = [_spans(spans, events, first=number * spans * events) for number in range(_SETS)]
    first = batches[0][0]
    resource = encode_resource(first.resource.attributes)
    scope = encode_scope("bench")

    def ours(number: int) -> bytes:
        encoded = [encode_span(span) for span in batches[number % _SETS]]  # type: ignore[arg-type]  # by its public names
        return encode_request([(resource, "", [(scope, "", encoded)])])

    def official(number: int) -> bytes:
        return encode_spans(batches[number % _SETS]).SerializeToString()

    read: Any = ExportTraceServiceRequest.FromString
    for number in range(_SETS):
        assert read(ours(number)) == read(official(number))
    found = mean_call({"ours": ours, "official": official}, turns=10, calls=_SETS)
    return {name: nanoseconds / (spans * events) for name, nanoseconds in found.items()}


def _spans(number: int, events: int, first: int) -> Sequence[ReadableSpan]:
    tracer = TracerProvider(span_limits=SpanLimits(max_events=events)).get_tracer("bench")
    spans = []
    for each in range(number):
        with tracer.start_as_current_span("order") as span:
            for event in range(events):
                span.add_event("order.action", otel_attributes(first + each * events + event))
        spans.append(span)
    return spans  # type: ignore[return-value]  # the SDK's, which can be read
