"""Events as log records over real HTTP to a real OTLP endpoint: instead of span events, and besides them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import ezlogs
from ezlogs.bridge import EventToSpanEventBridge, SpanEventToEventBridge
from ezlogs.dev.decode import ReceivedLog
from ezlogs.dev.receiver import Receiver
from ezlogs.story import stories, told

from .orders import UseProvider, arrived, eventually, place, start

UseLogs = Callable[..., LoggerProvider]


@pytest.fixture
def use_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[UseLogs]:
    """Make a logger provider with an exporter the global one, for this test only."""
    providers = []

    def use(*processors: Any) -> LoggerProvider:
        provider = LoggerProvider(Resource.create({"service.name": "app"}), shutdown_on_exit=False)
        for processor in processors:
            provider.add_log_record_processor(processor)
        monkeypatch.setattr("ezlogs.delivery.logs.get_logger_provider", lambda: provider)
        providers.append(provider)
        return provider

    yield use
    ezlogs.shutdown()
    for provider in providers:
        provider.shutdown()


def as_logs(receiver: Receiver) -> dict[str, ReceivedLog]:
    """Return the log record of each order's event, by order number; each arrives once."""
    found: dict[str, ReceivedLog] = {}
    for record in receiver.logs:
        number = record.attributes["ezlogs.subject.id"]
        assert number not in found, "a log record was delivered twice"
        found[number] = record
    return found


def test_an_event_leaves_as_a_log_record_under_its_span(receiver: Receiver, use_provider: UseProvider) -> None:
    """The span leaves without it; the two are joined by their ids, and have one resource."""
    use_provider()
    start(receiver, carrier="log")
    with trace.get_tracer("app").start_as_current_span("checkout") as span:
        place()
    assert ezlogs.flush()
    record, span_context = as_logs(receiver)["42"], span.get_span_context()
    assert (record.event_name, record.severity_number, record.scope_name) == ("order.action", 9, "ezlogs")
    assert record.trace_id == f"{span_context.trace_id:032x}"
    assert record.span_id == f"{span_context.span_id:016x}"
    assert record.resource["service.name"] == "shop"
    assert [(received.name, received.events) for received in receiver.spans] == [("checkout", [])]
    health = ezlogs.health()
    assert (health["carrier"], health["emitted"], health["delivered"], health["pending"]) == ("log", 1, 1, 0)
    logs = health["logs"]
    assert (logs["pipeline"], logs["endpoint"]) == ("owned", f"{receiver.endpoint}/v1/logs")
    assert (logs["pending"], logs["failures"], logs["last_problem"]) == (0, 0, None)


def test_log_records_need_no_carrier_spans(receiver: Receiver, use_provider: UseProvider) -> None:
    """Outside any span, on one that was sampled out, on one that has ended: each is a log record, and no span more."""
    use_provider(sampler=ALWAYS_OFF)
    start(receiver, carrier="log")
    place(1)
    with trace.get_tracer("app").start_as_current_span("unsampled") as unsampled:
        place(2)
    ended = TracerProvider(shutdown_on_exit=False).get_tracer("app").start_span("ended")
    ended.end()
    with trace.use_span(ended):
        place(3)
    assert ezlogs.flush()
    records = as_logs(receiver)
    assert [records[number].span_id for number in "123"] == [
        "",
        f"{unsampled.get_span_context().span_id:016x}",
        f"{ended.get_span_context().span_id:016x}",
    ]
    assert receiver.spans == []


