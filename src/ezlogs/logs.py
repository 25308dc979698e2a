"""Log lines that name the story they were written in, for structlog, loguru and loggers of one's own.

Records of `logging` have these fields by themselves, by the instrumentor `ezlogs_logging`.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeVar

from ezlogs.correlation import Correlation, current
from ezlogs.emit import guarded

_FIELDS = {
    "ezlogs.correlation_id": "correlation_id",
    "ezlogs.flow_id": "flow_id",
    "ezlogs.parent_event_id": "parent_event_id",
}
FIELDS = frozenset(_FIELDS)
"""What log records have."""

_OUTSIDE = dict.fromkeys(_FIELDS, "")

D = TypeVar("D", bound=MutableMapping[str, Any])


def story_fields() -> dict[str, str]:
    """Return what a log line says of where it was written: the fields that are known; none outside of any story.

    ``ezlogs.parent_event_id`` is the id of the event that tells of the request, job or command that it was written in.

    Example:
        >>> import ezlogs
        >>> with ezlogs.flow("checkout", 42):
        ...     story_fields()["ezlogs.flow_id"]
        'checkout:42'
    """
    return _known(current())


def record_fields() -> dict[str, str]:
    """Return the same with an empty text for what is not known: the format of a log wants every field.

    Example:
        >>> record_fields()
        {'ezlogs.correlation_id': '', 'ezlogs.flow_id': '', 'ezlogs.parent_event_id': ''}
    """
    story = current()
    return {**_OUTSIDE, **_known(story)} if story is not None else _OUTSIDE.copy()


def add_correlation(logger: object, method_name: str, event_dict: D) -> D:
    """Add `story_fields` to a line of structlog's: one of its processors.

    Args:
        logger: Not looked at.
        method_name: Not looked at.
        event_dict: The line; changed and returned.

    Example:
        >>> import ezlogs
        >>> # structlog.configure(processors=[ezlogs.logs.add_correlation, structlog.processors.JSONRenderer()])
        >>> with ezlogs.flow("checkout", 42):
        ...     add_correlation(None, "info", {"event": "paid"})["ezlogs.flow_id"]
        'checkout:42'
    """
    _add(event_dict)
    return event_dict


def patch(record: MutableMapping[str, Any]) -> None:
    """Add `story_fields` to what a record of loguru's has as ``extra``: a patcher for ``logger.configure``.

    Args:
        record: The record; changed.

    Example:
        >>> import ezlogs
        >>> # loguru.logger.configure(patcher=ezlogs.logs.patch)
        >>> record = {"message": "paid", "extra": {}}
        >>> with ezlogs.flow("checkout", 42):
        ...     patch(record)
        >>> record["extra"]["ezlogs.flow_id"]
        'checkout:42'
    """
    _add(record["extra"])


@guarded
def _add(fields: MutableMapping[str, Any]) -> None:
    for name, value in story_fields().items():
        fields.setdefault(name, value)


def _known(story: Correlation | None) -> dict[str, str]:
    if story is None:
        return {}
    return {name: value for name, field in _FIELDS.items() if (value := getattr(story, field)) is not None}
