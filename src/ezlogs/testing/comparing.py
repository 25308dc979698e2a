"""Comparing: why a comparison of an expected event with a captured one is false, for pytest's assertions."""

from __future__ import annotations

from collections.abc import Sequence

from ezlogs.event import UniversalEvent
from ezlogs.testing.failing import field_lines, likeness
from ezlogs.testing.matchers import Matcher
from ezlogs.testing.naming import visible


def comparison(op: str, left: object, right: object) -> list[str] | None:
    """Return lines that explain an assertion that failed; None where it is not about an expected event.

    Args:
        op: The operator, such as ``==`` or ``in``.
        left: Its left side.
        right: Its right side.

    Example:
        >>> from ezlogs import Correlation, UniversalEvent
        >>> from ezlogs.testing import event
        >>> placed = UniversalEvent.create("order.action", "placed", correlation=Correlation(correlation_id="s-1"))
        >>> print(*comparison("==", event("order.action", "changed"), placed), sep="\\n")
        event('order.action', 'changed') == <UniversalEvent order.action 'placed' success evt_...>
          ✓ type    order.action
          ✗ action  expected 'changed'  got placed
    """
    if op == "==" and isinstance(right, Matcher) and isinstance(left, UniversalEvent):
        left, right = right, left
    if op == "==" and isinstance(left, Matcher) and isinstance(right, UniversalEvent):
        return [f"{left!r} == {right!r}", *map(visible, field_lines(left.compare(right)))]
    if op == "in" and isinstance(left, Matcher) and isinstance(right, Sequence):
        events = [one for one in right if isinstance(one, UniversalEvent)]
        if not events:
            return [f"{left!r} in no events"]
        near = max(events, key=lambda one: likeness(left.compare(one), left))
        return [
            f"{left!r} in {len(events)} events",
            f"nearest: {near!r}",
            *map(visible, field_lines(left.compare(near))),
        ]
    return None
