"""Rows of a transaction on their way: on carrier spans of their own, no span beyond its limit, whoever delivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import ezlogs
from ezlogs.dev.receiver import Receiver
from ezlogs.trackers.data import Transaction, observe

from .orders import UseProvider, place, start

ROWS = 1000
CARRIER = "ezlogs.events"
LIMIT = 128
"""Events that the OpenTelemetry SDK keeps of one span, and many a back end too."""


def commit(rows: int = ROWS) -> None:
    """Write rows in a transaction and commit."""
    transaction = Transaction("default")
    for number in range(rows):
        transaction.add(observe("order", "create", id=str(number)))
    transaction.commit()


def by_span(receiver: Receiver) -> list[tuple[str, Counter[str]]]:
    """Return the events of each span that arrived, by type."""
    return [(span.name, Counter(event.name for event in span.events)) for span in receiver.spans]


def exporting(provider: TracerProvider) -> InMemorySpanExporter:
    """Have somebody else export the provider's spans."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.mark.parametrize("mode", ["owned", "owned with a journal", "attached"])
def test_a_large_transaction_leaves_the_requests_span_to_others(
    receiver: Receiver, use_provider: UseProvider, mode: str, tmp_path: Path
) -> None:
    """Its rows arrive once each, on carriers under that span, and what is told before and after rides on it."""
    provider = use_provider()
    if mode == "attached":
        exporting(provider)
    durability = "process" if "journal" in mode else "memory"
    start(receiver, durability=durability, state_dir=str(tmp_path))
    with trace.get_tracer("app").start_as_current_span("POST /orders") as span:
        place(1)
        commit()
        place(2)
    assert ezlogs.flush()
    subjects = Counter(
        event.attributes["ezlogs.subject.id"]
        for received in receiver.spans
        for event in received.events
        if event.name == "data.change"
    )
    assert subjects == Counter(map(str, range(ROWS)))
    for received in receiver.spans:
        assert len(received.events) <= LIMIT
        if any(event.name == "data.change" for event in received.events):
            assert received.name == CARRIER
            assert received.parent_span_id == f"{span.get_span_context().span_id:016x}"
    riding = dict(by_span(receiver)).get("POST /orders", Counter())
    assert riding == (Counter() if mode == "attached" else Counter({"order.action": 2}))


def test_one_row_is_on_a_carrier_as_well(receiver: Receiver, use_provider: UseProvider) -> None:
    """Where readers look for rows does not depend on how many there are."""
    use_provider()
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("POST /orders"):
        commit(1)
    assert ezlogs.flush()
    assert sorted(by_span(receiver)) == [("POST /orders", Counter()), (CARRIER, Counter({"data.change": 1}))]


def rows_of(spans: Sequence[ReadableSpan]) -> list[Any]:
    """Return the keys of the rows on some spans, in order."""
    return [
        (event.attributes or {})["ezlogs.subject.id"]
        for span in spans
        for event in span.events
        if event.name == "data.change"
    ]


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_another_pipeline_gets_spans_for_the_rows(use_provider: UseProvider) -> None:
    """Without an endpoint of ours it delivers what is on its own spans, and those forget what is beyond their limit."""
    provider = use_provider()
    exporter = exporting(provider)
    ezlogs.configure(instrument="none")
    with trace.get_tracer("app").start_as_current_span("POST /orders") as span:
        place(1)
        commit()
        place(2)
    spans = exporter.get_finished_spans()
    assert rows_of(spans) == list(map(str, range(ROWS)))
    *carriers, request = spans
    assert [len(carrier.events) for carrier in carriers] == [100] * 10
    assert all((carrier.parent or carrier.context).span_id == span.get_span_context().span_id for carrier in carriers)
    assert all((carrier.attributes or {})["ezlogs.carrier"] for carrier in carriers)
    assert all((carrier.start_time or 0) <= carrier.events[0].timestamp for carrier in carriers)
    assert [event.name for event in request.events] == ["order.action", "order.action"]


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_another_pipeline_that_samples_nothing_gets_no_spans(use_provider: UseProvider) -> None:
    """What rides on nothing is counted as lost, as any other event."""
    provider = use_provider(sampler=ALWAYS_OFF)
    exporter = exporting(provider)
    ezlogs.configure(instrument="none")
    with trace.get_tracer("app").start_as_current_span("POST /orders"):
        commit(3)
    assert exporter.get_finished_spans() == ()
    assert ezlogs.health()["lost"] == {"no_recording_span": 3}


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_rows_of_several_spans_in_one_transaction(use_provider: UseProvider) -> None:
    """Each under its own span."""
    provider = use_provider()
    exporter = exporting(provider)
    ezlogs.configure(instrument="none")
    tracer, transaction = trace.get_tracer("app"), Transaction("default")
    with tracer.start_as_current_span("outer"):
        transaction.add(observe("order", "create", id="1"))
        with tracer.start_as_current_span("inner"):
            transaction.add(observe("order", "create", id="2"))
            transaction.commit()
    first, second, inner, outer = exporter.get_finished_spans()
    assert (rows_of([first]), rows_of([second])) == (["1"], ["2"])
    assert [span.parent and span.parent.span_id for span in (first, second)] == [
        outer.context.span_id,
        inner.context.span_id,
    ]


def test_the_rows_are_log_records_where_those_are_wanted(receiver: Receiver, use_provider: UseProvider) -> None:
    """Which no span limits."""
    use_provider()
    start(receiver, carrier="log", logs_endpoint=receiver.endpoint.replace("/v1/traces", "/v1/logs"))
    with trace.get_tracer("app").start_as_current_span("POST /orders"):
        commit(300)
    assert ezlogs.flush()
    assert len([record for record in receiver.logs if record.event_name == "data.change"]) == 300
