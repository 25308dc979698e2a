"""RQ with a journal and a collector: what a killed work horse was doing is told by whoever takes it over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

pytest.importorskip("rq", reason="no RQ")

from redis import Redis as Connection  # after the skip
from rq import Queue, Retry
from tests.instrumentors.working import Working
from tests.servers import Redis

from ezlogs.dev.receiver import Receiver
from ezlogs.testing import Captured
from ezlogs_instrumentors.rq import RqInstrumentor

HERE = Path(__file__).parent


@pytest.fixture
def queue(redis: Redis) -> Iterator[Queue]:
    """A queue that no other test uses."""
    RqInstrumentor().instrument()
    with Connection.from_url(redis.url) as connection:
        yield Queue(f"q{uuid4().hex}", connection=connection)
    RqInstrumentor().uninstrument()


@pytest.mark.timeout(120)
def test_a_killed_work_horse_is_told_once(captured: Captured, queue: Queue, redis: Redis, tmp_path: Path) -> None:
    """As interrupted, in its story, with the enqueue event as its parent; and the attempt after it as a success."""
    with Receiver() as receiver:
        environ = {"JOBS_REDIS": redis.url, "ENDPOINT": receiver.endpoint, "EZLOGS_STATE_DIR": str(tmp_path / "state")}
        worker = Working(tmp_path, [str(HERE / "rq_real.py"), queue.name], {**environ, "JOBS_BARE": "1"})
        try:
            job = queue.enqueue("rq_tasks.killed", retry=Retry(max=1))
            deadline = time.monotonic() + 25
            while len(found := outcomes(receiver, job.id)) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            worker.stop()
        found = outcomes(receiver, job.id)

    (enqueue,) = captured.events
    assert sorted(outcome for outcome, _, _ in found) == ["success", "unknown"]
    assert {parent for _, parent, _ in found} == {enqueue.event_id}
    assert {reason for outcome, _, reason in found if outcome == "unknown"} == {"interrupted"}


def outcomes(receiver: Receiver, job_id: str) -> list[tuple[object, ...]]:
    """How the attempts of a job ended, each event once."""
    found = {}
    for span in receiver.spans:
        for event in span.events:
            facts = event.attributes
            if event.name == "job.execution" and facts.get("ezlogs.subject.id") == job_id:
                parent = facts.get("ezlogs.parent_event.id")
                found[facts["ezlogs.event.id"]] = (
                    facts.get("ezlogs.outcome"),
                    parent,
                    facts.get("ezlogs.metadata.reason"),
                )
    return list(found.values())
