"""SQL that the application itself sends through Django's connections: told as ``data.raw``, where that is asked for.

What it does to the transaction is seen in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.settings import Settings
from ezlogs.trackers import raw
from ezlogs.trackers.data import policy_of
from ezlogs.trackers.databases import commits_by_itself
from ezlogs_instrumentors.django.transactions import see_implicit_commit, write
from ezlogs_instrumentors.hooks import Hooks

_is_of_orm: ContextVar[bool] = ContextVar("ezlogs_django_orm", default=False)
"""Whether what is being executed is the ORM's own statement, which is told as what it does."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See the statements of cursors once they have been executed, where they are told."""
    hooks.when(_are_told, partial(_attach_to_cursors, _telling, module))


def attach_to_compilers(hooks: Hooks, module: ModuleType) -> None:
    """Know the ORM's own statements, where others are told."""
    hooks.when(_are_told, partial(_attach_to_compilers, module))


def attach_to_commits(hooks: Hooks, module: ModuleType) -> None:
    """See the statements that a database commits before, where one of those may be used that do."""
    from django.db.backends import utils

    _attach_to_cursors(_committing, utils, hooks)


def _are_told(settings: Settings) -> bool:
    return settings.raw_statements


def _attach_to_cursors(making: Callable[..., Callable[..., Any]], module: ModuleType, hooks: Hooks) -> None:
    for name in ("execute", "executemany"):
        hooks.replace(module.CursorWrapper, name, partial(making, hooks))


def _attach_to_compilers(module: ModuleType, hooks: Hooks) -> None:
    for kind in (module.SQLCompiler, module.SQLInsertCompiler, module.SQLUpdateCompiler):
        hooks.replace(kind, "execute_sql", _marking)


def _marking(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def execute_sql(compiler: Any, /, *args: Any, **kwargs: Any) -> Any:
        token = _is_of_orm.set(True)
        try:
            return original(compiler, *args, **kwargs)
        finally:
            _is_of_orm.reset(token)

    return execute_sql


def _telling(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see = guarded(_see_statement)

    @wraps(original)
    def execute(cursor: Any, /, sql: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(cursor, sql, *args, **kwargs)
        if hooks.active and raw.watching() and not _is_of_orm.get():
            see(cursor, sql)
        return result

    return execute


def _committing(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see = guarded(see_implicit_commit)

    @wraps(original)
    def execute(cursor: Any, /, sql: Any, *args: Any, **kwargs: Any) -> Any:
        if not hooks.active or not commits(cursor.db, sql):
            return original(cursor, sql, *args, **kwargs)
        try:
            result = original(cursor, sql, *args, **kwargs)
        except BaseException as error:
            see(cursor.db, error)
            raise
        see(cursor.db)
        return result

    return execute


def commits(connection: Any, sql: object) -> bool:
    """Tell whether a database commits what is open before it executes a statement."""
    return connection.vendor == "mysql" and type(sql) is str and commits_by_itself(sql)


def _see_statement(cursor: Any, sql: Any) -> None:
    """Keep that a statement changed rows; never the statement, never its parameters."""
    if hasattr(sql, "as_string"):  # composed by psycopg
        sql = sql.as_string(cursor.cursor)
    written = raw.read(str(sql))
    if written is None or not policy_of(None, written.table, written.table).told:
        return
    rows = cursor.rowcount
    counted = rows if isinstance(rows, int) and rows >= 0 else None
    if counted == 0 and cursor.description is not None:
        counted = None  # with RETURNING some drivers count rows as they are fetched
    if counted != 0:
        write(raw.observe(written, rows=counted, database=cursor.db.alias), cursor.db.alias)
