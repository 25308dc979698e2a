"""SQLAlchemy's transactions: what was written is told when its connection has committed, and only if it has.

The connection is the truth, not the session: a session joined into a transaction of somebody else's commits nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy.engine import Engine, NestedTransaction, RootTransaction, Transaction
from sqlalchemy.exc import DBAPIError, PendingRollbackError, StatementError

from ezlogs.emit import guarded, listening
from ezlogs.event import Failure
from ezlogs.facts import failure_of
from ezlogs.trackers import data
from ezlogs.trackers.databases import commits_by_itself, is_understood
from ezlogs_instrumentors.hooks import Hooks
from ezlogs_instrumentors.sqlalchemy.below import hear
from ezlogs_instrumentors.sqlalchemy.listeners import listen
from ezlogs_instrumentors.sqlalchemy.mapped import database_of
from ezlogs_instrumentors.sqlalchemy.servers import (
    driver_commits,
    fails_transaction,
    has_committed,
    in_transaction,
    is_failed,
    is_mysql,
    rolled_back_by,
)


class Open(msgspec.Struct, weakref=True):
    """What is known of a connection's present transaction.

    No exception is kept: by its traceback it would keep the connection from ever going back to its pool.
    """

    writes: data.Transaction | None = None
    database: str = ""
    """The database's name, once something was written."""
    handling: int | None = None
    """The identity of the exception that was being handled at the first write: not the one that ends it."""
    failure: Failure | None = None
    """The database's last error, in case that nothing was written before it."""
    unexpected: int | None = None
    """The identity of the last exception that came of sending BEGIN, COMMIT and the like."""
    outermost: str | None = None
    """The savepoint that SQLite's driver began no transaction around: releasing it commits."""
    is_failed: bool = False
    """PostgreSQL refused a statement, and will answer a commit with a rollback unless a savepoint is gone back to."""


_open: WeakKeyDictionary[Any, Open] = WeakKeyDictionary()


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See how the transactions of every connection end.

    What is heard of ``commit`` comes before the commit, which may fail: it is when to prepare. The end is seen at the
    public ``Transaction.commit``.
    """
    hooks.replace(Transaction, "commit", partial(_telling, hooks))
    hear(hooks, "commit", see_coming_commit)
    hear(hooks, "prepare_twophase", lambda connection, xid: see_coming_commit(connection))
    hear(hooks, "commit_twophase", lambda connection, xid, is_prepared: see_coming_commit(connection))
    hear(hooks, "savepoint", see_coming_savepoint)
    hooks.after(NestedTransaction, "__init__", see_savepoint)
    hear(hooks, "rollback", see_rollback)
    hear(hooks, "rollback_twophase", lambda connection, xid, is_prepared: see_rollback(connection))
    hear(hooks, "rollback_savepoint", see_rollback_to_savepoint)
    hear(hooks, "release_savepoint", see_release)
    listen(hooks, Engine, "handle_error", see_error)


def writer(connection: Any) -> tuple[Callable[[data.Row | data.Later], None], str]:
    """Return what keeps writes to a connection as `write` does, for many of them, and the database's name."""
    state = _open.get(connection)
    if state is None or state.writes is None:
        return partial(write, connection=connection), database_of(connection.engine)
    return state.writes.add, state.database


def writes_of(connection: Any) -> data.Transaction | None:
    """Return the transaction of a connection that something was written in; None where nothing was."""
    state = _open.get(connection)
    return None if state is None else state.writes


def write(row: data.Row | data.Later, connection: Any) -> None:
    """Tell a write at once in autocommit mode, else when its transaction has committed."""
    state = _open.get(connection)
    if state is None or state.writes is None:
        if is_autocommitting(connection) or has_committed(connection):
            made = row.row() if isinstance(row, data.Later) else row
            if made is not None:
                data.emit(made)
            return
        if state is None:
            state = _open[connection] = Open()
        state.database = database_of(connection.engine)
        state.writes = data.Transaction(state.database)
        state.handling = id(sys.exc_info()[1])
    state.writes.add(row)


def _telling(hooks: Hooks, original: Callable[[Any], None]) -> Callable[[Any], None]:
    see, see_failure, is_refused = guarded(see_commit), guarded(see_failed_commit), guarded(_is_refused)

    @wraps(original)
    def commit(transaction: Any) -> None:
        is_doomed = hooks.active and is_refused(transaction)
        try:
            original(transaction)
        except BaseException as error:
            if hooks.active:
                see_failure(transaction, error)
            raise
        if hooks.active:
            see(transaction, is_doomed)

    return commit


def _is_refused(transaction: Any) -> bool | None:
    """Tell whether the server will answer a commit with a rollback, and call it a success, as PostgreSQL does."""
    connection = transaction.connection
    state = _open.get(connection)
    if state is None or not isinstance(transaction, RootTransaction):
        return False
    failed = is_failed(connection)
    return state.is_failed if failed is None else failed


def see_coming_commit(connection: Any) -> None:
    """Have what was written in the journal before the commit is sent: nobody may be left to tell it afterwards."""
    state = _open.get(connection)
    if state is not None and state.writes is not None:
        state.writes.prepare()


