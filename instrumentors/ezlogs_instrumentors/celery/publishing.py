"""Enqueuing: the story goes into the message before it is sent, and what became of the sending is told afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers import job
from ezlogs.trackers.job import Arguments, Enqueuing, Job
from ezlogs_instrumentors.celery.joins import group_before, joined
from ezlogs_instrumentors.celery.signals import (
    UNLOCK,
    budget,
    connect,
    contribs,
    leaves_spans_to_contrib,
    move_first,
    move_last,
)
from ezlogs_instrumentors.celery.worker import headers_after_loss
from ezlogs_instrumentors.hooks import Hooks

_sending: ContextVar[list[Enqueuing] | None] = ContextVar("ezlogs_celery_sending", default=None)
"""What the call of ``send_task`` that is under way has begun to send."""


def attach(hooks: Hooks, _celery: ModuleType) -> None:
    """Listen to messages before and after they are sent."""
    from celery import signals

    connect(hooks, signals.before_task_publish, publishing)
    connect(hooks, signals.after_task_publish, published)


def attach_to_apps(hooks: Hooks, base: ModuleType) -> None:
    """See what sending raises: Celery has no signal for that."""

    def seeing(send_task: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send_task)
        def call(*args: Any, **kwargs: Any) -> Any:
            begun: list[Enqueuing] = []
            if hooks.active:
                _after_contrib()
            token = _sending.set(begun)
            try:
                return send_task(*args, **kwargs)
            except BaseException as error:
                for one in begun:
                    one.end(error)
                begun.clear()
                raise
            finally:
                for one in begun:  # sent by a producer that sends no signal
                    one.end()
                _sending.reset(token)

        return call

    hooks.replace(base.Celery, "send_task", seeing)


@guarded
def _after_contrib() -> None:
    """Be asked after contrib, whose span begins the trace that a story outside any other is named after."""
    from celery import signals

    if contribs(signals.before_task_publish):
        move_last(signals.before_task_publish, publishing)


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
    """Put the story into a message, and begin to tell that a task is enqueued."""
    from celery import signals

    message = headers if "id" in headers else body  # before protocol 2 the body held what headers hold now
    eta, traced = message.get("eta"), leaves_spans_to_contrib(signals.before_task_publish)
    if sender == UNLOCK:
        headers.update(job.passed_on(traced=traced))
        return
    attempt = job.running()
    if attempt and (message["id"], message.get("retries")) == (attempt.job.id, attempt.attempt):
        headers.update(attempt.requeued(eta=eta, traced=traced))
        return
    repeated = headers_after_loss(message["id"], message.get("retries"), eta)
    if repeated is not None:
        headers.update(repeated)
        return
    queue = routing_key or (declare[0].name if declare else None)
    sending = job.enqueuing(
        Job(sender, message["id"], queue, _max_retries(sender)),
        eta=eta,
        priority=(properties or {}).get("priority"),
        traced=traced or "traceparent" in headers,
        facts=_facts(message),
        arguments=_arguments(sender, message, body),
        joins=joined(message["id"]) or (),
    )
    if sending is None:
        return
    headers.update(sending.headers)
    begun = _sending.get()
    if begun is None:
        sending.end()
        return
    begun.append(sending)
    if traced:
        move_first(signals.after_task_publish, published)


@guarded
def published(**_: Any) -> None:
    """Tell that a task is enqueued."""
    begun = _sending.get()
    if begun:
        begun.pop().end()


def _arguments(name: str, message: Mapping[str, Any], body: Any) -> Arguments:
    task = _task(name)
    given = (message.get("args"), message.get("kwargs")) if message is body else body
    args, kwargs = (*given, (), {})[:2] if isinstance(given, (tuple, list)) else ((), {})
    return Arguments(None if task is None else task.run, args, kwargs)


def _facts(message: Mapping[str, Any]) -> dict[str, object]:
    """Return what a message says of the group that it is of, and of those that it waited for."""
    import celery

    facts: dict[str, object] = {}
    if isinstance(group := message.get("group"), str):
        facts["group"] = group
    if isinstance(expires := message.get("expires"), str):
        facts["expires"] = expires
    task: Any = celery.current_task
    if task and (group := group_before(task.request, message["id"])):
        facts["joins"] = group
    return facts


def _max_retries(name: str) -> int | None:
    task = _task(name)
    return None if task is None else budget(task)


def _task(name: str) -> Any:
    """Return a task that this process knows; looking must not make the application load its tasks."""
    from celery import current_app

    return current_app.tasks.get(name) if current_app.finalized else None  # type: ignore[attr-defined]  # public, but missing from the stubs
