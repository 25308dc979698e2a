"""arq: jobs over a real Redis, run by a real worker."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("arq", reason="no arq")

import arq.worker  # after the skip
from arq import Retry, create_pool, func
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job, SerializationError
from arq.worker import Worker
from tests.instrumentors.working import STORY, Working, in_story, on_top
from tests.servers import Redis

from ezlogs.testing import Captured
from ezlogs_instrumentors.arq import KEY, ArqInstrumentor

HERE = Path(__file__).parent
Start = Callable[..., Working]


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Instrument arq in this process for one test."""
    ArqInstrumentor().instrument()
    yield
    ArqInstrumentor().uninstrument()


class Pool:
    """Enqueues from code that is not asynchronous."""

    def __init__(self, url: str) -> None:
        self.queue = f"arq:{uuid4().hex}"
        self._settings = (
            RedisSettings(unix_socket_path=url.removeprefix("unix://"))
            if url.startswith("unix://")
            else RedisSettings.from_dsn(url)
        )

    def __call__(self, do: Callable[[ArqRedis], Any], **options: Any) -> Any:
        """Do something with a pool."""

        async def main() -> Any:
            pool = await create_pool(self._settings, default_queue_name=self.queue, **options)
            try:
                return await do(pool)
            finally:
                await pool.aclose()

        return asyncio.run(main())

    def enqueue(self, *args: Any, **options: Any) -> str:
        """Enqueue a job and return its id."""
        job = self(lambda pool: pool.enqueue_job(*args, **options))
        return str(job.job_id)


@pytest.fixture
def pool(redis: Redis, instrumented: None) -> Pool:
    """A queue that no other test uses."""
    return Pool(redis.url)


@pytest.fixture
def start(work: Start, redis: Redis, pool: Pool) -> Start:
    """Start workers of the queue."""
    return lambda *options, **environ: work(
        [str(HERE / "arq_tasks.py"), pool.queue, *options], {"JOBS_REDIS": redis.url, **environ}
    )


def test_a_job_goes_on_with_the_story(captured: Captured, pool: Pool, start: Start) -> None:
    """Enqueued and run: one story, one actor, each the parent of the next; arguments are in neither."""
    worker = start()
    with in_story():
        job_id = pool.enqueue("plain", "hunter2")
    (execution,) = worker.attempts(job_id)
    (probe,) = (event for event in worker.events() if event["event_type"] == "probe.action")

    (enqueue,) = captured.events
    assert (enqueue.action, enqueue.metadata["queue"]) == ("plain.enqueue", pool.queue)
    assert (enqueue.correlation.parent_event_id, enqueue.subject.id) == ("evt_request", job_id)
    assert execution["correlation"]["correlation_id"] == probe["correlation"]["correlation_id"] == STORY
    assert execution["correlation"]["parent_event_id"] == enqueue.event_id
    assert probe["correlation"]["parent_event_id"] == execution["event_id"]
    assert execution["actor"] == probe["actor"] == {"type": "user", "id": "7"}
    assert (execution["action"], execution["outcome"]) == ("plain.success", "success")
    assert (execution["metadata"]["queue"], execution["metadata"]["max_retries"]) == (pool.queue, 4)
    assert execution["metadata"]["queue_wait"] >= 0
    assert execution["metadata"]["worker"]
    assert "hunter2" not in f"{enqueue}{execution}"


def test_retries_are_a_chain_of_one_job(captured: Captured, pool: Pool, start: Start) -> None:
    """One enqueue event, each attempt's parent the retry before it; when the next one runs comes from arq."""
    worker = start()
    job_id = pool.enqueue("flaky", 2)
    first, second, third = worker.attempts(job_id, 3)

    (enqueue,) = captured.events
    assert enqueue.metadata["arguments"] == {"0": 2}
    assert [event["outcome"] for event in (first, second, third)] == ["retried", "retried", "success"]
    assert [event["correlation"]["attempt"] for event in (first, second, third)] == [1, 2, 3]
    assert [event["correlation"]["parent_event_id"] for event in (first, second, third)] == [
        enqueue.event_id,
        first["event_id"],
        second["event_id"],
    ]
    assert first["metadata"]["next_retry_at"] < second["metadata"]["next_retry_at"]
    assert "next_retry_at" not in third["metadata"]
    assert {event["metadata"]["max_retries"] for event in (first, second, third)} == {2}
    assert worker.wait(lambda _: pool(lambda redis: redis.exists(f"arq:ezlogs:{job_id}")) == 0)
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


