"""Django's transactions: what was written is told when its connection commits, and only if it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from threading import local
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from ezlogs.emit import guarded, listening
from ezlogs.trackers import databases
from ezlogs.trackers.data import TRANSACTION, Later, Row, Transaction, emit
from ezlogs_instrumentors.django.data.operations import settle
from ezlogs_instrumentors.hooks import Hooks

_LONGEST_CHAIN = 10
"""How many errors are looked at, each raised while the one before was handled."""


class Rollbacks(msgspec.Struct, gc=False, eq=False):
    """How often something was taken back on a connection, or may have been."""

    number: int = 0


class Open(msgspec.Struct, eq=False):
    """What is known of a connection's present transaction."""

    writes: Transaction | None = None
    rollbacks: Rollbacks = msgspec.field(default_factory=Rollbacks)
    lost: int | None = None
    """The identity of the error that a commit lost its connection by: it was told, so a rollback by it is not."""


class Seen(msgspec.Struct, gc=False, frozen=True, eq=False):
    """A moment in a transaction: what was read of the database then holds until something is taken back."""

    counter: Rollbacks
    number: int

    @property
    def holds(self) -> bool:
        """Tell whether nothing was taken back since."""
        return self.counter.number == self.number


class _Thread(local):
    def __init__(self) -> None:
        self.writing: dict[str, Open] = {}

    def forget(self) -> None:
        """Have found out anew what rows have in common."""
        for transaction in self.writing.values():
            if transaction.writes is not None:
                transaction.writes.found.clear()


_open: WeakKeyDictionary[Any, Open] = WeakKeyDictionary()
"""The transaction of each connection; Django has one connection for each alias and thread."""

open_transactions = _Thread()
"""Those that something was written in."""


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See how the transactions of every connection end.

    The connection's own methods are seen, not ``transaction.on_commit``: callbacks of ours would show up in the
    tests of applications that count theirs, and there are none in manually managed transactions.
    """
    connection = module.BaseDatabaseWrapper
    hooks.replace(connection, "commit", partial(_committing, hooks))
    hooks.after(connection, "rollback", see_rollback, even_if_raised=True)
    hooks.after(connection, "close", see_close, even_if_raised=True)
    hooks.after(connection, "set_autocommit", see_autocommit)
    hooks.after(connection, "savepoint", see_savepoint)
    hooks.after(connection, "savepoint_commit", see_savepoint_commit)
    hooks.after(connection, "savepoint_rollback", see_savepoint_rollback)


def write(row: Row | Later, alias: str) -> None:
    """Tell a write at once in autocommit mode, else when its transaction commits."""
    from django.db import connections

    connection = connections[alias]
    if not is_in_transaction(connection):
        made = row.row() if isinstance(row, Later) else row
        if made is not None:
            emit(made)
        return
    state = _open.get(connection)
    if state is None:
        state = _open[connection] = Open()
    if state.writes is None:
        state.writes = Transaction(alias, handling=sys.exc_info()[1])
        state.lost = None
        open_transactions.writing[alias] = state
    state.writes.add(row)


def seen(alias: str | None) -> Seen | None:
    """Return the present moment in a transaction; None where nothing was written, so that nothing can be taken back."""
    state = open_transactions.writing.get(alias) if alias else None
    return None if state is None else Seen(state.rollbacks, state.rollbacks.number)


def open_transaction(alias: str) -> tuple[Any, Open] | None:
    """Return the connection of an alias and its transaction, if something was written in it."""
    from django.db import connections

    state = open_transactions.writing.get(alias)
    connection = connections[alias]
    return (connection, state) if state is not None and _open.get(connection) is state else None


def tell_now(connection: Any) -> None:
    """Tell what was written as though it had been committed."""
    state = _open.get(connection)
    writes = None if state is None else _ended(connection, state)
    if writes is not None:
        writes.commit()


def _committing(hooks: Hooks, original: Callable[[Any], None]) -> Callable[[Any], None]:
    foresee, see, see_failure = guarded(_before_commit), guarded(see_commit), guarded(see_failed_commit)

    @wraps(original)
    def commit(connection: Any) -> None:
        if not hooks.active:
            original(connection)
            return
        fate = foresee(connection)
        try:
            original(connection)
        except BaseException as error:
            see_failure(connection, error)
            raise
        see(connection, fate)

    return commit


def _before_commit(connection: Any) -> str | None:
    """Return what a commit that does not fail is going to mean; have in the journal what is going to be saved.

    Nobody may be left to tell it afterwards.
    """
    settle(connection.alias)
    state = _open.get(connection)
    if state is None or state.writes is None:
        return None
    if is_aborted(connection):
        return "aborted"  # PostgreSQL answers such a COMMIT with ROLLBACK, and the driver says nothing
    if _has_ended(connection):
        return "unknown"
    state.writes.prepare()
    return None


def see_commit(connection: Any, fate: str | None = None) -> None:
    """Tell what was written.

    Args:
        connection: The connection.
        fate: ``aborted`` where the database rolled back instead; ``unknown`` where it had ended the transaction before.
    """
    state = _open.get(connection)
    writes = None if state is None else _ended(connection, state, is_kept=fate is None)
    if writes is None:
        return
    if fate == "aborted":
        writes.rollback()
    elif fate == "unknown":
        writes.lose()
    else:
        writes.commit()


def see_failed_commit(connection: Any, error: BaseException) -> None:
    """Tell that the answer was lost with the connection; any other failure ends in a rollback, which is seen."""
    state = _open.get(connection)
    writes = None if state is None else state.writes
    if state is None or writes is None or connection.in_atomic_block or not _is_in_doubt(connection, error):
        return
    state.lost = id(error)
    _ended(connection, state, is_kept=False)
    writes.lose(error)


def see_implicit_commit(connection: Any, error: BaseException | None = None) -> None:
    """Tell what was written before a statement for which MySQL and MariaDB commit.

    Args:
        connection: The connection.
        error: What they refused the statement with: nobody says whether they committed before.
    """
    state = _open.get(connection)
    if state is None or state.writes is None or (error is not None and not databases.is_understood(error)):
        return
    writes = state.writes
    _ended(connection, state, is_kept=error is None)
    if error is None:
        writes.commit()
    else:
        writes.lose(error)


def see_rollback(connection: Any, _: None) -> None:
    """Tell that nothing was saved, also when an error came before the first write."""
    error = sys.exc_info()[1]
    state = _open.get(connection)
    writes = None if state is None else _ended(connection, state, is_kept=False)
    if writes is None:
        if not _is_database_error(error) or (state is not None and state.lost in list(_ids(error))):
            return
        if not listening(TRANSACTION):
            return
        writes = Transaction(connection.alias)
    writes.rollback(error)


def see_close(connection: Any, _: None) -> None:
    """Tell what the database rolls back because nobody committed it."""
    state = _open.get(connection)
    writes = None if state is None else _ended(connection, state, is_kept=False)
    if writes is not None:
        writes.rollback(sys.exc_info()[1])


def see_autocommit(connection: Any, _: None, autocommit: bool, *args: Any, **kwargs: Any) -> None:
    """Tell what was written in a transaction that switching autocommit on has committed."""
    if autocommit and connection in _open:
        see_commit(connection)


def see_savepoint(connection: Any, name: str | None) -> None:
    """Remember where the savepoint was set; one before the first write needs no memory."""
    state = _open.get(connection)
    if state is not None and state.writes is not None and name is not None:
        state.writes.savepoint(name)


def see_savepoint_commit(connection: Any, _: None, name: str) -> None:
    """Forget the savepoint, or commit what a test case's transaction is around.

    With autocommit switched off by hand SQLite's driver begins no transaction for a savepoint: releasing it commits.
    """
    state = _open.get(connection)
    if state is None or state.writes is None:
        return
    if is_in_test_case_only(connection) or _has_ended(connection):
        see_commit(connection)
    else:
        state.writes.release(name)


def see_savepoint_rollback(connection: Any, _: None, name: str) -> None:
    """Take back what was written since the savepoint, or roll back what a test case's transaction is around."""
    state = _open.get(connection)
    if is_in_test_case_only(connection):
        see_rollback(connection, None)
    elif state is not None and state.writes is not None:
        state.rollbacks.number += 1
        state.writes.rollback_to(name, sys.exc_info()[1])