def test_both_carriers_bring_each_event_once(receiver: Receiver, use_provider: UseProvider) -> None:
    """It is told once, and counted once; what became of the copies counts apart."""
    use_provider()
    start(receiver, carrier="both")
    with ezlogs.CorrelationManager.start_request_context(), trace.get_tracer("app").start_as_current_span("checkout"):
        place(1)
        place(2)
    place(3)
    assert ezlogs.flush()
    assert sorted(as_logs(receiver)) == sorted(arrived(receiver)) == ["1", "2", "3"]
    assert sum(len(story.events) for story in stories(told([*receiver.spans, *receiver.logs]))) == 3
    health = ezlogs.health()
    assert (health["emitted"], health["delivered"], health["delivered.logs"]) == (3, 3, 3)
    assert (health["delivered_spans"], health["delivered_logs"], health["lost"]) == (2, 3, {})


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_trouble_with_a_span_costs_no_log_record(
    use_provider: UseProvider, use_logs: UseLogs, caplog: pytest.LogCaptureFixture
) -> None:
    """A span of another make that fails when it is told of an event; that is reported."""

    class Failing(trace.NonRecordingSpan):
        def is_recording(self) -> bool:
            return True

        def add_event(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("no events today")

    use_provider()
    records = InMemoryLogRecordExporter()
    use_logs(SimpleLogRecordProcessor(records))
    ezlogs.configure(carrier="both", pipeline="attached", instrument="none")
    with trace.use_span(Failing(trace.SpanContext(1, 2, is_remote=False))):
        place()
    assert [record.log_record.event_name for record in records.get_finished_logs()] == ["order.action"]
    assert "RuntimeError" in caplog.text


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_without_an_endpoint_the_applications_own_pipeline_delivers(
    receiver: Receiver, use_provider: UseProvider, use_logs: UseLogs
) -> None:
    """By the official exporter, scrubbed, under the span it was emitted in; health says whose guarantees hold."""
    use_provider()
    exporter = OTLPLogExporter(f"{receiver.endpoint}/v1/logs")
    provider = use_logs(BatchLogRecordProcessor(exporter))
    ezlogs.configure(carrier="log", instrument="none")
    with trace.get_tracer("app").start_as_current_span("checkout") as span:
        ezlogs.event(
            "order.action", "failed", subject=("order", 42), outcome="failure", metadata={"password": "hunter2"}
        )
    assert provider.force_flush()
    record = as_logs(receiver)["42"]
    assert (record.event_name, record.severity_number, record.scope_name) == ("order.action", 17, "ezlogs")
    assert record.span_id == f"{span.get_span_context().span_id:016x}"
    assert record.resource["service.name"] == "app"
    assert "hunter2" not in repr(record)
    health = ezlogs.health()
    assert (health["handed_over"], health["lost"]) == (1, {})
    logs = health["logs"]
    assert isinstance(logs, dict)
    assert logs["pipeline"] == "attached without an endpoint"


def test_with_an_endpoint_the_applications_own_pipeline_gets_none(
    receiver: Receiver, use_provider: UseProvider, use_logs: UseLogs
) -> None:
    """ezlogs delivers, with its own guarantees, and nothing arrives twice."""
    use_provider()
    theirs = InMemoryLogRecordExporter()
    use_logs(SimpleLogRecordProcessor(theirs))
    start(receiver, carrier="log")
    place()
    assert ezlogs.flush()
    assert list(as_logs(receiver)) == ["42"]
    assert list(theirs.get_finished_logs()) == []


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_the_pipeline_can_be_decided_by_hand(use_provider: UseProvider, use_logs: UseLogs) -> None:
    """``owned`` delivers to the default collector, whoever else would."""
    use_provider()
    theirs = InMemoryLogRecordExporter()
    use_logs(SimpleLogRecordProcessor(theirs))
    ezlogs.configure(carrier="log", pipeline="owned", instrument="none")
    place()
    logs = ezlogs.health()["logs"]
    assert isinstance(logs, dict)
    assert (logs["pipeline"], logs["endpoint"], logs["pending"]) == ("owned", "http://localhost:4318/v1/logs", 1)
    assert list(theirs.get_finished_logs()) == []


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_both_beside_foreign_pipelines_is_one_of_each(use_provider: UseProvider, use_logs: UseLogs) -> None:
    """Handed over twice, once per signal; a bridge from span events makes no third."""
    provider, spans, records = use_provider(), InMemorySpanExporter(), InMemoryLogRecordExporter()
    logs = use_logs(SimpleLogRecordProcessor(records))
    provider.add_span_processor(SpanEventToEventBridge(logs))
    provider.add_span_processor(SimpleSpanProcessor(spans))
    ezlogs.configure(carrier="both", instrument="none")
    with trace.get_tracer("app").start_as_current_span("checkout") as span:
        place()
        span.add_event("theirs")
    (finished,) = spans.get_finished_spans()
    assert [event.name for event in finished.events] == ["order.action", "theirs"]
    assert [record.log_record.event_name for record in records.get_finished_logs()] == ["order.action", "theirs"]
    health = ezlogs.health()
    assert (health["handed_over"], health["handed_over.logs"]) == (1, 1)


def test_what_rides_on_a_span_and_is_a_log_record_is_not_bridged(receiver: Receiver, use_provider: UseProvider) -> None:
    """ezlogs' own spans and log records, and a bridge that looks at the spans meanwhile."""
    provider, records = use_provider(), InMemoryLogRecordExporter()
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(records))
    provider.add_span_processor(SpanEventToEventBridge(logs))
    start(receiver, carrier="both")
    with trace.get_tracer("app").start_as_current_span("checkout"):
        place()
    assert ezlogs.flush()
    assert list(as_logs(receiver)) == list(arrived(receiver)) == ["42"]
    assert list(records.get_finished_logs()) == []
    logs.shutdown()


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_a_handed_over_event_can_be_bridged_to_its_span(use_provider: UseProvider, use_logs: UseLogs) -> None:
    """The application decides what its own pipeline does with log-based events."""
    provider, spans = use_provider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    use_logs(EventToSpanEventBridge(), SimpleLogRecordProcessor(InMemoryLogRecordExporter()))
    ezlogs.configure(carrier="log", instrument="none")
    with trace.get_tracer("app").start_as_current_span("checkout"):
        place()
    assert [event.name for span in spans.get_finished_spans() for event in span.events] == ["order.action"]


