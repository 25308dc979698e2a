"""The job tracker: enqueue and execution events, and the header that joins them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from time import time_ns
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ezlogs.actor import actor, current_actor
from ezlogs.correlation import Correlation, current, placed
from ezlogs.emit import record
from ezlogs.event import Actor
from ezlogs.propagation.egress import departing
from ezlogs.propagation.header import HEADER
from ezlogs.scope import Scope
from ezlogs.testing import Captured, capture
from ezlogs.trackers import job
from ezlogs.trackers.job import Hop, Job

RECEIPT = Job("send_receipt", "j-1", "mail", 2)
STORY = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Collect the finished spans of a real SDK."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def attempt(headers: dict[str, object] | dict[str, str] | None = None, **options: object) -> job.JobScope:
    """Begin an attempt of the receipt job."""
    scope = job.started(RECEIPT, headers=headers, **options)  # type: ignore[arg-type]  # options of many types
    assert scope is not None
    return scope


def header(**fields: object) -> dict[str, str]:
    """Return message headers with a header of ezlogs'."""
    return {HEADER: json.dumps({"v": 1, "correlation_id": STORY, **fields})}


def test_enqueueing_is_one_event_about_the_job(captured: Captured) -> None:
    """The enqueue event names job, queue, eta, priority and retries, and leaves out what is not known."""
    job.enqueued(RECEIPT, eta="2030-01-01T00:00:00+00:00", priority=3)
    job.enqueued(Job("tidy", "j-2"))

    first, second = captured.events
    assert (first.event_type, first.action) == ("job.enqueue", "send_receipt.enqueue")
    assert (first.subject.type, first.subject.id, first.subject.label) == ("job", "j-1", "send_receipt")
    assert dict(first.metadata) == {
        "job": "send_receipt",
        "queue": "mail",
        "eta": "2030-01-01T00:00:00+00:00",
        "priority": 3,
        "max_retries": 2,
    }
    assert dict(second.metadata) == {"job": "tidy"}


def test_an_attempt_continues_the_story_of_its_header(captured: Captured) -> None:
    """Story, flow, session and request travel; the enqueue event is the parent, and the attempt's of what it does."""
    cause = Correlation(
        correlation_id=STORY,
        parent_event_id="evt_request",
        flow_type="checkout",
        flow_id="checkout:42",
        session_id="s-1",
        request_id="r-1",
        transaction_id="t-1",
    )
    with Scope(placed(cause)):
        headers = job.enqueued(RECEIPT)
    scope = attempt(headers, worker="w@1")
    record("probe.action", "seen")
    scope.succeeded()
    scope.close()

    enqueue, probe, execution = captured.events
    assert enqueue.correlation == cause
    assert execution.correlation == cause.replace(
        parent_event_id=enqueue.event_id, job_id="j-1", attempt=1, transaction_id=None
    )
    assert probe.correlation == execution.correlation.replace(parent_event_id=execution.event_id)
    assert (execution.action, execution.outcome) == ("send_receipt.success", "success")
    assert execution.duration > 0
    assert execution.metadata["worker"] == "w@1"
    assert 0 <= execution.metadata["queue_wait"] < 60
    assert current() is None


def test_a_retry_is_the_parent_of_the_next_attempt_and_enqueues_nothing(captured: Captured) -> None:
    """The message of the next attempt points to the retry event; there is one enqueue event for all attempts."""
    first = attempt(job.enqueued(RECEIPT))
    headers = first.requeued(eta="2030-01-01T00:00:00+00:00")
    first.retried(TimeoutError("away"))
    first.close()
    second = attempt(headers, attempt=2)
    second.failed(TimeoutError("away"))
    second.close()
    third = attempt(second.requeued(), attempt=3)
    third.failed()
    third.close()

    enqueue, retry, failure, dead = captured.events
    assert [event.outcome for event in captured.events] == ["success", "retried", "failure", "dead"]
    assert [event.action.rpartition(".")[2] for event in captured.events] == ["enqueue", "retry", "failure", "dead"]
    assert [event.correlation.parent_event_id for event in (retry, failure, dead)] == [
        enqueue.event_id,
        retry.event_id,
        failure.event_id,
    ]
    assert [event.correlation.attempt for event in (retry, failure, dead)] == [1, 2, 3]
    assert retry.metadata["next_retry_at"] == "2030-01-01T00:00:00+00:00"
    assert "queue_wait" not in failure.metadata, "it runs before the time it was planned for"
    assert retry.error.type == "TimeoutError"
    assert {event.correlation.correlation_id for event in captured.events} == {enqueue.correlation.correlation_id}


