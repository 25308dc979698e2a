"""Each of Celery's pools over each broker that is a server: one job from its enqueueing over a retry and a kill -9."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import ModuleType
from typing import Any

import pytest
from celery import chain, group

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, placed
from ezlogs.scope import Scope
from ezlogs.testing import Captured

STORY = "0af7651916cd43dd8448eb211c80319c"
POOLS = ("prefork", "threads", "solo", "gevent")


@pytest.fixture(scope="module", params=POOLS)
def worker(request: pytest.FixtureRequest, start_worker: Callable[..., Any], server: str) -> Any:
    """Start a worker with a pool, whose processes of a pool of processes run one task each."""
    options = ("--max-tasks-per-child=1",) if request.param == "prefork" else ()
    return start_worker(None, request.param, *options, broker=server, journal=True)


@pytest.fixture(autouse=True)
def producer(instrumented: None, worker: Any) -> None:
    """Enqueue with the worker's application, instrumented."""
    worker.app.set_current()


def of(worker: Any, event_type: str, job_id: str) -> list[dict[str, Any]]:
    """Return the events of a type that happened in a job."""
    return [
        event
        for event in worker.events()
        if event["event_type"] == event_type and event.get("correlation", {}).get("job_id") == job_id
    ]


def test_a_job_that_is_retried_and_whose_worker_is_killed(
    captured: Captured, tasks: ModuleType, worker: Any, tmp_path: Any
) -> None:
    """One enqueue event, an attempt that nobody could end, and those that the next worker makes of its message."""
    with Scope(placed(Correlation(correlation_id=STORY, parent_event_id="evt_request"))), actor("user", 7, "Ada"):
        job_id = tasks.stuck.delay(tmp_path.name).id
    worker.wait(lambda _: (worker.home / f"{tmp_path.name}.stuck").exists())
    worker.kill()
    worker.start()
    retry, success = worker.attempts(job_id, 2)
    began = of(worker, "probe.action", job_id)
    opened = of(worker, "opened.job.execution", job_id)

    (enqueue,) = captured.events
    assert (enqueue.action, enqueue.correlation.parent_event_id) == ("stuck.enqueue", "evt_request")
    assert enqueue.metadata["queue"] == f"ezlogs-{worker.home.name}"
    assert [(one["action"], one["outcome"]) for one in (retry, success)] == [
        ("stuck.retry", "retried"),
        ("stuck.success", "success"),
    ]
    (lost,) = [one for one in opened if one["event_id"] not in (retry["event_id"], success["event_id"])]
    assert (lost["action"], lost["outcome"]) == ("stuck.interrupted", "unknown")
    assert [one["correlation"]["attempt"] for one in (lost, retry, success)] == [1, 1, 2]
    assert [one["correlation"]["parent_event_id"] for one in (lost, retry, success)] == [
        enqueue.event_id,
        enqueue.event_id,
        retry["event_id"],
    ]
    assert [one["correlation"]["parent_event_id"] for one in began] == [
        lost["event_id"],
        retry["event_id"],
        success["event_id"],
    ]
    for one in (retry, lost, success, *began):
        assert one["correlation"]["correlation_id"] == STORY
        assert one["actor"] == {"type": "user", "id": "7"}
    assert retry["metadata"]["queue_wait"] >= 0
    assert success["duration"] > 0


def test_no_job_of_many_is_lost_or_mixed_up(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """Each process may run one task and end, and each attempt is delivered."""
    ids = [tasks.flaky.delay(1).id for _ in range(6)]
    enqueued = {event.subject.id: event for event in captured.events}

    for job_id in ids:
        first, second = worker.attempts(job_id, 2)
        assert (first["action"], second["action"]) == ("flaky.retry", "flaky.success")
        assert first["correlation"]["parent_event_id"] == enqueued[job_id].event_id
        assert second["correlation"]["parent_event_id"] == first["event_id"]
        stories = {one["correlation"]["correlation_id"] for one in (first, second)}
        assert stories == {enqueued[job_id].correlation.correlation_id}
        assert first["metadata"]["next_retry_at"]
    assert len(captured.events) == 6


def test_a_job_that_shall_run_later_waits_from_when_it_could_have_run(
    captured: Captured, tasks: ModuleType, worker: Any
) -> None:
    """By ``countdown`` as by ``eta``, which the enqueue event tells."""
    eta = datetime.now(timezone.utc) + timedelta(seconds=1)
    ids = [tasks.plain.apply_async(countdown=1).id, tasks.plain.apply_async(eta=eta).id]
    executions = [worker.attempts(job_id, 1)[0] for job_id in ids]

    for enqueue, execution in zip(captured.events, executions, strict=True):
        due = datetime.fromisoformat(str(enqueue.metadata["eta"]))
        waited = execution["metadata"]["queue_wait"]
        began_at = execution["timestamp"] / 1e9 - execution["duration"]
        assert 0 <= waited <= began_at - due.timestamp() + 0.5
        assert execution["correlation"]["parent_event_id"] == enqueue.event_id


def test_chains_and_groups_stay_in_their_story(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """The second step is enqueued by the first, in the worker; the members of a group by the caller."""
    with Scope(placed(Correlation(correlation_id=STORY))), actor("user", 8):
        last = chain(tasks.add.s(1, 2), tasks.add.s(3))()
        members = group(tasks.add.s(1, 1), tasks.add.s(2, 2))()
    (first,), (second,) = worker.attempts(last.parent.id, 1), worker.attempts(last.id, 1)
    together = [worker.attempts(child.id, 1)[0] for child in members.children]

    (enqueue,) = [
        one for one in worker.events() if one["event_type"] == "job.enqueue" and one["subject"]["id"] == last.id
    ]
    assert enqueue["correlation"]["parent_event_id"] == first["event_id"]
    assert second["correlation"]["parent_event_id"] == enqueue["event_id"]
    by_id = {event.subject.id: event.event_id for event in captured.events}
    for one in together:
        assert one["metadata"]["group"] == members.id
        assert one["correlation"]["parent_event_id"] == by_id[one["correlation"]["job_id"]]
    for one in (first, enqueue, second, *together):
        assert one["correlation"]["correlation_id"] == STORY
        assert one["actor"]["id"] == "8"
