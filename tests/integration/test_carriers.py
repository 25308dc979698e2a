"""The hard cases of events on spans: spans that cannot bring them, providers that come and go, processors that look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.util._once import Once

import ezlogs
from ezlogs.dev.receiver import Receiver
from ezlogs.trackers import job
from ezlogs.trackers.http import HttpTracker, PlainArrival

from .orders import UseProvider, arrived, place, start

CARRIER = "ezlogs.events"


class Looking(SpanProcessor):
    """A processor of the application's that reads a span's events when it ends, and may tell of one itself."""

    def __init__(self, number: int | None = None) -> None:
        self._number = number
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Look, and tell."""
        self.seen += [(event.name, dict(event.attributes or {})) for event in span.events]
        if self._number is not None:
            place(self._number)


class RecordOnly(Sampler):
    """Records every span, and has none exported."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        """Record."""
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        """Return a name."""
        return "RecordOnly"


def carriers(receiver: Receiver) -> Sequence[str]:
    """Return the numbers of the orders whose event arrived on a carrier span."""
    return sorted(number for number, span in arrived(receiver).items() if span.name == CARRIER)


def test_a_span_that_is_recorded_but_not_sampled_brings_nothing(receiver: Receiver, use_provider: UseProvider) -> None:
    """It is never exported, so its event goes on a carrier under it."""
    use_provider(sampler=RecordOnly())
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("checkout") as span:
        place()
    assert ezlogs.flush()
    assert arrived(receiver)["42"].parent_span_id == f"{span.get_span_context().span_id:016x}"
    assert [received.name for received in receiver.spans] == [CARRIER]


def test_a_span_of_another_process_brings_nothing(receiver: Receiver, use_provider: UseProvider) -> None:
    """As in a consumer that makes the context of a message current without a span of its own."""
    use_provider()
    start(receiver)
    remote = SpanContext(0xA1 << 120, 0xB2 << 56, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with trace.use_span(NonRecordingSpan(remote)):
        place(1)
    with trace.use_span(trace.INVALID_SPAN):
        place(2)
    assert ezlogs.flush()
    spans = arrived(receiver)
    assert (spans["1"].trace_id, spans["1"].parent_span_id) == ("a1" + "0" * 30, "b2" + "0" * 14)
    assert spans["2"].parent_span_id == ""


def test_a_span_of_a_provider_that_ezlogs_does_not_know_brings_nothing(
    receiver: Receiver, use_provider: UseProvider
) -> None:
    """Nobody may export it at all; the event is under it on a carrier."""
    use_provider()
    start(receiver)
    private = TracerProvider(shutdown_on_exit=False)
    with private.get_tracer("app").start_as_current_span("private") as span:
        place()
    assert ezlogs.flush()
    assert arrived(receiver)["42"].parent_span_id == f"{span.get_span_context().span_id:016x}"
    assert list(span.events) == []  # type: ignore[attr-defined]  # a span of the SDK


@pytest.mark.parametrize("first", [True, False])
def test_an_event_that_a_processor_tells_at_the_end_of_a_span_arrives_once(
    receiver: Receiver, use_provider: UseProvider, first: bool
) -> None:
    """The span has ended for events, whether that processor comes before ezlogs' own or after it."""
    provider = use_provider()
    if first:
        provider.add_span_processor(Looking(7))
    start(receiver)
    if not first:
        provider.add_span_processor(Looking(7))
    span = trace.get_tracer("app").start_span("checkout")
    with trace.use_span(span):
        place(1)
        span.end()
    assert ezlogs.flush()
    spans = arrived(receiver)
    assert (spans["1"].name, spans["7"].name) == ("checkout", CARRIER)
    assert spans["7"].trace_id == f"{span.get_span_context().trace_id:032x}"


def test_what_processors_read_of_a_full_span_is_what_was_said(receiver: Receiver, use_provider: UseProvider) -> None:
    """Events are made when they are read: as they were when they were told, scrubbed, as many as the span keeps."""
    provider, looking = use_provider(span_limits=SpanLimits(max_events=3)), Looking()
    provider.add_span_processor(looking)
    start(receiver)
    lines = ["book"]
    with trace.get_tracer("app").start_as_current_span("checkout"):
        for number in range(200):
            details = {"number": number, "lines": lines, "password": "hunter2"}
            ezlogs.event("order.action", "placed", subject=("order", number), metadata=details)
            details["number"] = -1
        lines.append("pen")
    assert ezlogs.flush()
    assert [attributes["ezlogs.metadata.number"] for _, attributes in looking.seen] == [197, 198, 199]
    assert {attributes["ezlogs.metadata.lines"] for _, attributes in looking.seen} == {("book",)}
    assert "hunter2" not in str(looking.seen)
    assert len(arrived(receiver)) == 200
    assert len(carriers(receiver)) == 72