@pytest.mark.parametrize(
    ("number", "max_retries", "outcome"),
    [(1, 0, "failure"), (1, 1, "failure"), (2, 1, "dead"), (2, 2, "failure"), (9, None, "failure")],
)
def test_only_a_job_that_used_up_its_retries_is_dead(
    captured: Captured, number: int, max_retries: int | None, outcome: str
) -> None:
    """A first attempt that fails is a failure, whatever its budget; so is any without a limit."""
    scope = attempt(attempt=number)
    scope.max_retries = max_retries
    scope.failed(ValueError("no"))
    scope.close()

    assert captured.events[0].outcome == outcome


def test_the_first_end_counts_and_an_attempt_nobody_ended_is_unknown(captured: Captured) -> None:
    """One attempt is one event, also when several hooks tell of its end, or none does."""
    ended, open_ended = attempt(), None
    ended.succeeded()
    ended.failed(ValueError("too late"))
    ended.close()
    open_ended = attempt()
    open_ended.close()

    assert [event.outcome for event in captured.events] == ["success", "unknown"]


def test_the_actor_travels_as_type_and_id(captured: Captured) -> None:
    """Whoever enqueued the job acts in it; the label stays behind."""
    with actor("user", 7, "Ada"):
        headers = job.enqueued(RECEIPT)
    scope = attempt(headers)
    assert current_actor() == Actor("user", "7")
    scope.succeeded()
    scope.close()

    assert "Ada" not in str(headers)
    assert captured.of("job.execution")[0].actor == Actor("user", "7")


def test_the_actor_stays_behind_when_told_so() -> None:
    """With propagate_actor off the system acts in the job."""
    with capture(propagate_actor=False) as captured, actor("user", 7):
        headers = job.enqueued(RECEIPT)
    with capture() as captured:
        attempt(headers).close()

    assert captured.events[0].actor.type == "system"


def test_an_unknown_actor_stays_unknown(captured: Captured) -> None:
    """An actor without an id is still not the system."""
    scope = attempt(header(actor="unknown"))
    assert current_actor() == Actor("unknown")
    scope.close()


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        b"{}",
        "",
        "{",
        "[]",
        "\ud800",
        '{"v": 1}',
        '{"v": 2, "correlation_id": "x"}',
        '{"v": 1, "correlation_id": 5}',
        '{"v": 1, "correlation_id": "not safe\\n"}',
        '{"v": 1, "correlation_id": ""}',
        '{"v": 1, "correlation_id": "x", "actor": "user:<script>"}',
        '{"v": 1, "correlation_id": "x", "more": "' + "x" * 7000 + '"}',
    ],
)
def test_a_header_that_is_foreign_damaged_or_unsafe_is_ignored(captured: Captured, value: object) -> None:
    """The story is then the one of the W3C headers."""
    scope = attempt(
        {HEADER: value, "traceparent": f"00-{STORY}-b7ad6b7169203331-01", "baggage": "ezlogs.session_id=s-1,mine=1"}
    )
    assert baggage.get_baggage("mine") == "1"
    scope.close()

    assert captured.events[0].correlation == Correlation(
        correlation_id=STORY, session_id="s-1", job_id="j-1", attempt=1
    )


@pytest.mark.parametrize("traced", [True, False])
def test_the_baggage_of_a_job_is_that_of_its_message(captured: Captured, traced: bool) -> None:
    """A story that came in its own header alone is kept out of it; what the job enqueues or calls has it."""
    given = baggage.set_baggage("mine", "1")
    headers = job.enqueued(RECEIPT, traced=True)
    if traced:
        propagate.inject(headers, given)
    else:
        with Scope(given):
            headers = job.enqueued(RECEIPT)
    with attempt(headers):
        found = dict(baggage.get_all())
        again = job.enqueued(Job("tidy", "j-2"))
        assert departing([], "localhost") is not None
        sent = dict(departing([], "localhost") or ())

    assert found.pop("mine") == "1"
    story = captured.events[-1].correlation.correlation_id
    assert ("ezlogs.correlation_id" in found) is not traced
    assert bool(found) is not traced
    for out in (again, sent):
        assert f"ezlogs.correlation_id={story}" in str(out["baggage"])


