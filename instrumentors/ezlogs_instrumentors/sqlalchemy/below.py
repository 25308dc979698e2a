"""What connections and flushes do, seen below their events: who is listened to works more for each statement, or row.

The names are SQLAlchemy's own and private, and so is their use to this module; where one is missing, the event tells.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from sqlalchemy.engine import Connection, Engine

from ezlogs.emit import guarded
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy.listeners import listen

_METHODS = {
    "commit": "_commit_impl",
    "prepare_twophase": "_prepare_twophase_impl",
    "commit_twophase": "_commit_twophase_impl",
    "savepoint": "_savepoint_impl",
    "rollback": "_rollback_impl",
    "rollback_twophase": "_rollback_twophase_impl",
    "rollback_savepoint": "_rollback_to_savepoint_impl",
    "release_savepoint": "_release_savepoint_impl",
}
"""What calls each event, first of all."""

STATEMENTS, DEFINITIONS, COMPILED = "_execute_clauseelement", "_execute_ddl", "_execute_compiled"
"""What executes statements, those that define tables, and, in SQLAlchemy 2.0, those that were compiled before."""


WORK = "execute"
"""What writes all rows of a flush, of a unit of work: between the events of its beginning and its end."""


def is_there(owner: type, method: str) -> bool:
    """Tell whether a class has a method of its own."""
    return callable(vars(owner).get(method))


def hear(hooks: Hooks, event: str, see: Callable[..., None]) -> None:
    """See what is about to happen to the transaction of any connection.

    Args:
        hooks: What takes it back.
        event: The event's name.
        see: Called with the connection and, where there is one, with the savepoint's name or the transaction's id.
    """
    method = _METHODS[event]
    if is_there(Connection, method):
        hooks.replace(Connection, method, partial(_seeing, hooks, guarded(see)))
    else:
        listen(hooks, Engine, event, see)


def _seeing(hooks: Hooks, see: Callable[..., None], original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def call(connection: Any, /, *args: Any, **kwargs: Any) -> Any:
        if hooks.active:
            see(connection, *args, **kwargs)
        return original(connection, *args, **kwargs)

    # SQLAlchemy's log tells which function has called the one that logs, which is this one now.
    call.__code__ = call.__code__.replace(co_name=original.__name__)  # type: ignore[attr-defined]  # a function's
    return call