def test_a_processor_that_only_looks_may_come_later(receiver: Receiver, use_provider: UseProvider) -> None:
    """ezlogs stays the only exporter, and spans that are open go on bringing their events."""
    provider, looking = use_provider(), Looking()
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("checkout"):
        place(1)
        provider.add_span_processor(looking)
        place(2)
    assert ezlogs.flush()
    assert {span.name for span in arrived(receiver).values()} == {"checkout"}
    assert [name for name, _ in looking.seen] == ["order.action", "order.action"]
    assert ezlogs.health()["pipeline"] == "owned"


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_an_exporter_that_comes_later_takes_what_rides_on_open_spans(use_provider: UseProvider) -> None:
    """Without an endpoint of ezlogs' own the span brings its events there, and they are not lost but handed over."""
    provider, foreign = use_provider(), InMemorySpanExporter()
    ezlogs.configure(instrument="none")
    with trace.get_tracer("app").start_as_current_span("checkout"):
        place()
        provider.add_span_processor(SimpleSpanProcessor(foreign))
    (span,) = foreign.get_finished_spans()
    assert [event.name for event in span.events] == ["order.action"]
    health = ezlogs.health()
    assert (health["handed_over"], health["pending"], health["lost"]) == (1, 0, {})


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_without_an_endpoint_a_span_that_does_not_record_loses_its_event(use_provider: UseProvider) -> None:
    """Nothing else would bring it anywhere; it is counted."""
    provider = use_provider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    ezlogs.configure(instrument="none")
    with trace.use_span(NonRecordingSpan(SpanContext(1, 2, is_remote=True))):
        place()
    assert ezlogs.health()["lost"] == {"no_recording_span": 1}


def tracked() -> None:
    """Have a request, a job and a command, in which something happens."""
    request = HttpTracker("example").begin(PlainArrival("POST", "/orders/42", {}))
    assert request is not None
    pack = job.Job("pack", "j-1", system="example")
    with job.perform(pack, headers=job.enqueued(pack)), ezlogs.command("import"):
        place()
    request.finish(201)


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_another_pipelines_spans_stay_as_they_are(receiver: Receiver, use_provider: UseProvider, carrier: str) -> None:
    """Where one delivers the application's spans, ezlogs adds none to them: it tells its events, in their stories."""
    provider, foreign = use_provider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(foreign))
    start(receiver, carrier=carrier)
    tracked()
    assert ezlogs.flush()
    assert foreign.get_finished_spans() == ()
    on_spans = {event.name for span in receiver.spans for event in span.events}
    told = {"http.request", "job.enqueue", "job.execution", "cli.command", "order.action"}
    assert (on_spans or {log.event_name for log in receiver.logs}) == told


def test_where_ezlogs_delivers_spans_it_opens_some(receiver: Receiver, use_provider: UseProvider) -> None:
    """Of requests, jobs and commands, for which nobody else has."""
    use_provider()
    start(receiver)
    tracked()
    assert ezlogs.flush()
    assert {"POST", "create pack", "process pack", "import"} <= {span.name for span in receiver.spans}


def reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the global tracer provider, as test suites do between tests."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())


def test_a_provider_that_takes_the_place_of_another_loses_no_event(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spans are not ezlogs' to export until that is started again; then they bring their events too."""
    reset(monkeypatch)
    first = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(first)
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("first"):
        place(1)

    reset(monkeypatch)
    second = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(second)
    with trace.get_tracer("app").start_as_current_span("second"):
        place(2)
    first.shutdown()
    place(3)
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("third"):
        place(4)
    assert ezlogs.flush()
    spans = arrived(receiver)
    assert [spans[number].name for number in "1234"] == ["first", CARRIER, CARRIER, "third"]
    assert sorted(span.name for span in receiver.spans if span.name != CARRIER) == ["first", "third"]
    ezlogs.shutdown()
    second.shutdown()


def test_without_a_provider_no_event_is_lost(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a reset nobody has set one up; starting again does."""
    reset(monkeypatch)
    start(receiver)
    reset(monkeypatch)
    place(1)
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("checkout"):
        place(2)
    assert ezlogs.flush()
    spans = arrived(receiver)
    assert (spans["1"].name, spans["2"].name) == (CARRIER, "checkout")
    ezlogs.shutdown()
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.shutdown()


def test_an_event_may_be_told_in_a_context_of_its_own(receiver: Receiver, use_provider: UseProvider) -> None:
    """The span of that context counts, not the current one."""
    use_provider()
    start(receiver)
    tracer = trace.get_tracer("app")
    order = tracer.start_span("order")
    with tracer.start_as_current_span("sweep"):
        ezlogs.event("order.action", "expired", subject=("order", 42), ctx=trace.set_span_in_context(order, Context()))
    order.end()
    assert ezlogs.flush()
    assert arrived(receiver)["42"].name == "order"