def test_a_worker_begins_a_new_story_for_a_job_without_one(captured: Captured) -> None:
    """What is current in the worker is not the job's: neither its story, nor its actor, nor its baggage."""
    ambient = context.set_value("ambient", "yes", placed(Correlation(correlation_id=STORY)))
    with Scope(ambient), actor("user", "operator"):
        scope = attempt({"traceparent": 5, HEADER: None})
        assert context.get_value("ambient") is None
        scope.close()
        assert context.get_value("ambient") == "yes"

    assert captured.events[0].correlation.correlation_id != STORY
    assert captured.events[0].actor.type == "system"


def test_a_nested_job_is_part_of_what_calls_it(captured: Captured) -> None:
    """An eager job keeps its caller's context, story and actor."""
    with Scope(placed(Correlation(correlation_id=STORY, parent_event_id="evt_request"))), actor("user", 7):
        attempt(nested=True).close()

    event = captured.events[0]
    assert event.correlation == Correlation(
        correlation_id=STORY, parent_event_id="evt_request", job_id="j-1", attempt=1
    )
    assert event.actor.id == "7"


def test_the_wait_in_the_queue_begins_when_the_job_may_run(captured: Captured) -> None:
    """A job that was planned for later did not wait until then; without a trustworthy clock nothing is said."""
    past = time_ns() - 2_000_000_000
    for headers in (header(at=past), header(at=past + 3600 * 10**9), header()):
        attempt(headers).close()
    attempt(header(at=time_ns() + 20_000_000)).close()  # a timer of the framework's that fired early

    waits = [event.metadata.get("queue_wait") for event in captured.events]
    assert waits[0] == pytest.approx(2, abs=1)
    assert waits[1:3] == [None, None]
    assert waits[3] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("eta", "planned"),
    [
        (datetime(2200, 1, 1, tzinfo=timezone.utc), True),
        ("2200-01-01T00:00:00+00:00", True),
        (datetime.now(timezone.utc) - timedelta(hours=1), False),
        (datetime(2200, 1, 1), False),  # a time of an unknown zone
        ("tomorrow", False),
        (None, False),
    ],
)
def test_the_header_tells_from_when_the_job_may_run(
    captured: Captured, eta: datetime | str | None, planned: bool
) -> None:
    """It is the eta if that can be understood and lies ahead, else now."""
    told = json.loads(job.enqueued(RECEIPT, eta=eta)[HEADER])["at"]

    assert (told > time_ns() + 10**15) is planned


def test_unsafe_ids_are_left_out_of_the_header(captured: Captured) -> None:
    """A flow named with a blank would make the whole header unacceptable to the worker."""
    with Scope(placed(Correlation(correlation_id=STORY, flow_id="checkout:a b"))):
        headers = job.enqueued(RECEIPT)
    attempt(headers).close()

    assert captured.of("job.execution")[0].correlation.correlation_id == STORY


def test_a_lost_attempt_is_told_without_what_nobody_measured(captured: Captured) -> None:
    """Story, parent, actor and attempt come from the message; there is no duration and no wait."""
    with actor("user", 7):
        headers = job.enqueued(RECEIPT)
    error = RuntimeError("killed")
    job.lost(RECEIPT, error, worker="w@1", headers=headers)
    job.lost(RECEIPT, error, attempt=3, headers={})

    enqueue, first, last = captured.events
    assert first.correlation == enqueue.correlation.replace(parent_event_id=enqueue.event_id, job_id="j-1", attempt=1)
    assert (first.outcome, last.outcome) == ("failure", "dead")
    assert (first.duration, first.actor.id) == (None, "7")
    assert set(first.metadata) == {"job", "queue", "attempt", "max_retries", "worker"}


def test_nothing_is_done_when_nothing_listens() -> None:
    """Without a runtime there is no header and no scope."""
    assert job.enqueued(RECEIPT) == {}
    assert job.started(RECEIPT) is None
    job.lost(RECEIPT, ValueError(), headers={})


def test_nothing_is_done_while_instrumentation_is_suppressed(captured: Captured) -> None:
    """Telemetry's own jobs are not told of."""
    with suppress_instrumentation():
        assert job.enqueued(RECEIPT) == {}
        assert job.started(RECEIPT) is None

    assert captured.events == []


