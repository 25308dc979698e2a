"""What databases do to a transaction by themselves, as far as the driver below SQLAlchemy knows without asking them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ezlogs.trackers import databases

_MYSQL = frozenset({"mysql", "mariadb"})
_HOLDING_TRANSACTIONS = frozenset({"postgresql", *_MYSQL})


def is_mysql(connection: Any) -> bool:
    """Tell whether a connection is to MySQL or MariaDB."""
    return connection.dialect.name in _MYSQL


def driver_commits(connection: Any) -> bool:
    """Tell whether the driver is in autocommit mode, of which SQLAlchemy need not know; of SQLite it is not known."""
    held = _held(connection)
    if held is None or connection.dialect.name not in _HOLDING_TRANSACTIONS:
        return False
    driver = held.dbapi_connection
    ask = getattr(driver, "get_autocommit", None)  # of PyMySQL and mysqlclient, where `autocommit` is a method
    return (ask() if callable(ask) else getattr(driver, "autocommit", False)) is True


def has_committed(connection: Any) -> bool:
    """Tell, right after a write, whether the driver has committed it already."""
    return driver_commits(connection) or in_transaction(connection) is False


def in_transaction(connection: Any) -> bool | None:
    """Tell whether SQLite's driver is in a transaction; None for other drivers."""
    held = _held(connection)
    return None if held is None else databases.in_transaction(held.driver_connection)


def is_failed(connection: Any) -> bool | None:
    """Tell whether PostgreSQL refuses all but a rollback; None where the driver does not know."""
    held = _held(connection)
    return None if held is None else databases.is_failed(held.driver_connection)


def _held(connection: Any) -> Any:
    """Return what a connection holds of the pool; None where asking for it would connect anew."""
    return None if connection.closed or connection.invalidated else connection.connection


def fails_transaction(connection: Any, error: Any) -> bool:
    """Tell whether an error came from PostgreSQL's server, which then refuses the rest, and not from a driver."""
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if code is None and error.args and isinstance(error.args[0], Mapping):  # pg8000
        code = error.args[0].get("C")
    return code is not None and not is_mysql(connection)


def rolled_back_by(connection: Any, error: Any) -> bool:
    """Tell whether the database has rolled back the whole transaction by itself, savepoints or not."""
    if is_mysql(connection):
        return databases.is_rolled_back(error)
    return in_transaction(connection) is False  # as after SQLite's INSERT OR ROLLBACK
