"""RQ: jobs over a real Redis, run by real workers that fork and by one that does not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from pickle import PicklingError
from typing import Any
from uuid import uuid4

import pytest

rq = pytest.importorskip("rq", reason="no RQ")

from redis import Redis as Connection  # noqa: E402  # after the skip
from redis.exceptions import ConnectionError as AwayError  # noqa: E402
from rq import Queue, Repeat, Retry  # noqa: E402
from rq.job import Job as RqJob  # noqa: E402
from tests.instrumentors.working import STORY, Working, in_story, on_top  # noqa: E402
from tests.servers import Redis  # noqa: E402

from ezlogs.testing import Captured  # noqa: E402
from ezlogs_instrumentors.rq import FIELD, RqInstrumentor  # noqa: E402

HERE = Path(__file__).parent


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Instrument RQ in this process for one test."""
    RqInstrumentor().instrument()
    yield
    RqInstrumentor().uninstrument()


@pytest.fixture(scope="module")
def connection(redis: Redis) -> Iterator[Connection]:
    """A connection to the Redis of the tests."""
    with Connection.from_url(redis.url) as found:
        yield found


@pytest.fixture
def queue(connection: Connection, instrumented: None) -> Queue:
    """A queue that no other test uses."""
    return Queue(f"q{uuid4().hex}", connection=connection)


Start = Callable[..., Working]


@pytest.fixture
def start(work: Start, redis: Redis, queue: Queue) -> Start:
    """Start workers of the queue."""
    return lambda kind="SimpleWorker", *options, **environ: work(
        [str(HERE / "rq_tasks.py"), kind, queue.name, *options], {"JOBS_REDIS": redis.url, **environ}
    )


@pytest.mark.parametrize("kind", ["SimpleWorker", "Worker", "SpawnWorker"])
def test_a_job_goes_on_with_the_story(
    captured: Captured, queue: Queue, start: Start, kind: str, tmp_path: Path
) -> None:
    """Enqueued and run: one story, one actor, each the parent of the next; arguments are in neither."""
    if kind == "SpawnWorker":
        if not hasattr(rq, "SpawnWorker"):
            pytest.skip("this RQ has no SpawnWorker")
        (tmp_path / "sitecustomize.py").write_text("import rq_tasks")  # as automatic instrumentation does
    worker = start(kind)
    with in_story():
        job = queue.enqueue("rq_tasks.plain", "hunter2")
    (execution,) = worker.attempts(job.id)
    (probe,) = (event for event in worker.events() if event["event_type"] == "probe.action")

    (enqueue,) = captured.events
    assert (enqueue.action, enqueue.metadata["queue"]) == ("rq_tasks.plain.enqueue", queue.name)
    assert (enqueue.correlation.parent_event_id, enqueue.subject.id) == ("evt_request", job.id)
    assert execution["correlation"]["correlation_id"] == probe["correlation"]["correlation_id"] == STORY
    assert execution["correlation"]["parent_event_id"] == enqueue.event_id
    assert probe["correlation"]["parent_event_id"] == execution["event_id"]
    assert execution["actor"] == probe["actor"] == {"type": "user", "id": "7"}
    assert (execution["action"], execution["outcome"]) == ("rq_tasks.plain.success", "success")
    assert (execution["metadata"]["queue"], execution["metadata"]["worker"]) == (queue.name, f"w-{queue.name}")
    assert execution["metadata"]["queue_wait"] >= 0
    assert "hunter2" not in f"{enqueue}{execution}"
    if kind != "SimpleWorker":  # a work horse runs no exit handlers
        ends = worker.wait(lambda events: [event for event in events if event["event_type"] == "test.shutdown"])
        assert execution["pid"] in {event["pid"] for event in ends}


@pytest.mark.parametrize("kind", ["SimpleWorker", "Worker"])
@pytest.mark.parametrize("interval", [0, 1])
def test_retries_are_a_chain_of_one_job(
    captured: Captured, queue: Queue, start: Start, kind: str, interval: int
) -> None:
    """One enqueue event, each attempt's parent the retry before it; when the next one runs comes from RQ."""
    worker = start(kind, "scheduler")
    job = queue.enqueue("rq_tasks.flaky", 2, retry=Retry(max=2, interval=interval))
    first, second, third = worker.attempts(job.id, 3)

    (enqueue,) = captured.events
    assert enqueue.metadata["arguments"] == {"0": 2}
    assert [event["outcome"] for event in (first, second, third)] == ["retried", "retried", "success"]
    assert [event["correlation"]["attempt"] for event in (first, second, third)] == [1, 2, 3]
    assert [event["correlation"]["parent_event_id"] for event in (first, second, third)] == [
        enqueue.event_id,
        first["event_id"],
        second["event_id"],
    ]
    assert {event["metadata"]["max_retries"] for event in (first, second, third)} == {2}
    assert first["error"]["type"] == "TimeoutError"
    assert ("next_retry_at" in first["metadata"]) is bool(interval)
    assert "next_retry_at" not in third["metadata"]
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]
    tried = [event["metadata"]["tried"] for event in worker.events() if event["event_type"] == "probe.action"]
    assert tried == [1, 2, 3], "what the application keeps in its meta survives"


