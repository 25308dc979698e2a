"""Celery's signals: receivers that can be taken back, their order, and what a request says of its job."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate

from ezlogs.ids import EVENT_ID_PREFIX
from ezlogs.otel_compat import is_switched_off
from ezlogs.propagation.header import HEADER
from ezlogs.trackers.job import Job
from ezlogs_instrumentors.hooks import Hooks

if TYPE_CHECKING:
    from celery.app.task import Context, Task
    from celery.utils.dispatch import Signal

CONTRIB = "opentelemetry.instrumentation.celery"

RESERVED = "ezlogs_event"
"""Of a request: the id of its attempt's event, which the worker's main process has reserved."""

UNLOCK = "celery.chord_unlock"
"""Celery's own task, which looks again and again whether a chord's header is done."""


_main: list[int] = []
"""The process, if it is known, that takes messages from the broker."""


def is_main_process() -> None:
    """Note that this process takes messages; those forked from it know it, too."""
    _main[:] = [os.getpid()]


def in_pool() -> bool:
    """Return whether this process runs what another took from the broker."""
    return bool(_main) and _main != [os.getpid()]


def connect(hooks: Hooks, signal: Signal, receiver: Callable[..., None]) -> None:
    """Connect a receiver, which must not raise, until it is taken back."""
    if not hooks.active:
        return
    uid = f"ezlogs.{receiver.__name__}"
    signal.connect(receiver, weak=False, dispatch_uid=uid)
    hooks.on_undo(lambda: signal.disconnect(receiver, dispatch_uid=uid))


def contribs(signal: Signal) -> list[Callable[..., None]]:
    """Return those receivers of a signal that are contrib's instrumentation."""
    return [receiver for _, receiver in signal.receivers if getattr(receiver, "__module__", None) == CONTRIB]


def leaves_spans_to_contrib(signal: Signal) -> bool:
    """Return whether spans are contrib's affair: it listens to a signal, or did until somebody took it back.

    Whoever did wants no such spans, ezlogs' as little as contrib's.
    """
    return bool(contribs(signal)) or is_switched_off(CONTRIB, "CeleryInstrumentor")


def is_last(signal: Signal, receiver: Callable[..., None]) -> bool:
    """Return whether a receiver is called after all others."""
    return bool(signal.receivers[-1][1] is receiver)


def move_last(signal: Signal, receiver: Callable[..., None]) -> None:
    """Make a receiver the last of its signal: an attempt's context is left after all others have left theirs."""
    if not is_last(signal, receiver):
        with signal.lock:  # type: ignore[attr-defined]  # public, but missing from the stubs
            found = signal.receivers
            found[:] = sorted(found, key=lambda entry: entry[1] is receiver)


def move_first(signal: Signal, receiver: Callable[..., None]) -> None:
    """Make a receiver the first of its signal: what it tells belongs on a span that others are about to end."""
    if signal.receivers[0][1] is not receiver:
        with signal.lock:  # type: ignore[attr-defined]  # as above
            found = signal.receivers
            found[:] = sorted(found, key=lambda entry: entry[1] is not receiver)


def job_of(task: Task[Any, Any], request: Context) -> Job:
    """Return the job that a request asks for."""
    delivery = request.delivery_info
    queue = delivery.get("routing_key") if isinstance(delivery, Mapping) else None
    return Job(task.name, str(request.id), queue, budget(task))


def attempt_of(request: Context) -> int:
    """Return which run of its job a request is, from 1."""
    retries: object = request.retries
    return retries + 1 if isinstance(retries, int) else 1


def budget(task: Task[Any, Any]) -> int | None:
    """Return how many retries a task has, with what ``retry(max_retries=...)`` has said since."""
    found: int | None = getattr(task, "override_max_retries", task.max_retries)
    return found


def headers_of(request: Context) -> dict[str, object]:
    """Return those headers of a task's message that a story may be in.

    They are attributes of the request; ``request.headers`` has them too, unless another tool put a header of that
    name into the message.
    """
    custom = request.headers if isinstance(request.headers, Mapping) else {}
    names = (HEADER, *propagate.get_global_textmap().fields)
    return {name: getattr(request, name, None) or custom.get(name) for name in names}


def reserved_for(request: Context) -> str | None:
    """Return the id that the worker's main process has reserved for the event of a request's attempt."""
    found = getattr(request, RESERVED, None)
    return found if isinstance(found, str) and found.startswith(EVENT_ID_PREFIX) else None
