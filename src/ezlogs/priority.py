"""Priorities: what goes first when not everything can be kept - the lowest.

Audit events are above all others, then what failed, then the rest, and what is for debugging only is below.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture():
        ...     events = [ezlogs.event(name, "tried", outcome="failure") for name in ("auth.session", "order.action")]
        >>> [Priorities(("auth.*",)).of(event).name for event in events]
        ['AUDIT', 'ERROR']
    """

    def __init__(self, audit: Sequence[str] = ()) -> None:
        self._usual: Remembered[str, Priority] = Remembered(
            lambda event_type: Priority.AUDIT if matches(audit, event_type) else Priority.NORMAL
        )

    def of(self, event: UniversalEvent) -> Priority:
        """Return the priority of an event."""
        usual = self._usual[event.event_type]
        severity = event.said_severity
        if severity is None and event.said_outcome == "success" and event.error is None:
            return usual
        if usual is Priority.AUDIT:
            return usual
        if event.said_outcome != "success" or event.error is not None:
            return Priority.ERROR
        return _OF_SEVERITY.get(severity, Priority.NORMAL)

    def usual(self, event_type: str) -> Priority:
        """Return the priority of events of a type that succeeded."""
        return self._usual[event_type]

    def of_all(self, events: Sequence[UniversalEvent]) -> Priority:
        """Return the priority of the most important of some events; that of a span, where there are none."""
        if Priority.AUDIT in {self._usual[event.event_type] for event in events}:
            return Priority.AUDIT
        for event in events:
            if event.said_outcome != "success" or event.error is not None:
                return Priority.ERROR
        severities = {event.said_severity for event in events} or {None}
        return max(_OF_SEVERITY.get(severity, Priority.NORMAL) for severity in severities)


_OF_SEVERITY: dict[str | None, Priority] = {"debug": Priority.DEBUG, "error": Priority.ERROR, "fatal": Priority.ERROR}
