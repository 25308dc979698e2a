"""Huey: tasks as they are enqueued, run, tried again, revoked and expired, by the signals that it sends.

What carries the story stands behind the pickled message: whoever unpickles it stops before that, with ezlogs or
without. Serialisers that do not pickle with Huey's own carry nothing; each job is then a story of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import datetime, timezone
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ezlogs.emit import guarded
from ezlogs.scope import Scope
from ezlogs.trackers import job as tracker
from ezlogs.trackers.job import Arguments, Job, JobScope
from ezlogs.trackers.schedule import schedule
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks
from ezlogs_instrumentors.jobs import around, attempt_in, before, packed, sending, unpacked, worker_name

if TYPE_CHECKING:
    from huey.api import Huey, Task  # type: ignore[import-untyped]  # it has none

MARK = b"\x00ezlogs1"
"""What a message ends with that carries a story; before it are the text, and its length in four bytes."""

CARRIED, DUE, RUN = "_ezlogs_carried", "_ezlogs_due", "_ezlogs_run"
"""The attributes of a task for what it carries, for that the clock says it is time, and for the attempt that runs."""

JOINS, LEFT = "_ezlogs_joins", "_ezlogs_left"
"""The attributes of a task for the chord that it has waited for, and for what follows from it though it never began."""

_message: ContextVar[list[str]] = ContextVar("ezlogs_huey_message")
"""The text of the one message that is being pickled or unpickled."""

_ENDS = {"revoked": "revoke", "expired": "expire", "canceled": "cancel"}
"""How those tasks end that do not come to their own end."""


class HueyInstrumentor(HookingInstrumentor):
    """Tells of tasks of Huey 3.5 and later, with any storage and any kind of worker.

    Example:
        >>> instrumentor = HueyInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "huey"
    versions = ("huey >= 3.5",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"huey.api": _attach, "huey.serializer": _attach_to_serializer}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    _attach_to_enqueue(hooks, module)
    sending(hooks, module.Huey, "enqueue", lambda huey: huey.immediate)
    hooks.replace(module.Huey, "serialize_task", lambda original: _carrying(hooks, original))
    hooks.replace(module.Huey, "deserialize_task", lambda original: _carried_by(hooks, original))
    before(hooks, module.Huey, "_emit", _signalled)
    before(hooks, module.Huey, "add_schedule", _scheduling)
    before(hooks, module.Huey, "_run_post_execute", _done)
    before(hooks, module.Huey, "_check_chord", _joining)
    around(hooks, module.Huey, "_abort_chord_member", _leaving_out, lambda *_: None)
    around(hooks, module.Huey, "_execute", _starting, _ending)