def test_each_end_of_a_job_is_told(captured: Captured, pool: Pool, start: Start) -> None:
    """Failed, dead, too slow, aborted, and of a name that nobody knows."""
    names = {"broken": (), "flaky": (9,), "slow": (), "nobody": ()}
    ids = {name: pool.enqueue(name, *args) for name, args in names.items()}
    running = pool.enqueue("aborted")
    worker = start()

    def ends(job_id: str, number: int = 1) -> list[tuple[str, str, str | None]]:
        return [
            (event["action"], event["outcome"], event["error"] and event["error"]["type"].rpartition(".")[2])
            for event in worker.attempts(job_id, number)
        ]

    assert ends(ids["broken"]) == [("broken.failure", "failure", "LookupError")]
    assert [end[:2] for end in ends(ids["flaky"], 4)] == [("flaky.retry", "retried")] * 3 + [("flaky.dead", "dead")]
    assert ends(ids["slow"]) == [("slow.failure", "failure", "TimeoutError")]
    assert ends(ids["nobody"]) == [("nobody.failure", "failure", "JobExecutionFailed")]

    async def abort(redis: ArqRedis) -> bool:
        return await Job(running, redis, _queue_name=pool.queue).abort(timeout=50, poll_delay=0.05)

    assert pool(abort)
    assert ends(running) == [("aborted.abort", "failure", "CancelledError")]
    assert len(captured.events) == len(names) + 1


def test_a_deferred_job_waits_from_when_it_is_due(captured: Captured, pool: Pool, start: Start) -> None:
    """Whether told as a time or as a while; one whose id is taken is not enqueued and not told."""
    worker, before = start(), datetime.now(timezone.utc)
    jobs = [
        pool.enqueue("plain", _defer_by=1),
        pool.enqueue("plain", _defer_until=before + timedelta(seconds=1)),
        pool.enqueue("plain", _job_id=f"only-{pool.queue}"),
    ]
    assert pool(lambda redis: redis.enqueue_job("plain", _job_id=jobs[2])) is None
    for job_id, enqueue in zip(jobs[:2], captured.events, strict=False):
        (execution,) = worker.attempts(job_id)
        due = datetime.fromisoformat(str(enqueue.metadata["eta"]))
        assert due >= before + timedelta(seconds=0.9)
        assert 0 <= execution["metadata"]["queue_wait"] <= (datetime.now(timezone.utc) - due).total_seconds()
        assert execution["correlation"]["parent_event_id"] == enqueue.event_id
    assert len(captured.events) == 3


def test_jobs_of_jobs_and_jobs_side_by_side(captured: Captured, pool: Pool, start: Start) -> None:
    """Those of one worker run in one event loop, each in its own story."""
    worker = start()
    with in_story():
        first = pool.enqueue("outer")
    others = [pool.enqueue("plain") for _ in range(5)]
    (outer,) = worker.attempts(first)
    enqueue = worker.enqueued("plain")
    (inner,) = worker.attempts(enqueue["subject"]["id"])
    runs = [worker.attempts(job_id)[0] for job_id in others]

    assert enqueue["correlation"]["parent_event_id"] == outer["event_id"]
    assert inner["correlation"]["parent_event_id"] == enqueue["event_id"]
    assert (inner["correlation"]["correlation_id"], inner["actor"]["id"]) == (STORY, "7")
    assert len({event["correlation"]["correlation_id"] for event in runs} | {STORY}) == 6
    parents = {e["correlation"]["parent_event_id"] for e in worker.events() if e["event_type"] == "probe.action"}
    assert parents == {event["event_id"] for event in (inner, *runs)}


def test_nothing_leaks_into_the_next_job(captured: Captured, pool: Pool, start: Start) -> None:
    """After jobs that forgot a context, those of a producer without ezlogs begin stories of their own."""
    worker = start("one")
    for _ in range(2):
        worker.attempts(pool.enqueue("leaking"))
    ArqInstrumentor().uninstrument()
    bare = [pool.enqueue("flaky", 1) for _ in range(2)]
    retries, ends = zip(*(worker.attempts(job_id, 2) for job_id in bare), strict=True)

    assert len({event["correlation"]["correlation_id"] for event in retries}) == 2
    assert not [event for event in retries if "parent_event_id" in event["correlation"]]
    assert {event["actor"]["type"] for event in retries} == {"system"}
    assert [event["correlation"]["parent_event_id"] for event in ends] == [event["event_id"] for event in retries]


