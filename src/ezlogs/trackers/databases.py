"""Databases: what they do to a transaction by themselves, as their drivers know without asking them."""

from __future__ import annotations

import re
from typing import Any, Final

_IN_ERROR: Final = 3
"""``PQTRANS_INERROR`` of libpq: every statement is refused until the transaction is rolled back."""

_DEADLOCK, _RECORD_CHANGED = 1213, 1020
"""Errors for which InnoDB rolls back the whole transaction; of a lock that was waited for in vain, the statement alone.

https://mariadb.com/kb/en/innodb-lock-modes/ and https://dev.mysql.com/doc/refman/8.4/en/innodb-error-handling.html
"""

_SYNTAX: Final = 1064
_GONE: Final = frozenset({2006, 2013, 2055, 4031})
"""The codes of MySQL's client for a connection that was lost."""

_COMMITTING = re.compile(
    r"\s*(?:/\*.*?\*/\s*)*"
    r"(?:(?:CREATE|DROP)\s+(?!(?:OR\s+REPLACE\s+)?TEMPORARY\b)|(?:ALTER|RENAME|TRUNCATE|GRANT|REVOKE)\s"
    r"|BEGIN\b|START\s+TRANSACTION\b|LOCK\s+TABLES?\b)",
    re.IGNORECASE | re.DOTALL,
)
"""https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/"""


def commits_by_itself(statement: str) -> bool:
    """Tell whether MySQL and MariaDB commit what is open before a statement.

    Example:
        >>> commits_by_itself("TRUNCATE TABLE orders"), commits_by_itself("CREATE TEMPORARY TABLE t (i INT)")
        (True, False)
    """
    return _COMMITTING.match(statement) is not None


def is_understood(error: Any) -> bool:
    """Tell whether MySQL or MariaDB refused a statement after having read it, which may be after its commit.

    Args:
        error: The driver's.
    """
    return _code(error) != _SYNTAX


def is_rolled_back(error: Any) -> bool:
    """Tell whether MySQL or MariaDB has rolled back the whole transaction, savepoints or not; otherwise the same."""
    return _code(error) in (_DEADLOCK, _RECORD_CHANGED)


def is_lost(driver: Any, error: Any) -> bool:
    """Tell whether an error came of a lost connection.

    Args:
        driver: The driver's connection.
        error: Its error.
    """
    return _code(error) in _GONE or bool(getattr(driver, "closed", False) or getattr(driver, "broken", False))


def is_failed(driver: Any) -> bool | None:
    """Tell whether PostgreSQL refuses all but a rollback; None where the driver does not know.

    It answers a COMMIT with a rollback then, and psycopg and psycopg2 say nothing.
    """
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    return None if status is None else int(status) == _IN_ERROR


def in_transaction(driver: Any) -> bool | None:
    """Tell whether SQLite's driver is in a transaction; None for other drivers."""
    found = getattr(driver, "in_transaction", None)
    return found if isinstance(found, bool) else None


def _code(error: Any) -> object:
    return getattr(error, "errno", None) or next(iter(error.args), None)
