"""APScheduler 3: real schedulers with threads, with processes and with an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("apscheduler", reason="no APScheduler")

from apscheduler.events import (  # after the skip
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobSubmissionEvent,
)
from apscheduler.executors import base, pool
from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from tests.instrumentors.working import Event, Working, in_story

from ezlogs.testing import Captured
from ezlogs_instrumentors.apscheduler import ApschedulerInstrumentor

HERE = Path(__file__).parent
Start = Callable[..., Working]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start schedulers, which end with the test."""
    workers: list[Working] = []

    def start(kind: str, **environ: str) -> Working:
        workers.append(Working(tmp_path, [str(HERE / "scheduler.py"), kind], environ))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()


def of(events: list[Event], entry: str) -> list[Event]:
    """Return the runs of an entry."""
    return [event for event in events if event["action"] == f"{entry}.tick"]


@pytest.mark.parametrize("kind", ["thread", "process", "asyncio"])
def test_each_run_is_a_story_of_its_own(start: Start, kind: str) -> None:
    """Named after its schedule, which acts; with when it was due and how late it was, and no argument."""
    worker = start(kind)
    entry = "awaiting" if kind == "asyncio" else "close_day"

    def on_time(events: list[Event]) -> list[Event]:
        return [event for event in of(events, entry) if event["outcome"] == "success"]

    events = worker.wait(lambda events: len(on_time(events)) >= 2)
    first, second = on_time(events)[:2]
    probes = {
        event["correlation"].get("parent_event_id"): event for event in events if event["event_type"] == "probe.action"
    }

    assert (first["event_type"], first["outcome"]) == ("schedule.run", "success")
    assert first["actor"] == {"type": "scheduler", "id": entry}
    assert first["metadata"]["lateness"] >= 0
    assert first["metadata"]["trigger"] == "interval[0:00:01]"
    assert first["correlation"]["correlation_id"] != second["correlation"]["correlation_id"]
    for run in (first, second):
        assert "parent_event_id" not in run["correlation"]
        assert probes[run["event_id"]]["correlation"]["correlation_id"] == run["correlation"]["correlation_id"]
        assert probes[run["event_id"]]["actor"] == first["actor"]
    assert "hunter2" not in str(events)
    assert (first["pid"] == worker.process.pid) is (kind != "process")


def test_failed_late_missed_and_skipped_runs(start: Start) -> None:
    """A run that raised, one that was late but may be, one that was too late, one that would have been one too many."""
    worker = start("thread")
    events = worker.wait(
        lambda events: (
            all(of(events, entry) for entry in ("broken", "late", "missed"))
            and [event for event in of(events, "slowly") if event["error"]]
        )
    )
    (broken, *_), (late,), (missed,) = (of(events, entry) for entry in ("broken", "late", "missed"))
    skipped = next(event for event in of(events, "slowly") if event["error"])

    assert (broken["outcome"], broken["error"]["type"]) == ("failure", "LookupError")
    assert (late["error"]["type"], missed["outcome"]) == ("LookupError", "failure")
    assert min(late["metadata"]["lateness"], missed["metadata"]["lateness"]) >= 30
    assert {missed["error"]["type"], skipped["error"]["type"]} == {"ezlogs_instrumentors.apscheduler.MisfireError"}
    assert skipped["outcome"] == "failure"


def test_a_killed_scheduler_leaves_what_was_under_way(start: Start) -> None:
    """The journal has the run with the outcome that nobody knows, for whoever takes it over."""
    worker = start("killed", JOBS_JOURNAL="1")
    (opened,) = worker.wait(lambda events: events)

    assert (opened["event_type"], opened["action"]) == ("opened.schedule.run", "killed.tick")
    assert (opened["outcome"], opened["metadata"]["reason"]) == ("unknown", "interrupted")