def test_a_worker_without_ezlogs_runs_our_jobs(captured: Captured, pool: Pool, start: Start) -> None:
    """It passes over the key, also through a retry."""
    worker = start(JOBS_BARE="1")
    pool.enqueue("flaky", 1)

    worker.wait(lambda events: [event["event_type"] for event in events] == ["bare.action"] * 2)


def test_cron_jobs_begin_a_story(captured: Captured, pool: Pool, start: Start) -> None:
    """A run of the schedule enqueues the job, whose attempt goes on with its story."""
    worker = start("cron")
    enqueue = worker.enqueued("tick")
    (execution,) = worker.attempts(enqueue["subject"]["id"])
    runs = [event for event in worker.events() if event["event_type"] == "schedule.run"]

    (run,) = (event for event in runs if event["event_id"] == enqueue["correlation"]["parent_event_id"])
    assert (run["action"], run["actor"]["type"]) == ("tick.tick", "scheduler")
    assert execution["correlation"]["parent_event_id"] == enqueue["event_id"]
    assert execution["actor"]["type"] == "scheduler"


def test_a_killed_worker_leaves_what_was_under_way(captured: Captured, pool: Pool, start: Start) -> None:
    """The journal has the attempt with the outcome that nobody knows, for whoever takes it over."""
    worker = start(JOBS_JOURNAL="1")
    job_id = pool.enqueue("killed")
    (opened,) = worker.wait(lambda events: [event for event in events if event["event_type"].startswith("opened")])

    assert (opened["outcome"], opened["metadata"]["reason"]) == ("unknown", "interrupted")
    assert opened["correlation"]["job_id"] == job_id
    assert opened["correlation"]["parent_event_id"] == captured.events[0].event_id


def test_serialisers_that_take_no_further_key_get_none(captured: Captured, pool: Pool) -> None:
    """The job is enqueued as it was, and a story of its own."""

    def strict(data: dict[str, Any]) -> bytes:
        if KEY in data:
            raise TypeError(KEY)
        return pickle.dumps(data)

    async def enqueue(redis: ArqRedis) -> Any:
        job = await redis.enqueue_job("plain")
        return pickle.loads(await redis.get(f"arq:job:{job.job_id}"))

    assert KEY not in pool(enqueue, job_serializer=strict)
    assert KEY in pool(enqueue)
    ArqInstrumentor().uninstrument()
    assert KEY not in pool(enqueue)
    assert len(captured.events) == 2


async def plain(ctx: dict[Any, Any]) -> str:
    """Do nothing."""
    return "done"


async def failing(ctx: dict[Any, Any]) -> None:
    """Ask for another attempt, once."""
    if ctx["job_try"] == 1:
        raise Retry


async def burst(redis: ArqRedis, **options: Any) -> Worker:
    """Make a worker that ends when nothing is left to do."""
    functions = [func(plain, name="plain"), func(failing, name="failing")]
    queue = redis.default_queue_name
    return Worker(functions, redis_pool=redis, queue_name=queue, burst=True, handle_signals=False, **options)


def test_the_users_own_hooks_are_called(captured: Captured, pool: Pool) -> None:
    """Those of a worker see what they always do; a naive time is the machine's."""
    seen: list[int] = []

    async def on_job_start(ctx: dict[Any, Any]) -> None:
        seen.append(ctx["job_try"])

    async def main(redis: ArqRedis) -> Any:
        job = await redis.enqueue_job("plain", _defer_until=datetime.now())
        await (await burst(redis, on_job_start=on_job_start)).main()
        return await job.result(timeout=50)

    assert pool(main) == "done"
    assert seen == [1]
    assert [event.outcome for event in captured.events] == ["success", "success"]
    assert datetime.fromisoformat(str(captured.events[0].metadata["eta"])).tzinfo is not None