def see_commit(transaction: Any, is_doomed: bool | None = False) -> None:
    """Tell what was written; a released savepoint is no commit, but for SQLite without a transaction around it.

    Args:
        transaction: What was committed.
        is_doomed: Whether the server was going to roll back instead.
    """
    connection = transaction.connection
    state = _open.get(connection)
    if state is None:
        return
    if not isinstance(transaction, RootTransaction) and not _is_committed(transaction, state.outermost):
        return
    del _open[connection]
    if state.writes is None:
        return
    if is_doomed:
        state.writes.rollback(state.failure)
    else:
        state.writes.commit()


def see_implicit_commit(connection: Any, statement: str) -> None:
    """Tell what was written before a statement for which MySQL and MariaDB commit."""
    state = _open.get(connection)
    if state is not None and state.writes is not None and commits_by_itself(statement):
        del _open[connection]
        state.writes.commit()


def see_failed_commit(transaction: Any, error: BaseException) -> None:
    """Tell that nothing was saved, or that the answer was lost; a commit that was not even sent is not the end."""
    state = _open.get(transaction.connection)
    if not isinstance(transaction, RootTransaction) or state is None:
        return
    writes = state.writes
    is_in_doubt = not isinstance(error, Exception) or getattr(error, "connection_invalidated", False)
    was_lost = isinstance(error, PendingRollbackError) and transaction.connection.invalidated  # before the commit
    is_in_doubt = is_in_doubt or state.unexpected == id(error)  # a driver's own errors are raised in another one
    if not is_in_doubt and not was_lost and not isinstance(error, DBAPIError):
        if writes is not None:
            writes.withdraw()
        return
    del _open[transaction.connection]
    if writes is None:
        return
    if is_in_doubt and not was_lost:
        writes.lose(reason(error))
    else:
        writes.rollback(state.failure if was_lost else reason(error))


def see_rollback(connection: Any) -> None:
    """Tell that nothing was saved, also when an error of the database came before the first write."""
    state = _open.pop(connection, None)
    if state is None:
        return
    writes = state.writes
    if writes is None:
        if state.failure is not None and listening(data.TRANSACTION):
            data.Transaction(database_of(connection.engine)).rollback(state.failure)
        return
    writes.rollback(_present_reason(state))


def see_error(error: Any) -> None:
    """Remember the database's error: an insert that fails has written nothing, yet its rollback is worth an event."""
    connection = error.connection
    if connection is not None and error.execution_context is None and connection in _open:
        _open[connection].unexpected = id(error.original_exception)
    if connection is None or error.execution_context is None:
        return
    if is_autocommitting(connection) or driver_commits(connection):
        return
    state = _open.setdefault(connection, Open())
    state.failure = failure_of(error.original_exception)
    state.is_failed = state.is_failed or fails_transaction(connection, error.original_exception)
    if state.writes is None:
        return
    if rolled_back_by(connection, error.original_exception):
        state.writes.rollback(state.failure)  # whatever the application does with the rest of its transaction
    elif is_mysql(connection) and commits_by_itself(error.statement or "") and is_understood(error.original_exception):
        state.writes.lose(state.failure)  # nobody said how far it got
    else:
        return
    state.writes = state.failure = None


def see_coming_savepoint(connection: Any, _: str | None = None) -> None:
    """Notice where SQLite's driver has begun no transaction for the savepoint to be in."""
    if in_transaction(connection) is False:
        _open.setdefault(connection, Open()).outermost = ""


def see_savepoint(transaction: Any, _: None, connection: Any) -> None:
    """Remember where the savepoint was set; one before the first write needs no memory."""
    state = _open.get(connection)
    if state is None:
        return
    name = _name_of(transaction)
    if state.outermost == "":
        state.outermost = name
    if state.writes is not None:
        state.writes.savepoint(name)


def see_release(connection: Any, name: str, _: None = None) -> None:
    """Forget the savepoint; it is about to be released, which may be a commit."""
    state = _open.get(connection)
    if state is not None and state.writes is not None:
        state.writes.release(name)
        if name == state.outermost:
            state.writes.prepare()


def see_rollback_to_savepoint(connection: Any, name: str, _: None = None) -> None:
    """Take back what was written since the savepoint."""
    state = _open.get(connection)
    if state is None:
        return
    state.failure, state.is_failed = None, False
    if state.writes is not None:
        state.writes.rollback_to(name, _present_reason(state))
        state.writes.release(name)  # SQLAlchemy goes back to one only once, and does not release it then


def reason(error: BaseException) -> Failure:
    """Return an error without the statement and the parameters that SQLAlchemy writes into its message."""
    original = error.orig if isinstance(error, StatementError) else None
    return failure_of(error if original is None else original)


def _present_reason(state: Open) -> Failure | None:
    error = sys.exc_info()[1]
    return None if error is None or id(error) == state.handling else reason(error)


def _is_committed(savepoint: Any, outermost: str | None) -> bool:
    return _name_of(savepoint) == outermost and in_transaction(savepoint.connection) is False


def _name_of(transaction: Any) -> str:
    return str(transaction._savepoint)  # no event tells the name that a savepoint is given


def is_autocommitting(connection: Any) -> bool:
    """Tell whether each statement of a connection is a transaction of its own."""
    level = connection.get_execution_options().get("isolation_level")
    if level is None:
        level = connection.dialect._on_connect_isolation_level  # of create_engine(); asking the driver may query
    return bool(level == "AUTOCOMMIT")