def test_the_scheduler_has_the_events_that_it_would_have(captured: Captured) -> None:
    """With ezlogs and without: its own events, one for each run that was due; taken back, all is as it was."""

    def plain() -> int:
        return 1

    async def awaited() -> int:
        return 2

    def run() -> list[Any]:
        jobs = [
            Job(BackgroundScheduler(), id="plain", func=func, args=(), kwargs={}, name="plain", trigger=DateTrigger())
            for func in (plain, awaited)
        ]
        due = [datetime(2020, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc)]
        jobs[0].misfire_grace_time, jobs[1].misfire_grace_time = None, 60
        events = base.run_job(jobs[0], "default", due, "test")
        events += asyncio.run(base.run_coroutine_job(jobs[1], "default", due, "test"))
        return [(event.code, event.retval) for event in events]

    original = base.run_job
    without = run()
    ApschedulerInstrumentor().instrument()
    assert base.run_job is pool.run_job is not original
    with in_story():
        assert run() == without
    ApschedulerInstrumentor().uninstrument()

    assert base.run_job is pool.run_job is original
    assert run() == without
    assert [event.metadata["job"] for event in captured.events] == ["plain"] * 4
    assert [event.outcome for event in captured.events] == ["success", "success", "failure", "success"]
    assert len({event.correlation.correlation_id for event in captured.events}) == 4


def test_hooks_that_outlive_the_instrumentor_do_nothing(captured: Captured) -> None:
    """What somebody has imported from APScheduler meanwhile goes on as if it were APScheduler's own."""
    ApschedulerInstrumentor().instrument()
    run, run_coroutine = base.run_job, base.run_coroutine_job
    ApschedulerInstrumentor().uninstrument()
    job = Job(BackgroundScheduler(), id="1", func=print, args=(), kwargs={}, name="1", trigger=DateTrigger())
    job.misfire_grace_time = 1
    long_ago = [datetime(2020, 1, 1, tzinfo=timezone.utc)]

    assert [event.code for event in run(job, "default", long_ago, "test")] == [EVENT_JOB_MISSED]
    (missed,) = asyncio.run(run_coroutine(job, "default", long_ago, "test"))
    assert missed.code == EVENT_JOB_MISSED
    assert captured.events == []


def test_a_run_that_would_be_one_too_many(captured: Captured) -> None:
    """It is told by the scheduler that left it out, also of a job that is gone since."""
    ApschedulerInstrumentor().instrument()
    scheduler = BackgroundScheduler(timezone=timezone.utc)
    scheduler.add_job(print, DateTrigger(), id="full", name="fully")
    due = [datetime.now(timezone.utc)]
    for job_id in ("full", "gone"):
        scheduler._dispatch_event(JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, job_id, None, due))
    scheduler._dispatch_event(JobSubmissionEvent(EVENT_JOB_SUBMITTED, "full", None, due))
    ApschedulerInstrumentor().uninstrument()

    assert [(event.action, event.outcome) for event in captured.events] == [
        ("fully.tick", "failure"),
        ("gone.tick", "failure"),
    ]


@pytest.mark.parametrize("coalesce", [True, False])
def test_runs_that_were_put_together_are_one(captured: Captured, coalesce: bool) -> None:
    """It was due when the last of them was; otherwise each is told."""
    ApschedulerInstrumentor().instrument()
    scheduler = BackgroundScheduler(timezone=timezone.utc)
    first = datetime.now(timezone.utc) - timedelta(hours=2, minutes=30)
    trigger = IntervalTrigger(hours=1, start_date=first)
    options = {"coalesce": coalesce, "misfire_grace_time": None, "name": "hourly", "next_run_time": first}
    scheduler.add_job(list, trigger, **options)
    scheduler.start()
    deadline = time.monotonic() + 30
    while len(captured.events) < (1 if coalesce else 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    scheduler.shutdown()
    ApschedulerInstrumentor().uninstrument()

    due = [first + timedelta(hours=number) for number in ((2,) if coalesce else (0, 1, 2))]
    assert [event.metadata["due"] for event in captured.events] == [one.isoformat() for one in due]
    assert all(event.metadata["lateness"] > 1700 for event in captured.events)
    assert len({event.correlation.correlation_id for event in captured.events}) == len(due)


def test_runs_while_nothing_listens() -> None:
    """They are APScheduler's own."""
    ApschedulerInstrumentor().instrument()
    job = Job(BackgroundScheduler(), id="1", func=list, args=(), kwargs={}, name="1", trigger=DateTrigger())
    job.misfire_grace_time = None
    (event,) = base.run_job(job, "default", [datetime.now(timezone.utc)], "test")
    ApschedulerInstrumentor().uninstrument()

    assert (event.code, event.retval) == (EVENT_JOB_EXECUTED, [])
