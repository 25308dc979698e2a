"""The worker's main process: what was revoked, expired or unknown, and attempts whose process was killed.

It reserves the id of each attempt's event as the message arrives. The process that runs the attempt tells it under that
id; if it dies, the main process does, so that whatever the attempt has done keeps its parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ezlogs.emit import guarded, tracking
from ezlogs.ids import new_event_id
from ezlogs.launch.start import end
from ezlogs.runtime import current_runtime
from ezlogs.scope import Scope
from ezlogs.trackers import job
from ezlogs.trackers.job import Job
from ezlogs_instrumentors.celery.attempts import under_way
from ezlogs_instrumentors.celery.signals import (
    RESERVED,
    attempt_of,
    budget,
    connect,
    headers_of,
    is_main_process,
    job_of,
    reserved_for,
)
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.jobs import around

if TYPE_CHECKING:
    from celery.app.task import Context, Task
    from celery.worker.request import Request

TOLD, REQUEUED = "ezlogs_told", "ezlogs_requeued"
"""Of a request in the main process: that its attempt was told here; that its message went back to the broker."""

_received: WeakValueDictionary[str, Request] = WeakValueDictionary()
"""The requests that wait or run, by the id of the job."""


def attach(hooks: Hooks, _celery: ModuleType) -> None:
    """Listen to what the main process alone knows."""
    from celery import signals

    connect(hooks, signals.worker_init, beginning)
    connect(hooks, signals.task_received, receiving)
    connect(hooks, signals.task_revoked, revoking)
    connect(hooks, signals.task_failure, losing)
    connect(hooks, signals.task_retry, repeating)
    connect(hooks, signals.task_unknown, missing)
    connect(hooks, signals.worker_process_shutdown, leaving)


def attach_to_requests(hooks: Hooks, requests: ModuleType) -> None:
    """See messages that go back to the broker because their process died: Celery has no signal for that.

    What the main process does because an attempt has failed, such as to send ``link_error`` tasks, follows from it.
    """
    hooks.after(requests.Request, "reject", _rejected)
    hooks.after(requests.Request, "on_failure", _failed)
    for name in ("on_failure", "on_timeout", "_announce_revoked"):
        around(hooks, requests.Request, name, _dealing_with, lambda *_: None)


@guarded
def beginning(**_: Any) -> None:
    """Note that this is the main process, before it makes others."""
    is_main_process()


@guarded
def receiving(request: Request, **_: Any) -> None:
    """Reserve the id of the attempt's event."""
    if tracking():
        request.request_dict[RESERVED] = new_event_id()
        _received[str(request.id)] = request
    else:
        request.request_dict.pop(RESERVED, None)  # of somebody else's message


@guarded
def revoking(
    sender: Task[Any, Any], request: Context, terminated: bool = False, expired: bool = False, **_: Any
) -> None:
    """Tell of an attempt that was revoked or expired before it began, or ended from outside."""
    verb = "terminated" if terminated else "expired" if expired else "revoked"
    _tell(sender, request, verb, severity="warn")


@guarded
def losing(sender: Task[Any, Any], task_id: str, exception: BaseException, **_: Any) -> None:
    """Tell of an attempt whose process died, or was killed for the time that it took."""
    request = _request_of(sender, task_id)
    if request is not None and _is_loss(exception):
        _lose(sender, request, exception)


@guarded
def repeating(sender: Task[Any, Any], request: Context, reason: Any = None, **_: Any) -> None:
    """Tell of an attempt whose process died, or which was cancelled, and that will be run once more."""
    error = getattr(reason, "exc", None)
    if _is_loss(error) or reason is None:
        _tell(sender, request, "lost", "retried", error)


@guarded
def missing(sender: Any, message: Any, name: object, id: object, **_: Any) -> None:
    """Tell of a task that this worker does not know."""
    from celery.exceptions import NotRegistered

    headers = message.headers if isinstance(message.headers, Mapping) else {}
    delivery = message.delivery_info if isinstance(message.delivery_info, Mapping) else {}
    retries = headers.get("retries")
    job.dropped(
        Job(str(name), str(id), delivery.get("routing_key")),
        "reject",
        error=NotRegistered(str(name)),
        attempt=retries + 1 if isinstance(retries, int) else 1,
        worker=getattr(sender, "hostname", None),
        headers=headers,
    )


@guarded
def leaving(**_: Any) -> None:
    """Deliver what a worker process still holds: it ends without running exit handlers."""
    runtime = current_runtime()
    if runtime is not None:
        end(runtime)


def headers_after_loss(job_id: object, retries: object, eta: Any) -> dict[str, str] | None:
    """Return the headers of a message in which the main process repeats a lost attempt; None for any other message."""
    lost = _received.get(str(job_id))
    if lost is None or lost.request_dict.get("retries", 0) + 1 != retries:
        return None
    request = _context(lost)
    reserved = reserved_for(request)
    return None if reserved is None else job.again(job_of(lost.task, request), headers_of(request), reserved, eta=eta)


def _context(request: Request) -> Context:
    from celery.app.task import Context

    return Context(request.request_dict, delivery_info=request.delivery_info, hostname=request.hostname)


def _request_of(task: Task[Any, Any], task_id: str) -> Context | None:
    request = task.request
    if request.id == task_id:
        return request
    received = _received.get(task_id)
    return None if received is None else _context(received)


def _is_loss(error: object) -> bool:
    from billiard.exceptions import TimeLimitExceeded, WorkerLostError

    return isinstance(error, WorkerLostError | TimeLimitExceeded)


def _lose(task: Task[Any, Any], request: Context, error: BaseException) -> None:
    verb, outcome = job.failure(attempt_of(request), budget(task))
    _tell(task, request, verb, outcome, error)


def _tell(
    task: Task[Any, Any],
    request: Context,
    verb: str,
    outcome: str = "failure",
    error: BaseException | None = None,
    *,
    severity: str | None = None,
) -> None:
    """Tell the end of an attempt, once."""
    received = _received.get(str(request.id))
    if received is not None and received.request_dict.get(RESERVED) == getattr(request, RESERVED, None):
        if TOLD in vars(received):
            return
        vars(received)[TOLD] = True
    reserved = reserved_for(request)
    scope = under_way(reserved)
    if scope is not None:  # in a thread or greenlet of this process
        scope.ended(verb, outcome, error, severity=severity)
        return
    job.dropped(
        job_of(task, request),
        verb,
        outcome,
        error,
        attempt=attempt_of(request),
        worker=request.hostname,
        headers=headers_of(request),
        event_id=reserved,
        severity=severity,
    )


def _dealing_with(request: Request, *_: object, **__: object) -> Scope | None:
    """Enter the story of an attempt that has ended otherwise than by itself."""
    if job.running() is not None:
        return None
    context = _context(request)
    return job.continued(headers_of(context), reserved_for(context))


def _rejected(request: Request, _result: object, requeue: bool = False) -> None:
    if requeue:
        vars(request)[REQUEUED] = True


def _failed(request: Request, _result: object, exc_info: Any, *_: object, **__: object) -> None:
    from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]  # missing from the stubs

    error = exc_info.exception
    if isinstance(error, ExceptionWithTraceback):
        error = error.exc
    if REQUEUED in vars(request) and _is_loss(error):
        _tell(request.task, _context(request), "lost", "retried", error)
