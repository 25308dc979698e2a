"""Splitting keeps every record once, in order, with its resource and scope, down to requests of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ezlogs.otlp.split import halves

TEXTS = st.text(max_size=5)


@st.composite
def span_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """Requests of spans, with whatever there is around them, and ezlogs' events on some."""
    request = ExportTraceServiceRequest()
    for resource in draw(st.lists(TEXTS, max_size=3)):
        group = request.resource_spans.add(schema_url=draw(TEXTS))
        group.resource.attributes.add(key="service.name").value.string_value = resource
        for scope in draw(st.lists(TEXTS, max_size=3)):
            inner = group.scope_spans.add(schema_url=draw(TEXTS))
            inner.scope.name = scope
            for name in draw(st.lists(TEXTS, max_size=5)):
                span = inner.spans.add(name=name, span_id=draw(st.binary(max_size=8)))
                for event_id in draw(st.lists(st.booleans(), max_size=3)):
                    event = span.events.add(name="order.action")
                    event.attributes.add(key="note").value.string_value = "ezlogs.event.id"
                    if event_id:
                        event.attributes.add(key="ezlogs.event.id").value.string_value = "evt_1"
    return request


def flat(request: Any) -> Iterator[tuple[Any, ...]]:
    """Yield each span with all that is around it."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                around = resource.resource, resource.schema_url, scope.scope, scope.schema_url
                yield (
                    *(part.SerializeToString() if hasattr(part, "SerializeToString") else part for part in around),
                    span,
                )


def riders(request: ExportTraceServiceRequest) -> int:
    """Count ezlogs' events as the collector would."""
    return sum(
        any(attribute.key == "ezlogs.event.id" for attribute in event.attributes)
        for *_, span in flat(request)
        for event in span.events
    )


@given(span_requests())
def test_every_span_is_in_one_half(request: ExportTraceServiceRequest) -> None:
    """In its order, with its resource, its scope and their schemas, and the halves are as good as equal."""
    spans = list(flat(request))
    parts = halves(request.SerializeToString())
    if len(spans) < 2:
        assert parts is None
        return
    assert parts is not None
    parsed = [ExportTraceServiceRequest.FromString(part.body) for part in parts]
    assert [span for half in parsed for span in flat(half)] == spans
    assert [part.records for part in parts] == [len(spans) // 2, len(spans) - len(spans) // 2]
    assert [part.records for part in parts] == [len(list(flat(half))) for half in parsed]
    assert [part.riders for part in parts] == [riders(half) for half in parsed]
    assert all(scope.spans for half in parsed for resource in half.resource_spans for scope in resource.scope_spans)


@given(st.integers(0, 20))
def test_log_records_are_split_alike(number: int) -> None:
    """Their requests have the same fields under the same numbers."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for at in range(number):
        records.add(time_unix_nano=at).body.string_value = str(at)
    waiting, single = [request.SerializeToString()], list[int]()
    while waiting:
        body = waiting.pop(0)
        if parts := halves(body):
            assert parts[0].riders == parts[1].riders == 0
            waiting[:0] = [part.body for part in parts]
        else:
            parsed = ExportLogsServiceRequest.FromString(body)
            single += [
                record.time_unix_nano
                for resource in parsed.resource_logs
                for scope in resource.scope_logs
                for record in scope.log_records
            ]
    assert single == list(range(number))


@given(st.integers(0, 9), st.booleans())
def test_the_events_of_a_carrier_span_go_on_two(number: int, carrier: bool) -> None:
    """Each has an id of its own, and all else that the one had; a span of the application's is never split."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url="r")
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    span = group.scope_spans.add(schema_url="s").spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="ezlogs.events")
    span.attributes.add(key="ezlogs.carrier" if carrier else "other").value.bool_value = True
    for position in range(number):
        event = span.events.add(time_unix_nano=position)
        event.attributes.add(key="ezlogs.event.id").value.string_value = f"evt_{position}"
    parts = halves(request.SerializeToString())
    if number < 2 or not carrier:
        assert parts is None
        return
    assert parts is not None
    assert [(part.records, part.riders) for part in parts] == [(1, number // 2), (1, number - number // 2)]
    parsed = [ExportTraceServiceRequest.FromString(part.body) for part in parts]
    first, second = (half.resource_spans[0].scope_spans[0].spans[0] for half in parsed)
    assert [*first.events, *second.events] == list(span.events)
    assert first.span_id == span.span_id != second.span_id
    second.span_id = span.span_id
    for half in (first, second):
        half.ClearField("events")
        half.events.extend(span.events)
    assert parsed == [request, request]


@given(st.binary(max_size=200))
def test_what_is_no_request_is_not_split(body: bytes) -> None:
    """And nothing is raised, whatever it is."""
    parts = halves(body)
    assert parts is None or parts[0].records + parts[1].records >= 2