def test_the_spans_of_producer_and_consumer_are_one_trace(captured: Captured, spans: InMemorySpanExporter) -> None:
    """The messaging spans follow the semantic conventions, and their trace id is the story's."""
    attempt(job.enqueued(RECEIPT)).close()

    create, process = spans.get_finished_spans()
    assert (create.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert process.parent.span_id == create.context.span_id
    assert process.attributes == {
        "messaging.system": "celery",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": "j-1",
        "messaging.destination.name": "mail",
    }
    assert {event.correlation.correlation_id for event in captured.events} == {f"{create.context.trace_id:032x}"}


def test_a_failed_attempt_marks_its_span_without_the_message(captured: Captured, spans: InMemorySpanExporter) -> None:
    """The span has the error's type; what the error says is privacy's to decide on."""
    scope = job.started(Job("tidy", "j-2"), nested=True)
    scope.failed(ValueError("ada@example.com"))
    scope.close()

    (span,) = spans.get_finished_spans()
    assert (span.kind, span.status.status_code, span.status.description) == (SpanKind.INTERNAL, StatusCode.ERROR, None)
    assert span.attributes["error.type"] == "ValueError"


def test_the_span_of_another_instrumentation_is_the_hop(captured: Captured, spans: InMemorySpanExporter) -> None:
    """No span is made beside one that is there or about to come, and the current one stays current."""
    headers = job.enqueued(RECEIPT, traced=True)
    assert list(headers) == [HEADER]
    with trace.get_tracer("other").start_as_current_span("run/send_receipt") as span:
        scope = attempt(headers, hop=Hop.CURRENT)
        assert trace.get_current_span() is span
        assert list(scope.requeued(traced=True)) == [HEADER]
        scope.close()
    scope = attempt({"traceparent": f"00-{STORY}-b7ad6b7169203331-01"}, hop=Hop.COMING)
    assert trace.get_current_span().get_span_context().is_remote
    scope.close()

    assert [span.name for span in spans.get_finished_spans()] == ["run/send_receipt"]


def test_a_scope_closed_after_its_surroundings_leaves_nothing_behind(captured: Captured) -> None:
    """Where a context around the attempt was left first, what was before both stays current."""
    before = context.get_current()
    around = context.attach(context.set_value("around", "yes"))
    scope = attempt()
    context.detach(around)
    scope.close()

    assert context.get_current() == before
    assert captured.events[0].correlation.job_id == "j-1"
    assert job.running() is None


@pytest.mark.parametrize(
    ("error", "action", "outcome"),
    [
        (ValueError("5"), "resize.failure", "failure"),
        (SystemExit(0), "resize.success", "success"),
        (KeyboardInterrupt(), "resize.end", "unknown"),
    ],
)
def test_a_block_is_an_attempt(captured: Captured, error: BaseException, action: str, outcome: str) -> None:
    """Its end is the attempt's end, unless the block has told it already."""
    with pytest.raises(type(error)), job.perform(job.Job("resize", "j-1")):
        raise error
    with job.perform(job.Job("resize", "j-2")) as scope:
        scope.retried()
    assert [(event.action, event.outcome) for event in captured.events] == [
        (action, outcome),
        ("resize.retry", "retried"),
    ]


def test_a_queues_own_jobs_run_whatever_its_messages_hold() -> None:
    """Headers that are none, and a propagator of somebody's that raises, cost the story and not the job."""

    class Failing(TextMapPropagator):
        @property
        def fields(self) -> set[str]:
            return {"failing"}

        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            raise RuntimeError

        def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
            raise RuntimeError

    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Failing())
    try:
        with capture(strict=False) as captured:
            headers = job.enqueued(job.Job("resize", "j-1"), eta=5)  # type: ignore[arg-type]  # wrong
            for given in (headers, None, 5):
                with job.perform(job.Job("resize", "j-1"), headers=given):  # type: ignore[arg-type]  # wrong
                    pass
    finally:
        propagate.set_global_textmap(before)
    assert [event.action for event in captured.events] == ["resize.enqueue", *["resize.success"] * 3]
    assert captured.events[1].correlation.correlation_id == captured.events[0].correlation.correlation_id


def test_a_tracer_that_fails_costs_the_span_and_not_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt is told without one."""
    monkeypatch.setattr(trace, "get_tracer", lambda *_: 1 / 0)
    with capture(strict=False) as captured:
        headers = job.enqueued(job.Job("resize", "j-1"))
        with job.perform(job.Job("resize", "j-1"), headers=headers):
            pass
    assert [event.action for event in captured.events] == ["resize.enqueue", "resize.success"]
    assert captured.events[1].correlation.parent_event_id == captured.events[0].event_id


def test_a_story_whose_id_is_not_safe_to_repeat_stays_here(captured: Captured) -> None:
    """Whoever made it up, no worker would take it: the message goes without."""
    with Scope(placed(Correlation(correlation_id="no such\r\nid"))):
        assert HEADER not in job.enqueued(RECEIPT, traced=True)
