"""The oldest event of some items, however they came."""

from __future__ import annotations

from opentelemetry.trace import INVALID_SPAN_CONTEXT

from ezlogs.delivery.items import EndedSpan
from ezlogs.delivery.oldest import oldest
from ezlogs.delivery.sealed import SealedEvent

from .test_riders import emitted


def test_the_oldest_is_the_first_that_came_alone_or_one_on_a_span() -> None:
    """Of spans without events nothing is known."""
    bare = EndedSpan(None, ())  # type: ignore[arg-type]  # it is not looked at
    carried = EndedSpan(None, [emitted(3), emitted(9)])  # type: ignore[arg-type]  # nor is this one
    sealed = SealedEvent(b"", 5, 0, 0)
    assert oldest([]) == 0
    assert oldest([bare]) == 0
    assert oldest([bare, (emitted(4), INVALID_SPAN_CONTEXT), emitted(6)]) == 4
    assert oldest([sealed, carried, emitted(7)]) == 3
    assert oldest([emitted(2), carried]) == 2