def test_a_job_that_used_up_its_retries_is_dead_and_can_be_replayed(
    captured: Captured, queue: Queue, start: Start
) -> None:
    """In the failure registry it is dead; from there it goes on with its story, as a further attempt."""
    worker = start()
    with in_story():
        job = queue.enqueue("rq_tasks.broken", retry=Retry(max=1))
    retry, dead = worker.attempts(job.id, 2)

    assert (retry["outcome"], dead["outcome"], dead["severity"]) == ("retried", "dead", "error")
    assert (dead["action"], dead["error"]["type"]) == ("rq_tasks.broken.dead", "LookupError")
    assert worker.wait(lambda _: job.id in queue.failed_job_registry.get_job_ids())
    queue.failed_job_registry.requeue(job.id)
    replayed = worker.attempts(job.id, 3)[2]
    assert len(captured.events) == 1, "a replay is no second job"
    assert (replayed["correlation"]["attempt"], replayed["correlation"]["correlation_id"]) == (3, STORY)


def test_a_failure_and_a_job_that_asks_for_another_attempt(captured: Captured, queue: Queue, start: Start) -> None:
    """A job without retries fails; one that returns ``Retry`` is retried, and then dead."""
    worker = start()
    broken, asking = queue.enqueue("rq_tasks.broken"), queue.enqueue("rq_tasks.asking", 1)
    (failure,) = worker.attempts(broken.id)
    retry, dead = worker.attempts(asking.id, 2)

    assert (failure["action"], failure["outcome"]) == ("rq_tasks.broken.failure", "failure")
    assert (retry["outcome"], dead["outcome"]) == ("retried", "dead")
    assert dead["correlation"]["parent_event_id"] == retry["event_id"]


def test_a_scheduled_job_waits_from_when_it_was_due(captured: Captured, queue: Queue, start: Start) -> None:
    """The enqueue event says when; the time until then is no wait, and the scheduler enqueues nothing of its own."""
    worker = start("Worker", "scheduler")
    before = datetime.now(timezone.utc)
    job = queue.enqueue_in(timedelta(seconds=2), "rq_tasks.plain")
    (execution,) = worker.attempts(job.id)

    (enqueue,) = captured.events
    due = datetime.fromisoformat(str(enqueue.metadata["eta"]))
    assert due > before + timedelta(seconds=1), "in whole seconds, as RQ counts"
    assert execution["correlation"]["parent_event_id"] == enqueue.event_id
    assert 0 <= execution["metadata"]["queue_wait"] <= (datetime.now(timezone.utc) - due).total_seconds()
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


def test_a_job_of_a_job_and_those_that_wait_for_one(captured: Captured, queue: Queue, start: Start) -> None:
    """A job started by a job stays in its story; one that waits for another was enqueued by whoever said so."""
    with in_story():
        outer = queue.enqueue("rq_tasks.outer")
        waiting = queue.enqueue("rq_tasks.plain", depends_on=outer)
    worker = start()
    (first,), (last,) = worker.attempts(outer.id), worker.attempts(waiting.id)
    enqueue = worker.enqueued("plain")
    (inner,) = worker.attempts(enqueue["subject"]["id"])

    assert enqueue["correlation"]["parent_event_id"] == first["event_id"]
    assert inner["correlation"]["parent_event_id"] == enqueue["event_id"]
    assert inner["correlation"]["correlation_id"] == STORY
    assert inner["actor"]["id"] == "7"
    assert last["correlation"]["parent_event_id"] == captured.events[1].event_id
    assert len(captured.events) == 2


