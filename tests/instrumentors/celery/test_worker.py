"""Celery with a real prefork worker: stories, retries, deaths and shutdown as they happen in its processes."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, placed
from ezlogs.scope import Scope
from ezlogs.testing import Captured
from ezlogs_instrumentors.celery import CeleryInstrumentor

STORY = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def worker(start_worker: Callable[..., Any]) -> Any:
    """Start one worker for all tests of this module."""
    return start_worker()


@pytest.fixture(autouse=True)
def producer(instrumented: None, worker: Any) -> None:
    """Enqueue with the worker's application, instrumented."""
    worker.app.set_current()


def test_a_job_continues_the_story_that_enqueued_it(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """Story, actor and parents hold over the broker, and the worker measures wait and duration."""
    with Scope(placed(Correlation(correlation_id=STORY, parent_event_id="evt_request"))), actor("user", 7, "Ada"):
        job_id = tasks.plain.apply_async(priority=4).id
    (execution,) = worker.attempts(job_id, 1)
    (probe,) = (
        event for event in worker.events() if event["correlation"].get("job_id") == job_id and event["action"] == "seen"
    )

    (enqueue,) = captured.events
    assert enqueue.correlation.parent_event_id == "evt_request"
    assert (enqueue.metadata["queue"], enqueue.metadata["priority"], enqueue.subject.id) == ("celery", 4, job_id)
    assert execution["correlation"]["correlation_id"] == probe["correlation"]["correlation_id"] == STORY
    assert execution["correlation"]["parent_event_id"] == enqueue.event_id
    assert probe["correlation"]["parent_event_id"] == execution["event_id"]
    assert probe["correlation"]["attempt"] == 1
    assert execution["actor"] == probe["actor"] == {"type": "user", "id": "7"}
    assert (execution["action"], execution["outcome"]) == ("plain.success", "success")
    assert (execution["metadata"]["queue"], execution["metadata"]["max_retries"]) == ("celery", 3)
    assert execution["metadata"]["worker"].startswith("celery@")
    assert execution["metadata"]["queue_wait"] >= 0
    assert execution["duration"] > 0


def test_retries_are_a_chain_of_one_job(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """Two failures and a success: one enqueue event, and each attempt's parent is the retry event before it."""
    job_id = tasks.flaky.delay(2).id
    first, second, third = worker.attempts(job_id, 3)

    (enqueue,) = captured.events
    assert enqueue.metadata["arguments"] == {"failures": 2}
    assert [event["action"] for event in (first, second, third)] == ["flaky.retry", "flaky.retry", "flaky.success"]
    assert [event["outcome"] for event in (first, second, third)] == ["retried", "retried", "success"]
    assert [event["correlation"]["attempt"] for event in (first, second, third)] == [1, 2, 3]
    assert [event["correlation"]["parent_event_id"] for event in (first, second, third)] == [
        enqueue.event_id,
        first["event_id"],
        second["event_id"],
    ]
    assert first["error"]["type"] == "TimeoutError"
    assert first["metadata"]["next_retry_at"] < second["metadata"]["next_retry_at"]
    assert "next_retry_at" not in third["metadata"]
    tried = worker.wait(lambda events: sum(event["action"] == "tried" for event in events) >= 3)
    assert sorted(event["correlation"]["parent_event_id"] for event in tried if event["action"] == "tried") == sorted(
        event["event_id"] for event in (first, second, third)
    )
    assert not [event for event in worker.events() if event["action"] == "flaky.enqueue"], (
        "a retry enqueues no second job"
    )


def test_a_job_that_used_up_its_retries_is_dead(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """The last attempt's outcome says that there will be no other."""
    retry, dead = worker.attempts(tasks.doomed.delay().id, 2)

    assert (retry["outcome"], dead["outcome"]) == ("retried", "dead")
    assert (dead["action"], dead["error"]["type"], dead["severity"]) == ("doomed.dead", "TimeoutError", "error")


@pytest.mark.parametrize(
    ("action", "outcome"),
    [("broken.failure", "failure"), ("ignoring.ignore", "success"), ("rejecting.reject", "failure")],
)
def test_each_end_of_a_task_is_told(
    captured: Captured, tasks: ModuleType, worker: Any, action: str, outcome: str
) -> None:
    """Failed, ignored and rejected tasks end with one event each."""
    (execution,) = worker.attempts(getattr(tasks, action.partition(".")[0]).delay().id, 1)

    assert (execution["action"], execution["outcome"]) == (action, outcome)


def test_a_job_enqueued_by_a_job_stays_in_the_story(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """Its enqueue event is told by the worker, with the outer attempt as the parent and the same actor."""
    with actor("user", 7):
        outer_id = tasks.outer.delay().id
    (outer,) = worker.attempts(outer_id, 1)
    enqueue = next(event for event in worker.events() if event["event_type"] == "job.enqueue")
    (inner,) = worker.attempts(enqueue["subject"]["id"], 1)

    assert enqueue["correlation"]["parent_event_id"] == outer["event_id"]
    assert inner["correlation"]["parent_event_id"] == enqueue["event_id"]
    assert inner["correlation"]["correlation_id"] == captured.events[0].correlation.correlation_id
    assert inner["actor"]["id"] == "7"


def test_a_task_that_replaces_itself_enqueues_the_other(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """The task put in its place has the same job id, an enqueue event, and that as the parent."""
    job_id = tasks.replaced.delay().id
    first, other = sorted(worker.attempts(job_id, 2), key=lambda event: event["action"], reverse=True)

    assert [first["action"], other["action"]] == ["replaced.ignore", "plain.success"]
    (enqueue,) = (
        event for event in worker.events() if event["event_type"] == "job.enqueue" and event["subject"]["id"] == job_id
    )
    assert enqueue["correlation"]["parent_event_id"] == first["event_id"]
    assert other["correlation"]["parent_event_id"] == enqueue["event_id"]


def test_nothing_leaks_into_the_next_job(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """After jobs that forgot a context and an actor, jobs without a story begin their own, as the system."""
    ids = [tasks.leaking.delay().id for _ in range(4)]
    for job_id in ids:
        worker.attempts(job_id, 1)
    CeleryInstrumentor().uninstrument()
    bare = [tasks.plain.delay().id for _ in range(4)]
    CeleryInstrumentor().instrument()
    events = [worker.attempts(job_id, 1)[0] for job_id in bare]

    assert len({event["correlation"]["correlation_id"] for event in events}) == 4
    assert not [event for event in events if "parent_event_id" in event["correlation"]]
    assert {event["actor"]["type"] for event in events} == {"system"}


def test_an_attempt_whose_process_was_killed_is_told_by_the_worker(
    captured: Captured, tasks: ModuleType, worker: Any
) -> None:
    """The main process tells of it, in its story, without a duration that nobody measured."""
    (execution,) = worker.attempts(tasks.killed.delay().id, 1)

    assert execution["outcome"] == "failure"
    assert execution["error"]["type"].endswith("WorkerLostError")
    assert execution["correlation"]["parent_event_id"] == captured.events[0].event_id
    assert execution["pid"] == worker.process.pid
    assert execution["duration"] is None


def test_worker_processes_deliver_before_they_end(captured: Captured, tasks: ModuleType, start_worker: Any) -> None:
    """A worker process runs no exit handlers: shutdown comes from its last signal, within the time set."""
    worker = start_worker()
    worker.app.set_current()
    (execution,) = worker.attempts(tasks.plain.delay().id, 1)
    worker.process.terminate()
    worker.process.wait(60)

    ends = [event for event in worker.events() if event.get("pid") == execution["pid"]][-1:]
    assert [event["event_type"] for event in ends] == ["test.shutdown"]
    assert ends[0]["timeout"] > 0


@pytest.mark.parametrize("contrib", ["children", "links"])
def test_contrib_in_each_worker_process_keeps_the_story(
    captured: Captured, tasks: ModuleType, start_worker: Any, contrib: str
) -> None:
    """Contrib's span, made after ezlogs' scope and in it, is the hop; the next job in the process is as clean."""
    pytest.importorskip("opentelemetry.instrumentation.celery")
    worker = start_worker(contrib)
    worker.app.set_current()
    for _ in range(3):
        with Scope(placed(Correlation(correlation_id=STORY))), actor("user", 7):
            job_id = tasks.flaky.delay(1).id
        first, second = worker.attempts(job_id, 2)
        assert first["correlation"]["correlation_id"] == second["correlation"]["correlation_id"] == STORY
        assert second["correlation"]["parent_event_id"] == first["event_id"]
        assert first["actor"]["id"] == second["actor"]["id"] == "7"
        tried = [event["correlation"]["parent_event_id"] for event in worker.events() if event["action"] == "tried"]
        assert {first["event_id"], second["event_id"]} <= set(tried)
