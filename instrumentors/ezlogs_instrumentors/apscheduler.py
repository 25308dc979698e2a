"""APScheduler 3: each run of a scheduled job, on time, late, missed or skipped, as a run of the schedule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ezlogs.emit import guarded, tracking
from ezlogs.trackers.schedule import Schedule, schedule
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks
from ezlogs_instrumentors.jobs import before

if TYPE_CHECKING:
    from datetime import datetime

    from apscheduler.job import Job  # type: ignore[import-untyped]  # it has none

EXECUTORS = ("base", "pool", "debug", "asyncio", "gevent", "tornado", "twisted")
RUNNERS = ("run_job", "run_coroutine_job")
"""What executors call; a pool of processes pickles them by their name."""


class MisfireError(Exception):
    """A run was not begun: it would have been later than it may, or as many as there may be were under way."""


class ApschedulerInstrumentor(HookingInstrumentor):
    """Tells of the jobs of APScheduler 3, with any scheduler and executor.

    Example:
        >>> instrumentor = ApschedulerInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "apscheduler"
    versions = ("apscheduler >= 3.11, < 4",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        made: dict[str, Any] = {}  # the modules must all have the same, for it to be pickled

        def attach(hooks: Hooks, module: ModuleType) -> None:
            for name in RUNNERS:
                if name in vars(module) and vars(module)[name] is not made.get(name):
                    made.setdefault(name, _watched(hooks, vars(module)[name]))
                    hooks.replace(module, name, lambda run: made[run.__name__])

        executors = {f"apscheduler.executors.{name}": attach for name in EXECUTORS}
        return {**executors, "apscheduler.schedulers.base": _attach_to_schedulers}


def _attach_to_schedulers(hooks: Hooks, module: ModuleType) -> None:
    before(hooks, module.BaseScheduler, "_dispatch_event", _skipping)


def _watched(hooks: Hooks, run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a runner that has the runs that are due done one by one, each in a story of its own."""
    if run.__name__ == "run_job":

        @wraps(run)
        def run_job(job: Job, jobstore: str, run_times: Iterable[datetime], *rest: Any) -> Any:
            if not hooks.active:
                return run(job, jobstore, run_times, *rest)
            events: list[Any] = []
            for run_time in run_times:
                tick = _begun(job, run_time)
                done = run(job, jobstore, [run_time], *rest)
                _ended(tick, done)
                events.extend(done)
            return events

        return run_job

    watched: Callable[..., Awaitable[Any]] = run

    @wraps(watched)
    async def run_coroutine_job(job: Job, jobstore: str, run_times: Iterable[datetime], *rest: Any) -> Any:
        if not hooks.active:
            return await watched(job, jobstore, run_times, *rest)
        events: list[Any] = []
        for run_time in run_times:
            tick = _begun(job, run_time)
            done = await watched(job, jobstore, [run_time], *rest)
            _ended(tick, done)
            events.extend(done)
        return events

    return run_coroutine_job


@guarded
def _begun(job: Job, due: datetime) -> Schedule | None:
    if not tracking():
        return None
    return _schedule(str(job.name), due, {"job": str(job.id), "trigger": str(job.trigger)}).__enter__()


@guarded
def _ended(tick: Schedule | None, events: Iterable[Any]) -> None:
    if tick is None:
        return
    from apscheduler.events import EVENT_JOB_MISSED  # type: ignore[import-untyped]  # it has none

    error: BaseException | None = None
    for event in events:
        error = getattr(event, "exception", None)
        if event.code == EVENT_JOB_MISSED:
            error = MisfireError("it would have been later than it may")
    tick.__exit__(type(error) if error else None, error, None)


def _skipping(scheduler: Any, event: Any) -> None:
    from apscheduler.events import EVENT_JOB_MAX_INSTANCES

    if event.code != EVENT_JOB_MAX_INSTANCES:
        return
    job = scheduler.get_job(event.job_id, event.jobstore)
    for due in event.scheduled_run_times:
        tick = _schedule(str(event.job_id if job is None else job.name), due, {"job": str(event.job_id)})
        tick.__enter__()
        error = MisfireError("as many as there may be were under way")
        tick.__exit__(MisfireError, error, None)


def _schedule(entry: str, due: datetime, facts: Mapping[str, object]) -> Schedule:
    return schedule(entry, due=due, metadata=facts)
