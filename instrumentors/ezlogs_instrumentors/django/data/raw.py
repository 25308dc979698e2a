"""SQL that the application itself sends through Django's connections: told as ``data.raw``, where that is asked for.

What it does to the transaction is seen in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers import raw
from ezlogs.trackers.data import policy_of
from ezlogs.trackers.databases import commits_by_itself
from ezlogs_instrumentors.django.data.statements import sending
from ezlogs_instrumentors.django.transactions import see_implicit_commit, write
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See the statements of cursors once they have been executed."""
    hooks.replace(module.CursorWrapper, "execute", partial(_executing, hooks))
    hooks.replace(module.CursorWrapper, "executemany", partial(_executing, hooks))


def _executing(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see, see_commit = guarded(see_statement), guarded(see_implicit_commit)

    @wraps(original)
    def execute(cursor: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
        if sending.depth or not hooks.active:  # what the ORM writes is told as that, and commits nothing
            return original(cursor, sql, *args, **kwargs)
        if cursor.db.vendor == "mysql" and commits(cursor.db, sql):
            try:
                result = original(cursor, sql, *args, **kwargs)
            except BaseException as error:
                see_commit(cursor.db, error)
                raise
            see_commit(cursor.db)
            return result
        result = original(cursor, sql, *args, **kwargs)
        if raw.watching() and hooks.active:
            see(cursor, sql)
        return result

    return execute


def commits(connection: Any, sql: object) -> bool:
    """Tell whether a database commits what is open before it executes a statement."""
    return connection.vendor == "mysql" and type(sql) is str and commits_by_itself(sql)


def see_statement(cursor: Any, sql: Any) -> None:
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
