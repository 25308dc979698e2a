"""The statements of one call that sends several: what they wrote is noted for the operation that they belong to.

An instance that is saved sends none of these, so that nothing of this is in its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from threading import local
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs_instrumentors.django.data.operations import running
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See inserts of many rows."""
    hooks.replace(module.QuerySet, "_batched_insert", partial(_inserting, hooks, Alias(hooks, "SQLInsertCompiler")))


def attach_to_deletes(hooks: Hooks, module: ModuleType) -> None:
    """See deletes by key."""
    hooks.replace(module.DeleteQuery, "delete_batch", partial(_deleting, hooks))


class Alias:
    """Where querysets have written to: where routers say so, nobody asks them but Django itself.

    Args:
        hooks: What takes hooks back.
        compiler: The class of what executes such statements: it is hooked once there are routers.
    """

    def __init__(self, hooks: Hooks, compiler: str) -> None:
        self._hooks = hooks
        self._compiler = compiler
        self._is_noting = False
        self._last = _Last()

    @guarded
    def prepare(self, queryset: Any) -> None:
        """Have noted where a queryset is about to write to."""
        if self._is_routed(queryset) and not self._is_noting:
            from django.db.models.sql import compiler

            self._is_noting = True
            self._hooks.replace(getattr(compiler, self._compiler), "execute_sql", self._noting)

    def of(self, queryset: Any) -> str:
        """Return where a queryset has just written to."""
        alias: str = self._last.alias if self._is_routed(queryset) else queryset.db
        return alias

    def _is_routed(self, queryset: Any) -> bool:
        from django.db import router

        return queryset._db is None and bool(router.routers)

    def _noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        last = self._last

        @wraps(original)
        def execute_sql(compiler: Any, /, *args: Any, **kwargs: Any) -> Any:
            try:
                return original(compiler, *args, **kwargs)
            finally:
                last.alias = compiler.using

        return execute_sql


class _Last(local):
    alias = "default"


def _inserting(hooks: Hooks, alias: Alias, original: Callable[..., Any]) -> Callable[..., Any]:
    note, count = guarded(partial(_note_insert, alias)), guarded(partial(_counted, alias))

    @wraps(original)
    def _batched_insert(
        queryset: Any, /, objs: Sequence[Any], fields: Any, batch_size: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if not hooks.active or running.get() is None:
            return original(queryset, objs, fields, batch_size, *args, **kwargs)
        alias.prepare(queryset)
        on_conflict = args[0] if args else kwargs.get("on_conflict")
        if on_conflict is None:
            result = original(queryset, objs, fields, batch_size, *args, **kwargs)
            note(queryset, objs, len(objs))  # or it would have raised
            return result
        with _counting_all() as counts:
            result = original(queryset, objs, fields, batch_size, *args, **kwargs)
        note(queryset, objs, len(result) if result else count(queryset, counts, on_conflict))
        return result

    return _batched_insert


def _note_insert(alias: Alias, queryset: Any, instances: Sequence[Any], rows: int | None) -> None:
    operation = running.get()
    if operation is not None:
        operation.using = alias.of(queryset)
        operation.inserted(queryset.model, instances, rows)


def _counted(alias: Alias, queryset: Any, found: Mapping[Any, Sequence[int]], on_conflict: Any) -> int | None:
    """Return how many rows were inserted or updated; None where nobody says: MySQL counts one that it updates twice."""
    from django.db import connections

    connection = connections[alias.of(queryset)]
    counts = found.get(connection, ())
    is_exact = counts and min(counts) >= 0 and (connection.vendor != "mysql" or on_conflict.name == "IGNORE")
    return sum(counts) if is_exact else None


def _counting_all() -> AbstractContextManager[Mapping[Any, Sequence[int]]]:
    """Have the counts noted of whichever connection is used: it is open already, and routers say which it is."""
    from django.db import connections

    return counting(*connections.all(initialized_only=True))


@contextmanager
def counting(*connections: Any) -> Iterator[Mapping[Any, Sequence[int]]]:
    """Have the driver's counts noted by connection, which Django does not ask for."""
    counts: dict[Any, list[int]] = {connection: [] for connection in connections}
    executing = [(connection.execute_wrappers, partial(_count, counts[connection])) for connection in connections]
    for wrappers, execute in executing:
        wrappers.append(execute)
    try:
        yield counts
    finally:
        for wrappers, execute in executing:
            wrappers.remove(execute)


def _count(counts: list[int], run: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: PLR0917  # as Django passes them
    result = run(sql, params, many, context)
    counts.append(context["cursor"].rowcount)
    return result


def _deleting(hooks: Hooks, original: Callable[..., int]) -> Callable[..., int]:
    note = guarded(_note_delete)

    @wraps(original)
    def delete_batch(query: Any, pk_list: Any, using: str) -> int:
        rows = original(query, pk_list, using)
        if hooks.active and rows:
            note(query.model, rows, using)
        return rows

    return delete_batch


def _note_delete(model: Any, rows: int, using: str) -> None:
    operation = running.get()
    if operation is not None:
        operation.using = using
        operation.deleted(model, rows)
