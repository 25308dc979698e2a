"""RQ: jobs as they are enqueued and run, by the methods of its queues and workers that all of them go through.

What carries the story is a field of its own in the job's hash in Redis, beside those of RQ: ``meta`` is the
application's, and workers without ezlogs pass over fields that they do not know.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from inspect import getattr_static
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from ezlogs.emit import guarded, tracking
from ezlogs.ids import new_event_id
from ezlogs.launch.start import end as deliver
from ezlogs.runtime import current_runtime
from ezlogs.trackers import job as tracker
from ezlogs.trackers.job import Arguments, Job, JobScope, Joined
from ezlogs.trackers.job_joins import MAX_JOINED
from ezlogs_instrumentors.hooks import HookingInstrumentor, Hooks
from ezlogs_instrumentors.jobs import around, attempt_in, before, packed, sending, unpacked

if TYPE_CHECKING:
    from rq.job import Job as RqJob
    from rq.queue import Queue
    from rq.worker import BaseWorker

FIELD = "ezlogs"
"""The field in a job's hash."""

CARRIED, RUN, RESERVED = "_ezlogs_carried", "_ezlogs_run", "_ezlogs_event"
"""The attributes of a job for what is in the field, for the attempt that runs, and for the id of its event, which the
worker reserves for its work horse."""

FOUND = "_ezlogs_found"
"""The attribute of a job that waits for others, for their spans by their ids."""