def test_a_job_that_waited_for_others_names_and_links_to_them(
    captured: Captured, queue: Queue, spans: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is enqueued and where it runs; the links are to the spans in which the others were enqueued."""
    others = [queue.enqueue("rq_tasks.plain") for _ in range(2)]
    joining = queue.enqueue("rq_tasks.plain", depends_on=others)
    monkeypatch.setattr(sys, "path", [*sys.path, str(HERE)])
    worker = rq.SimpleWorker([queue], connection=queue.connection)
    monkeypatch.setattr(worker, "_install_signal_handlers", lambda: None)  # they would stay
    worker.work(burst=True)

    told = [event for event in captured.events if event.subject and event.subject.id == joining.id]
    assert [event.action for event in told] == ["rq_tasks.plain.enqueue", "rq_tasks.plain.success"]
    assert [set(event.metadata["joined"]) for event in told] == [{other.id for other in others}] * 2
    created = {span.attributes["messaging.message.id"]: span for span in spans() if span.name.startswith("create")}
    linked = [span for span in spans() if span.links]
    assert {span.name for span in linked} == {"create rq_tasks.plain", "process rq_tasks.plain"}
    for span in linked:
        assert span.attributes["messaging.message.id"] == joining.id
        assert {link.context.span_id for link in span.links} == {created[one.id].context.span_id for one in others}


def test_a_job_that_waited_for_others_asks_nothing_of_redis(
    captured: Captured, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they are called is read by RQ itself, before the job is enqueued."""

    def commands() -> dict[str, int]:
        asked = queue.connection.info("commandstats")
        return {name: facts["calls"] for name, facts in asked.items() if name in ("cmdstat_hgetall", "cmdstat_hget")}

    def run() -> dict[str, int]:
        before = commands()
        others = [queue.enqueue("rq_tasks.plain") for _ in range(2)]
        queue.enqueue("rq_tasks.plain", depends_on=others)
        worker = rq.SimpleWorker([queue], connection=queue.connection)
        monkeypatch.setattr(worker, "_install_signal_handlers", lambda: None)
        worker.work(burst=True)
        return {name: calls - before.get(name, 0) for name, calls in commands().items()}

    monkeypatch.setattr(sys, "path", [*sys.path, str(HERE)])
    told = run()
    RqInstrumentor().uninstrument()
    assert told == run()
    assert len(captured.of("job.execution")) == 3


def test_what_rq_scheduler_is_given_waits_from_when_it_was_due(
    captured: Captured, queue: Queue, start: Start, connection: Connection
) -> None:
    """Once, and in the story of whoever gave it; ``enqueue_in`` and ``enqueue_at`` alike."""
    scheduler = pytest.importorskip("rq_scheduler").Scheduler(queue_name=queue.name, connection=connection)
    scheduler.scheduled_jobs_key = f"scheduled:{queue.name}"
    with in_story():
        later = scheduler.enqueue_in(timedelta(days=3), "rq_tasks.plain")
        due = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=1)
        now = scheduler.enqueue_at(due.replace(tzinfo=None), "rq_tasks.plain")
    scheduler.enqueue_jobs()
    (execution,) = start().attempts(now.id)

    in_days, at_once = captured.events
    assert [event.subject.id for event in captured.events] == [later.id, now.id]
    assert in_days.metadata["eta"] > (datetime.now(timezone.utc) + timedelta(days=2)).isoformat()
    assert at_once.metadata["eta"] == due.isoformat()
    assert execution["correlation"]["correlation_id"] == STORY
    assert execution["correlation"]["parent_event_id"] == at_once.event_id
    assert execution["metadata"]["queue_wait"] >= 0


@pytest.mark.filterwarnings("ignore:Version 0.22.0:FutureWarning")  # of what rq-scheduler reads crontabs with
@pytest.mark.parametrize("kind", ["cron", "interval"])
def test_what_rq_scheduler_finds_due_begins_a_story_each_time(
    captured: Captured, queue: Queue, start: Start, connection: Connection, kind: str
) -> None:
    """One for each run, which the job goes on with; nothing is enqueued as it is scheduled."""
    scheduler = pytest.importorskip("rq_scheduler").Scheduler(queue_name=queue.name, connection=connection)
    scheduler.scheduled_jobs_key = f"scheduled:{queue.name}"
    with in_story():
        if kind == "cron":
            job = scheduler.cron("* * * * *", "rq_tasks.plain", queue_name=queue.name)
        else:
            job = scheduler.schedule(datetime.now(timezone.utc), "rq_tasks.plain", interval=60, queue_name=queue.name)
    assert captured.events == []
    worker = start()
    for number in (1, 2):
        found = RqJob.fetch(job.id, connection=connection)
        scheduler.enqueue_job(found)
        worker.attempts(job.id, number)

    attempts = worker.attempts(job.id, 2)
    ticks, enqueues = captured.of("schedule.run"), captured.of("job.enqueue")
    assert {tick.action for tick in ticks} == {"rq_tasks.plain.tick"}
    assert [tick.metadata.get(kind) for tick in ticks] == ["* * * * *" if kind == "cron" else 60] * 2
    assert all("due" in tick.metadata for tick in ticks)
    assert [one.correlation.parent_event_id for one in enqueues] == [tick.event_id for tick in ticks]
    assert [one["correlation"]["parent_event_id"] for one in attempts] == [one.event_id for one in enqueues]
    stories = [one["correlation"]["correlation_id"] for one in attempts]
    assert stories == [tick.correlation.correlation_id for tick in ticks]
    assert len({STORY, *stories}) == 3
    assert {one["correlation"]["attempt"] for one in attempts} == {1}


