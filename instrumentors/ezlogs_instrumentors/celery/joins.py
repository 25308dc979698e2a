"""Joins: the tasks of a chord's header are linked to and named by its body, which whoever ends last enqueues.

What a span is called is known to the process that runs its task alone. It goes into what Celery stores of the task's
result, and is read by the one that sends the body, as it reads the results; result stores of other kinds than keys and
values leave it out, and then the tasks are named only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers import job
from ezlogs.trackers.job import Joined
from ezlogs.trackers.job_joins import MAX_JOINED, span_now
from ezlogs_instrumentors.celery.signals import UNLOCK
from ezlogs_instrumentors.hooks import Hooks

KEY = "ezlogs"
"""The key of a span in what is stored of a result."""

ENDED = "header_ended"
"""The attribute of an attempt for the ids of the tasks whose results were read in it."""


def attach(hooks: Hooks, base: ModuleType) -> None:
    """Put the spans of a header's tasks beside their results."""
    hooks.after(base.Backend, "_get_result_meta", _storing)


def attach_to_redis(hooks: Hooks, redis: ModuleType) -> None:
    """See whose results the last task of a header reads: no message says which tasks those are."""
    hooks.after(redis.RedisBackend, "_unpack_chord_result", _reading)


def group_before(request: Any, sent: object) -> str | None:
    """Return the group whose last task, or whose watcher, sends what was to run after all of the group."""
    chord, group = request.chord, request.group
    if getattr(request, "task", None) == UNLOCK:
        group, chord = (*(request.args or ()), None, None)[:2]
    options = chord.get("options") if isinstance(chord, Mapping) else None
    return group if isinstance(group, str) and isinstance(options, Mapping) and options.get("task_id") == sent else None


@guarded
def joined(sent: object) -> list[Joined]:
    """Return the tasks that had to end for a message to be sent; none for a message that nothing was waited for."""
    import celery

    task: Any = celery.current_task
    group = group_before(task.request, sent) if task else None
    if group is None:
        return []
    ids = list(_ended(task, group))[:MAX_JOINED]
    spans = _spans(task.backend, ids) or {}
    return [Joined(one, spans.get(one)) for one in ids]


def _ended(task: Any, group: str) -> Iterator[str]:
    if task.request.task == UNLOCK:
        for result in (task.request.kwargs or {}).get("result") or ():
            yield str(result[0][0])
        return
    attempt = job.running()
    found = vars(attempt).get(ENDED) if attempt is not None else None
    if found is None:
        from celery.result import GroupResult

        restored: Any = GroupResult.restore(group, backend=task.backend)
        found = [result.id for result in restored or ()]
    yield from found


@guarded
def _spans(backend: Any, ids: list[str]) -> dict[str, str]:
    """Return what is stored beside the results of tasks; one question for all of them."""
    if not hasattr(backend, "mget"):
        return {}
    found = backend.mget([backend.get_key_for_task(one) for one in ids])
    texts = [found.get(backend.get_key_for_task(one)) for one in ids] if isinstance(found, Mapping) else list(found)
    metas = [backend.decode(text) if text else {} for text in texts]
    return {one: meta[KEY] for one, meta in zip(ids, metas, strict=False) if isinstance(meta.get(KEY), str)}


def _storing(_: Any, meta: MutableMapping[str, Any], *args: Any, request: Any = None, **__: Any) -> None:
    if getattr(request, "chord", None) and (attempt := job.running()) and attempt.job.id == request.id:
        span = span_now()
        if span is not None:
            meta[KEY] = span


def _reading(_: Any, __: Any, stored: Any, decode: Any, *___: Any, **____: Any) -> None:
    if (attempt := job.running()) is not None:
        vars(attempt).setdefault(ENDED, []).append(str(decode(stored)[1]))
