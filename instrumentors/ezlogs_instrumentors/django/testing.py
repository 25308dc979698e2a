"""Django's tests: what their transactions hold back, which end in a rollback, is told all the same.

Nothing of this is needed in ``TestCase``, whose own transactions are looked through, nor in ``TransactionTestCase``.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ezlogs_instrumentors.django.transactions import is_in_test_case_only, see_commit, see_rollback, tell_now
from ezlogs_instrumentors.hooks import Hooks


def tell_writes(using: str = "default") -> None:
    """Tell what was written in the transaction that is open, as though it had been committed.

    For tests that put a transaction of their own around what they test and roll it back.

    Args:
        using: The database's alias.

    Example:
        A fixture of pytest::

            @pytest.fixture
            def told(captured):
                with transaction.atomic():
                    yield lambda: (tell_writes(), captured.events)[1]
                    transaction.set_rollback(True)
    """
    from django.db import connections

    tell_now(connections[using])


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See the blocks without a savepoint in a ``TestCase``: at their end nothing is sent to the database."""
    from django.db.transaction import Atomic

    hooks.after(Atomic, "__exit__", _see_end)


def _see_end(block: Any, _: None, exc_type: Any, *rest: Any) -> None:
    from django.db import connections

    connection = connections[block.using or "default"]
    if not is_in_test_case_only(connection):
        return
    if exc_type is None and not connection.needs_rollback:
        see_commit(connection)
    else:
        see_rollback(connection, None)
