"""Delivery over real HTTP to a real OTLP endpoint: on which span each event arrives, and that none is lost."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.unit.otlp.grpc_collectors import LOGS, TRACES, GrpcCollector

import ezlogs
from ezlogs.dev.decode import decode_logs_request, decode_request
from ezlogs.dev.receiver import Receiver
from ezlogs.settings import Sampling

from .orders import UseProvider, arrived, eventually, place, start


def test_an_event_rides_on_the_current_span(receiver: Receiver, use_provider: UseProvider) -> None:
    """Owned: the application's span brings its events along, under its own resource and scope."""
    use_provider()
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("checkout"):
        place()
    assert ezlogs.flush()
    span = arrived(receiver)["42"]
    assert (span.name, span.scope_name, span.resource["service.name"]) == ("checkout", "app", "shop")


def test_events_without_a_span_ride_on_a_carrier(receiver: Receiver, use_provider: UseProvider) -> None:
    """A carrier span of ezlogs' own, in the trace that the story is known by."""
    use_provider()
    start(receiver, flush_interval=3600)
    with ezlogs.CorrelationManager.start_request_context() as scope:
        place(1)
        place(2)
    assert ezlogs.flush()
    spans = arrived(receiver)
    assert scope.correlation is not None
    assert spans["1"].span_id == spans["2"].span_id
    assert spans["1"].trace_id == scope.correlation.correlation_id
    assert spans["1"].attributes == {"ezlogs.carrier": True}
    assert spans["1"].scope_name == "ezlogs"


def test_an_unsampled_span_loses_no_event(receiver: Receiver, use_provider: UseProvider) -> None:
    """The event arrives under the trace and span that were not sampled; the span itself does not."""
    use_provider(sampler=ALWAYS_OFF)
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("checkout") as span:
        place()
    assert ezlogs.flush()
    context = span.get_span_context()
    carrier = arrived(receiver)["42"]
    assert (carrier.trace_id, carrier.parent_span_id) == (
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
    )
    assert [received.name for received in receiver.spans] == ["ezlogs.events"]


def test_an_ended_span_loses_no_event(receiver: Receiver, use_provider: UseProvider) -> None:
    """As in a background task that outlives its request."""
    use_provider()
    start(receiver)
    span = trace.get_tracer("app").start_span("request")
    span.end()
    with trace.use_span(span):
        place()
    assert ezlogs.flush()
    assert arrived(receiver)["42"].name == "ezlogs.events"


def test_a_full_span_loses_no_event(receiver: Receiver, use_provider: UseProvider) -> None:
    """The SDK would evict the oldest beyond 128; here all arrive, the rest on carriers of at most 100."""
    use_provider()
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("import"):
        for number in range(400):
            place(number)
    assert ezlogs.flush()
    spans = arrived(receiver)
    assert len(spans) == 400
    assert sum(span.name == "import" for span in spans.values()) == 128
    assert all(len(span.events) <= 128 for span in receiver.spans)


def test_the_users_own_events_evict_none_of_ours(receiver: Receiver, use_provider: UseProvider) -> None:
    """The span's own list is a copy for other processors, not the way out; it is not delivered twice."""
    use_provider(span_limits=SpanLimits(max_events=5))
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("busy") as span:
        place()
        for number in range(10):
            span.add_event(f"noise-{number}")
    assert ezlogs.flush()
    received = arrived(receiver)["42"]
    assert [event.name for event in received.events] == [
        *(f"noise-{n}" for n in range(5, 10)),
        "order.action",
    ]


def test_beside_another_exporter_ezlogs_exports_none_of_its_spans(
    receiver: Receiver, use_provider: UseProvider
) -> None:
    """Attached: the other pipeline has the spans, ezlogs delivers the events on carriers it never sees."""
    provider, foreign = use_provider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(foreign))
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("checkout") as span:
        place()
    assert ezlogs.flush()
    assert [received.name for received in receiver.spans] == ["ezlogs.events"]
    assert arrived(receiver)["42"].parent_span_id == f"{span.get_span_context().span_id:016x}"
    assert [(seen.name, len(seen.events)) for seen in foreign.get_finished_spans()] == [("checkout", 0)]
    assert ezlogs.health()["pipeline"] == "attached"


def test_an_exporter_that_comes_later_is_noticed(receiver: Receiver, use_provider: UseProvider) -> None:
    """From then on no span is exported twice, not even one that was open; its events still arrive."""
    provider, foreign = use_provider(), InMemorySpanExporter()
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("first"):
        place(1)
    with trace.get_tracer("app").start_as_current_span("open"):
        place(2)
        provider.add_span_processor(SimpleSpanProcessor(foreign))
    assert ezlogs.flush()
    assert sorted(received.name for received in receiver.spans) == ["ezlogs.events", "first"]
    assert set(arrived(receiver)) == {"1", "2"}
    assert [seen.name for seen in foreign.get_finished_spans()] == ["open"]


