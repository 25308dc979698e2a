"""Changes of data, whatever the ORM: rows are told once they are committed; a rollback is told in their place."""

from __future__ import annotations

from ezlogs.trackers.data.access import ACCESS, accessed, watching_access
from ezlogs.trackers.data.audit import on_audit, said_of
from ezlogs.trackers.data.bulk import Captured, observe_bulk, to_capture
from ezlogs.trackers.data.policy import Described, ModelPolicy, policy_of, policy_of_class
from ezlogs.trackers.data.rows import CHANGE, TRANSACTION, Later, Moment, Row, emit, moment, observe, watching
from ezlogs.trackers.data.transaction import Transaction
from ezlogs.trackers.data.validation import VALIDATION, invalid
from ezlogs.trackers.data.values import Field, is_secret_type, told

__all__ = [
    "ACCESS",
    "CHANGE",
    "TRANSACTION",
    "VALIDATION",
    "Captured",
    "Described",
    "Field",
    "Later",
    "ModelPolicy",
    "Moment",
    "Row",
    "Transaction",
    "accessed",
    "emit",
    "invalid",
    "is_secret_type",
    "moment",
    "observe",
    "observe_bulk",
    "on_audit",
    "policy_of",
    "policy_of_class",
    "said_of",
    "to_capture",
    "told",
    "watching",
    "watching_access",
]
