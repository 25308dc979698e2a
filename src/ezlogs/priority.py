"""Priorities: what goes first when not everything can be kept - the lowest.

Audit events are above all others, then what failed, then the rest, and what is for debugging only is below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from ezlogs.event import UniversalEvent
from ezlogs.otlp.values import Remembered
from ezlogs.patterns import matches


class Priority(IntEnum):
    """The class of an event, of a span with the events on it, and of a record in the journal."""

    DEBUG = 0
    NORMAL = 1
    ERROR = 2
    AUDIT = 3


class Priorities:
    """Tells priorities.

    Args:
        audit: Patterns of the types of audit events.

    Example:
        >>> from ezlogs import UniversalEvent
        >>> priorities = Priorities(("auth.*",))
        >>> priorities.of(UniversalEvent.create("auth.session", "login", outcome="failure")).name
        'AUDIT'
        >>> priorities.of(UniversalEvent.create("order.action", "ship", outcome="failure")).name
        'ERROR'
    """

    def __init__(self, audit: Sequence[str] = ()) -> None:
        self._is_audit: Remembered[str, bool] = Remembered(lambda event_type: matches(audit, event_type))

    def of(self, event: UniversalEvent) -> Priority:
        """Return the priority of an event."""
        if self._is_audit[event.event_type]:
            return Priority.AUDIT
        if event.said_outcome != "success" or event.error is not None:
            return Priority.ERROR
        severity = event.said_severity
        if severity is None:
            return Priority.NORMAL
        return _OF_SEVERITY.get(severity, Priority.NORMAL)

    def of_all(self, events: Iterable[UniversalEvent]) -> Priority:
        """Return the priority of a span with some events on it: that of the most important."""
        return max(map(self.of, events), default=Priority.NORMAL)


_OF_SEVERITY = {"debug": Priority.DEBUG, "error": Priority.ERROR, "fatal": Priority.ERROR}
