"""Celery's signals in this process: publishing, eager tasks, messages as a worker runs them, and contrib beside us."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from celery import Celery, signals
from celery.app.trace import build_tracer
from celery.exceptions import Retry, WorkerLostError
from celery.utils.dispatch import Signal
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, current, placed
from ezlogs.runtime import Runtime, install
from ezlogs.scope import Scope
from ezlogs.settings import load
from ezlogs.testing import Captured
from ezlogs_instrumentors.celery import CeleryInstrumentor
from ezlogs_instrumentors.celery.attempts import ending
from ezlogs_instrumentors.celery.signals import CONTRIB
from ezlogs_instrumentors.celery.worker import leaving

STORY = "0af7651916cd43dd8448eb211c80319c"
REMOTE = {"traceparent": f"00-{STORY}-b7ad6b7169203331-01", "baggage": "mine=1"}
FROM_A_REQUEST = Correlation(correlation_id=STORY, parent_event_id="evt_request")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Collect the finished spans of a real SDK."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name, version=None, *_, **__: provider.get_tracer(name, version))
    yield exporter
    provider.shutdown()


@pytest.fixture
def published(app: Celery) -> Iterator[list[dict[str, Any]]]:
    """Collect the headers of every message, as it leaves."""
    found: list[dict[str, Any]] = []

    def keep(headers: dict[str, Any], **_: Any) -> None:
        found.append(dict(headers))

    signals.after_task_publish.connect(keep, weak=False)
    yield found
    signals.after_task_publish.disconnect(keep)


def work(app: Celery, task: Any, headers: dict[str, Any], job_id: str = "j-1", **request: Any) -> None:
    """Run a message in this process as a worker does."""
    tracer = build_tracer(task.name, app.tasks[task.name], app=app)
    tracer(job_id, (), {}, {**headers, "id": job_id, "delivery_info": {"routing_key": "celery"}, **request})


def parents(captured: Captured) -> dict[str, str | None]:
    """Return each event's parent by its action."""
    return {event.action: event.correlation.parent_event_id for event in captured.events}