def is_in_test_case_only(connection: Any) -> bool:
    """Tell whether nothing but the transactions of a ``TestCase``, which never commit, is left around."""
    blocks = connection.atomic_blocks
    return bool(blocks) and all(map(_is_of_test_case, blocks))


def _ended(connection: Any, state: Open, *, is_kept: bool = True) -> Transaction | None:
    writes, state.writes = state.writes, None
    if not is_kept:
        state.rollbacks.number += 1
    if open_transactions.writing.get(connection.alias) is state:
        del open_transactions.writing[connection.alias]
    return writes


def _has_ended(connection: Any) -> bool:
    """Tell whether SQLite's driver is in no transaction; of other drivers that is not known."""
    return databases.in_transaction(connection.connection) is False


def is_aborted(connection: Any) -> bool:
    """Tell whether psycopg is in a transaction that can only be rolled back."""
    return databases.is_failed(connection.connection) is True


def is_in_transaction(connection: Any) -> bool:
    """Tell whether there is a transaction of the application's; those of a ``TestCase`` are none."""
    blocks = connection.atomic_blocks
    return not all(map(_is_of_test_case, blocks)) if blocks else not connection.autocommit


def _is_of_test_case(block: Any) -> bool:
    return bool(block._from_testcase)


def _is_in_doubt(connection: Any, error: BaseException) -> bool:
    """Tell whether a commit failed without the database having said that it did; the database is not asked."""
    if not isinstance(error, Exception) or not _is_database_error(error):
        return True
    return databases.is_lost(connection.connection, error)


def _ids(error: BaseException | None) -> Iterator[int]:
    """Return the identities of an error and of those that it was raised after."""
    for _ in range(_LONGEST_CHAIN):
        if error is None:
            return
        yield id(error)
        error = error.__context__


def _is_database_error(error: BaseException | None) -> bool:
    from django.db import Error

    return isinstance(error, Error)