@pytest.mark.usefixtures("nobody_named_an_endpoint")
def test_attached_without_an_endpoint_events_ride_on_the_span(use_provider: UseProvider) -> None:
    """The other pipeline carries them, scrubbed, with its own guarantees; health says so."""
    provider, foreign = use_provider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(foreign))
    ezlogs.configure(instrument="none")
    with trace.get_tracer("app").start_as_current_span("checkout"):
        ezlogs.event("order.action", "placed", metadata={"password": "hunter2"})
    place()
    (span,) = foreign.get_finished_spans()
    assert [event.name for event in span.events] == ["order.action"]
    assert "hunter2" not in span.to_json()
    health = ezlogs.health()
    assert health["pipeline"] == "attached without an endpoint"
    assert (health["handed_over"], health["lost"]) == (1, {"no_recording_span": 1})


def test_foreign_spans_are_scrubbed_in_what_ezlogs_exports(receiver: Receiver, use_provider: UseProvider) -> None:
    """Span names, attributes, exceptions and status lose what privacy keeps back; the user's span keeps it."""
    use_provider()
    start(receiver)
    with (
        pytest.raises(ValueError, match="hunter2"),
        trace.get_tracer("app").start_as_current_span(
            "mail to ada@example.com", attributes={"user_password": "hunter2", "order.id": 42}
        ),
    ):
        raise ValueError("password=hunter2 for card 4111 1111 1111 1111")
    assert ezlogs.flush()
    (span,) = receiver.spans
    for secret in ("hunter2", "4111 1111", "ada@example.com"):
        assert secret not in repr(span)
    assert span.attributes["order.id"] == 42
    assert span.attributes["ezlogs.redacted"]


def test_what_is_done_with_findings_is_a_setting(receiver: Receiver, use_provider: UseProvider) -> None:
    """In events and in spans; ``health()`` counts by rule, and an answer that fails redacts."""

    def failing(finding: object) -> str:
        raise RuntimeError

    use_provider()
    redaction = {"order.action/email": "hash", "email": "mask", "card": "drop", "*.iban": failing}
    start(receiver, redaction=redaction, hash_key="k" * 32)
    with trace.get_tracer("app").start_as_current_span("work", attributes={"to": "ada@example.com", "n": 1}):
        note = {"to": "Ada@example.com", "card": "4111 1111 1111 1111", "my.iban": "GB82 WEST 1234 5698 7654 32"}
        ezlogs.event("order.action", "placed", metadata=note)
        ezlogs.event("mail.delivery", "sent", metadata={"to": "ada@example.com", "password": "hunter2"})
    assert ezlogs.flush()
    (span,) = receiver.spans
    placed, sent = (event.attributes for event in span.events)
    assert span.attributes["to"] == sent["ezlogs.metadata.to"] == "…@example.com"
    assert placed["ezlogs.metadata.to"].startswith("[hash:")
    assert "ezlogs.metadata.card" not in placed
    assert placed["ezlogs.metadata.my.iban"] == sent["ezlogs.metadata.password"] == "[redacted]"
    health = ezlogs.health()
    assert (health["redacted"], health["redacted_by"]) == (6, {"email": 3, "card": 1, "key": 2})
    assert health["privacy_errors"] == 1


def test_a_collector_that_goes_away_and_comes_back_has_everything(
    receiver: Receiver, use_provider: UseProvider
) -> None:
    """What happens meanwhile is kept and sent again."""
    use_provider()
    start(receiver)
    place(1)
    assert ezlogs.flush()
    receiver.stop()
    for number in range(2, 50):
        place(number)
    assert not ezlogs.flush(0.3)
    receiver.start()
    assert ezlogs.flush(10)
    assert len(arrived(receiver)) == 49
    assert ezlogs.health()["lost"] == {}


def test_a_collector_that_is_not_there_costs_nothing(use_provider: UseProvider) -> None:
    """Neither at an event nor at the end."""
    use_provider()
    ezlogs.configure(endpoint="http://127.0.0.1:9", instrument="none", flush_interval=0.05)
    begin = time.perf_counter()
    place()
    ezlogs.shutdown()
    assert time.perf_counter() - begin < 2.0, "shutdown waited for a collector that never answered"


