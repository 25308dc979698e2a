"""Celery: its signals call the job tracker, in the process that enqueues and in the one that works."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, MutableMapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from opentelemetry import propagate
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing
from wrapt import when_imported

from ezlogs.emit import guarded
from ezlogs.launch.start import end
from ezlogs.otel_compat import links_jobs
from ezlogs.propagation.header import HEADER
from ezlogs.runtime import current_runtime
from ezlogs.trackers import job
from ezlogs.trackers.job import Hop, Job, JobScope

if TYPE_CHECKING:
    from celery.app.task import Context, Task
    from celery.utils.dispatch import Signal

CONTRIB = "opentelemetry.instrumentation.celery"

_attempts: WeakKeyDictionary[Context, JobScope] = WeakKeyDictionary()
"""The attempt of each task request that runs. Contexts will not do: contrib may have put its own in their place."""

_received: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""What a worker's main process has received and not yet done with."""


class CeleryInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Tells of tasks that are enqueued and run; beside contrib's instrumentation or without it."""

    _connected = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions of Celery that this works with."""
        return ("celery >= 5.3",)

    def _instrument(self, **kwargs: Any) -> None:
        if find_spec("celery") is None:
            raise ModuleNotFoundError("No module named 'celery'", name="celery")
        self._connected = True
        when_imported("celery")(self._connect)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._connected = False
        if "celery" in sys.modules:
            for signal, receiver in _receivers():
                signal.disconnect(receiver, dispatch_uid=_uid(receiver))

    def _connect(self, _celery: object) -> None:
        if self._connected:  # not uninstrumented since
            for signal, receiver in _receivers():
                signal.connect(receiver, weak=False, dispatch_uid=_uid(receiver))


@guarded
def publishing(
    *,
    sender: str,
    headers: MutableMapping[str, Any],
    body: Any,
    properties: Mapping[str, Any] | None = None,
    declare: Any = None,
    routing_key: str | None = None,
    **_: Any,
) -> None:
    """Tell that a task is enqueued, and put the story into its message."""
    from celery import signals

    message = headers if "id" in headers else body  # before protocol 2 the body held what headers hold now
    eta, traced = message.get("eta"), _contrib(signals.before_task_publish)
    attempt = job.running()
    if attempt and (message["id"], message.get("retries")) == (attempt.job.id, attempt.attempt):
        headers.update(attempt.requeued(eta=eta, traced=traced))
        return
    queue = routing_key or (declare[0].name if declare else None)
    sent = job.enqueued(
        Job(sender, message["id"], queue, _max_retries(sender)),
        eta=eta,
        priority=(properties or {}).get("priority"),
        traced=traced or "traceparent" in headers,
    )
    headers.update(sent)


@guarded
def starting(task: Task[Any, Any], task_id: str, **_: Any) -> None:
    """Begin an attempt."""
    from celery import signals

    request = task.request
    if request in _attempts:  # told twice, while another thread moved the receiver
        return
    hop = _hop(signals.task_prerun)
    scope = job.started(
        _job(task, request),
        attempt=request.retries + 1,
        worker=request.hostname,
        headers=_headers(request),
        hop=hop,
        nested=request.is_eager,
    )
    if scope is None:
        return
    _attempts[request] = scope
    if hop is Hop.COMING:  # what contrib would extract is already in the context; it must not begin from nothing
        vars(request).update(dict.fromkeys(propagate.get_global_textmap().fields))
    _move_last(signals.task_prerun, starting)
    _move_last(signals.task_postrun, ending)


@guarded
def succeeding(sender: Task[Any, Any], **_: Any) -> None:
    """End an attempt that returned."""
    if scope := _attempts.get(sender.request):
        scope.succeeded()


@guarded
def retrying(sender: Task[Any, Any], request: Context, reason: Any, **_: Any) -> None:
    """End an attempt that will be repeated."""
    if scope := _attempts.get(request):
        scope.max_retries = _budget(sender)
        scope.retried(reason.exc)
        if reason.is_eager:  # nothing is published: the signature is what the next attempt is made from
            options = reason.sig.options
            options["headers"] = {**(options.get("headers") or {}), **scope.requeued(traced=True)}


@guarded
def failing(sender: Task[Any, Any], task_id: str, exception: BaseException, **_: Any) -> None:
    """End an attempt that raised, or tell of one whose process died."""
    from celery.exceptions import WorkerLostError

    request = sender.request
    if scope := _attempts.get(request):
        scope.max_retries = _budget(sender)
        scope.failed(sys.exc_info()[1] or exception)  # what was raised, rather than what could be pickled
    elif isinstance(exception, WorkerLostError) and (lost := _lost(request, task_id)):
        job.lost(
            _job(sender, lost),
            exception,
            attempt=lost.retries + 1,
            worker=lost.hostname,
            headers=_headers(lost),
        )


def _lost(request: Context, task_id: str) -> Context | None:
    """Return the request of a job whose process died, for which an older Celery makes none the current one."""
    if request.id == task_id:
        return request
    from celery.app.task import Context

    received = _received.get(task_id)
    if received is None:
        return None
    known = {"delivery_info": received.delivery_info, "hostname": received.hostname}
    return Context(received.request_dict, **known)


@guarded
def receiving(request: Any, **_: Any) -> None:
    """Know what the worker has received, as long as the worker has it."""
    _received[request.id] = request


@guarded
def ending(task: Task[Any, Any], state: str | None = None, **_: Any) -> None:
    """Leave an attempt, and end it if no other signal did: ignored, rejected, or raised through to an eager caller."""
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
    elif state is None:
        scope.failed(error)


@guarded
def leaving(**_: Any) -> None:
    """Deliver what a worker process still holds: it ends without running exit handlers."""
    runtime = current_runtime()
    if runtime is not None:
        end(runtime)


def _receivers() -> tuple[tuple[Signal, Callable[..., None]], ...]:
    from celery import signals

    return (
        (signals.before_task_publish, publishing),
        (signals.task_received, receiving),
        (signals.task_prerun, starting),
        (signals.task_success, succeeding),
        (signals.task_retry, retrying),
        (signals.task_failure, failing),
        (signals.task_postrun, ending),
        (signals.worker_process_shutdown, leaving),
    )


def _uid(receiver: Callable[..., None]) -> str:
    return f"ezlogs.{receiver.__name__}"


def _contrib(signal: Signal) -> bool:
    """Return whether contrib's instrumentation listens to a signal at this moment."""
    return bool(_contribs(signal))


