"""Changes of data, whatever the ORM: rows are told once they are committed; a rollback is told in their place."""

from __future__ import annotations

from ezlogs.trackers.data.rows import CHANGE, TRANSACTION, Moment, Row, emit, moment, observe, watching
from ezlogs.trackers.data.transaction import Transaction
from ezlogs.trackers.data.validation import VALIDATION, invalid
from ezlogs.trackers.data.values import Field, told

__all__ = [
    "CHANGE",
    "TRANSACTION",
    "VALIDATION",
    "Field",
    "Moment",
    "Row",
    "Transaction",
    "emit",
    "invalid",
    "moment",
    "observe",
    "told",
    "watching",
]