def test_the_queue_is_bounded_and_losses_are_counted(use_provider: UseProvider) -> None:
    """Overload loses events, never memory, and never in silence."""
    use_provider()
    ezlogs.configure(endpoint="http://127.0.0.1:9", instrument="none", max_queue_size=10, durability="memory")
    for number in range(25):
        place(number)
    eventually(lambda: ezlogs.health()["pending"] == 10)
    health = ezlogs.health()
    assert health["emitted"] == 25
    assert health["lost"] == {"queue_full": 15}


def test_events_of_many_threads_all_arrive(receiver: Receiver, use_provider: UseProvider) -> None:
    """A burst from several threads is delivered whole."""
    use_provider()
    start(receiver)

    def burst(base: int) -> None:
        for number in range(500):
            place(base + number)

    threads = [threading.Thread(target=burst, args=(base,)) for base in (0, 1000, 2000, 3000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ezlogs.flush(20)
    assert len(arrived(receiver)) == 2000


def _child(number: int) -> None:
    place(number)


def test_a_forked_child_delivers_its_own_and_only_its_own(receiver: Receiver, use_provider: UseProvider) -> None:
    """What the parent had queued stays the parent's, and an open span of the parent's is left alone."""
    use_provider()
    start(receiver)
    with trace.get_tracer("app").start_as_current_span("parent"):
        place(1)
        child = os.fork()
        if child == 0:
            place(2)
            os._exit(0 if ezlogs.flush(10) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ezlogs.flush(10)
    spans = arrived(receiver)
    assert (spans["1"].name, spans["2"].name) == ("parent", "ezlogs.events")


def test_a_multiprocessing_child_loses_nothing_at_its_end(receiver: Receiver, use_provider: UseProvider) -> None:
    """Such children end with ``os._exit``, past atexit."""
    use_provider()
    start(receiver)
    process = multiprocessing.get_context("fork").Process(target=_child, args=(7,))
    process.start()
    process.join(20)
    assert process.exitcode == 0
    assert receiver.wait_for(lambda spans: len(spans) == 1, 5)
    assert set(arrived(receiver)) == {"7"}


def test_the_pipeline_can_be_decided_by_hand(receiver: Receiver, use_provider: UseProvider) -> None:
    """``attached`` exports events only, ``owned`` spans too, whoever else is there."""
    provider, foreign = use_provider(), InMemorySpanExporter()
    start(receiver, pipeline="attached")
    with trace.get_tracer("app").start_as_current_span("first"):
        place(1)
    provider.add_span_processor(SimpleSpanProcessor(foreign))
    start(receiver, pipeline="owned")
    with trace.get_tracer("app").start_as_current_span("second"):
        place(2)
    assert ezlogs.flush()
    assert sorted(span.name for span in receiver.spans) == ["ezlogs.events", "second"]
    assert set(arrived(receiver)) == {"1", "2"}


def test_an_exporter_inside_another_processor_is_noticed(receiver: Receiver, use_provider: UseProvider) -> None:
    """Vendors wrap processors; one that only looks is no exporter."""

    class Wrapper(SpanProcessor):
        def __init__(self, *inner: SpanProcessor) -> None:
            self.inner = list(inner)

    provider = use_provider()
    provider.add_span_processor(Wrapper(SpanProcessor()))
    start(receiver)
    assert ezlogs.health()["pipeline"] == "owned"
    provider.add_span_processor(Wrapper(Wrapper(SimpleSpanProcessor(InMemorySpanExporter()))))
    assert ezlogs.health()["pipeline"] == "attached"


@pytest.mark.parametrize("story", ["order-42", "z" * 32])
def test_a_story_that_is_no_trace_gets_a_trace_of_its_own(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, story: str
) -> None:
    """Under a provider that is not the SDK's, with the service's name from the settings."""
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    start(receiver, service_name="till")
    with ezlogs.CorrelationManager.inherit_context({"correlation_id": story}):
        place(1)
        assert ezlogs.flush()
        place(2)
    ezlogs.shutdown()
    spans = arrived(receiver)
    for number in "12":
        assert int(spans[number].trace_id, 16) != 0
        assert spans[number].resource["service.name"] == "till"


def test_a_health_report_that_cannot_be_written_is_said(
    use_provider: UseProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of the application goes on."""
    use_provider()
    ezlogs.configure(instrument="none", health_dir=str(tmp_path / "missing"))
    ezlogs.shutdown()
    assert "no health report" in caplog.text


def test_configuring_again_merges_and_keeps_the_counts(receiver: Receiver, use_provider: UseProvider) -> None:
    """Equal settings are a no-op; a changed one leaves the others, and what was pending is delivered."""
    use_provider()
    start(receiver)
    place(1)
    start(receiver)
    ezlogs.configure(max_batch_size=10)
    place(2)
    assert ezlogs.flush()
    assert set(arrived(receiver)) == {"1", "2"}
    assert (ezlogs.health()["emitted"], ezlogs.health()["delivered"]) == (2, 2)


def test_a_wrong_setting_is_named_with_its_nearest_spelling() -> None:
    """Nothing starts half-configured."""
    with pytest.raises(ezlogs.InvalidSettings) as caught:
        ezlogs.configure(enpoint="http://x", timeout="soon", endpoint="localhost:4318")
    text = str(caught.value)
    assert "enpoint" in text
    assert "did you mean" in text
    assert "endpoint" in text
    assert "'localhost:4318'" in text
    assert "timeout" in text
    assert ezlogs.health() == {"running": False}


def test_a_doubt_is_logged_once_and_stops_nothing(use_provider: UseProvider, caplog: pytest.LogCaptureFixture) -> None:
    """However often the application configures; what is new is said."""
    use_provider()
    ezlogs.configure(instrument="none", sampling=Sampling(sample_rate=0.5))
    ezlogs.configure(max_batch_size=10)
    assert caplog.text.count("for an audit") == 1
    ezlogs.configure(certificate="ca.pem")
    assert caplog.text.count("for an audit") == 1
    assert caplog.text.count("not used, since the endpoint is an http:// address") == 1
    ezlogs.shutdown()


def test_before_and_after_ezlogs_runs_events_go_nowhere_quietly() -> None:
    """A library may call ezlogs without asking whether it is on."""
    assert ezlogs.event("order.action", "placed") is None
    assert ezlogs.flush()
    ezlogs.shutdown()


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_events_arrive_over_grpc(use_provider: UseProvider, carrier: str) -> None:
    """The same requests, by the methods of each signal."""
    use_provider()
    collector = GrpcCollector()
    try:
        ezlogs.configure(endpoint=collector.url, protocol="grpc", carrier=carrier, instrument="none")
        place(42)
        assert ezlogs.flush()
        ((method, _, body),) = collector.calls
        if carrier == "span":
            assert method == TRACES
            (span,) = decode_request(body)
            assert [event.attributes["ezlogs.subject.id"] for event in span.events] == ["42"]
        else:
            assert method == LOGS
            (log,) = decode_logs_request(body)
            assert log.attributes["ezlogs.subject.id"] == "42"
        health: Any = ezlogs.health()
        assert health["delivered"] == 1
    finally:
        ezlogs.shutdown()
        collector.close()


def test_spans_that_never_end_cost_no_event(
    receiver: Receiver, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rode on the oldest is delivered by itself when there are too many; what rides on the others, at the end."""
    monkeypatch.setattr("ezlogs.delivery.processor._MAX_OPEN", 3)
    use_provider()
    start(receiver)
    tracer = trace.get_tracer("app")
    for number in range(5):
        with trace.use_span(tracer.start_span("endless"), end_on_exit=False):
            place(number)
    eventually(lambda: set(arrived(receiver)) == {"0", "1"})
    eventually(lambda: ezlogs.health()["pending"] == 3)
    ezlogs.shutdown()
    assert set(arrived(receiver)) == {"0", "1", "2", "3", "4"}
    assert {span.name for span in receiver.spans} == {"ezlogs.events"}


def test_it_goes_on_whatever_stands_in_the_place_of_opentelemetrys_functions(
    receiver: Receiver, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test suites put functions that raise into the place of ``detach``; the worker delivers all the same."""
    use_provider()
    start(receiver)
    place(1)
    assert ezlogs.flush()

    def broken(token: object) -> None:
        raise RuntimeError("not today")

    with monkeypatch.context() as patched:
        patched.setattr("opentelemetry.context.detach", broken)
        before = context.get_current()
        place(2)
        with ezlogs.CorrelationManager.start_request_context():
            pass
        assert context.get_current() == before
        assert ezlogs.flush()
    place(3)
    assert ezlogs.flush()
    assert {"1", "2", "3"} <= arrived(receiver).keys()


@pytest.mark.parametrize("carrier", ["span", "log"])
def test_whoever_wants_all_warnings_gets_none_of_ours(receiver: Receiver, carrier: str) -> None:
    """Also what is delivered while the interpreter ends leaves no connection open."""
    program = (
        "import ezlogs\n"
        f"ezlogs.configure(endpoint={receiver.endpoint!r}, carrier={carrier!r})\n"
        "for number in range(2):\n"
        "    ezlogs.event('order.action', 'placed')\n"
        "    number or ezlogs.flush()\n"
    )
    environ = {"EZLOGS_STATE_DIR": os.environ["EZLOGS_STATE_DIR"], "PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "default", "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")
