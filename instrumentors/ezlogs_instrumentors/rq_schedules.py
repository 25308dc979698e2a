"""What the clock enqueues in RQ: its own cron, and rq-scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ezlogs.emit import guarded
from ezlogs.trackers.schedule import Schedule, schedule
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.jobs import before
from ezlogs_instrumentors.rq import CARRIED, handed_over

if TYPE_CHECKING:
    from rq.cron import CronJob
    from rq.job import Job

PERIODIC = ("cron_string", "interval")
"""What rq-scheduler keeps in the ``meta`` of a job that it enqueues again and again."""

_eta: ContextVar[datetime | timedelta | None] = ContextVar("ezlogs_rq_scheduler_eta", default=None)
"""When the job shall run that rq-scheduler is about to write."""


def attach_to_cron(hooks: Hooks, module: ModuleType) -> None:
    """Have each entry of RQ's cron that is due begin a story."""

    def tick(entry: CronJob, *_: object, **__: object) -> Schedule:
        name = str(getattr(entry, "name", None) or entry.func_name)
        return _schedule(
            name, entry.next_enqueue_time, cron=entry.cron, interval=entry.interval, queue=entry.queue_name
        )

    hooks.replace(module.CronJob, "enqueue", lambda enqueue: _within(hooks, enqueue, tick))


def attach_to_scheduler(hooks: Hooks, module: ModuleType) -> None:
    """See what rq-scheduler is given, which is enqueued once, and what it finds due again and again."""

    def tick(scheduler: Any, job: Job, *_: object, **__: object) -> Schedule | None:
        if not any(job.meta.get(name) for name in PERIODIC):
            return None
        vars(job)[CARRIED] = None  # each of its runs is enqueued anew, in a story of its own
        found = scheduler.connection.zscore(scheduler.scheduled_jobs_key, job.id)
        due = None if found is None else datetime.fromtimestamp(found, timezone.utc)
        facts = {name: job.meta.get(name) for name in PERIODIC}
        return _schedule(
            str(job.func_name), due, cron=facts["cron_string"], interval=facts["interval"], queue=job.origin
        )

    hooks.replace(module.Scheduler, "enqueue_job", lambda enqueue: _within(hooks, enqueue, tick))
    for name in ("enqueue_at", "enqueue_in"):
        hooks.replace(module.Scheduler, name, lambda enqueue: _given(hooks, enqueue))
    before(hooks, module.Scheduler.job_class, "save", _saving)


def _within(hooks: Hooks, enqueue: Callable[..., Any], tick: Callable[..., Schedule | None]) -> Callable[..., Any]:
    """Return what enqueues in a run of a schedule, where there is one."""
    begin: Callable[..., Schedule | None] = guarded(tick)

    @wraps(enqueue)
    def enqueued(*args: Any, **kwargs: Any) -> Any:
        run = begin(*args, **kwargs) if hooks.active else None
        if run is None:
            return enqueue(*args, **kwargs)
        with run:
            return enqueue(*args, **kwargs)

    return enqueued


def _given(hooks: Hooks, enqueue: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(enqueue)
    def enqueued(scheduler: Any, /, when: Any, *args: Any, **kwargs: Any) -> Any:
        token = _eta.set(when if hooks.active else None)
        try:
            return enqueue(scheduler, when, *args, **kwargs)
        finally:
            _eta.reset(token)

    return enqueued


def _saving(job: Job, *_: object, **__: object) -> None:
    when = _eta.get()
    if when is None or vars(job).get(CARRIED) is not None:
        return
    if isinstance(when, timedelta):
        when = datetime.now(timezone.utc) + when
    elif when.tzinfo is None:  # it takes them for UTC
        when = when.replace(tzinfo=timezone.utc)
    handed_over(job, job.origin, when.replace(microsecond=0))


def _schedule(name: str, due: datetime | None, **facts: object) -> Schedule:
    known: Mapping[str, object] = {key: fact for key, fact in facts.items() if fact is not None}
    return schedule(name, due=due, metadata=known)