def test_a_message_carries_one_header_of_ours(
    captured: Captured, tasks: ModuleType, published: list[dict[str, Any]], spans: InMemorySpanExporter
) -> None:
    """It is a text; the W3C headers are those of the span that was made for the message."""
    tasks.plain.apply_async(countdown=30)

    (headers,), (span,) = published, spans.get_finished_spans()
    assert json.loads(headers["ezlogs"])["parent_event_id"] == captured.events[0].event_id
    assert headers["traceparent"].split("-")[1:3] == [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    assert span.kind is SpanKind.PRODUCER
    assert captured.events[0].metadata["eta"] == headers["eta"]


def test_w3c_headers_of_the_application_are_left_alone(
    captured: Captured, tasks: ModuleType, published: list[dict[str, Any]], spans: InMemorySpanExporter
) -> None:
    """Who has put a trace into the message wants that one; ezlogs adds its own header and no span."""
    tasks.plain.apply_async(headers=dict(REMOTE))

    assert published[0]["traceparent"] == REMOTE["traceparent"]
    assert "ezlogs" in published[0]
    assert spans.get_finished_spans() == ()


def test_a_task_that_only_the_worker_knows_is_told(captured: Captured, app: Celery) -> None:
    """send_task names a task of another code base: its retries are not known here."""
    app.send_task("elsewhere", queue="far")

    (event,) = captured.events
    assert (event.action, event.metadata["queue"]) == ("elsewhere.enqueue", "far")
    assert "max_retries" not in event.metadata


def test_looking_up_a_task_does_not_load_the_application(
    captured: Captured, tasks: ModuleType, tmp_path: Any, instrumented: None
) -> None:
    """An application that was not finalized stays so."""
    app = tasks.make_app(tmp_path)
    app.send_task("elsewhere")

    assert not app.finalized
    assert "max_retries" not in captured.events[0].metadata
    app.close()


def test_messages_of_the_first_protocol_are_told(
    captured: Captured, tasks: ModuleType, app: Celery, published: list[dict[str, Any]]
) -> None:
    """Where id and eta are in the body, the header is still ours to add."""
    app.conf.task_protocol = 1
    job_id = tasks.plain.delay().id

    assert captured.events[0].subject.id == job_id
    assert "ezlogs" in published[0]


def test_a_queue_behind_an_exchange_is_named(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """A message without a routing key is told by the queue that it declares."""
    from kombu import Exchange, Queue

    fanout = Queue("copies", Exchange("copies", type="fanout"), routing_key="")
    app.amqp.queues.add(fanout)
    signals.before_task_publish.send(sender="plain", headers={"id": "j-1"}, body=(), declare=[fanout])
    signals.before_task_publish.send(sender="plain", headers={"id": "j-2"}, body=())

    assert [event.metadata.get("queue") for event in captured.events] == ["copies", None]


def test_an_eager_task_belongs_to_its_caller(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """Nothing is enqueued: the attempt is part of the request, and afterwards the request goes on."""
    with Scope(placed(FROM_A_REQUEST)), actor("user", 7):
        before = context.get_current()
        tasks.plain.apply()
        assert context.get_current() == before

    probe, execution = captured.events
    assert execution.correlation.parent_event_id == "evt_request"
    assert probe.correlation.parent_event_id == execution.event_id
    assert execution.actor.id == "7"
    assert "queue_wait" not in execution.metadata


def test_an_eager_retry_is_a_chain_too(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """Attempts that run in one call are told as if they had gone over a broker."""
    with Scope(placed(FROM_A_REQUEST)):
        tasks.flaky.apply((2,))

    first, second, third = captured.of("job.execution")
    assert [event.correlation.attempt for event in (first, second, third)] == [1, 2, 3]
    assert [event.correlation.parent_event_id for event in (first, second, third)] == [
        "evt_request",
        first.event_id,
        second.event_id,
    ]


def test_an_eager_task_that_raises_to_its_caller_is_told(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """With throw the signals of failure and retry are not sent, and the caller gets the error as ever."""
    with pytest.raises(LookupError, match="no such order"):
        tasks.broken.apply(throw=True)
    with pytest.raises(Retry):
        tasks.flaky.apply((2,), throw=True)

    failure, retry = captured.of("job.execution")
    assert (failure.outcome, failure.error.type) == ("failure", "LookupError")
    assert (retry.outcome, retry.error.type) == ("retried", "TimeoutError")


def test_ignored_and_rejected_tasks_are_told(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """Celery sends no signal of success or failure for them, only that they have ended."""
    tasks.ignoring.apply()
    tasks.rejecting.apply()

    assert [(event.action, event.outcome) for event in captured.events] == [
        ("ignoring.ignore", "success"),
        ("rejecting.reject", "failure"),
    ]


def test_a_budget_said_at_the_retry_counts(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """retry(max_retries=...) overrides the task's own limit."""

    @app.task(bind=True, name="late", max_retries=None)
    def late(self: Any) -> None:
        """Retry once at most."""
        try:
            raise TimeoutError
        except TimeoutError as error:
            raise self.retry(exc=error, countdown=0, max_retries=1) from error

    late.apply()

    assert [event.outcome for event in captured.events] == ["retried", "dead"]
    assert [event.metadata["max_retries"] for event in captured.events] == [1, 1]


def test_other_tools_headers_do_not_hide_the_story(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """A header named ``headers`` takes the place of the custom headers in a request; ours is found all the same."""
    header = json.dumps({"v": 1, "correlation_id": STORY})
    work(app, tasks.plain, {"ezlogs": header, "headers": {"sentry-trace": "x"}})
    work(app, tasks.plain, {"ezlogs": header, "headers": ["nonsense"]}, "j-2")

    assert {event.correlation.correlation_id for event in captured.events} == {STORY}


def contrib() -> Any:
    """Return contrib's instrumentor."""
    return pytest.importorskip("opentelemetry.instrumentation.celery").CeleryInstrumentor()


@contextmanager
def beside_contrib(first: str, tasks: ModuleType, home: Any, **options: Any) -> Iterator[Celery]:
    """Instrument with contrib and with ezlogs, in either order, and make an application."""
    order = [(contrib(), options), (CeleryInstrumentor(), {})]
    if first == "ezlogs first":
        order.reverse()
    for instrumentor, given in order:
        instrumentor.instrument(**given)
    app = tasks.make_app(home)
    app.finalize()
    try:
        yield app
    finally:
        app.close()
        for instrumentor, _ in order:
            instrumentor.uninstrument()


@pytest.fixture(params=["contrib first", "ezlogs first"])
def both(request: pytest.FixtureRequest, tasks: ModuleType, tmp_path: Any) -> Iterator[Celery]:
    """Instrument with contrib and with ezlogs, in either order."""
    with beside_contrib(request.param, tasks, tmp_path) as app:
        yield app


@pytest.fixture(params=["contrib first", "ezlogs first"])
def both_linking(request: pytest.FixtureRequest, tasks: ModuleType, tmp_path: Any) -> Iterator[Celery]:
    """The same, with contrib told to link the spans of jobs instead of making them children."""
    with beside_contrib(request.param, tasks, tmp_path, use_span_links=True) as app:
        yield app


def test_beside_contrib_its_spans_are_the_hops(
    spans: InMemorySpanExporter, captured: Captured, tasks: ModuleType, both: Celery
) -> None:
    """One producer and one consumer span, and the same story, parents and actor, whoever is called first."""
    sent: list[dict[str, Any]] = []
    keep = signals.after_task_publish.connect(lambda headers, **_: sent.append(dict(headers)), weak=False)
    with Scope(placed(FROM_A_REQUEST)), actor("user", 7):
        tasks.plain.delay()
    signals.after_task_publish.disconnect(keep)
    before = context.get_current()
    for job_id in ("j-1", "j-2"):
        work(both, tasks.plain, sent[0], job_id=job_id)
        assert context.get_current() == before, "the attempt's context is left"

    enqueue, *rest = captured.events
    for probe, execution in (rest[:2], rest[2:]):
        assert execution.correlation.parent_event_id == enqueue.event_id
        assert probe.correlation.parent_event_id == execution.event_id
        assert probe.actor.id == execution.actor.id == "7"
    assert {event.correlation.correlation_id for event in captured.events} == {STORY}
    producer, *consumers = spans.get_finished_spans()
    assert [span.kind for span in (producer, *consumers)] == [SpanKind.PRODUCER, *[SpanKind.CONSUMER] * 2]
    assert {span.parent.span_id for span in consumers} == {producer.context.span_id}
    probes = [event for event in captured.events if event.action == "seen"]
    assert {event.metadata["span"] for event in probes} == {f"{producer.context.trace_id:032x}"}


def test_beside_contrib_a_story_is_named_after_its_trace(
    spans: InMemorySpanExporter, captured: Captured, tasks: ModuleType, both: Celery
) -> None:
    """From the first message on, whoever was called first; and the task has the baggage that its message has."""
    sent: list[dict[str, Any]] = []
    keep = signals.after_task_publish.connect(lambda headers, **_: sent.append(dict(headers)), weak=False)
    with Scope(baggage.set_baggage("tenant", "acme")):
        tasks.plain.delay()
    signals.after_task_publish.disconnect(keep)
    seen: list[object] = []
    see = signals.task_success.connect(lambda **_: seen.append(dict(baggage.get_all())), weak=False)
    work(both, tasks.plain, sent[0])
    signals.task_success.disconnect(see)

    producer, consumer = spans.get_finished_spans()
    assert {event.correlation.correlation_id for event in captured.events} == {f"{producer.context.trace_id:032x}"}
    assert consumer.parent is not None
    assert consumer.parent.span_id == producer.context.span_id
    assert seen == [{"tenant": "acme"}]


def test_spans_that_were_switched_off_are_not_made_instead(
    spans: InMemorySpanExporter, captured: Captured, tasks: ModuleType, both: Celery
) -> None:
    """Whoever takes contrib back wants no spans; the story goes on in its header."""
    contrib().uninstrument()
    sent: list[dict[str, Any]] = []
    keep = signals.after_task_publish.connect(lambda headers, **_: sent.append(dict(headers)), weak=False)
    with Scope(placed(FROM_A_REQUEST)):
        tasks.plain.delay()
        tasks.plain.apply()
    signals.after_task_publish.disconnect(keep)
    work(both, tasks.plain, sent[0])

    assert spans.get_finished_spans() == ()
    assert "traceparent" not in sent[0]
    enqueue, *rest = captured.events
    executions = [event for event in rest if event.event_type == "job.execution"]
    assert [event.correlation.parent_event_id for event in executions] == ["evt_request", enqueue.event_id]
    assert {event.correlation.correlation_id for event in captured.events} == {STORY}


def test_beside_contrib_jobs_in_traces_of_their_own_stay_there(
    spans: InMemorySpanExporter, captured: Captured, tasks: ModuleType, both_linking: Celery
) -> None:
    """Where contrib links the span of a job, it has no parent, the link is there, and the story goes on as ever."""
    sent: list[dict[str, Any]] = []
    keep = signals.after_task_publish.connect(lambda headers, **_: sent.append(dict(headers)), weak=False)
    with Scope(placed(FROM_A_REQUEST)):
        tasks.plain.delay()
    signals.after_task_publish.disconnect(keep)
    before = context.get_current()
    for job_id in ("j-1", "j-2"):
        work(both_linking, tasks.plain, sent[0], job_id=job_id)
        assert context.get_current() == before, "the attempt's context is left"

    producer, *consumers = spans.get_finished_spans()
    assert [span.parent for span in consumers] == [None, None]
    assert [[link.context.span_id for link in span.links] for span in consumers] == [[producer.context.span_id]] * 2
    assert len({span.context.trace_id for span in (producer, *consumers)}) == 3
    assert {event.correlation.correlation_id for event in captured.events} == {STORY}


def test_beside_contrib_eager_tasks_stay_with_their_caller(
    spans: InMemorySpanExporter, captured: Captured, tasks: ModuleType, both: Celery
) -> None:
    """The context that the caller had is back after each."""
    with Scope(placed(FROM_A_REQUEST)):
        before = context.get_current()
        for _ in range(2):
            tasks.plain.apply()
            assert context.get_current() == before

    assert [event.correlation.parent_event_id for event in captured.of("job.execution")] == ["evt_request"] * 2


def test_who_comes_after_us_finds_the_story_and_then_comes_first(
    captured: Captured, tasks: ModuleType, app: Celery, spans: InMemorySpanExporter
) -> None:
    """A listener under contrib's name opens the span: it must not begin from the message again, nor leave before us."""
    found: list[tuple[object, bool]] = []

    def opening(task: Any, **_: Any) -> None:
        found.append((task.request.get("traceparent"), current() is not None))

    opening.__module__ = CONTRIB
    signals.task_prerun.connect(opening, weak=False)
    try:
        for job_id in ("j-1", "j-2"):
            work(app, tasks.plain, {**REMOTE, "ezlogs": json.dumps({"v": 1, "correlation_id": STORY})}, job_id=job_id)
    finally:
        signals.task_prerun.disconnect(opening)

    assert found == [(None, True), (REMOTE["traceparent"], False)]
    assert {event.correlation.correlation_id for event in captured.events} == {STORY}
    assert spans.get_finished_spans() == ()
    assert current() is None


def test_who_comes_after_us_and_links_finds_the_message_whole_and_no_span(
    captured: Captured, tasks: ModuleType, app: Celery
) -> None:
    """A span that is to be linked to that of the message is made from its headers, and must not become a child."""
    found: list[tuple[object, bool, bool]] = []

    class Linking:
        _use_span_links = True

        def opening(self, task: Any, **_: Any) -> None:
            span = trace.get_current_span().get_span_context()
            found.append((task.request.get("traceparent"), span.is_valid, current() is not None))

    Linking.opening.__module__ = CONTRIB
    receiver = Linking().opening
    signals.task_prerun.connect(receiver, weak=False)
    try:
        work(app, tasks.plain, {**REMOTE, "ezlogs": json.dumps({"v": 1, "correlation_id": STORY})})
    finally:
        signals.task_prerun.disconnect(receiver)

    assert found == [(REMOTE["traceparent"], False, True)]
    assert {event.correlation.correlation_id for event in captured.events} == {STORY}


def test_a_prerun_told_twice_begins_one_attempt(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """A second call for the same request changes nothing, and neither does an end without a beginning."""

    @app.task(bind=True, name="twice")
    def twice(self: Any) -> None:
        """Send the signal again."""
        signals.task_prerun.send(sender=self, task=self, task_id=self.request.id)

    twice.apply()
    ending(task=twice)

    assert len(captured.events) == 1


def test_a_message_sent_by_retry_replaces_what_it_inherited(
    captured: Captured, tasks: ModuleType, app: Celery, published: list[dict[str, Any]], spans: InMemorySpanExporter
) -> None:
    """Celery copies the headers of the first message into the next: story and parent are written anew."""
    tasks.doomed.delay()
    work(app, tasks.doomed, published[0], job_id=published[0]["id"])

    enqueue, retry = captured.events
    old, new = published
    assert json.loads(old["ezlogs"])["parent_event_id"] == enqueue.event_id
    assert json.loads(new["ezlogs"])["parent_event_id"] == retry.event_id
    assert new["traceparent"] != old["traceparent"]
    assert new["traceparent"].split("-")[1] == old["traceparent"].split("-")[1] == enqueue.correlation.correlation_id


def test_only_a_lost_process_is_told_of_by_others(captured: Captured, tasks: ModuleType, app: Celery) -> None:
    """The worker's main process repeats failures that the attempt has told; it alone knows of a killed one."""
    task = app.tasks["plain"]
    task.push_request(id="j-1", retries=1, headers={"ezlogs": json.dumps({"v": 1, "correlation_id": STORY})})
    for task_id, error in (("j-1", WorkerLostError()), ("j-1", LookupError()), ("j-2", WorkerLostError())):
        signals.task_failure.send(sender=task, task_id=task_id, exception=error)
    task.pop_request()

    (event,) = captured.events
    assert (event.outcome, event.error.type) == ("failure", "billiard.exceptions.WorkerLostError")
    assert event.correlation == Correlation(correlation_id=STORY, job_id="j-1", attempt=2)


def test_nothing_is_told_when_nothing_listens(tasks: ModuleType, app: Celery, published: list[dict[str, Any]]) -> None:
    """Without a runtime messages have no header, and tasks run as ever, whatever their end."""
    tasks.plain.delay()
    assert "ezlogs" not in published[0]
    assert tasks.flaky.apply((1,)).successful()
    assert tasks.broken.apply().failed()
    leaving()
    before = install(Runtime(load({}, {}).settings))
    leaving()
    install(before)


def test_a_lost_process_is_told_of_where_no_request_is_current(captured: Captured, app: Celery) -> None:
    """Older versions make none so, but the worker still has what it received."""

    class Received:
        def __init__(self) -> None:
            self.id, self.hostname, self.delivery_info = "j-1", "w@1", {"routing_key": "orders"}
            self.request_dict = {"id": self.id, "retries": 2, "traceparent": REMOTE["traceparent"]}

    received = Received()
    signals.task_received.send(sender=None, request=received)
    signals.task_failure.send(sender=app.tasks["plain"], task_id="j-1", exception=WorkerLostError())
    (event,) = captured.events
    assert (event.outcome, event.metadata["attempt"]) == ("failure", 3)
    assert (event.metadata["queue"], event.metadata["worker"]) == ("orders", "w@1")
    del received
    gc.collect()
    signals.task_failure.send(sender=app.tasks["plain"], task_id="j-1", exception=WorkerLostError())
    assert len(captured.events) == 1


def test_uninstrumenting_leaves_no_receiver(captured: Captured, tasks: ModuleType) -> None:
    """Instrumenting and back again leaves every signal as it was."""
    watched = [signal for signal in vars(signals).values() if isinstance(signal, Signal)]
    before = [list(signal.receivers) for signal in watched]
    CeleryInstrumentor().instrument()
    assert sum(len(signal.receivers) for signal in watched) == sum(map(len, before)) + 14
    CeleryInstrumentor().uninstrument()

    assert [signal.receivers for signal in watched] == before
    tasks.plain.apply()
    assert [event.event_type for event in captured.events] == ["probe.action"]


def test_without_celery_instrumenting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing module is named."""
    monkeypatch.setattr("ezlogs_instrumentors.hooks.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match="celery"):
        CeleryInstrumentor().instrument(skip_dep_check=True)
    assert CeleryInstrumentor().instrumentation_dependencies() == ("celery >= 5.3",)
