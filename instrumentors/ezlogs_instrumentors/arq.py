"""arq: jobs as they are enqueued, run, tried again and aborted, by the methods of its pool and workers.

What carries the story is a key of its own in the job's serialised mapping, beside those of arq. That mapping is never
written again: what an attempt leaves to the next one is in a key of Redis that lives as long as arq's count of tries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ezlogs.emit import guarded, tracking
from ezlogs.trackers import job as tracker
from ezlogs.trackers.job import Arguments, Job, JobScope
from ezlogs.trackers.schedule import schedule
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks
from ezlogs_instrumentors.jobs import before, packed, unpacked, worker_name

if TYPE_CHECKING:
    from arq.connections import ArqRedis
    from arq.worker import Worker

KEY, RETRY_KEY, SECONDS = "ezlogs", "arq:ezlogs:", 88400
"""The key in a job's mapping; what begins the key in Redis for the next attempt, and how long that lives."""


@dataclass
class Run:
    """A job that a worker has taken, and what is found out of it."""

    worker: Worker
    job_id: str
    score: int
    carried: dict[str, Any]
    name: str = "unknown"
    given: Arguments | None = None
    scope: JobScope | None = None
    error: BaseException | None = None
    aborting: bool = False
    tries: int = 1
    result: object = None
    returned: object = None


_enqueuing: ContextVar[dict[str, Any] | None] = ContextVar("ezlogs_arq_enqueuing", default=None)
_cron: ContextVar[bool] = ContextVar("ezlogs_arq_cron", default=False)
_run: ContextVar[Run | None] = ContextVar("ezlogs_arq_run", default=None)


class ArqInstrumentor(HookingInstrumentor):
    """Tells of jobs of arq 0.28 and later.

    Example:
        >>> instrumentor = ArqInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "arq"
    versions = ("arq >= 0.28",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"arq.connections": _attach, "arq.worker": _attach_to_workers}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(enqueue: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(enqueue)
        async def enqueued(pool: ArqRedis, /, *args: Any, **options: Any) -> Any:
            if not hooks.active or not tracking():
                return await enqueue(pool, *args, **options)
            options["_job_id"] = options.get("_job_id") or uuid4().hex  # as arq makes them
            token = _enqueuing.set({"queue": pool.default_queue_name, **options})
            try:
                with tracker.Sending():
                    return await enqueue(pool, *args, **options)
            finally:
                _enqueuing.reset(token)

        return enqueued

    hooks.replace(module.ArqRedis, "enqueue_job", make)
    hooks.replace(module, "serialize_job", lambda serialize: _carrying(hooks, serialize))


def _attach_to_workers(hooks: Hooks, module: ModuleType) -> None:
    hooks.after(module.Worker, "__init__", lambda worker, *_, **__: _watching(hooks, worker))
    hooks.replace(module.Worker, "run_job", lambda run: _running(hooks, run))
    hooks.replace(module.Worker, "finish_job", lambda finish: _finishing(hooks, finish))
    hooks.replace(module.Worker, "run_cron", lambda run: _scheduled(hooks, run))
    hooks.replace(module, "deserialize_job_raw", lambda read: _carried_by(hooks, read))
    before(hooks, module, "serialize_result", _counting)
    before(hooks, module.Worker, "finish_failed_job", _not_begun)


def _carrying(hooks: Hooks, serialize: Callable[..., bytes]) -> Callable[..., bytes]:
    import pickle

    @wraps(serialize)
    def serialized(name: str, args: Any, kwargs: Any, tries: Any, at: int, *, serializer: Any = None) -> bytes:
        options = _enqueuing.get()
        carried = _told_enqueued(name, at, options, Arguments(None, args, kwargs)) if hooks.active and options else None
        if not carried:
            return serialize(name, args, kwargs, tries, at, serializer=serializer)
        write, text = serializer or pickle.dumps, packed(carried)

        def with_story(data: dict[str, Any]) -> Any:
            try:
                return write({**data, KEY: text})
            except Exception:  # of one that takes arq's keys and no other
                return write(data)

        return serialize(name, args, kwargs, tries, at, serializer=with_story)

    return serialized


@guarded
def _told_enqueued(name: str, at: int, options: Mapping[str, Any], given: Arguments) -> dict[str, str]:
    """Tell that a job is enqueued; only now is it known that no other has its id."""
    job = Job(name, options["_job_id"], options.get("_queue_name") or options["queue"], None, "arq")
    eta, wait = options.get("_defer_until"), options.get("_defer_by")
    if isinstance(eta, datetime):
        eta = eta if eta.tzinfo else eta.astimezone()
    elif wait:
        eta = _time(at) + (wait if isinstance(wait, timedelta) else timedelta(seconds=wait))
    if not _cron.get():
        return tracker.enqueued(job, eta=eta, arguments=given)
    with schedule(name.removeprefix("cron:"), due=eta, metadata={"queue": job.queue}):
        return tracker.enqueued(job, eta=eta)


def _carried_by(hooks: Hooks, read: Callable[..., Any]) -> Callable[..., Any]:
    import pickle

    @wraps(read)
    def reading(data: bytes, *, deserializer: Any = None) -> Any:
        run, load = _run.get(), deserializer or pickle.loads
        if not hooks.active or run is None:
            return read(data, deserializer=deserializer)

        def loading(raw: bytes) -> Any:
            fields = load(raw)
            _found(run, fields)
            return fields

        return read(data, deserializer=loading)

    return reading


@guarded
def _found(run: Run, fields: Any) -> None:
    if isinstance(fields, Mapping):
        run.carried, run.name = unpacked(fields.get(KEY)), str(fields.get("f"))
        run.given = Arguments(None, fields.get("a"), fields.get("k"))


def _running(hooks: Hooks, run_job: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(run_job)
    async def running(worker: Worker, job_id: str, score: int) -> None:
        if not hooks.active:
            return await run_job(worker, job_id, score)
        run = Run(worker, job_id, score, {})
        token = _run.set(run)
        try:
            await run_job(worker, job_id, score)
        finally:
            if run.scope is not None:
                guarded(run.scope.close)()
            _run.reset(token)

    return running


def _watching(hooks: Hooks, worker: Worker) -> None:
    """Have an attempt begin where arq calls ``on_job_start``, in the task that the job's own is made from."""
    users = worker.on_job_start

    async def on_job_start(ctx: dict[Any, Any]) -> None:
        if hooks.active and (run := _run.get()) is not None:
            await _begin(run, ctx)
        if users:
            await users(ctx)

    def watched(function: Callable[..., Coroutine[Any, Any, Any]]) -> Any:
        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            try:
                returned = await function(*args, **kwargs)
            except BaseException as error:
                _raised(worker, error)
                raise
            if (run := _run.get()) is not None:
                run.returned = returned
            return returned

        return call

    worker.on_job_start = on_job_start
    worker.functions = {name: replace(one, coroutine=watched(one.coroutine)) for name, one in worker.functions.items()}


