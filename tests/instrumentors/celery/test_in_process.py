"""Celery over a broker in memory, with a worker in a thread: canvases, bad messages, brokers that are away, beat."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from celery import Celery, chain, chord, group, signals
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Retry
from celery.schedules import crontab, schedule
from kombu.exceptions import EncodeError, OperationalError
from kombu.utils.encoding import bytes_to_str
from opentelemetry.sdk.trace import ReadableSpan

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, current, placed
from ezlogs.scope import Scope
from ezlogs.testing import Captured, capture
from ezlogs_instrumentors.celery import CeleryInstrumentor
from ezlogs_instrumentors.celery.publishing import published
from ezlogs_instrumentors.celery.signals import CONTRIB, connect
from ezlogs_instrumentors.celery.worker import receiving
from ezlogs_instrumentors.hooks import Hooks

STORY = "0af7651916cd43dd8448eb211c80319c"
FROM_A_REQUEST = Correlation(correlation_id=STORY, parent_event_id="evt_request")


@pytest.fixture
def shop(instrumented: None) -> Iterator[Celery]:
    """An application whose broker and results are in memory."""
    shop = Celery("shop", broker="memory://", backend="cache+memory://")
    shop.conf.update(task_default_queue=f"shop-{uuid4()}")  # memory is shared by all applications
    shop.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=False)
    shop.set_current()
    yield shop
    shop.close()


@pytest.fixture
def worker(shop: Celery) -> Iterator[Callable[[], None]]:
    """Start a worker in a thread, once the tasks are known."""
    running: list[Any] = []
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)

    def start() -> None:
        context = start_worker(shop, pool="solo", perform_ping_check=False, shutdown_timeout=30)
        context.__enter__()
        running.append(context)

    yield start
    for context in running:
        context.__exit__(None, None, None)
    root.setLevel(level)  # a worker takes it for itself, and other tests look at what is logged
    root.handlers[:] = handlers


def ended(captured: Captured, number: int) -> list[Any]:
    """Return the attempts as soon as there are so many."""
    end = time.monotonic() + 30
    while len(found := captured.of("job.execution")) < number:
        assert time.monotonic() < end, [event.action for event in captured.events]
        time.sleep(0.02)
    return found


Spans = Callable[[], tuple[ReadableSpan, ...]]


def the_span(spans: Spans, name: str) -> ReadableSpan:
    """Return the span of a name as soon as it is finished."""
    end = time.monotonic() + 30
    while not (found := [span for span in spans() if span.name == name]):
        assert time.monotonic() < end, [span.name for span in spans()]
        time.sleep(0.02)
    (span,) = found
    return span


def by_action(captured: Captured) -> dict[str, Any]:
    """Return the events by what they tell."""
    return {event.action: event for event in captured.events}


def test_each_step_of_a_chain_is_enqueued_by_the_one_before(
    captured: Captured, shop: Celery, worker: Callable[[], None]
) -> None:
    """The second step's enqueue has the first's attempt as its parent."""

    @shop.task(shared=False, name="first")
    def first() -> int:
        return 1

    @shop.task(shared=False, name="second")
    def second(number: int) -> int:
        return number + 1

    worker()
    with Scope(placed(FROM_A_REQUEST)), actor("user", 7):
        chain(first.s(), second.s())()
    ended(captured, 2)

    told = by_action(captured)
    assert told["first.enqueue"].correlation.parent_event_id == "evt_request"
    assert told["first.success"].correlation.parent_event_id == told["first.enqueue"].event_id
    assert told["second.enqueue"].correlation.parent_event_id == told["first.success"].event_id
    assert told["second.success"].correlation.parent_event_id == told["second.enqueue"].event_id
    assert {event.correlation.correlation_id for event in captured.events} == {STORY}
    assert {event.actor.id for event in captured.events} == {"7"}


class Chords(NamedTuple):
    """A chord of three tasks."""

    shop: Celery
    start: Callable[[], Any]
    """Enqueues it."""
    sums: list[int]
    """What came of it, as soon as its body runs."""


@pytest.fixture
def chords(shop: Celery) -> Chords:
    """A chord that can be enqueued again and again."""
    sums: list[int] = []

    @shop.task(shared=False, name="piece")
    def piece(number: int) -> int:
        return number

    @shop.task(shared=False, name="whole")
    def whole(numbers: list[int]) -> int:
        sums.append(sum(numbers))
        return sums[-1]

    return Chords(shop, lambda: chord([piece.s(1), piece.s(2), piece.s(3)])(whole.s()), sums)


@pytest.fixture(params=["memory", "redis"])
def stored(shop: Celery, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep results in memory, and in a real Redis, to which nothing stays connected."""
    pools: list[Any] = []
    if request.param == "redis":
        shop.conf.result_backend = request.getfixturevalue("redis").url.replace("unix://", "redis+socket://")
        kind = import_module("celery.backends.redis").RedisBackend
        make = kind._get_pool

        def keep(backend: Any, **options: Any) -> Any:
            pools.append((backend, make(backend, **options)))
            return pools[-1][1]

        monkeypatch.setattr(kind, "_get_pool", keep)
    yield
    for backend, pool in pools:
        backend.result_consumer.subscribed_to.clear()  # results that are forgotten later would connect anew
        pool.disconnect()