def _attach_to_enqueue(hooks: Hooks, module: ModuleType) -> None:
    """Have what Huey's scheduler enqueues because it is due begin a story."""

    def make(enqueue: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(enqueue)
        def enqueued(huey: Huey, task: Any) -> Any:
            if not hooks.active or not getattr(task, DUE, False):
                return enqueue(huey, task)
            with schedule(_name(task), metadata={"queue": huey.name}):
                return enqueue(huey, task)

        return enqueued

    hooks.replace(module.Huey, "enqueue", make)
    hooks.after(module.Huey, "read_periodic", _due)


def _due(huey: Huey, tasks: Iterable[Task], *_: object) -> None:
    for task in tasks:
        vars(task)[DUE] = True


def _attach_to_serializer(hooks: Hooks, module: ModuleType) -> None:
    def make_serialize(serialize: Callable[..., bytes]) -> Callable[..., bytes]:
        @wraps(serialize)
        def serialized(serializer: Any, data: Any) -> bytes:
            message = serialize(serializer, data)
            texts = _message.get(None)
            return message + _trailer(texts.pop()) if hooks.active and texts else message

        return serialized

    def make_deserialize(deserialize: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(deserialize)
        def deserialized(serializer: Any, data: bytes) -> Any:
            texts = _message.get(None)
            if hooks.active and texts is not None:
                _find(data, texts)
            return deserialize(serializer, data)

        return deserialized

    hooks.replace(module.Serializer, "_serialize", make_serialize)
    hooks.replace(module.Serializer, "_deserialize", make_deserialize)


def _trailer(text: str) -> bytes:
    return text.encode() + len(text.encode()).to_bytes(4, "big") + MARK


@guarded
def _find(data: bytes, texts: list[str]) -> None:
    if data.endswith(MARK):
        end = len(data) - len(MARK) - 4
        length = int.from_bytes(data[end : end + 4], "big")
        if length <= end:
            texts.append(data[end - length : end].decode(errors="replace"))


def _carrying(hooks: Hooks, serialize: Callable[..., bytes]) -> Callable[..., bytes]:
    @wraps(serialize)
    def serialized(huey: Huey, task: Task) -> bytes:
        carried = _carried(task) if hooks.active else None
        if not carried:
            return serialize(huey, task)
        token = _message.set([packed(carried)])
        try:
            return serialize(huey, task)
        finally:
            _message.reset(token)

    return serialized


def _carried_by(hooks: Hooks, deserialize: Callable[..., Task]) -> Callable[..., Task]:
    @wraps(deserialize)
    def deserialized(huey: Huey, data: bytes) -> Task:
        if not hooks.active:
            return deserialize(huey, data)
        texts: list[str] = []
        token = _message.set(texts)
        try:
            task = deserialize(huey, data)
        except Exception as error:
            _rejecting(huey, data, unpacked(texts[0] if texts else None), error)
            raise
        finally:
            _message.reset(token)
        vars(task)[CARRIED] = unpacked(texts[0] if texts else None)
        return task

    return deserialized


@guarded
def _rejecting(huey: Huey, data: bytes, carried: Mapping[str, Any], error: BaseException) -> None:
    """Tell of a task that this consumer does not know; what is no message at all is none."""
    try:
        message, attempt = huey.serializer.deserialize(data), attempt_in(carried)
    except Exception:  # as the application will hear from Huey
        return
    told = Job(str(message.name), str(message.id), huey.name, None, "huey")
    tracker.dropped(told, "reject", error=error, attempt=attempt, worker=worker_name(), headers=carried)


def _signalled(huey: Huey, signal: str, task: Task, *_: object, **__: object) -> None:
    run = _run(task)
    if signal == "enqueued":
        if run is None:
            _enqueuing(huey, task)
        else:  # a retry without a delay
            _again(run, task)
    elif signal == "interrupted" and run is not None:  # perhaps in another thread than the task's
        run.ended("interrupt", "unknown")
    elif signal == "retrying" and run is not None:
        vars(run)["retrying"] = True
    elif (verb := _ENDS.get(signal)) is not None:
        if run is not None:
            vars(run)["verb"] = verb
        elif (scope := _starting(huey, task)) is not None:  # it never began
            scope.ended(verb, "failure")
            vars(task).pop(RUN)
            vars(task)[LEFT] = scope.requeued(traced=True)
            scope.close()


def _enqueuing(huey: Huey, task: Task) -> None:
    if _carried(task) is None:  # it was made here, rather than found in a queue or a schedule
        told, eta = _told(huey, task, 1), _aware(huey, task.eta)
        facts = _chord(task)
        if joins := vars(task).get(JOINS):
            facts["joins"] = joins
        sent = tracker.enqueued(told, eta=eta, priority=task.priority, facts=facts, arguments=_arguments(task))
        vars(task)[CARRIED] = dict(sent)


def _joining(_: Huey, config: Any, *__: object) -> None:
    """See the chord whose member has ended: the last of them enqueues the callback."""
    vars(config.callback)[JOINS] = str(config.cid)


def _leaving_out(_: Huey, task: Task, *__: object) -> Scope | None:
    """Have what a chord does without a member that never began belong to the story of that member."""
    left = vars(task).get(LEFT)
    return tracker.continued(left) if left else None


def _scheduling(huey: Huey, task: Task) -> None:
    if (run := _run(task)) is not None:
        _again(run, task, _aware(huey, task.eta))


def _again(run: JobScope, task: Task, eta: datetime | None = None) -> None:
    vars(task)[CARRIED] = {**run.requeued(eta=eta), "attempt": run.attempt + 1}


def _starting(huey: Huey, task: Task, *_: object) -> JobScope | None:
    carried = _carried(task) or {}
    attempt = attempt_in(carried)
    scope = tracker.started(
        _told(huey, task, attempt),
        attempt=attempt,
        worker=worker_name(),
        headers=carried,
        nested=huey.immediate,
        facts=_chord(task),
        arguments=_arguments(task),
    )
    if scope is not None:
        vars(scope)["task"] = task
        vars(task)[RUN] = scope
    return scope


def _done(huey: Huey, task: Task, value: object, error: BaseException | None) -> None:
    if (run := _run(task)) is not None:
        vars(run).update(done=error, result=value)


def _ending(scope: JobScope, _: object, error: BaseException | None) -> None:
    known = vars(scope)
    vars(known.pop("task")).pop(RUN, None)
    raised = known.pop("done", error)
    if known.get("retrying"):
        scope.retried(raised)
    elif verb := known.get("verb"):
        scope.ended(verb, "failure", raised)
    elif raised is not None:
        scope.failed(raised)
    else:
        scope.succeeded(known.pop("result", None))


def _told(huey: Huey, task: Task, attempt: int) -> Job:
    return Job(_name(task), str(task.id), huey.name, attempt - 1 + task.retries, "huey")


def _chord(task: Task) -> dict[str, object]:
    """Return the chord that a task is a member of, if it is of one."""
    config = task.chord_config
    return {} if config is None else {"group": str(config.cid)}


def _arguments(task: Task) -> Arguments:
    """Return the call that a task makes; its function is known to its ``execute`` alone."""
    execute = getattr(type(task), "execute", None)
    code, cells = getattr(execute, "__code__", None), getattr(execute, "__closure__", None) or ()
    known = dict(zip(getattr(code, "co_freevars", ()), cells, strict=False))
    return Arguments(known["func"].cell_contents if "func" in known else None, *task.data)


def _name(task: Task) -> str:
    return f"{type(task).__module__}.{type(task).__name__}"


def _carried(task: Task) -> dict[str, Any] | None:
    """Return what came with a task; None for one that was made here and is not enqueued yet."""
    carried: dict[str, Any] | None = vars(task).get(CARRIED)
    return carried


def _run(task: Task) -> JobScope | None:
    run: JobScope | None = vars(task).get(RUN)
    return run


def _aware(huey: Huey, when: datetime | None) -> datetime | None:
    if when is None or when.tzinfo is not None:
        return when
    return when.replace(tzinfo=timezone.utc) if huey.utc else when.astimezone()
