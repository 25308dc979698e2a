"""Huey: tasks over a real Redis and over SQLite, run by real consumers with threads and with processes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("huey", reason="no Huey")

from huey import Huey, MemoryHuey  # after the skip
from huey.api import TaskLock
from huey.exceptions import CancelExecution, HueyException
from huey.registry import Message
from tests.instrumentors.working import STORY, Working, in_story, on_top, tasks_in

from ezlogs.testing import Captured
from ezlogs_instrumentors.huey import MARK, HueyInstrumentor

HERE = Path(__file__).parent
Start = Callable[..., Working]


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Instrument Huey in this process for one test."""
    HueyInstrumentor().instrument()
    yield
    HueyInstrumentor().uninstrument()


@pytest.fixture(params=["redis", "sqlite"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Where the tasks are kept: signed in Redis, compressed in SQLite."""
    name = f"h{uuid4().hex}"
    if request.param == "sqlite":
        return {"JOBS_NAME": name, "JOBS_FILE": str(tmp_path / "huey.db")}
    return {"JOBS_NAME": name, "JOBS_REDIS": request.getfixturevalue("redis").url}


@pytest.fixture
def tasks(environ: dict[str, str], instrumented: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The tasks, as a producer has them."""
    module = tasks_in(HERE / "huey_tasks.py", environ, monkeypatch)
    yield module
    module.huey.storage.close() if hasattr(module.huey.storage, "close") else None


@pytest.fixture
def start(work: Start, environ: dict[str, str], tasks: ModuleType) -> Start:
    """Start consumers."""
    return lambda kind="thread", *options, **more: work(
        [str(HERE / "huey_tasks.py"), kind, *options], {**environ, **more}
    )


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_a_task_goes_on_with_the_story(
    captured: Captured, tasks: ModuleType, start: Start, environ: dict[str, str], kind: str
) -> None:
    """Enqueued and run: one story, one actor, each the parent of the next; arguments are in neither."""
    worker = start(kind)
    with in_story():
        task = tasks.plain.s("hunter2", priority=None if "JOBS_REDIS" in environ else 4)  # its Redis has no priorities
        tasks.huey.enqueue(task)
    (execution,) = worker.attempts(task.id)
    (probe,) = (event for event in worker.events() if event["event_type"] == "probe.action")

    (enqueue,) = captured.events
    assert (enqueue.action, enqueue.metadata["queue"]) == ("huey_tasks.plain.enqueue", tasks.huey.name)
    assert enqueue.metadata.get("priority") == task.priority
    assert (enqueue.correlation.parent_event_id, enqueue.subject.id) == ("evt_request", task.id)
    assert execution["correlation"]["correlation_id"] == probe["correlation"]["correlation_id"] == STORY
    assert execution["correlation"]["parent_event_id"] == enqueue.event_id
    assert probe["correlation"]["parent_event_id"] == execution["event_id"]
    assert execution["actor"] == probe["actor"] == {"type": "user", "id": "7"}
    assert (execution["action"], execution["outcome"]) == ("huey_tasks.plain.success", "success")
    assert execution["metadata"]["worker"].startswith("Worker-1@")
    assert execution["metadata"]["queue_wait"] >= 0
    assert "hunter2" not in f"{enqueue}{execution}"


def test_retries_are_a_chain_of_one_job(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """One enqueue event, and each attempt's parent is the retry before it."""
    worker = start()
    job_id = tasks.flaky(2).id
    first, second, third = worker.attempts(job_id, 3)

    (enqueue,) = captured.events
    assert enqueue.metadata["arguments"] == {"failures": 2}
    assert [event["outcome"] for event in (first, second, third)] == ["retried", "retried", "success"]
    assert [event["correlation"]["attempt"] for event in (first, second, third)] == [1, 2, 3]
    assert [event["correlation"]["parent_event_id"] for event in (first, second, third)] == [
        enqueue.event_id,
        first["event_id"],
        second["event_id"],
    ]
    assert {event["metadata"]["max_retries"] for event in (first, second, third)} == {2}
    assert first["error"]["type"] == "TimeoutError"
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


def test_when_the_next_attempt_runs_is_told(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """As Huey has set it; and the wait for a task that is due later begins when it is due."""
    worker = start()
    before = datetime.now(timezone.utc)
    slowly, later = tasks.slowly(), tasks.plain.schedule(delay=2)
    first, second = worker.attempts(slowly.id, 2)
    (execution,) = worker.attempts(later.id)

    assert datetime.fromisoformat(first["metadata"]["next_retry_at"]) >= before + timedelta(seconds=1)
    assert second["correlation"]["parent_event_id"] == first["event_id"]
    due = datetime.fromisoformat(str(captured.events[1].metadata["eta"]))
    assert due >= before + timedelta(seconds=2)
    assert 0 <= execution["metadata"]["queue_wait"] <= (datetime.now(timezone.utc) - due).total_seconds()
    assert execution["correlation"]["parent_event_id"] == captured.events[1].event_id
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


def test_each_end_of_a_task_is_told(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """Dead, failed, asking for another attempt, cancelled, revoked, expired, locked: once each."""
    expired = tasks.plain.s(expires=timedelta(seconds=-5))
    tasks.huey.enqueue(expired)
    revoked = tasks.plain()
    revoked.revoke()
    TaskLock(tasks.huey, "only-one").acquire()
    locked = tasks.locked()
    ids = {name: getattr(tasks, name)().id for name in ("doomed", "broken", "asking", "canceling")}
    worker = start("thread")

    def ends(job_id: str, number: int = 1) -> list[tuple[str, str, str | None]]:
        return [
            (event["action"].rpartition(".")[2], event["outcome"], event["error"] and event["error"]["type"])
            for event in worker.attempts(job_id, number)
        ]

    assert ends(ids["doomed"], 2) == [("retry", "retried", "TimeoutError"), ("dead", "dead", "TimeoutError")]
    assert ends(ids["broken"]) == [("failure", "failure", "LookupError")]
    assert [end[1] for end in ends(ids["asking"], 2)] == ["retried", "success"]
    assert [end[:2] for end in ends(ids["canceling"])] == [("cancel", "failure")]
    assert ends(revoked.id) == [("revoke", "failure", None)]
    assert ends(expired.id) == [("expire", "failure", None)]
    assert ends(locked.id)[0][2] == "huey.exceptions.TaskLockedException"


def test_pipelines_and_chords_stay_in_the_story(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """What follows a task was enqueued by its attempt; so is what joins many, by the last of them."""
    from huey.api import chord

    first, second = tasks.plain.s(), tasks.plain.s("x")
    members, callback = [tasks.plain.s() for _ in range(3)], tasks.joining.s()
    with in_story():
        tasks.huey.enqueue(first.then(second))
        tasks.huey.enqueue(chord(members, callback))
    worker = start()
    (before,), (after,) = worker.attempts(first.id), worker.attempts(second.id)
    (joined,) = worker.attempts(callback.id)
    fanned = [worker.attempts(member.id)[0] for member in members]
    enqueues = {event["subject"]["id"]: event for event in worker.events() if event["event_type"] == "job.enqueue"}

    assert len(captured.events) == 4
    assert enqueues[second.id]["correlation"]["parent_event_id"] == before["event_id"]
    assert after["correlation"]["parent_event_id"] == enqueues[second.id]["event_id"]
    assert enqueues[callback.id]["correlation"]["parent_event_id"] in {event["event_id"] for event in fanned}
    (group,) = {event["metadata"]["group"] for event in fanned}
    assert [event.metadata.get("group") for event in captured.events] == [None, group, group, group]
    assert enqueues[callback.id]["metadata"]["joins"] == group
    assert "group" not in enqueues[callback.id]["metadata"]
    assert {event["correlation"]["correlation_id"] for event in (after, joined, *fanned)} == {STORY}


@pytest.mark.parametrize("ends", ["revoked", "expired", "cancelled"])
def test_a_chord_that_goes_on_without_its_last_member_stays_in_the_story(
    captured: Captured, instrumented: None, ends: str
) -> None:
    """The callback's parent is the event that tells how that member ended; a pipeline's later tasks report for it."""
    from huey.api import chord

    huey = MemoryHuey(utc=False)

    @huey.task()
    def member(number: int = 1) -> int:
        """Return something."""
        return number

    @huey.task()
    def callback(results: list[Any]) -> int:
        """Take what the others returned."""
        return len(results)

    if ends == "cancelled":

        @huey.pre_execute()
        def cancel(task: Any) -> None:
            if task.args == (2,):
                raise CancelExecution

    last = member.s(2) if ends == "cancelled" else member.s()
    if ends == "expired":
        last = member.s(expires=timedelta(seconds=-5)).then(member)
    with in_story():
        huey.enqueue(chord([member.s(), last], callback.s()))
    if ends == "revoked":
        huey.revoke(last)
    while (task := huey.dequeue()) is not None:
        huey.execute(task)

    (joined,) = (event for event in captured.events if event.action.endswith("callback.enqueue"))
    (without,) = (event for event in captured.of("job.execution") if event.outcome == "failure")
    assert joined.correlation.parent_event_id == without.event_id
    assert joined.metadata["joins"] == captured.events[0].metadata["group"]
    assert captured.events[-1].action.endswith("callback.success")
    assert {event.correlation.correlation_id for event in captured.events} == {STORY}


def test_a_job_of_a_job_stays_in_the_story(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """Its enqueue event is told by the worker, with the outer attempt as the parent and the same actor."""
    worker = start()
    with in_story():
        outer_id = tasks.outer().id
    (outer,) = worker.attempts(outer_id)
    enqueue = worker.enqueued("plain")
    (inner,) = worker.attempts(enqueue["subject"]["id"])

    assert enqueue["correlation"]["parent_event_id"] == outer["event_id"]
    assert inner["correlation"]["parent_event_id"] == enqueue["event_id"]
    assert (inner["correlation"]["correlation_id"], inner["actor"]["id"]) == (STORY, "7")


def test_nothing_leaks_into_the_next_task(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """After tasks that forgot a context and an actor, those of a producer without ezlogs begin their own stories."""
    worker = start()
    for _ in range(2):
        worker.attempts(tasks.leaking().id)
    HueyInstrumentor().uninstrument()
    bare = [tasks.doomed().id for _ in range(2)] + [tasks.plain.schedule(delay=1).id]
    events = [worker.attempts(job_id, number)[0] for job_id, number in zip(bare, (2, 2, 1), strict=True)]

    assert len({event["correlation"]["correlation_id"] for event in events}) == 3
    assert not [event for event in events if "parent_event_id" in event["correlation"]]
    assert {event["actor"]["type"] for event in events} == {"system"}
    assert not [event for event in worker.events() if event["event_type"] == "job.enqueue"]


def test_a_consumer_without_ezlogs_runs_our_tasks(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """It does not see what stands behind the message, also through a retry."""
    worker = start(JOBS_BARE="1")
    tasks.flaky(1)

    worker.wait(lambda events: [event["event_type"] for event in events] == ["bare.action"] * 2)


def test_periodic_tasks_begin_a_story(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """A run of the schedule enqueues the task, whose attempt goes on with its story."""
    worker = start("thread", "periodic")
    enqueue = worker.enqueued("every_minute")
    (execution,) = worker.attempts(enqueue["subject"]["id"])
    (run,) = (event for event in worker.events() if event["event_type"] == "schedule.run")

    assert (run["action"], run["actor"]["type"]) == ("huey_tasks.every_minute.tick", "scheduler")
    assert enqueue["correlation"]["parent_event_id"] == run["event_id"]
    assert execution["correlation"]["parent_event_id"] == enqueue["event_id"]


def test_a_killed_consumer_leaves_what_was_under_way(captured: Captured, tasks: ModuleType, start: Start) -> None:
    """The journal has the attempt with the outcome that nobody knows, for whoever takes it over."""
    worker = start(JOBS_JOURNAL="1")
    job_id = tasks.killed().id
    (opened,) = worker.wait(lambda events: [event for event in events if event["event_type"].startswith("opened")])
    worker.process.wait(60)

    assert (opened["outcome"], opened["metadata"]["reason"]) == ("unknown", "interrupted")
    assert opened["correlation"]["job_id"] == job_id
    assert opened["correlation"]["parent_event_id"] == captured.events[0].event_id


@pytest.mark.parametrize("end", [b"", MARK, b"\xff\xff\xff\xff" + MARK, b"[]\x00\x00\x00\x02" + MARK])
def test_damaged_endings_are_passed_over(instrumented: None, end: bytes) -> None:
    """What does not read as ours is as nothing."""
    huey = MemoryHuey()

    @huey.task()
    def plain() -> None:
        """Nothing."""

    message = Message("1", f"{__name__}.plain", None, 0, 0, None, (), {})
    task = huey.deserialize_task(pickle.dumps(message) + end)
    assert (task.id, vars(task)["_ezlogs_carried"]) == ("1", {})


def test_immediate_tasks_are_in_the_callers_story(captured: Captured, instrumented: None) -> None:
    """With all their attempts."""
    huey = MemoryHuey(immediate=True)

    @huey.task(retries=1)
    def doomed() -> None:
        """Fail."""
        raise TimeoutError

    with in_story():
        doomed()
    enqueue, dead, retry = captured.events
    assert (retry.outcome, dead.outcome) == ("retried", "dead")
    assert retry.correlation.parent_event_id == enqueue.event_id
    assert dead.correlation.parent_event_id == retry.event_id
    assert dead.actor.id == "7"


def test_results_and_messages_without_ezlogs_are_as_before(captured: Captured, instrumented: None) -> None:
    """Nothing but a task that carries a story is changed, and nothing at all once it is taken back."""
    huey = MemoryHuey()

    @huey.task()
    def plain() -> int:
        """Return something."""
        return 1

    assert huey.serializer.serialize(1) == pickle.dumps(1, pickle.HIGHEST_PROTOCOL)
    plain()
    assert huey.storage.dequeue().endswith(MARK)
    HueyInstrumentor().uninstrument()
    plain()
    assert not huey.storage.dequeue().endswith(MARK)
    assert len(captured.events) == 1


def test_a_task_that_cannot_be_written_is_a_failed_enqueue(captured: Captured, instrumented: None) -> None:
    """The caller gets the error that it would have had."""
    huey = MemoryHuey()

    @huey.task()
    def plain(value: object) -> None:
        """Do nothing."""

    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        plain(lambda: None)

    (enqueue,) = captured.events
    assert (enqueue.action, enqueue.outcome) == (f"{__name__}.plain.enqueue", "failure")
    assert enqueue.error
    assert enqueue.metadata["arguments"] == {"value": "<builtins.function>"}


def test_a_task_that_the_consumer_does_not_know_is_rejected(captured: Captured, instrumented: None) -> None:
    """In its story, with Huey's error; what is no message at all is Huey's own affair."""
    producer, consumer = MemoryHuey("shop"), MemoryHuey("shop")

    @producer.task()
    def elsewhere() -> None:
        """Do nothing."""

    with in_story():
        task = elsewhere.s()
        producer.enqueue(task)
    consumer.storage.enqueue(producer.storage.dequeue())
    with pytest.raises(HueyException):
        consumer.dequeue()
    consumer.storage.enqueue(b"no message")
    with pytest.raises(pickle.UnpicklingError):
        consumer.dequeue()

    enqueue, rejected = captured.events
    assert (rejected.action, rejected.outcome) == (f"{__name__}.elsewhere.reject", "failure")
    assert (rejected.error.type, rejected.subject.id) == ("huey.exceptions.HueyException", task.id)
    assert rejected.correlation.parent_event_id == enqueue.event_id
    assert rejected.correlation.correlation_id == STORY


def test_an_interrupted_task_is_told_as_such(captured: Captured, instrumented: None) -> None:
    """By Huey's own signal, as a consumer sends it that must end; how far the task came nobody knows."""
    huey = MemoryHuey(immediate=True)

    @huey.task()
    def interrupted() -> None:
        """Be under way when the consumer ends."""
        huey.notify_interrupted_tasks()

    interrupted()
    assert [event.action.rpartition(".")[2] for event in captured.events] == ["enqueue", "interrupt"]
    assert captured.events[1].outcome == "unknown"


def test_tasks_run_while_nothing_listens(instrumented: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a retry and when they are revoked, and from a message that carries a story."""
    huey, seen = MemoryHuey(utc=False), []

    @huey.task(retries=1, retry_delay=60)
    def failing() -> None:
        """Fail."""
        seen.append(1)
        raise TimeoutError

    failing()
    huey.execute(huey.dequeue())
    failing().revoke()
    huey.execute(huey.dequeue())
    assert (seen, huey.scheduled_count()) == ([1], 1)
    on_top(monkeypatch, Huey, "deserialize_task")
    HueyInstrumentor().uninstrument()
    assert not vars(huey.scheduled()[0]).get("_ezlogs_carried")


def test_naive_times_are_what_huey_takes_them_for(captured: Captured, instrumented: None) -> None:
    """UTC, or the machine's time; others say themselves what they are."""
    for utc in (True, False):
        huey = MemoryHuey(utc=utc)

        @huey.task()
        def plain() -> None:
            """Nothing."""

        plain.schedule(delay=60)
        due = datetime.fromisoformat(str(captured.events[-1].metadata["eta"]))
        assert timedelta(seconds=50) < due - datetime.now(timezone.utc) < timedelta(seconds=70)
    task = plain.s()
    task.eta = datetime.now(timezone.utc)
    huey.enqueue(task)
    assert str(captured.events[-1].metadata["eta"]) == task.eta.isoformat()
