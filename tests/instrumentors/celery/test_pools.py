"""Each of Celery's pools, with a real worker: stories, retries and what is terminated are the same in all of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, placed
from ezlogs.scope import Scope
from ezlogs.testing import Captured

POOLS = ("threads", "gevent", "solo", "prefork")


@pytest.fixture(scope="module", params=POOLS)
def worker(request: pytest.FixtureRequest, start_worker: Callable[..., Any]) -> Any:
    """Start a worker with a pool."""
    options = ("--max-tasks-per-child=1",) if request.param == "prefork" else ()
    return start_worker(None, request.param, *options)


@pytest.fixture(autouse=True)
def producer(instrumented: None, worker: Any) -> None:
    """Enqueue with the worker's application, instrumented."""
    worker.app.set_current()


def test_stories_that_run_beside_each_other_do_not_mix(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """Ten jobs of ten actors, each of which fails once: each attempt is in its story, with its actor and parent."""
    jobs: dict[str, str] = {}
    for number in range(10):
        story = f"{number + 1:032x}"
        with Scope(placed(Correlation(correlation_id=story))), actor("user", number):
            jobs[tasks.flaky.delay(1).id] = story
    enqueued = {event.subject.id: event for event in captured.of("job.enqueue")}

    for number, (job_id, story) in enumerate(jobs.items()):
        first, second = worker.attempts(job_id, 2)
        assert [first["action"], second["action"]] == ["flaky.retry", "flaky.success"]
        assert first["correlation"]["correlation_id"] == second["correlation"]["correlation_id"] == story
        assert first["actor"]["id"] == second["actor"]["id"] == str(number)
        assert first["correlation"]["parent_event_id"] == enqueued[job_id].event_id
        assert second["correlation"]["parent_event_id"] == first["event_id"]
        assert first["metadata"]["worker"].startswith("celery@")
        tried = [one for one in worker.events() if one.get("action") == "tried" and _job(one) == job_id]
        assert [one["correlation"]["parent_event_id"] for one in tried] == [first["event_id"], second["event_id"]]


def test_what_expired_and_what_failed_is_told(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """Once each."""
    expired, broken = tasks.plain.apply_async(expires=-1).id, tasks.broken.delay().id

    assert [event["action"] for event in worker.attempts(expired, 1)] == ["plain.expired"]
    assert [event["action"] for event in worker.attempts(broken, 1)] == ["broken.failure"]


def test_a_terminated_greenlet_is_told_once(captured: Captured, tasks: ModuleType, worker: Any) -> None:
    """Gevent can end what it runs; solo and threads cannot."""
    if "gevent" not in worker.pool:
        pytest.skip("this pool cannot terminate")
    if "terminate_job" not in vars(import_module("celery.concurrency.gevent").TaskPool):
        pytest.skip("this Celery's pool of greenlets cannot terminate")
    job_id = tasks.slow.delay(30).id
    worker.wait(lambda events: any(one.get("action") == "began" and _job(one) == job_id for one in events))
    worker.app.control.revoke(job_id, terminate=True)
    worker.attempts(job_id, 1)
    worker.attempts(tasks.plain.delay().id, 1)  # meanwhile the greenlet has ended

    (terminated,) = worker.attempts(job_id, 1)
    assert terminated["action"] == "slow.terminated"
    assert terminated["duration"] > 0


def _job(event: dict[str, Any]) -> str | None:
    found: str | None = event["correlation"].get("job_id")
    return found