def test_many_at_once_and_one_that_repeats(captured: Captured, queue: Queue, start: Start) -> None:
    """Each of many jobs has its enqueue event; a repetition's parent is the run before it."""
    worker = start()
    datas = [Queue.prepare_data("rq_tasks.plain", job_id=uuid4().hex) for _ in range(3)]
    jobs = queue.enqueue_many(datas)
    repeated = queue.enqueue("rq_tasks.plain", repeat=Repeat(times=1))
    for job, enqueue in zip(jobs, captured.events[:3], strict=True):
        (execution,) = worker.attempts(job.id)
        assert execution["correlation"]["parent_event_id"] == enqueue.event_id
    first, second = worker.attempts(repeated.id, 2)

    assert len(captured.events) == 4
    assert (first["outcome"], second["outcome"]) == ("success", "success")
    assert second["correlation"]["parent_event_id"] == first["event_id"]


def test_nothing_leaks_into_the_next_job(captured: Captured, queue: Queue, start: Start) -> None:
    """After jobs that forgot a context and an actor, those of a producer without ezlogs begin stories of their own."""
    worker = start()
    for _ in range(2):
        worker.attempts(queue.enqueue("rq_tasks.leaking").id)
    RqInstrumentor().uninstrument()
    bare = [queue.enqueue("rq_tasks.flaky", 1, retry=Retry(max=1)).id for _ in range(2)]
    retries, ends = zip(*(worker.attempts(job_id, 2) for job_id in bare), strict=True)

    assert len({event["correlation"]["correlation_id"] for event in retries}) == 2
    assert not [event for event in retries if "parent_event_id" in event["correlation"]]
    assert {event["actor"]["type"] for event in retries} == {"system"}
    assert [event["correlation"]["parent_event_id"] for event in ends] == [event["event_id"] for event in retries]
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


def test_a_worker_without_ezlogs_runs_our_jobs(captured: Captured, queue: Queue, start: Start) -> None:
    """It passes over the field, also through a retry, and the application's meta is as without ezlogs."""
    worker = start(JOBS_BARE="1")
    job = queue.enqueue("rq_tasks.flaky", 1, retry=Retry(max=1))
    worker.wait(lambda events: [event["metadata"]["tried"] for event in events] == [1, 2])

    assert worker.wait(lambda _: RqJob.fetch(job.id, connection=queue.connection).is_finished)
    assert queue.connection.hget(job.key, FIELD) is not None
    assert RqJob.fetch(job.id, connection=queue.connection).meta == {"tried": 2}


@pytest.mark.parametrize("text", [b"\xff", b"[]", b'{"ezlogs":{"a":1},"attempt":"x"}', b"{" * 9000])
def test_damaged_fields_are_passed_over(captured: Captured, queue: Queue, start: Start, text: bytes) -> None:
    """A field that is not ours is as none at all."""
    job = queue.enqueue("rq_tasks.plain")
    queue.connection.hset(job.key, FIELD, text)
    (execution,) = start().attempts(job.id)

    assert (execution["outcome"], execution["correlation"]["attempt"]) == ("success", 1)
    assert "parent_event_id" not in execution["correlation"]


