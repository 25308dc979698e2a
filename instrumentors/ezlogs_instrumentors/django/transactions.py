"""Django's transactions: what was written is told when its connection commits, and only if it does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from ezlogs.emit import guarded, listening
from ezlogs.trackers.data import TRANSACTION, Row, Transaction, emit
from ezlogs_instrumentors.hooks import Hooks

_open: WeakKeyDictionary[Any, Transaction] = WeakKeyDictionary()
"""The transaction of each connection; Django has one connection for each alias and thread."""

_in_doubt: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""The identities of the errors that commits were lost with: what is rolled back because of one is told already."""

_LOST = frozenset({2006, 2013, 2055})
"""What MySQL and MariaDB call a connection that is gone."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See how the transactions of every connection end.

    The connection's own methods are seen, not ``transaction.on_commit``: callbacks of ours would show up in the
    tests of applications that count theirs, and there are none in manually managed transactions.
    """
    connection = module.BaseDatabaseWrapper
    hooks.replace(connection, "commit", partial(_telling, hooks))
    hooks.after(connection, "rollback", see_rollback, even_if_raised=True)
    hooks.after(connection, "close", see_close, even_if_raised=True)
    hooks.after(connection, "savepoint", see_savepoint)
    hooks.after(connection, "savepoint_commit", see_savepoint_commit)
    hooks.after(connection, "savepoint_rollback", see_savepoint_rollback)


def write(row: Row, alias: str) -> None:
    """Tell a write at once in autocommit mode, else when its transaction commits."""
    from django.db import connections

    connection = connections[alias]
    if not _in_transaction(connection):
        emit(row)
        return
    transaction = _open.get(connection)
    if transaction is None:
        _open[connection] = transaction = Transaction(alias, handling=sys.exc_info()[1])
    transaction.add(row)


def _telling(hooks: Hooks, original: Callable[..., Any]) -> Callable[..., Any]:
    see_coming, see, see_failure = guarded(see_coming_commit), guarded(see_commit), guarded(see_failed_commit)

    @wraps(original)
    def commit(connection: Any, *args: Any, **kwargs: Any) -> Any:
        if hooks.active:
            see_coming(connection)
        try:
            result = original(connection, *args, **kwargs)
        except BaseException as error:
            if hooks.active:
                see_failure(connection, error)
            raise
        if hooks.active:
            see(connection, None)
        return result

    return commit


def see_coming_commit(connection: Any) -> None:
    """Have what was written in the journal before the commit is sent: nobody may be left to tell it afterwards."""
    transaction = _open.get(connection)
    if transaction is not None:
        transaction.prepare()


def see_failed_commit(connection: Any, error: BaseException) -> None:
    """Tell that the commit's answer was lost, if it was; else it is rolled back, which is seen when it is."""
    if isinstance(error, Exception) and not _is_lost(connection, error):
        return
    transaction = _open.pop(connection, None)
    if transaction is not None:
        _in_doubt[connection] = id(error)
        transaction.lose(error)


def see_commit(connection: Any, _: None) -> None:
    """Tell what was written."""
    transaction = _open.pop(connection, None)
    if transaction is not None:
        transaction.commit()


def see_rollback(connection: Any, _: None) -> None:
    """Tell that nothing was saved, also when an error came before the first write."""
    error = sys.exc_info()[1]
    transaction = _open.pop(connection, None)
    is_told = _comes_of(error, _in_doubt.pop(connection, None))
    if transaction is None and not is_told and _is_database_error(error) and listening(TRANSACTION):
        transaction = Transaction(connection.alias)
    if transaction is not None:
        transaction.rollback(error)


def see_close(connection: Any, _: None) -> None:
    """Tell what the database rolls back because nobody committed it."""
    _in_doubt.pop(connection, None)
    transaction = _open.pop(connection, None)
    if transaction is not None:
        transaction.rollback(sys.exc_info()[1])


def see_savepoint(connection: Any, name: str | None) -> None:
    """Remember where the savepoint was set; one before the first write needs no memory."""
    transaction = _open.get(connection)
    if transaction is not None and name is not None:
        transaction.savepoint(name)


def see_savepoint_commit(connection: Any, _: None, name: str) -> None:
    """Forget the savepoint, or commit what a test case's transaction is around."""
    if _is_in_test_case_only(connection):
        see_commit(connection, None)
    elif connection in _open:
        _open[connection].release(name)


def see_savepoint_rollback(connection: Any, _: None, name: str) -> None:
    """Take back what was written since the savepoint, or roll back what a test case's transaction is around."""
    if _is_in_test_case_only(connection):
        see_rollback(connection, None)
    elif connection in _open:
        _open[connection].rollback_to(name, sys.exc_info()[1])


def _in_transaction(connection: Any) -> bool:
    blocks = connection.atomic_blocks
    return not all(map(_is_of_test_case, blocks)) if blocks else not connection.autocommit


def _is_in_test_case_only(connection: Any) -> bool:
    """Tell whether nothing but the transactions of a ``TestCase``, which never commit, is left around."""
    blocks = connection.atomic_blocks
    return bool(blocks) and all(map(_is_of_test_case, blocks))


def _is_of_test_case(block: Any) -> bool:
    return bool(block._from_testcase)


def _comes_of(error: BaseException | None, identity: int | None) -> bool:
    while error is not None and id(error) != identity:
        error = error.__context__
    return error is not None


def _is_lost(connection: Any, error: Exception) -> bool:
    """Tell whether an error came of a lost connection, or is nobody's, without asking the database."""
    if not _is_database_error(error):
        return True
    if error.args and error.args[0] in _LOST:
        return True
    driver = connection.connection
    return bool(getattr(driver, "closed", False) or getattr(driver, "broken", False))


def _is_database_error(error: BaseException | None) -> bool:
    from django.db import Error

    return isinstance(error, Error)
