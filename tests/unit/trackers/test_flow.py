"""Flows and tracked functions tell their beginning, end and duration, and are the cause of what happens inside."""

import asyncio

import pytest

import ezlogs
from ezlogs.testing import Captured


def test_a_flow_tells_its_start_and_its_completion(captured: Captured) -> None:
    """What happens inside carries the flow and has its start as the cause."""
    with ezlogs.flow("checkout", 42, metadata={"items": 2}):
        ezlogs.event("order.action", "placed")
    start, placed, complete = captured.events
    assert [event.action for event in (start, placed, complete)] == ["checkout.start", "placed", "checkout.complete"]
    assert {event.correlation.flow_id for event in captured.events} == {"checkout:42"}
    assert len({event.correlation.correlation_id for event in captured.events}) == 1
    assert placed.correlation.parent_event_id == complete.correlation.parent_event_id == start.event_id
    assert start.metadata == {"items": 2}
    assert complete.duration is not None


def test_a_flow_that_fails_says_so_and_raises(captured: Captured) -> None:
    """The exception goes on unchanged."""
    with pytest.raises(ValueError, match="declined"), ezlogs.flow("payment", "p1"):
        raise ValueError("declined")
    fail = captured.events[-1]
    assert (fail.action, fail.outcome) == ("payment.fail", "failure")
    assert fail.error is not None
    assert fail.error.type == "ValueError"


def test_flows_nest(captured: Captured) -> None:
    """The inner flow's start is caused by the outer one, and names it."""
    with ezlogs.flow("checkout", 42), ezlogs.flow("payment", "p1"):
        pass
    outer, inner = captured.events[:2]
    assert inner.correlation.parent_event_id == outer.event_id
    assert inner.correlation.parent_flow_id == "checkout:42"


def test_a_flow_works_when_nothing_listens() -> None:
    """The block runs, in a flow."""
    with ezlogs.flow("checkout", 42) as scope:
        assert scope.correlation is not None
        assert scope.correlation.flow_id == "checkout:42"


def test_a_tracked_function_becomes_an_event(captured: Captured) -> None:
    """With its outcome and duration; its event is the cause of what it does, though it is told last."""

    @ezlogs.tracked("invoice.action", "rendered", metadata={"format": "pdf"})
    def render(number: int) -> str:
        """Render it."""
        ezlogs.event("file.action", "written")
        return f"Invoice {number}"

    assert render(7) == "Invoice 7"
    assert render.__doc__ == "Render it."
    written, rendered = captured.events
    assert written.correlation.parent_event_id == rendered.event_id
    assert rendered.duration is not None
    assert rendered.metadata == {"format": "pdf"}


def test_a_tracked_coroutine_that_fails(captured: Captured) -> None:
    """Async functions stay async; the exception goes on unchanged."""

    @ezlogs.tracked("invoice.action", "rendered")
    async def render() -> None:
        await asyncio.sleep(0)
        raise LookupError("no such invoice")

    with pytest.raises(LookupError):
        asyncio.run(render())
    (event,) = captured.events
    assert (event.outcome, event.error and event.error.type) == ("failure", "LookupError")