def test_a_collector_that_goes_away_and_comes_back_has_everything(
    receiver: Receiver, use_provider: UseProvider
) -> None:
    """What happens meanwhile is kept and sent again, in each signal."""
    use_provider()
    start(receiver, carrier="both")
    place(1)
    assert ezlogs.flush()
    receiver.stop()
    for number in range(2, 50):
        place(number)
    assert not ezlogs.flush(0.3)
    receiver.start()
    assert ezlogs.flush(10)
    assert len(as_logs(receiver)) == len(arrived(receiver)) == 49
    assert ezlogs.health()["lost"] == {}


def test_losses_are_counted_by_signal(use_provider: UseProvider) -> None:
    """Overload loses events, never memory, and never in silence."""
    use_provider()
    ezlogs.configure(
        endpoint="http://127.0.0.1:9", carrier="both", instrument="none", max_queue_size=10, durability="memory"
    )
    for number in range(25):
        place(number)
    eventually(lambda: ezlogs.health()["pending"] == 20)
    health = ezlogs.health()
    assert health["emitted"] == 25
    assert health["lost"] == {"queue_full": 15, "logs.queue_full": 15}


@pytest.mark.parametrize("carrier", ["log", "both"])
def test_the_end_delivers_what_is_pending(receiver: Receiver, use_provider: UseProvider, carrier: str) -> None:
    """Within the time that the end may take, in both signals; events after it go nowhere."""
    use_provider()
    start(receiver, carrier=carrier, flush_interval=3600)
    place(1)
    ezlogs.shutdown()
    place(2)
    assert list(as_logs(receiver)) == ["1"]
    assert list(arrived(receiver)) == (["1"] if carrier == "both" else [])


def test_flushing_the_tracer_provider_brings_log_records_out(receiver: Receiver, use_provider: UseProvider) -> None:
    """As before a function host freezes the process."""
    provider = use_provider()
    start(receiver, carrier="log", flush_interval=3600)
    place()
    assert provider.force_flush()
    assert list(as_logs(receiver)) == ["42"]


def test_logs_can_go_elsewhere_than_spans(receiver: Receiver, use_provider: UseProvider) -> None:
    """Each signal has an address, and one that is away does not hold up the other."""
    use_provider()
    with Receiver() as other:
        start(receiver, carrier="both", logs_endpoint=other.endpoint)
        place(1)
        assert ezlogs.flush()
        assert (list(as_logs(other)), list(arrived(receiver))) == (["1"], ["1"])
        receiver.stop()
        place(2)
        assert not ezlogs.flush(1)
        assert set(as_logs(other)) == {"1", "2"}
        receiver.start()
        assert ezlogs.flush(10)
    assert receiver.logs == []


def test_the_carrier_can_change_while_it_runs(receiver: Receiver, use_provider: UseProvider) -> None:
    """What was emitted before leaves as it was to leave; an open span keeps what rides on it."""
    use_provider()
    start(receiver, carrier="span")
    with trace.get_tracer("app").start_as_current_span("checkout"):
        place(1)
        ezlogs.configure(carrier="log")
        place(2)
    assert ezlogs.flush()
    assert (list(arrived(receiver)), list(as_logs(receiver))) == (["1"], ["2"])
    assert (ezlogs.health()["emitted"], ezlogs.health()["delivered"]) == (2, 2)


def test_a_forked_child_delivers_its_own_and_only_its_own(receiver: Receiver, use_provider: UseProvider) -> None:
    """What the parent had queued stays the parent's, in both signals."""
    use_provider()
    start(receiver, carrier="both", flush_interval=3600)
    place(1)
    child = os.fork()
    if child == 0:
        place(2)
        os._exit(0 if ezlogs.flush(10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(as_logs(receiver)) == list(arrived(receiver)) == ["2"]
    assert ezlogs.flush(10)
    assert sorted(as_logs(receiver)) == sorted(arrived(receiver)) == ["1", "2"]


def test_a_multiprocessing_child_loses_nothing_at_its_end(receiver: Receiver, use_provider: UseProvider) -> None:
    """Such children end with ``os._exit``, past atexit."""
    use_provider()
    start(receiver, carrier="both", flush_interval=3600)
    process = multiprocessing.get_context("fork").Process(target=place, args=(7,))
    process.start()
    process.join(20)
    assert process.exitcode == 0
    assert receiver.wait_for(lambda spans: len(spans) == 1, 5)
    assert receiver.wait_for_logs(lambda logs: len(logs) == 1, 5)


@pytest.mark.parametrize(("carrier", "loaded"), [("span", False), ("log", True)])
def test_opentelemetrys_logs_are_imported_by_those_who_use_them_only(carrier: str, loaded: bool) -> None:
    """While events ride on spans, starting costs what it did."""
    program = f"""
import sys, ezlogs
ezlogs.configure(carrier="{carrier}", endpoint="http://127.0.0.1:9", instrument="none")
ezlogs.event("order.action", "placed")
logs = ("opentelemetry._logs", "opentelemetry.sdk._logs", "ezlogs.otel_logs")
print(any(name.startswith(logs) for name in sys.modules))
"""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "EZLOGS_"))}
    environ["EZLOGS_STATE_DIR"] = os.environ["EZLOGS_STATE_DIR"]
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, check=True, text=True, timeout=60
    )
    assert done.stdout.strip() == str(loaded)
