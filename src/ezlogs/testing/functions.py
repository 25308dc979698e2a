"""Functions that expect something of the present capture: the innermost one under way, else the one that ended last."""

from __future__ import annotations

from ezlogs.event import UniversalEvent
from ezlogs.testing.capture import present
from ezlogs.testing.matchers import Matcher
from ezlogs.testing.naming import Names

__unittest = True  # unittest shows none of this file in a failure


def expect_event_flow(
    *matchers: Matcher | str, ordered: bool = False, strict: bool = False, wait: float = 0, flow: str | None = None
) -> list[UniversalEvent]:
    """Expect events in one story of the present capture; see `Captured.expect_event_flow` for all of it.

    Args:
        *matchers: What is expected, as `event` says it; a text is an event type.
        ordered: Whether they come in this order; else in any.
        strict: Whether there are no other events in the story.
        wait: Seconds to wait at most, for other threads and processes.
        flow: The correlation id or the flow id in which they are expected; any when left out.

    Returns:
        The first event of each expected one that was found, in the order of the matchers.

    Raises:
        AssertionError: Something is missing or too much; the text says what, why, and what comes nearest.
        LookupError: Nothing is captured.

    Example:
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture():
        ...     _ = ezlogs.event("order.action", "placed")
        ...     [placed] = expect_event_flow("order.placed")
        >>> placed.action
        'placed'
    """
    __tracebackhide__ = True
    return present().expect_event_flow(*matchers, ordered=ordered, strict=strict, wait=wait, flow=flow)


def expect_correlation_chain(
    *links: Matcher | str, wait: float = 0, flow: str | None = None, direct: bool = False
) -> list[UniversalEvent]:
    """Expect that one thing led to another in the present capture; see `Captured.expect_correlation_chain`.

    Args:
        *links: What is expected, the beginning first, such as ``"http", "db", "job", "email"``.
        wait: Seconds to wait at most, for other threads and processes.
        flow: The correlation id or the flow id in which they are expected; any when left out.
        direct: Whether each is caused by the one before it, and not only by the first.

    Returns:
        The events, in the order of the links.

    Raises:
        AssertionError: The chain is broken; the text says where, and what most likely broke it.
        LookupError: Nothing is captured.

    Example:
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture(), ezlogs.flow("checkout", 42):
        ...     _ = ezlogs.event("order.action", "placed")
        >>> len(expect_correlation_chain("flow", "order.action"))
        2
    """
    __tracebackhide__ = True
    return present().expect_correlation_chain(*links, wait=wait, flow=flow, direct=direct)


def expect_no_event(*matchers: Matcher | str, wait: float = 0) -> None:
    """Expect that no event of the present capture is like one of these; see `Captured.expect_no_event`.

    Args:
        *matchers: What must not be, as `event` says it; a text is an event type. Any event when left out.
        wait: Seconds to look on, for other threads and processes.

    Raises:
        AssertionError: There is one; the text says which, and where it came from.
        LookupError: Nothing is captured.

    Example:
        >>> from ezlogs.testing import capture
        >>> with capture():
        ...     expect_no_event("payment.*")
    """
    __tracebackhide__ = True
    present().expect_no_event(*matchers, wait=wait)


def captured_trees() -> str:
    """Return the stories of the present capture as trees, one below the other; nothing where there are no events.

    Raises:
        LookupError: Nothing is captured.

    Example:
        >>> import ezlogs
        >>> from ezlogs.testing import capture
        >>> with capture():
        ...     _ = ezlogs.event("order.action", "placed", actor=("user", 7))
        >>> print(captured_trees())
        story#1: 1 event
          ✓ order.action placed user:7
    """
    captured = present()
    return "\n".join(Names(captured).trees()) if captured.events else ""
