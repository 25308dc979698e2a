"""SQL that the application itself sends through Django's connections: told as ``data.raw``, where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.trackers import raw
from ezlogs_instrumentors.django.data.statements import is_of_orm
from ezlogs_instrumentors.django.transactions import write
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See the statements of cursors once they have been executed."""
    hooks.replace(module.CursorWrapper, "execute", partial(_executing, hooks))
    hooks.replace(module.CursorWrapper, "executemany", partial(_executing, hooks))


def _executing(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see = guarded(see_statement)

    @wraps(original)
    def execute(cursor: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(cursor, sql, *args, **kwargs)
        if raw.watching() and hooks.active and not is_of_orm():
            see(cursor, sql)
        return result

    return execute


def see_statement(cursor: Any, sql: Any) -> None:
    """Keep that a statement changed rows; never the statement, never its parameters."""
    if hasattr(sql, "as_string"):  # composed by psycopg
        sql = sql.as_string(cursor.cursor)
    written = raw.read(str(sql))
    if written is None:
        return
    rows = cursor.rowcount
    counted = rows if isinstance(rows, int) and rows >= 0 else None
    if counted == 0 and cursor.description is not None:
        counted = None  # with RETURNING some drivers count rows as they are fetched
    if counted != 0:
        write(raw.observe(written, rows=counted, database=cursor.db.alias), cursor.db.alias)