def _contribs(signal: Signal) -> list[Callable[..., None]]:
    return [receiver for _, receiver in signal.receivers if getattr(receiver, "__module__", None) == CONTRIB]


def _hop(signal: Signal) -> Hop:
    """Return who makes the span of the attempt that a signal begins."""
    contribs = _contribs(signal)
    if not contribs:
        return Hop.OURS
    if _last(signal, starting):
        return Hop.CURRENT
    return Hop.APART if any(links_jobs(getattr(one, "__self__", None)) for one in contribs) else Hop.COMING


def _last(signal: Signal, receiver: Callable[..., None]) -> bool:
    return bool(signal.receivers[-1][1] is receiver)


def _move_last(signal: Signal, receiver: Callable[..., None]) -> None:
    """Make a receiver the last of its signal: an attempt's context is left after all others have left theirs."""
    if not _last(signal, receiver):
        with signal.lock:  # type: ignore[attr-defined]  # public, but missing from the stubs
            found = signal.receivers
            found[:] = sorted(found, key=lambda entry: entry[1] is receiver)


def _job(task: Task[Any, Any], request: Context) -> Job:
    delivery: Mapping[str, Any] = request.delivery_info or {}
    return Job(task.name, str(request.id), delivery.get("routing_key"), _budget(task))


def _budget(task: Task[Any, Any]) -> int | None:
    """Return how many retries a task has, with what ``retry(max_retries=...)`` has said since."""
    budget: int | None = getattr(task, "override_max_retries", task.max_retries)
    return budget


def _max_retries(name: str) -> int | None:
    """Return the retries of a task that this process knows; looking must not make the application load its tasks."""
    from celery import current_app

    task = current_app.tasks.get(name) if current_app.finalized else None  # type: ignore[attr-defined]  # public, but missing from the stubs
    return None if task is None else _budget(task)


def _headers(request: Context) -> dict[str, object]:
    """Return those headers of a task's message that a story may be in.

    They are attributes of the request; ``request.headers`` has them too, unless another tool put a header of that
    name into the message.
    """
    custom = request.headers if isinstance(request.headers, Mapping) else {}
    names = (HEADER, *propagate.get_global_textmap().fields)
    return {name: getattr(request, name, None) or custom.get(name) for name in names}