def test_jobs_that_do_not_begin_are_told(captured: Captured, pool: Pool) -> None:
    """Aborted before, gone from Redis, not to be read, and tried too often already."""

    async def main(redis: ArqRedis) -> list[str]:
        jobs = [await redis.enqueue_job("plain") for _ in range(4)]
        ids = [job.job_id for job in jobs]
        await redis.zadd("arq:abort", {ids[0]: 1})
        await redis.delete(f"arq:job:{ids[1]}")
        await redis.set(f"arq:job:{ids[2]}", b"not a pickle")
        await redis.set(f"arq:retry:{ids[3]}", 7)
        await (await burst(redis, allow_abort_jobs=True)).main()
        return ids

    ids = pool(main)
    ends = {event.subject.id: event for event in captured.events if event.event_type == "job.execution"}
    assert [ends[job_id].action for job_id in ids] == ["plain.abort", "unknown.expire", "unknown.expire", "plain.dead"]
    assert [ends[job_id].outcome for job_id in ids] == ["failure", "failure", "failure", "dead"]
    assert ends[ids[0]].correlation.parent_event_id == captured.events[0].event_id


def test_a_redis_that_fails_costs_a_cause_and_no_job(captured: Captured, pool: Pool) -> None:
    """What an attempt leaves to the next one cannot be written: that one's parent is the enqueue event."""

    async def main(redis: ArqRedis) -> Any:
        job, worker, write = await redis.enqueue_job("failing"), await burst(redis), redis.set

        async def refusing(key: Any, *args: Any, **kwargs: Any) -> Any:
            if str(key).startswith("arq:ezlogs:"):
                raise ConnectionError
            return await write(key, *args, **kwargs)

        redis.set = refusing  # type: ignore[method-assign]
        await worker.main()
        return await job.result(timeout=50)

    assert pool(main) is None
    enqueue, retry, success = captured.events
    assert (retry.outcome, success.outcome) == ("retried", "success")
    assert success.correlation.parent_event_id == enqueue.event_id


@pytest.mark.parametrize("taken_back", [True, False])
def test_jobs_run_while_nothing_listens(pool: Pool, monkeypatch: pytest.MonkeyPatch, taken_back: bool) -> None:
    """Also on a worker that was made while the instrumentor was there, and beneath other hooks."""
    on_top(monkeypatch, Worker, "run_job")
    on_top(monkeypatch, Worker, "finish_job")
    on_top(monkeypatch, arq.worker, "deserialize_job_raw")
    arq.worker.serialize_result("plain", (), {}, 1, 0, True, None, 0, 0, "plain", "queue", job_id="1")  # of no run

    async def main(redis: ArqRedis) -> Any:
        jobs = [await redis.enqueue_job(name) for name in ("plain", "failing", "nobody")]
        worker = await burst(redis)
        if taken_back:
            ArqInstrumentor().uninstrument()
            jobs.append(await redis.enqueue_job("plain"))
        await worker.main()
        return [await redis.exists(f"arq:ezlogs:{job.job_id}") for job in jobs], await jobs[0].result(timeout=50)

    kept, result = pool(main)
    assert (sum(kept), result) == (0, "done")


def test_a_job_that_cannot_be_written_is_a_failed_enqueue(captured: Captured, pool: Pool) -> None:
    """The caller gets the error that it would have had."""
    with pytest.raises(SerializationError):
        pool.enqueue("plain", lambda: None)

    (enqueue,) = captured.events
    assert (enqueue.action, enqueue.outcome, enqueue.error.type) == (
        "plain.enqueue",
        "failure",
        "arq.jobs.SerializationError",
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"ezlogs":{"a":1}}', 7, "x" * 9000])
def test_a_damaged_key_gives_no_parent(captured: Captured, pool: Pool, start: Start, text: object) -> None:
    """A job with a key that is not ours runs in a story of its own."""
    job_id = pool.enqueue("plain")

    async def damage(redis: ArqRedis) -> None:
        key = f"arq:job:{job_id}"
        await redis.set(key, pickle.dumps({**pickle.loads(await redis.get(key)), KEY: text}))

    pool(damage)
    (execution,) = start().attempts(job_id)

    assert execution["outcome"] == "success"
    assert "parent_event_id" not in execution["correlation"]


def test_what_is_not_a_mapping_is_arqs_own_affair(captured: Captured, pool: Pool) -> None:
    """A deserialiser that gives something else fails as it does without ezlogs."""

    async def main(redis: ArqRedis) -> Any:
        await redis.enqueue_job("plain")
        await (await burst(redis, job_deserializer=lambda data: [])).main()

    pool(main)
    assert [event.outcome for event in captured.events] == ["success", "failure"]
