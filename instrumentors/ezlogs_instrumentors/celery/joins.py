"""Joins: the tasks of a chord's header are named by its body, which whoever ends last enqueues, and linked to.

Which tasks those are, Celery reads itself before it sends the body, which is looked on at. What their spans are called
is known to the processes that ran them alone: without asking, only the span of the last one is, which sends the body.
With the setting ``job_join_links`` each puts its span into what Celery stores of its result, and whoever sends the body
asks for them; result stores of other kinds than keys and values leave it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from functools import wraps
from itertools import islice
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers import job
from ezlogs.trackers.job import JobScope, Joined
from ezlogs.trackers.job_joins import MAX_JOINED, links_wanted, span_now
from ezlogs_instrumentors.celery.signals import UNLOCK
from ezlogs_instrumentors.hooks import Hooks

KEY = "ezlogs"
"""The key of a span in what is stored of a result, if it is."""

SEEN = "header_seen"
"""The attribute of an attempt for the tasks that Celery has read of in it, by group; None for its own group."""


def attach(hooks: Hooks, base: ModuleType) -> None:
    """See which tasks are in a header, where Celery reads that; put their spans beside their results, if asked to."""
    hooks.after(base.Backend, "restore_group", _restored)
    hooks.after(base.Backend, "_get_result_meta", _storing)


def attach_to_redis(hooks: Hooks, redis: ModuleType) -> None:
    """See whose results the last task of a header reads: no message says which tasks those are."""

    def make(unpack: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(unpack)
        def unpacked(backend: Any, /, stored: Any, decode: Any, *args: Any, **kwargs: Any) -> Any:
            return unpack(backend, stored, _noting(decode) if hooks.active else decode, *args, **kwargs)

        return unpacked

    hooks.replace(redis.RedisBackend, "_unpack_chord_result", make)


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
    attempt = job.running()
    if task.request.task == UNLOCK:
        found = [Joined(str(one[0][0])) for one in islice((task.request.kwargs or {}).get("result") or (), MAX_JOINED)]
    else:
        seen = {} if attempt is None else _seen(attempt)
        found = seen.get(group) or seen.get(None) or []
    if not found or not links_wanted():
        return found
    spans = _spans(task.backend, [one.job for one in found]) or {}
    return [Joined(one.job, spans.get(one.job, one.span)) for one in found]


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
    if not links_wanted():
        return
    if getattr(request, "chord", None) and (attempt := job.running()) and attempt.job.id == request.id:
        span = span_now()
        if span is not None:
            meta[KEY] = span


def _restored(_: Any, restored: Any, group: object, *args: Any, **__: Any) -> None:
    attempt = job.running()
    if attempt is not None and restored is not None:
        _seen(attempt)[group] = [_as_joined(attempt, one.id) for one in islice(restored, MAX_JOINED)]


def _noting(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decoded(stored: Any) -> Any:
        found = decode(stored)
        _note(found)
        return found

    return decoded


@guarded
def _note(found: Any) -> None:
    attempt = job.running()
    if attempt is not None and len(noted := _seen(attempt).setdefault(None, [])) < MAX_JOINED:
        noted.append(_as_joined(attempt, str(found[1])))


def _seen(attempt: JobScope) -> dict[object, list[Joined]]:
    seen: dict[object, list[Joined]] = vars(attempt).setdefault(SEEN, {})
    return seen


def _as_joined(attempt: JobScope, ended: str) -> Joined:
    """Return a task of a header; the one that runs is the last, and the only one whose span is known here."""
    return Joined(ended, span_now() if ended == attempt.job.id else None)