@pytest.fixture
def asked(shop: Celery, stored: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that are read from the result store, as they are read."""
    asked: list[str] = []
    kind = type(shop.backend)
    get, mget = kind.get, kind.mget

    def seeing_get(backend: Any, key: Any) -> Any:
        asked.append(bytes_to_str(key))
        return get(backend, key)

    def seeing_mget(backend: Any, keys: Any) -> Any:
        asked.extend(bytes_to_str(key) for key in keys)
        return mget(backend, keys)

    monkeypatch.setattr(kind, "get", seeing_get)
    monkeypatch.setattr(kind, "mget", seeing_mget)
    return asked


def spans_linked(span: ReadableSpan) -> dict[Any, int]:
    """Return the ids of the spans that a span links to, by their jobs."""
    return {link.attributes["messaging.message.id"]: link.context.span_id for link in span.links}


def spans_of(spans: Spans, name: str) -> dict[Any, int]:
    """Return the ids of the spans of a name, by their jobs."""
    return {span.attributes["messaging.message.id"]: span.context.span_id for span in spans() if span.name == name}


def test_a_join_names_its_group_where_the_last_sends_the_body(
    captured: Captured, chords: Chords, worker: Callable[[], None]
) -> None:
    """With a result store that counts, the last task of the header enqueues the body; outside any story all is one."""
    worker()
    assert current() is None
    body = chords.start()
    assert body.get(timeout=30) == 6
    ended(captured, 4)

    told = by_action(captured)
    header = [event for event in captured.events if event.action == "piece.success"]
    assert told["whole.enqueue"].metadata["joins"] == body.parent.id
    members = {child.id for child in body.parent.children}
    for joining in ("whole.enqueue", "whole.success"):
        assert set(told[joining].metadata["joined"]) == members
    assert {event.metadata["group"] for event in header} == {body.parent.id}
    assert told["whole.enqueue"].correlation.parent_event_id in {event.event_id for event in header}
    assert len({event.correlation.correlation_id for event in captured.events}) == 1
    assert current() is None


def test_a_join_asks_nothing_and_stores_nothing(
    captured: Captured, chords: Chords, asked: list[str], worker: Callable[[], None], spans: Spans
) -> None:
    """The result store is asked as without ezlogs, and the last task's span is the one that is known for nothing."""
    backend = chords.shop.backend
    worker()
    told = chords.start()
    ended(captured, 4)
    with_ezlogs = Counter(key for key in asked if told.id not in key)
    members = {child.id for child in told.parent.children}

    assert set(by_action(captured)["whole.success"].metadata["joined"]) == members
    last = by_action(captured)["whole.enqueue"].correlation.parent_event_id
    (of_last,) = (event.correlation.job_id for event in captured.events if event.event_id == last)
    for name in ("create whole", "process whole"):
        assert spans_linked(the_span(spans, name)) == {of_last: spans_of(spans, "process piece")[of_last]}
    metas = [backend.decode(backend.get(backend.get_key_for_task(one))) for one in members]
    assert not [meta for meta in metas if "ezlogs" in meta]

    asked.clear()
    CeleryInstrumentor().uninstrument()
    untold = chords.start()
    end = time.monotonic() + 30
    while len(chords.sums) < 2:
        assert time.monotonic() < end, chords.sums
        time.sleep(0.02)
    without = Counter(key for key in asked if untold.id not in key)
    assert sorted(with_ezlogs.values()) == sorted(without.values())


def test_a_join_links_to_each_of_its_header_where_that_is_asked_for(
    chords: Chords, stored: None, worker: Callable[[], None], spans: Spans
) -> None:
    """The spans are stored beside the results."""
    with capture(job_join_links=True) as captured:
        worker()
        body = chords.start()
        ended(captured, 4)
        linked = [spans_linked(the_span(spans, name)) for name in ("create whole", "process whole")]

    assert linked == [spans_of(spans, "process piece")] * 2
    assert set(linked[0]) == {child.id for child in body.parent.children}


def test_of_the_task_that_watches_a_header_nothing_is_told(
    captured: Captured,
    shop: Celery,
    worker: Callable[[], None],
    tmp_path: Path,
    spans: Spans,
) -> None:
    """With a result store that does not count, it looks again and again, and then sends the body in the story."""
    shop.conf.result_backend = tmp_path.as_uri()

    @shop.task(shared=False, name="piece")
    def piece(number: int) -> int:
        return number

    @shop.task(shared=False, name="whole")
    def whole(numbers: list[int]) -> int:
        return sum(numbers)

    with Scope(placed(FROM_A_REQUEST)), actor("user", 7):
        body = chord([piece.s(1), piece.signature((2,), countdown=2)], interval=0.2)(whole.s())
    worker()
    ended(captured, 3)

    told = by_action(captured)
    assert told["whole.enqueue"].metadata["joins"] == body.parent.id
    assert set(told["whole.success"].metadata["joined"]) == {child.id for child in body.parent.children}
    assert not the_span(spans, "process whole").links
    assert told["whole.enqueue"].correlation.parent_event_id == "evt_request"
    assert {event.correlation.correlation_id for event in captured.events} == {STORY}
    assert {event.actor.id for event in captured.events} == {"7"}
    assert not [action for action in told if "unlock" in action]


def test_a_producer_that_does_not_say_when_it_has_sent_is_believed(captured: Captured, shop: Celery) -> None:
    """The call has returned."""
    signals.after_task_publish.disconnect(published, dispatch_uid="ezlogs.published")
    shop.send_task("simple")

    assert [(event.action, event.outcome) for event in captured.events] == [("simple.enqueue", "success")]


def test_beside_a_listener_that_ends_its_span_ours_is_asked_before(captured: Captured, shop: Celery) -> None:
    """The event belongs on that span."""
    order: list[str] = []

    def before(**_: Any) -> None:
        """Begin a span, as contrib does."""

    def after(**_: Any) -> None:
        order.append("told" if captured.events else "nothing told")

    before.__module__ = after.__module__ = CONTRIB
    signals.before_task_publish.connect(before, weak=False)
    CeleryInstrumentor().uninstrument()
    signals.after_task_publish.connect(after, weak=False)
    CeleryInstrumentor().instrument()
    try:
        shop.send_task("simple")
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(after)

    assert order == ["told"]


def test_an_id_that_somebody_put_into_a_message_is_taken_out(shop: Celery) -> None:
    """Where nothing listens none is reserved."""

    class Message:
        request_dict = {"ezlogs_event": "evt_forged"}  # noqa: RUF012  # as Celery's requests have it
        id = "j-1"

    receiving(request=Message())
    assert Message.request_dict == {}


def test_hooks_that_wait_for_celery_do_nothing_once_they_are_taken_back() -> None:
    """An import hook cannot be taken back."""
    hooks = Hooks()
    hooks.undo()
    before = list(signals.task_received.receivers)
    connect(hooks, signals.task_received, receiving)

    assert signals.task_received.receivers == before


def test_a_group_outside_any_story_is_one(captured: Captured, shop: Celery) -> None:
    """And two groups are two."""

    @shop.task(shared=False, name="piece")
    def piece() -> None:
        return None

    group(piece.s(), piece.s())()
    group(piece.s(), piece.s())()

    stories = [event.correlation.correlation_id for event in captured.events]
    assert stories[0] == stories[1] != stories[2] == stories[3]
    assert len({event.metadata["group"] for event in captured.events}) == 2


DAMAGED: list[object] = [
    "{}",
    "not json",
    '{"v":1,"correlation_id":"<script>"}',
    '{"v":9,"correlation_id":"story"}',
    ["a", "list"],
    {"v": 1},
    12,
    "x" * 10_000,
    '{"v":1,"correlation_id":"story","parent_event_id":["evt"]}',
]


def test_damaged_and_foreign_headers_give_no_parent(
    captured: Captured, shop: Celery, worker: Callable[[], None]
) -> None:
    """The task runs in a story of its own, under an id of our own, whatever a producer has put into the message."""

    @shop.task(shared=False, name="simple")
    def plain() -> None:
        return None

    CeleryInstrumentor().uninstrument()
    for header in DAMAGED:
        plain.apply_async(headers={"ezlogs": header, "ezlogs_event": "evt_forged", "traceparent": "00-zz-zz-zz"})
    CeleryInstrumentor().instrument()
    worker()
    executions = ended(captured, len(DAMAGED))

    assert {execution.action for execution in executions} == {"simple.success"}
    assert {execution.correlation.parent_event_id for execution in executions} == {None}
    assert len({execution.event_id for execution in executions} - {"evt_forged"}) == len(DAMAGED)
    assert len({execution.correlation.correlation_id for execution in executions}) == len(DAMAGED)


def test_arguments_that_cannot_be_written_are_a_failed_enqueue(captured: Captured, shop: Celery) -> None:
    """The caller gets Celery's error, and the job is not said to wait."""

    @shop.task(shared=False, name="simple")
    def plain(thing: object) -> None:
        return None

    with pytest.raises(EncodeError):
        plain.delay(threading.Lock())

    (event,) = captured.events
    assert (event.action, event.outcome) == ("simple.enqueue", "failure")
    assert event.error.type.endswith("EncodeError")


def test_a_broker_that_is_away_is_a_failed_enqueue(captured: Captured, instrumented: None) -> None:
    """And the error is the caller's."""
    away = Celery("away", broker="amqp://127.0.0.1:1//")
    try:
        with pytest.raises(OperationalError):
            away.send_task("simple", retry=False, ignore_result=True)
    finally:
        away.close()

    (event,) = captured.events
    assert (event.action, event.outcome) == ("simple.enqueue", "failure")


def test_a_message_sent_without_send_task_is_told_at_once(captured: Captured, shop: Celery) -> None:
    """Libraries may call what is underneath."""
    message = shop.amqp.create_task_message("j-1", "simple", (), {})
    with shop.producer_or_acquire() as producer:
        shop.amqp.send_task_message(producer, "simple", message)

    assert [(event.action, event.outcome) for event in captured.events] == [("simple.enqueue", "success")]


def test_always_eager_enqueues_nothing_and_gives_the_context_back(captured: Captured, shop: Celery) -> None:
    """delay runs the task in its caller's story, once, and a retry inside it is a chain."""
    shop.conf.task_always_eager = True

    @shop.task(shared=False, name="simple", bind=True, max_retries=2)
    def plain(self: Any) -> None:
        if not self.request.retries:
            raise self.retry(countdown=0)

    with Scope(placed(FROM_A_REQUEST)) as _, actor("user", 7):
        inside = current()
        plain.delay()
        assert current() == inside

    assert [event.action for event in captured.events] == ["simple.retry", "simple.success"]
    assert captured.events[0].correlation.parent_event_id == "evt_request"
    assert captured.events[1].correlation.parent_event_id == captured.events[0].event_id


def test_a_clock_that_is_ahead_gives_no_wait_and_the_right_parent(
    captured: Captured, shop: Celery, worker: Callable[[], None]
) -> None:
    """Who enqueued lives in the future: the order is that of causes."""

    @shop.task(shared=False, name="simple")
    def plain() -> None:
        return None

    ahead = json.dumps({"v": 1, "correlation_id": STORY, "parent_event_id": "evt_1", "at": (time.time_ns() + 10**13)})
    CeleryInstrumentor().uninstrument()
    plain.apply_async(headers={"ezlogs": ahead})
    CeleryInstrumentor().instrument()
    worker()
    (execution,) = ended(captured, 1)

    assert "queue_wait" not in execution.metadata
    assert execution.correlation.parent_event_id == "evt_1"


def test_ignored_results_and_another_serializer_change_nothing(
    captured: Captured, shop: Celery, worker: Callable[[], None]
) -> None:
    """The header travels beside whatever the body is written in."""
    shop.conf.update(accept_content=["json", "pickle"])

    @shop.task(shared=False, name="simple", ignore_result=True, serializer="pickle")
    def plain(when: datetime) -> None:
        return None

    worker()
    with Scope(placed(FROM_A_REQUEST)):
        plain.delay(datetime.now(timezone.utc))
    (execution,) = ended(captured, 1)

    assert execution.correlation.correlation_id == STORY
    assert execution.correlation.parent_event_id == captured.events[0].event_id


def test_a_retry_that_is_not_raised_is_the_next_attempt_s_parent(
    captured: Captured, shop: Celery, worker: Callable[[], None]
) -> None:
    """retry(throw=False) sends the next attempt, and lets this one go on."""

    @shop.task(shared=False, name="simple", bind=True)
    def plain(self: Any) -> None:
        if not self.request.retries:
            assert isinstance(self.retry(countdown=0.1, throw=False), Retry)

    worker()
    plain.delay()
    first, second = ended(captured, 2)

    assert len(captured.of("job.enqueue")) == 1
    assert second.correlation.parent_event_id == first.event_id


def scheduler(shop: Celery, **entry: Any) -> Any:
    """Return beat's scheduler with one entry."""
    from celery.beat import Scheduler

    shop.conf.beat_schedule = {"close-day": {"task": "simple", **entry}}
    return Scheduler(shop, lazy=False)


def test_what_beat_finds_due_is_a_run_in_a_story_of_its_own(captured: Captured, shop: Celery) -> None:
    """Named after its entry, with when it was due and how late that is; the job is its consequence."""
    beat = scheduler(shop, schedule=schedule(10))
    entry = beat.schedule["close-day"]
    entry.last_run_at = datetime.now(timezone.utc) - timedelta(seconds=15)
    with Scope(placed(FROM_A_REQUEST)):
        beat.apply_entry(entry)
        beat.apply_entry(entry)

    enqueue, run, _, other = captured.events
    assert (run.event_type, run.action, run.subject.id) == ("schedule.run", "close-day.tick", "close-day")
    assert run.actor.type == "scheduler"
    assert run.metadata["task"] == "simple"
    assert run.metadata["lateness"] == pytest.approx(5, abs=4)
    assert enqueue.correlation.parent_event_id == run.event_id
    assert enqueue.correlation.correlation_id == run.correlation.correlation_id
    assert len({run.correlation.correlation_id, other.correlation.correlation_id, STORY}) == 3


def test_a_schedule_without_a_next_time_is_told_without_lateness(captured: Captured, shop: Celery) -> None:
    """A schedule of the application's own may know only whether it is due; and cron entries know when."""

    class Whenever(schedule):
        def remaining_estimate(self, last_run_at: datetime) -> Any:
            raise NotImplementedError

        def __repr__(self) -> str:
            return "<whenever>"

    beat = scheduler(shop, schedule=Whenever(1))
    beat.apply_entry(beat.schedule["close-day"])
    cron = scheduler(shop, schedule=crontab(minute="*"))
    cron.schedule["close-day"].last_run_at = datetime.now(timezone.utc) - timedelta(minutes=5)
    cron.apply_entry(cron.schedule["close-day"])

    first, second = captured.of("schedule.run")
    assert first.metadata["schedule"] == "<whenever>"
    assert "lateness" not in first.metadata
    assert 180 < second.metadata["lateness"] < 300


def test_an_entry_that_cannot_be_sent_is_a_failed_run(captured: Captured, shop: Celery) -> None:
    """Beat logs the error and goes on, as ever."""
    beat = scheduler(shop, schedule=schedule(10), args=(threading.Lock(),))
    beat.apply_entry(beat.schedule["close-day"])

    enqueue, run = captured.events
    assert (enqueue.outcome, run.outcome) == ("failure", "failure")


def test_nothing_of_beat_is_told_when_nothing_listens(shop: Celery) -> None:
    """Entries are sent all the same."""
    sent: list[object] = []
    keep = signals.after_task_publish.connect(lambda **_: sent.append(1), weak=False)
    beat = scheduler(shop, schedule=schedule(10))
    beat.apply_entry(beat.schedule["close-day"])
    group()()
    signals.after_task_publish.disconnect(keep)

    assert sent == [1]
