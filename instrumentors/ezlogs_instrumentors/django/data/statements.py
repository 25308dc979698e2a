"""The statements that the ORM sends: what they wrote is noted for the operation that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from threading import local
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers import raw
from ezlogs_instrumentors.django.data.operations import running
from ezlogs_instrumentors.hooks import Hooks


class _Sending(local):
    """What a thread sends."""

    using = "default"
    """The alias that the last statement was sent to."""

    depth = 0
    """How many of the ORM's writes are being sent, one inside the other; not counted where nobody asks."""


sending = _Sending()


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See inserts and updates."""
    hooks.replace(module.SQLInsertCompiler, "execute_sql", partial(_inserting, hooks))
    hooks.replace(module.SQLUpdateCompiler, "execute_sql", partial(_updating, hooks))


def attach_to_deletes(hooks: Hooks, module: ModuleType) -> None:
    """See deletes by key."""
    hooks.replace(module.DeleteQuery, "delete_batch", partial(_deleting, hooks))


def is_of_orm() -> bool:
    """Tell whether what this thread sends to a database is one of the ORM's own writes."""
    return sending.depth > 0


def last_alias() -> str:
    """Return where the last write of this thread went."""
    return sending.using


def sent(using: str, send: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Send one of the ORM's own writes."""
    of_thread = sending.__dict__  # that of this thread, looked up once
    depth = of_thread.get("depth", 0)
    of_thread["depth"] = depth + 1
    try:
        return send(*args, **kwargs)
    finally:
        of_thread["depth"] = depth
        of_thread["using"] = using


def _inserting(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    note = guarded(_note_insert)

    @wraps(original)
    def execute_sql(compiler: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.active:
            return original(compiler, *args, **kwargs)
        operation = running.get()
        if operation is None and not raw.watching():
            return original(compiler, *args, **kwargs)  # an instance that is saved, as nearly always
        if operation is None or not _may_skip(compiler.query):
            result, counts = sent(compiler.using, original, compiler, *args, **kwargs), []
        else:
            with counting(compiler.connection) as counts:
                result = sent(compiler.using, original, compiler, *args, **kwargs)
        if operation is not None:
            note(operation, compiler, result, counts)
        return result

    return execute_sql


def _note_insert(operation: Any, compiler: Any, result: Any, counts: list[int]) -> None:
    query = compiler.query
    rows: int | None = len(query.objs)
    if _may_skip(query):
        if result:
            rows = len(result)
        else:
            is_exact = counts and min(counts) >= 0 and _counts_rows(query, compiler.connection)
            rows = sum(counts) if is_exact else None
    operation.using = compiler.using
    operation.inserted(query.model, query.objs, rows)


def _may_skip(query: Any) -> bool:
    return getattr(query, "on_conflict", None) is not None


def _counts_rows(query: Any, connection: Any) -> bool:
    """Tell whether the database counts each row once: MySQL counts one that it updates twice."""
    return bool(connection.vendor != "mysql" or query.on_conflict.name == "IGNORE")


@contextmanager
def counting(connection: Any) -> Iterator[list[int]]:
    """Have the driver's counts noted, which Django does not ask for."""
    counts: list[int] = []

    def execute(run: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        result = run(sql, params, many, context)
        counts.append(context["cursor"].rowcount)
        return result

    connection.execute_wrappers.append(execute)
    try:
        yield counts
    finally:
        connection.execute_wrappers.remove(execute)


def _updating(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    note = guarded(_note_update)

    @wraps(original)
    def execute_sql(compiler: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.active:
            return original(compiler, *args, **kwargs)
        operation = running.get()
        if operation is None and not raw.watching():
            sending.using = compiler.using
            return original(compiler, *args, **kwargs)
        rows = sent(compiler.using, original, compiler, *args, **kwargs)
        if operation is not None and rows and not is_of_orm():
            note(operation, compiler, rows)
        return rows

    return execute_sql


def _note_update(operation: Any, compiler: Any, rows: int) -> None:
    operation.using = compiler.using
    operation.updated(compiler.query.model, rows)


def _deleting(hooks: Hooks, original: Callable[..., int]) -> Callable[..., int]:
    note = guarded(_note_delete)

    @wraps(original)
    def delete_batch(query: Any, pk_list: Any, using: str) -> int:
        if not hooks.active:
            return original(query, pk_list, using)
        rows: int = sent(using, original, query, pk_list, using)
        note(query.model, rows, using)
        return rows

    return delete_batch


def _note_delete(model: Any, rows: int, using: str) -> None:
    operation = running.get()
    if operation is not None and rows:
        operation.using = using
        operation.deleted(model, rows)
