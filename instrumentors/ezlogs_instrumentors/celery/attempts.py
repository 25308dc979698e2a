"""Attempts: what runs, in whichever process, thread or greenlet, from before a task's code until after it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from opentelemetry import propagate

from ezlogs.emit import guarded
from ezlogs.otel_compat import links_jobs
from ezlogs.scope import Scope
from ezlogs.trackers import job
from ezlogs.trackers.job import Arguments, Hop, JobScope
from ezlogs_instrumentors.celery.signals import (
    UNLOCK,
    attempt_of,
    budget,
    connect,
    contribs,
    headers_of,
    in_pool,
    is_last,
    job_of,
    leaves_spans_to_contrib,
    move_last,
    reserved_for,
)
from ezlogs_instrumentors.hooks import Hooks

if TYPE_CHECKING:
    from celery.app.task import Context, Task
    from celery.utils.dispatch import Signal

_attempts: WeakKeyDictionary[Context, JobScope] = WeakKeyDictionary()
"""The attempt of each task request that runs. Contexts will not do: contrib may have put its own in their place."""

_untold: WeakKeyDictionary[Context, Scope] = WeakKeyDictionary()
"""The scopes of Celery's own tasks, which are not told."""


def attach(hooks: Hooks, _celery: ModuleType) -> None:
    """Listen to tasks as they begin and end."""
    from celery import signals

    connect(hooks, signals.task_prerun, starting)
    connect(hooks, signals.task_success, succeeding)
    connect(hooks, signals.task_retry, retrying)
    connect(hooks, signals.task_failure, failing)
    connect(hooks, signals.task_postrun, ending)


def under_way(event_id: str | None) -> JobScope | None:
    """Return the attempt that runs in this process and whose event has an id."""
    return next((scope for scope in list(_attempts.values()) if scope.event_id == event_id), None)


@guarded
def starting(task: Task[Any, Any], task_id: str, **_: Any) -> None:
    """Begin an attempt."""
    from celery import signals

    request = task.request
    if request in _attempts:  # told twice, while another thread moved the receiver
        return
    if task.name == UNLOCK:
        scope = job.continued(headers_of(request))
        if scope is not None:
            _untold[request] = scope
            move_last(signals.task_postrun, ending)
        return
    hop = _hop(signals.task_prerun)
    attempt = job.started(
        job_of(task, request),
        attempt=attempt_of(request),
        worker=request.hostname,
        headers=headers_of(request),
        hop=hop,
        nested=request.is_eager,
        event_id=None if request.is_eager else reserved_for(request),
        facts={"group": request.group} if isinstance(request.group, str) else None,
        arguments=Arguments(task.run, request.args, request.kwargs),
    )
    if attempt is None:
        return
    _attempts[request] = attempt
    if hop is Hop.COMING:  # what contrib would extract is already in the context; it must not begin from nothing
        vars(request).update(dict.fromkeys(propagate.get_global_textmap().fields))
    move_last(signals.task_prerun, starting)
    move_last(signals.task_postrun, ending)


@guarded
def succeeding(sender: Task[Any, Any], result: object = None, **_: Any) -> None:
    """End an attempt that returned."""
    if scope := _attempts.get(sender.request):
        scope.succeeded(result)


@guarded
def retrying(sender: Task[Any, Any], request: Context, reason: Any = None, **_: Any) -> None:
    """End an attempt that will be repeated."""
    scope = _attempts.get(request)
    if scope is None or reason is None:
        return
    scope.max_retries = budget(sender)
    scope.retried(reason.exc)
    if reason.is_eager:  # nothing is published: the signature is what the next attempt is made from
        options = reason.sig.options
        options["headers"] = {**(options.get("headers") or {}), **scope.requeued(traced=True)}


@guarded
def failing(sender: Task[Any, Any], exception: BaseException, **_: Any) -> None:
    """End an attempt that raised."""
    if scope := _attempts.get(sender.request):
        scope.max_retries = budget(sender)
        scope.failed(sys.exc_info()[1] or exception)  # what was raised, rather than what could be pickled


@guarded
def ending(task: Task[Any, Any], state: str | None = None, **_: Any) -> None:
    """Leave an attempt, and end it if no other signal did: ignored, rejected, or raised through to an eager caller."""
    untold = _untold.pop(task.request, None)
    if untold is not None:
        untold.close()
    scope = _attempts.pop(task.request, None)
    if scope is None:
        return
    try:
        _end(scope, state, sys.exc_info()[1])
    finally:
        scope.close()


def _end(scope: JobScope, state: str | None, error: BaseException | None) -> None:
    from celery.exceptions import Retry

    if state == "IGNORED":
        scope.ended("ignore", "success")
    elif state == "REJECTED":
        scope.ended("reject", "failure")
    elif isinstance(error, Retry):
        scope.retried(error.exc)
    elif isinstance(error, SystemExit) and in_pool():  # its process is being ended, which the main process tells
        scope.left_to_another()
    elif state is None:
        scope.failed(error)


def _hop(signal: Signal) -> Hop:
    """Return who makes the span of the attempt that a signal begins."""
    others = contribs(signal)
    if not others:
        return Hop.CURRENT if leaves_spans_to_contrib(signal) else Hop.OURS
    if is_last(signal, starting):
        return Hop.CURRENT
    return Hop.APART if any(links_jobs(getattr(one, "__self__", None)) for one in others) else Hop.COMING
