"""Dramatiq: messages as they are enqueued, run, tried again, skipped and rejected, by what brokers tell middleware.

What carries the story is an option of the message, beside those of Dramatiq's own middleware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import wraps
from threading import current_thread
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ezlogs.emit import guarded
from ezlogs.trackers import job as tracker
from ezlogs.trackers.job import Arguments, Job, JobScope
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks
from ezlogs_instrumentors.jobs import around, packed, sending, unpacked, worker_name

if TYPE_CHECKING:
    from dramatiq.broker import Broker, MessageProxy
    from dramatiq.message import Message

OPTION = "ezlogs"
"""The message's option."""

BROKERS = ("Redis", "Rabbitmq", "Stub")
"""Of other brokers it is not known whether they have taken what they were sent."""

RUN = "_ezlogs_run"
"""The attribute of a message for the attempt that runs."""


class DramatiqInstrumentor(HookingInstrumentor):
    """Tells of messages of Dramatiq 2.2 and later, with any broker.

    Example:
        >>> instrumentor = DramatiqInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "dramatiq"
    versions = ("dramatiq >= 2.2",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        brokers = {f"dramatiq.brokers.{name.lower()}": _sending_by(f"{name}Broker") for name in BROKERS}
        return {"dramatiq.broker": _attach, "dramatiq.worker": _attach_to_workers, **brokers}


def _sending_by(broker: str) -> Attach:
    return lambda hooks, module: sending(hooks, getattr(module, broker), "enqueue")


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(emit: Callable[..., None]) -> Callable[..., None]:
        @wraps(emit)
        def emitted(broker: Broker, /, signal: str, *args: Any, **kwargs: Any) -> None:
            if signal == "enqueue" and hooks.active:
                _enqueuing(broker, *args, **kwargs)
            emit(broker, signal, *args, **kwargs)

        return emitted

    hooks.replace(module.Broker, "emit_before", make)
    hooks.after(module.Broker, "emit_after", _emitted)  # by then the middleware has decided whether to try again


def _attach_to_workers(hooks: Hooks, module: ModuleType) -> None:
    around(hooks, module._WorkerThread, "process_message", _starting, lambda *_: None)


@guarded
def _enqueuing(broker: Broker, message: Message[Any], delay: int | None = None) -> None:
    attempt, eta = tracker.running(), _time(message.options.get("eta"))
    if attempt is not None and attempt.job.id == message.message_id:
        vars(attempt)["again"] = True
        sent = attempt.requeued(eta=eta)
    elif _carried(message) or type(current_thread()).__name__.lstrip("_") == "ConsumerThread":
        return  # it goes on from the queue of delayed messages, or is enqueued anew as it was
    else:
        told, priority = _told(broker, message), message.options.get("broker_priority")
        facts = _group(message)
        if attempt is not None and (joins := _group(vars(attempt)["message"], before=message.message_id)):
            facts["joins"] = joins["group"]
        sent = tracker.enqueued(told, eta=eta, priority=priority, facts=facts, arguments=_arguments(broker, message))
    if sent:
        message.options[OPTION] = packed(sent, id=message.message_id)


def _starting(worker: Any, message: MessageProxy) -> JobScope | None:
    scope = tracker.started(
        _told(worker.broker, message),
        attempt=_retries(message) + 1,
        worker=worker_name(),
        headers=_carried(message),
        facts=_group(message),
        arguments=_arguments(worker.broker, message),
    )
    vars(message)[RUN] = scope
    if scope is not None:
        vars(scope)["message"] = message
    return scope


def _emitted(
    broker: Broker,
    _: None,
    signal: str,
    message: Any = None,
    *args: object,
    result: object = None,
    exception: BaseException | None = None,
    **kwargs: object,
) -> None:
    if signal == "nack" and message.actor_name not in broker.actors:
        _rejecting(broker, message)
        return
    scope = vars(message).pop(RUN, None) if signal in ("process_message", "skip_message") else None
    if scope is None:
        return
    if signal == "skip_message":
        scope.ended("skip", "failure" if message.failed else "success")
    elif vars(scope).get("again"):
        scope.retried(exception)
    elif exception is None and not message.failed:
        scope.succeeded(result)
    elif message.failed and scope.attempt > 1 and _retries(message) >= scope.attempt:
        scope.ended("dead", "dead", exception)  # as often as it may: what may not be tried again is not counted
    else:
        scope.failed(exception)


def _rejecting(broker: Broker, message: MessageProxy) -> None:
    """Tell of a message that no actor of this worker takes."""
    from dramatiq.errors import ActorNotFound

    tracker.dropped(
        _told(broker, message),
        "reject",
        error=ActorNotFound(message.actor_name),  # type: ignore[no-untyped-call]  # Dramatiq's
        attempt=_retries(message) + 1,
        worker=worker_name(),
        headers=_carried(message),
    )


def _told(broker: Broker, message: Message[Any] | MessageProxy) -> Job:
    queue = message.queue_name.removesuffix(".DQ")  # of delayed messages
    return Job(message.actor_name, message.message_id, queue, _max_retries(broker, message), "dramatiq")


def _group(message: Message[Any] | MessageProxy, before: str | None = None) -> dict[str, object]:
    """Return the group with callbacks that a message is of, if it is of one, and if it runs before a callback."""
    group, callbacks = (message.options.get(f"group_completion_{name}") for name in ("uuid", "callbacks"))
    if not isinstance(group, str):
        return {}
    return {"group": group} if before is None or before in [one.get("message_id") for one in callbacks or ()] else {}


def _arguments(broker: Broker, message: Message[Any] | MessageProxy) -> Arguments:
    return Arguments(getattr(broker.actors.get(message.actor_name), "fn", None), message.args, message.kwargs)


def _max_retries(broker: Broker, message: Message[Any] | MessageProxy) -> int | None:
    from dramatiq.middleware import Retries

    general = next((one.max_retries for one in broker.middleware if isinstance(one, Retries)), 0)
    actor = broker.actors.get(message.actor_name)
    of_actor = general if actor is None else actor.options.get("max_retries", general)
    found = message.options.get("max_retries", of_actor)
    return found if isinstance(found, int) else None


def _retries(message: Message[Any] | MessageProxy) -> int:
    found = message.options.get("retries", 0)
    return found if type(found) is int and found >= 0 else 0


def _carried(message: Message[Any] | MessageProxy) -> dict[str, Any]:
    """Return what came with a message; options that were copied from another are not its own."""
    carried = unpacked(message.options.get(OPTION))
    return carried if carried.get("id") == message.message_id else {}


def _time(eta: object) -> datetime | None:
    """Return a time in milliseconds since 1970."""
    return datetime.fromtimestamp(eta / 1000, timezone.utc) if isinstance(eta, (int, float)) else None
