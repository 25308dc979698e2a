"""Django's transactions: what was written is told when its connection commits, and only if it does."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from ezlogs.emit import listening
from ezlogs.trackers.data import TRANSACTION, Row, Transaction, emit
from ezlogs_instrumentors.hooks import Hooks

_open: WeakKeyDictionary[Any, Transaction] = WeakKeyDictionary()
"""The transaction of each connection; Django has one connection for each alias and thread."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See how the transactions of every connection end.

    The connection's own methods are seen, not ``transaction.on_commit``: callbacks of ours would show up in the
    tests of applications that count theirs, and there are none in manually managed transactions.
    """
    connection = module.BaseDatabaseWrapper
    hooks.after(connection, "commit", see_commit)
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


def see_commit(connection: Any, _: None) -> None:
    """Tell what was written."""
    transaction = _open.pop(connection, None)
    if transaction is not None:
        transaction.commit()


def see_rollback(connection: Any, _: None) -> None:
    """Tell that nothing was saved, also when an error came before the first write."""
    error = sys.exc_info()[1]
    transaction = _open.pop(connection, None)
    if transaction is None and _is_database_error(error) and listening(TRANSACTION):
        transaction = Transaction(connection.alias)
    if transaction is not None:
        transaction.rollback(error)


def see_close(connection: Any, _: None) -> None:
    """Tell what the database rolls back because nobody committed it."""
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


def _is_database_error(error: BaseException | None) -> bool:
    from django.db import Error

    return isinstance(error, Error)