def _raised(worker: Worker, error: BaseException) -> None:
    if (run := _run.get()) is not None:
        run.error, run.aborting = error, run.job_id in worker.aborting_tasks


async def _begin(run: Run, ctx: Mapping[Any, Any]) -> None:
    if ctx["job_try"] > 1:
        with suppress(Exception):  # of Redis: arq meets them by itself
            run.carried = unpacked(await run.worker.pool.get(RETRY_KEY + run.job_id)) or run.carried
    run.scope = _started(run, ctx["job_try"])


@guarded
def _started(run: Run, attempt: int) -> JobScope | None:
    worker, function = run.worker, run.worker.functions.get(run.name)
    tries = getattr(function, "max_tries", None)
    max_retries = (worker.max_tries if tries is None else tries) - 1
    job = Job(run.name, run.job_id, worker.queue_name, max_retries, "arq")
    given = run.given and run.given._replace(function=getattr(function, "coroutine", None), given=1)  # the context
    return tracker.started(job, attempt=attempt, worker=worker_name(), headers=run.carried, arguments=given)


def _finishing(hooks: Hooks, finish_job: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(finish_job)
    async def finishing(worker: Worker, /, job_id: str, finish: bool, *args: Any, **kwargs: Any) -> None:
        run = _run.get()
        if hooks.active and run is not None:
            later = args[3] if len(args) > 3 else kwargs.get("incr_score")
            await _hand_on(run, _ended(run, finish, later))
        await finish_job(worker, job_id, finish, *args, **kwargs)

    return finishing


@guarded
def _ended(run: Run, finish: bool, later: int | None) -> Mapping[str, str] | None:
    """Tell how an attempt ended, and return what is handed on to the next one."""
    scope, error = run.scope, run.error
    if scope is None:  # nobody listens
        return None
    if not finish:
        sent = scope.requeued(eta=_time(run.score + later) if later else None)
        scope.retried(error)
        return sent
    if run.aborting:
        scope.ended("abort", "failure", error)
    elif isinstance(error, asyncio.CancelledError):  # by arq, for it took too long
        scope.failed(TimeoutError("it took longer than it may"))
    elif error is not None:
        scope.failed(error)
    else:
        scope.succeeded(run.returned)
    return {} if scope.attempt > 1 else None


async def _hand_on(run: Run, sent: Mapping[str, str] | None) -> None:
    with suppress(Exception):  # of Redis: arq meets them by itself
        if sent:
            await run.worker.pool.set(RETRY_KEY + run.job_id, packed(sent), ex=SECONDS)
        elif sent is not None:
            await run.worker.pool.delete(RETRY_KEY + run.job_id)


def _scheduled(hooks: Hooks, run_cron: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(run_cron)
    async def scheduled(*args: Any, **kwargs: Any) -> None:
        token = _cron.set(hooks.active)
        try:
            await run_cron(*args, **kwargs)
        finally:
            _cron.reset(token)

    return scheduled


def _counting(*args: Any, job_try: int | None = None, result: object = None, **_: object) -> None:
    if (run := _run.get()) is not None:
        run.tries, run.result = job_try or args[3], result or (args[6] if len(args) > 6 else None)


def _not_begun(worker: Worker, job_id: str, *_: object) -> None:
    """Tell of a job that did not begin: expired, aborted before, of a name that nobody knows, or tried too often."""
    run = _run.get()
    if run is None or (scope := _started(run, run.tries)) is None:
        return
    run.scope = scope
    if isinstance(run.result, asyncio.CancelledError):
        scope.ended("abort", "failure", run.result)
    elif scope.max_retries is not None and run.tries > scope.max_retries + 1:
        scope.ended("dead", "dead", run.result if isinstance(run.result, BaseException) else None)
    elif run.name == "unknown":
        scope.ended("expire", "failure")
    else:
        scope.failed(run.result if isinstance(run.result, BaseException) else None)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
