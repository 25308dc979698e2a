"""Attempts that could not tell their end: revoked, expired, out of time, killed, unknown; prefork, on each broker."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from celery import Task

from ezlogs.testing import Captured


@pytest.fixture(scope="module")
def worker(start_worker: Callable[..., Any], broker: str | None) -> Any:
    """Start one worker for all tests of this module on each broker."""
    return start_worker(broker=broker)


@pytest.fixture(autouse=True)
def producer(instrumented: None, worker: Any) -> None:
    """Enqueue with the worker's application, instrumented."""
    worker.app.set_current()


def began(worker: Any, job_id: str, times: int = 1) -> list[dict[str, Any]]:
    """Return what a job's attempts said when they began."""

    def of_job(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [one for one in events if one.get("action") == "began" and one["correlation"].get("job_id") == job_id]

    return of_job(worker.wait(lambda events: len(of_job(events)) >= times))


def test_a_job_that_expired_is_told_once_and_never_ran(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """It has the enqueue event as its parent, and no duration."""
    if str(worker.broker).startswith("amqp"):
        pytest.skip("RabbitMQ drops what has expired by itself, unless a worker takes it at once: nobody can tell")
    job_id = tasks.plain.apply_async(expires=-1).id
    (expired,) = worker.attempts(job_id, 1)

    assert (expired["action"], expired["outcome"], expired["severity"]) == ("plain.expired", "failure", "warn")
    assert expired["correlation"]["parent_event_id"] == captured.events[0].event_id
    assert expired["duration"] is None
    assert "expires" in captured.events[0].metadata


def test_a_job_revoked_before_it_began_is_told_once(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """An operator revokes what waits; the worker tells when it comes to it."""
    worker.attempts(tasks.plain.delay().id, 1)  # it listens
    captured.clear()
    job_id = str(uuid4())
    assert worker.app.control.revoke(job_id, reply=True, limit=1, timeout=30)  # before it could begin
    tasks.plain.apply_async(task_id=job_id)
    (revoked,) = worker.attempts(job_id, 1)

    assert (revoked["action"], revoked["outcome"]) == ("plain.revoked", "failure")
    assert revoked["correlation"]["parent_event_id"] == captured.events[0].event_id


def test_a_job_terminated_while_it_ran_is_the_parent_of_what_it_did(
    captured: Captured, tasks: ModuleType, worker: Any
) -> None:
    """The main process tells it once, under the id that the killed process had."""
    job_id = tasks.slow.delay().id
    (probe,) = began(worker, job_id)
    worker.app.control.revoke(job_id, terminate=True, signal="SIGKILL")
    (terminated,) = worker.attempts(job_id, 1)

    assert (terminated["action"], terminated["outcome"]) == ("slow.terminated", "failure")
    assert probe["correlation"]["parent_event_id"] == terminated["event_id"]
    assert terminated["correlation"]["parent_event_id"] == captured.events[0].event_id


def test_a_job_out_of_time_is_told_by_the_main_process(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """The hard limit kills its process."""
    job_id = tasks.limited.delay().id
    (probe,) = began(worker, job_id)
    (limited,) = worker.attempts(job_id, 1)

    assert (limited["action"], limited["outcome"]) == ("limited.failure", "failure")
    assert limited["error"]["type"].endswith("TimeLimitExceeded")
    assert probe["correlation"]["parent_event_id"] == limited["event_id"]
    assert limited["pid"] == worker.process.pid
    worker.attempts(tasks.plain.delay().id, 1)  # meanwhile the process has ended
    assert len(worker.attempts(job_id, 1)) == 1


def test_a_job_that_was_told_to_hurry_failed_by_itself(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """The soft limit is an exception in the task, with a duration."""
    (softly,) = worker.attempts(tasks.softly.delay().id, 1)

    assert (softly["action"], softly["outcome"]) == ("softly.failure", "failure")
    assert softly["error"]["type"].endswith("SoftTimeLimitExceeded")
    assert softly["duration"] > 0


def test_what_a_killed_process_did_keeps_its_parent(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """A lost attempt whose message goes back to the broker, and the one after it, are told once each."""
    job_id = tasks.sturdy.delay().id
    attempts = worker.attempts(job_id, 2)
    probes = began(worker, job_id, 2)

    by_action = {event["action"]: event for event in attempts}
    assert set(by_action) == {"sturdy.lost", "sturdy.success"}
    assert by_action["sturdy.lost"]["outcome"] == "retried"
    assert by_action["sturdy.lost"]["error"]["type"].endswith("WorkerLostError")
    assert {probe["correlation"]["parent_event_id"] for probe in probes} == {event["event_id"] for event in attempts}
    assert {event["correlation"]["parent_event_id"] for event in attempts} == {captured.events[0].event_id}


def test_a_lost_attempt_that_the_main_process_retries_is_the_next_one_s_parent(
    captured: Captured, tasks: ModuleType, worker: Any
) -> None:
    """It is a retry as any other, and no second enqueue."""
    if not hasattr(Task, "retry_on_worker_lost"):
        pytest.skip("this Celery does not retry lost attempts")
    job_id = tasks.repeated.delay().id
    lost, success = worker.attempts(job_id, 2)

    assert (lost["action"], lost["outcome"], success["action"]) == ("repeated.lost", "retried", "repeated.success")
    assert lost["correlation"]["parent_event_id"] == captured.events[0].event_id
    assert success["correlation"]["parent_event_id"] == lost["event_id"]
    assert not [event for event in worker.events() if event.get("action") == "repeated.enqueue"]


@pytest.mark.parametrize("name", ["broken", "killed", "limited"])
def test_what_follows_a_failure_has_it_as_its_parent(
    captured: Captured, tasks: ModuleType, worker: Any, name: str
) -> None:
    """Whether the attempt itself enqueues it or the worker's main process, for the attempt's own has died."""
    failing = getattr(tasks, name)
    job_id = failing.apply_async(link_error=tasks.mourning.s()).id
    (failed,) = worker.attempts(job_id, 1)

    def following(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        enqueued = [event for event in events if event.get("action") == "mourning.enqueue"]
        return [event for event in enqueued if event["correlation"].get("parent_event_id") == failed["event_id"]]

    enqueued = following(worker.wait(following))[0]  # after a hard limit Celery itself sends it twice
    (mourned,) = worker.attempts(enqueued["subject"]["id"], 1)
    story = captured.events[0].correlation.correlation_id
    assert mourned["correlation"]["parent_event_id"] == enqueued["event_id"]
    assert {event["correlation"]["correlation_id"] for event in (failed, enqueued, mourned)} == {story}


def test_a_retry_that_the_task_did_not_ask_for_is_told_with_why_and_when(
    captured: Captured, tasks: ModuleType, worker: Any
) -> None:
    """autoretry_for says what it says of any retry."""
    retry, success = worker.attempts(tasks.auto.delay().id, 2)

    assert (retry["action"], retry["outcome"], success["action"]) == ("auto.retry", "retried", "auto.success")
    assert retry["error"]["type"] == "TimeoutError"
    assert retry["metadata"]["next_retry_at"]
    assert success["correlation"]["parent_event_id"] == retry["event_id"]


def test_a_task_that_the_worker_does_not_know_is_told_as_rejected(
    captured: Captured, tasks: ModuleType, worker: Any
) -> None:
    """The story ends where the worker says so."""
    job_id = worker.app.send_task("elsewhere").id
    (rejected,) = worker.attempts(job_id, 1)

    assert (rejected["action"], rejected["outcome"]) == ("elsewhere.reject", "failure")
    assert rejected["error"]["type"].endswith("NotRegistered")
    assert rejected["correlation"]["parent_event_id"] == captured.events[0].event_id


def test_a_chord_s_join_names_the_group_that_it_waited_for(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """All of it is one story; of the task that looks whether the header is done nothing is told."""
    from celery import chord

    body = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)])(tasks.total.s())
    (joined,) = worker.attempts(body.id, 1)
    group = body.parent.id
    ends = ["add.success", "add.success", "total.enqueue"]  # the last of the header ends after it has sent the body
    told = worker.wait(lambda events: sorted(one["action"] for one in events if one.get("action") in ends) == ends)

    events = [event for event in told if event.get("correlation", {}).get("correlation_id")]
    (enqueued,) = (event for event in events if event["action"] == "total.enqueue")
    assert enqueued["metadata"]["joins"] == group
    assert set(enqueued["metadata"]["joined"]) == {child.id for child in body.parent.children}
    assert joined["metadata"]["joined"] == enqueued["metadata"]["joined"]
    assert joined["correlation"]["parent_event_id"] == enqueued["event_id"]
    header = [event for event in events if event["action"] == "add.success"]
    assert [event["metadata"]["group"] for event in header] == [group] * 2
    assert [event.metadata["group"] for event in captured.of("job.enqueue")] == [group] * 2
    story = captured.events[0].correlation.correlation_id
    assert {event["correlation"]["correlation_id"] for event in (*header, enqueued, joined)} <= {
        event.correlation.correlation_id for event in captured.events
    }, story
    assert not [event for event in events if "chord_unlock" in event["action"]]