class RqInstrumentor(HookingInstrumentor):
    """Tells of jobs of RQ 3 and later: workers that fork or spawn and those that do not, retries, schedules, cron.

    Example:
        >>> instrumentor = RqInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "rq"
    versions = ("rq >= 3.0",)

    parts = MappingProxyType(
        {
            "rq.job": "rq.attach_to_jobs",
            "rq.queue": "rq.attach_to_queues",
            "rq.worker": "rq.attach_to_workers",
            "rq.cron": "rq_schedules.attach_to_cron",
            "rq_scheduler.scheduler": "rq_schedules.attach_to_scheduler",
        }
    )


def attach_to_jobs(hooks: Hooks, module: ModuleType) -> None:
    """See jobs as they are written, read and called."""
    hooks.after(module.Job, "to_dict", _saving)
    hooks.after(module.Job, "restore", _restoring)
    hooks.after(module.Job, "fetch_dependencies", _found)
    before(hooks, module.Job, "save", _deferring)
    hooks.after(module.Job, "perform", _performed, even_if_raised=True)


def attach_to_queues(hooks: Hooks, module: ModuleType) -> None:
    """See jobs as they are handed over."""
    before(hooks, module.Queue, "_enqueue_job", _enqueuing)
    before(hooks, module.Queue, "schedule_job", _scheduling)
    for name in ("_enqueue_job", "schedule_job"):
        sending(hooks, module.Queue, name, lambda queue: not queue._is_async)
    around(hooks, module.Queue, "run_sync", _starting_here, _ending)


def attach_to_workers(hooks: Hooks, module: ModuleType) -> None:
    """See attempts, and those that nobody could end."""
    for kind in {module.BaseWorker, module.Worker, module.SimpleWorker}:
        if "perform_job" in vars(kind):
            around(hooks, kind, "perform_job", _starting, _ending)
        if "handle_exception" in vars(kind):
            before(hooks, kind, "handle_exception", _failing)
        if "handle_job_failure" in vars(kind):
            before(hooks, kind, "handle_job_failure", _losing)
    before(hooks, module.Worker, "fork_work_horse", _forking)


def _saving(job: RqJob, fields: dict[str, Any], *_: object, **__: object) -> None:
    if carried := _carried(job):
        fields[FIELD] = packed(carried)


def _restoring(job: RqJob, _: object, fields: Mapping[Any, Any]) -> None:
    vars(job)[CARRIED] = unpacked(fields.get(FIELD.encode(), fields.get(FIELD)))


def _found(job: RqJob, dependencies: Iterable[RqJob], *_: object, **__: object) -> None:
    """See what RQ reads, before it enqueues a job, of those that it depends on."""
    vars(job)[FOUND] = {str(one.id): (_carried(one) or {}).get("traceparent") for one in dependencies}


def _enqueuing(queue: Queue, job: RqJob, *_: object, **__: object) -> None:
    handed_over(job, queue.name, None)


def _scheduling(queue: Queue, job: RqJob, datetime: datetime, *_: object, **__: object) -> None:
    handed_over(job, queue.name, datetime.astimezone().replace(microsecond=0))  # RQ counts whole seconds


def _deferring(job: RqJob, *_: object, **__: object) -> None:
    if job._status == "deferred":  # until the jobs that it depends on are done
        handed_over(job, job.origin, None)


def handed_over(job: RqJob, queue: str, eta: datetime | None) -> None:
    """Tell that a job is enqueued, unless it has been before: RQ schedules, retries and repeats with the same calls."""
    attempt, carried = tracker.running(), _carried(job)
    if attempt is not None and attempt.job.id == job.id:
        again = attempt.attempt + 1 if job._status != "finished" else 1
        vars(job)[CARRIED] = {**attempt.requeued(eta=eta), "attempt": again}
    elif carried is None:  # it was made here
        vars(job)[CARRIED] = dict(
            tracker.enqueued(_told(job, queue, 1), eta=eta, arguments=_arguments(job), joins=_joined(job))
        )
    elif job._status in ("failed", "stopped"):  # somebody has fetched it from a registry
        vars(job)[CARRIED] = {**carried, "attempt": attempt_in(carried) + 1}


def _starting(worker: BaseWorker, job: RqJob, queue: Queue, *_: object, **__: object) -> Run | None:
    return _begun(job, queue.name, worker)


def _starting_here(queue: Queue, job: RqJob) -> Run | None:
    return _begun(job, queue.name, None)


def _begun(job: RqJob, queue: str, worker: BaseWorker | None) -> Run | None:
    carried = _carried(job) or {}
    attempt = attempt_in(carried)
    scope = tracker.started(
        _told(job, queue, attempt),
        attempt=attempt,
        worker=None if worker is None else worker.name,
        headers=carried,
        nested=worker is None,
        event_id=vars(job).get(RESERVED),
        arguments=_arguments(job),
        joins=() if carried else _joined(job),
    )
    return None if scope is None else Run(scope, job, worker)


class Run:
    """An attempt, the job as its worker has it, and the worker: None where the job runs as it is enqueued."""

    def __init__(self, scope: JobScope, job: RqJob, worker: BaseWorker | None) -> None:
        self.scope, self.job, self.worker = scope, job, worker
        vars(job)[RUN] = self
        self.error: BaseException | None = None

    def close(self) -> None:
        """Leave the attempt; a process that ends with it, and runs no exit handlers, delivers what it holds."""
        vars(self.job).pop(RUN, None)
        self.scope.close()
        runtime = current_runtime()
        if self.worker is not None and self.worker.is_horse and runtime is not None:
            deliver(runtime)


def _ending(run: Run, _: object, error: BaseException | None) -> None:
    from rq import Retry

    scope, job = run.scope, run.job
    status, error = job._status, run.error or error
    if attempt_in(_carried(job) or {}) > scope.attempt:
        scope.retried(error)
    elif status == "failed" and error is None and isinstance(job._result, Retry):
        scope.ended("dead", "dead")  # it asked for one more, and had used up their number
    elif status == "failed" or error is not None:
        scope.failed(error)
    else:
        scope.next_retry_at = None  # of a job that repeats
        scope.succeeded(job._result)


def _performed(job: RqJob, *_: object) -> None:
    if (run := vars(job).get(RUN)) is not None and run.worker is None:
        run.error = sys.exc_info()[1]


def _failing(_: BaseWorker, job: RqJob, *raised: Any) -> None:
    if (run := vars(job).get(RUN)) is not None:
        run.error = raised[1]


def _forking(_: BaseWorker, job: RqJob, *__: object) -> None:
    vars(job)[RESERVED] = new_event_id() if tracking() else None


def _losing(worker: BaseWorker, job: RqJob, *_: object, **__: object) -> None:
    """Tell of an attempt whose process died, under its id.

    Where that is not known, for the process was spawned, and there is a journal, whoever takes over that tells it.
    """
    carried, runtime, event_id = _carried(job) or {}, current_runtime(), vars(job).get(RESERVED)
    attempt, is_repeated = attempt_in(carried), bool(job.retries_left)
    if tracker.running() is not None or runtime is None or runtime.carrier is None:
        return
    told = _told(job, job.origin, attempt)
    if event_id is not None or not runtime.carrier.notes_openings:
        tracker.lost(
            told,
            KilledError("the work horse ended"),
            attempt=attempt,
            worker=worker.name,
            headers=carried,
            event_id=event_id,
            again=is_repeated,
        )
    if is_repeated:
        sent = {} if event_id is None else tracker.again(told, carried, event_id)
        vars(job)[CARRIED] = {**carried, **sent, "attempt": attempt + 1}


class KilledError(Exception):
    """The process that ran a job was killed."""


def _told(job: RqJob, queue: str, attempt: int) -> Job:
    left = job.retries_left
    max_retries = None if left is None else attempt - 1 + left
    return Job(_name(job) or "unreadable", str(job.id), queue, max_retries, "rq")


def _joined(job: RqJob) -> list[Joined]:
    """Return the jobs that a job waits for, with the spans that they were enqueued in, where RQ has read them."""
    known = vars(job).get(FOUND) or {}
    return [Joined(one, known.get(one)) for one in map(str, job._dependency_ids[:MAX_JOINED])]


def _arguments(job: RqJob) -> Arguments:
    """Return the call that a job makes; looking for its function must not import anything."""
    if not isinstance(job._func_name, str):  # not read yet, and perhaps not to be read
        return Arguments(None)
    module, _, name = job._func_name.rpartition(".")
    owner: Any = sys.modules.get(module) if job._instance is None else type(job._instance)
    function = getattr_static(owner, name, None)
    return Arguments(function, job._args, job._kwargs, given=0 if job._instance is None else 1)


def _carried(job: RqJob) -> dict[str, Any] | None:
    """Return what came with a job; None for one that was made here and is not enqueued yet."""
    return vars(job).get(CARRIED)


@guarded
def _name(job: RqJob) -> str | None:
    from rq.exceptions import DeserializationError

    try:
        return job.func_name
    except DeserializationError:  # of a job whose arguments this process cannot read
        return None
