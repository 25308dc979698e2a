"""Patterns of event types: ``order.action`` is one type, ``data.*`` all that begin with ``data.``, ``*`` every one."""

from __future__ import annotations

from collections.abc import Sequence

from ezlogs.expressions import expression

_PATTERN = expression(r"\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*)")


def is_event_pattern(text: str) -> bool:
    """Return whether a text is a pattern of event types.

    >>> is_event_pattern("data.*"), is_event_pattern("Order Placed")
    (True, False)
    """
    return _PATTERN.fullmatch(text) is not None


def matches(patterns: Sequence[str], event_type: str) -> bool:
    """Return whether any of some patterns stands for an event type.

    >>> matches(("data.*", "order.action"), "data.change"), matches((), "data.change")
    (True, False)
    """
    return any(pattern in (event_type, "*", f"{event_type.partition('.')[0]}.*") for pattern in patterns)