@pytest.mark.parametrize("journal", [False, True])
def test_a_killed_work_horse(captured: Captured, queue: Queue, start: Start, journal: bool) -> None:
    """It is told by the worker at once, under the id that its journal names, too; a retry is caused by it."""
    worker = start("Worker", **({"JOBS_JOURNAL": "1"} if journal else {}))
    (lost,) = worker.attempts(queue.enqueue("rq_tasks.killed").id)
    assert lost["outcome"] == "failure", "without a retry that is the end"
    assert lost["correlation"]["parent_event_id"] == captured.events[-1].event_id
    job = queue.enqueue("rq_tasks.killed", retry=Retry(max=1))
    lost, success = worker.attempts(job.id, 2)

    assert (lost["action"], lost["outcome"]) == ("rq_tasks.killed.lost", "retried")
    assert lost["error"]["type"].endswith("KilledError")
    assert lost["correlation"]["parent_event_id"] == captured.events[-1].event_id
    assert lost["pid"] == worker.process.pid
    assert (success["outcome"], success["correlation"]["attempt"]) == ("success", 2)
    assert success["correlation"]["parent_event_id"] == lost["event_id"]
    if journal:
        opened = [event for event in worker.events() if event["event_type"] == "opened.job.execution"]
        assert [event["event_id"] for event in opened[1:]] == [lost["event_id"], success["event_id"]]


def test_a_job_that_runs_as_it_is_enqueued(captured: Captured, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a synchronous queue the job is in the caller's story, and its failure is told with its error."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(HERE)])
    here = Queue(queue.name, is_async=False, connection=queue.connection)
    with in_story():
        here.enqueue("rq_tasks.plain")
        here.enqueue("rq_tasks.broken")

    enqueue, probe, success, _, failure = captured.events
    assert success.correlation.parent_event_id == enqueue.event_id
    assert probe.correlation.parent_event_id == success.event_id
    assert (success.outcome, failure.outcome, failure.error.type) == ("success", "failure", "LookupError")
    assert failure.actor.id == "7"


def test_cron_begins_a_story(captured: Captured, queue: Queue) -> None:
    """An entry that became due is told as a run of the schedule, and what it enqueues is of its story."""
    cron = pytest.importorskip("rq.cron")
    entry = cron.CronJob(queue_name=queue.name, func=sys.exit, cron="* * * * *")
    with in_story():
        entry.enqueue(queue.connection)

    enqueue, run = captured.events
    assert (run.event_type, run.actor.type, run.metadata["cron"]) == ("schedule.run", "scheduler", "* * * * *")
    assert enqueue.correlation.parent_event_id == run.event_id
    assert enqueue.correlation.correlation_id == run.correlation.correlation_id != STORY


def test_what_is_taken_back_leaves_no_trace(captured: Captured, queue: Queue) -> None:
    """Without the instrumentor nothing is told, and nothing is added to the job."""
    RqInstrumentor().uninstrument()
    job: Any = queue.enqueue("rq_tasks.plain")

    assert captured.events == []
    assert queue.connection.hget(job.key, FIELD) is None


def test_a_job_that_cannot_be_written_is_a_failed_enqueue(captured: Captured, queue: Queue) -> None:
    """The caller gets the error that it would have had; so it is where Redis is away as a job is scheduled."""
    with pytest.raises((TypeError, AttributeError, PicklingError)):
        queue.enqueue("rq_tasks.plain", lambda: None)
    away = Queue("away", connection=Connection(port=1))
    with pytest.raises(AwayError):
        away.enqueue_in(timedelta(days=3), "rq_tasks.plain")

    assert [(event.action, event.outcome) for event in captured.events] == [("rq_tasks.plain.enqueue", "failure")] * 2
    assert captured.events[0].error
    assert captured.events[1].error.type.endswith("ConnectionError")


def test_a_job_that_cannot_be_read_fails(captured: Captured, queue: Queue, start: Start) -> None:
    """Its story is known, its name is not."""
    job = queue.enqueue("rq_tasks.plain")
    queue.connection.hset(job.key, "data", b"not a pickle")
    (failure,) = start().attempts(job.id)

    assert (failure["action"], failure["outcome"]) == ("unreadable.failure", "failure")
    assert failure["correlation"]["parent_event_id"] == captured.events[0].event_id


def test_nothing_is_told_where_nothing_listens(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run here, on a worker in this process, by cron, and after the instrumentor was taken back."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(HERE)])
    Queue(queue.name, is_async=False, connection=queue.connection).enqueue("rq_tasks.broken")
    jobs = [queue.enqueue("rq_tasks.broken", retry=Retry(max=1)), queue.enqueue("rq_tasks.plain")]
    cron = pytest.importorskip("rq.cron")
    on_top(monkeypatch, cron.CronJob, "enqueue")
    RqInstrumentor().uninstrument()
    jobs.append(cron.CronJob(queue_name=queue.name, func=print, interval=60).enqueue(queue.connection))
    RqInstrumentor().instrument()
    rq.SimpleWorker([queue], connection=queue.connection).work(burst=True)

    assert [job.get_status() for job in jobs] == ["failed", "finished", "finished"]
