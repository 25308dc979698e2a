"""Flows and tracked functions tell their beginning, end and duration, and are the cause of what happens inside."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import ezlogs
from ezlogs.correlation import current
from ezlogs.flows.register import Register
from ezlogs.runtime import current_runtime
from ezlogs.testing import Captured, capture
from ezlogs.trackers.flow import MAX_STEPS


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


def test_a_flow_tells_its_steps(captured: Captured) -> None:
    """As they are reached, and all of them with their durations when it ends."""
    with ezlogs.flow("checkout", 42) as checkout:
        checkout.step("reserved")
        checkout.step("paid", {"provider": "bank"})
    start, reserved, paid, complete = captured.events
    assert [event.action for event in (reserved, paid)] == ["checkout.step", "checkout.step"]
    assert reserved.metadata == {"step": "reserved"}
    assert paid.metadata == {"provider": "bank", "step": "paid"}
    assert paid.correlation == complete.correlation
    assert paid.correlation.parent_event_id == start.event_id
    assert complete.metadata["steps"] == ("reserved", "paid")
    durations = complete.metadata["step_durations"]
    assert len(durations) == 2
    assert complete.duration is not None
    assert 0 <= sum(durations) <= complete.duration
    assert "step" not in complete.metadata


def test_a_flow_that_fails_says_at_which_step(captured: Captured) -> None:
    """The one that was reached last."""

    def pay() -> None:
        with ezlogs.flow("checkout", 42) as checkout:
            checkout.step("reserved")
            checkout.step("paid")
            raise ValueError("declined")

    with pytest.raises(ValueError, match="declined"):
        pay()
    assert captured.events[-1].metadata["step"] == "paid"


def test_steps_without_end_are_counted(captured: Captured) -> None:
    """A loop of steps must not make events without end; the last one is still known."""

    def import_rows() -> None:
        with ezlogs.flow("import", 1) as importing:
            for number in range(MAX_STEPS + 7):
                importing.step(f"row_{number}")
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        import_rows()
    assert len(captured.events) == MAX_STEPS + 2
    end = captured.events[-1].metadata
    assert (len(end["steps"]), len(end["step_durations"]), end["steps_left_out"]) == (MAX_STEPS, MAX_STEPS, 7)
    assert end["step"] == f"row_{MAX_STEPS + 6}"


def test_a_step_outside_its_flow_is_not_told(captured: Captured) -> None:
    """Before it began and after it ended there is nothing to reach."""
    checkout = ezlogs.flow("checkout", 42)
    checkout.step("early")
    with checkout:
        pass
    checkout.step("late")
    assert [event.action for event in captured.events] == ["checkout.start", "checkout.complete"]


def test_steps_of_an_outer_flow_are_its_own(captured: Captured) -> None:
    """Whoever acts at that moment has reached them."""
    with ezlogs.flow("checkout", 42) as checkout, ezlogs.actor("user", 7), ezlogs.flow("payment", 1):
        checkout.step("paid")
    step = captured.events[2]
    assert (step.action, step.correlation.flow_id) == ("checkout.step", "checkout:42")
    assert step.actor == ezlogs.Actor("user", "7")


def test_a_thread_that_knows_nothing_of_a_flow_can_reach_its_steps(captured: Captured) -> None:
    """They are told in the flow's own context."""
    with ezlogs.actor("user", 7), ezlogs.flow("checkout", 42) as checkout:
        thread = threading.Thread(target=lambda: contextvars.Context().run(checkout.step, "paid"))
        thread.start()
        thread.join()
    assert captured.events[1].actor == ezlogs.Actor("user", "7")
    assert captured.events[1].correlation.flow_id == "checkout:42"


def test_a_flow_used_inside_itself_keeps_its_steps_apart(captured: Captured) -> None:
    """Also when it is reached by the name it was made under."""
    checkout = ezlogs.flow("checkout", 42)
    with checkout:
        checkout.step("outer")
        with checkout:
            checkout.step("inner")
    inner, outer = captured.events[-2:]
    assert (inner.metadata["steps"], outer.metadata["steps"]) == (("inner",), ("outer",))
    assert current() is None


def test_a_flow_may_be_each_call_of_a_function(captured: Captured) -> None:
    """Each is one from start to completion."""

    @ezlogs.flow("checkout")
    def check_out() -> None:
        """Check out."""

    check_out()
    check_out()
    assert [event.action for event in captured.events] == ["checkout.start", "checkout.complete"] * 2
    assert {event.correlation.flow_id for event in captured.events} == {"checkout"}


def test_a_flow_that_is_cancelled_has_an_unknown_outcome(captured: Captured) -> None:
    """Nobody knows how far it came."""

    async def run() -> None:
        async with ezlogs.flow("checkout", 42):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert (captured.events[-1].action, captured.events[-1].outcome) == ("checkout.fail", "unknown")


class Resisting:
    def __str__(self) -> str:
        raise RuntimeError


def test_a_flow_is_about_what_it_was_given() -> None:
    """An object is told by its identity; one that resists by its type; the application goes on."""
    for entity, flow_id in (
        (ezlogs.Subject("order", "42"), "checkout:42"),
        (Resisting(), "checkout:<tests.unit.trackers.test_flow.Resisting>"),
        ("x" * 200, f"checkout:{'x' * 128}… (+72 characters)"),
    ):
        with ezlogs.flow("checkout", entity) as checkout, ezlogs.resume_flow("checkout", entity) as resumed:
            for scope in (checkout, resumed):
                assert scope.correlation is not None
                assert scope.correlation.flow_id == flow_id


OTHER = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("linked", "found"),
    [
        (OTHER, OTHER),
        (ezlogs.Correlation(correlation_id=OTHER), OTHER),
        ({"correlation_id": OTHER}, OTHER),
        (None, None),
        ("not an id\n", None),
        ({"correlation_id": 5}, None),
        (5, None),
    ],
)
def test_a_flow_is_resumed_in_another_story(captured: Captured, linked: Any, found: str | None) -> None:
    """The story stays what it is, and is linked to the other; nothing is told."""
    with ezlogs.CorrelationManager.start_request_context("req-1") as request:
        with ezlogs.resume_flow("checkout", 42, linked=linked) as scope:
            paid = ezlogs.event("payment.action", "confirmed")
        assert current() == request.correlation
    assert captured.events == [paid]
    assert paid is not None
    assert paid.correlation == scope.correlation
    assert paid.correlation.flow_id == "checkout:42"
    assert paid.correlation.linked_correlation_id == found
    assert request.correlation is not None
    assert paid.correlation.correlation_id == request.correlation.correlation_id


def test_a_flow_resumed_in_its_own_story_is_no_link() -> None:
    """A story does not belong with itself."""
    with ezlogs.flow("checkout", 42) as checkout, ezlogs.resume_flow("checkout", 42, linked=checkout.correlation) as on:
        assert on.correlation is not None
        assert on.correlation.linked_correlation_id is None


def test_a_flow_that_ezlogs_could_not_begin_is_still_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of ezlogs' own costs its beginning, never the block."""
    monkeypatch.setattr("ezlogs.trackers.flow.in_flow", lambda *_: 1 / 0)
    with capture(strict=False) as captured, caplog.at_level(logging.WARNING), ezlogs.flow("checkout", 42) as checkout:
        checkout.step("reserved")
    assert [event.action for event in captured.events] == ["checkout.complete"]
    assert "ZeroDivisionError" in caplog.text


def test_a_flow_that_is_gone_on_with_is_linked_with_the_story_that_it_began_in(captured: Captured) -> None:
    """In another story; in its own there is nothing to link."""
    with ezlogs.flow("order", 42) as order, ezlogs.resume_flow("order", 42) as same:
        assert same.correlation is not None
        assert same.correlation.linked_correlation_id is None
    with ezlogs.resume_flow("order", 42), ezlogs.CorrelationManager.start_request_context("webhook"):
        settled = ezlogs.event("payment.action", "settled")
    assert settled.correlation.flow_id == "order:42"
    assert settled.correlation.linked_correlation_id == order.correlation.correlation_id
    assert settled.correlation.correlation_id != order.correlation.correlation_id


def test_the_first_beginning_of_a_flow_is_the_one_that_counts(captured: Captured) -> None:
    """Until it has ended: then a flow may begin anew."""
    with ezlogs.flow("order", 42) as first:
        with ezlogs.CorrelationManager.clear_context(), ezlogs.flow("order", 42):
            pass
        with ezlogs.CorrelationManager.clear_context(), ezlogs.resume_flow("order", 42) as resumed:
            assert resumed.correlation.linked_correlation_id == first.correlation.correlation_id
    with ezlogs.flow("order", 42) as later:
        pass
    with ezlogs.resume_flow("order", 42) as resumed:
        assert resumed.correlation.linked_correlation_id == later.correlation.correlation_id


def test_a_flow_that_the_manager_started_is_found(captured: Captured) -> None:
    """It tells nothing, and is kept all the same."""
    with ezlogs.CorrelationManager.start_flow_context("order", 42) as scope:
        story = scope.correlation.correlation_id
    with ezlogs.resume_flow("order", 42) as resumed:
        assert resumed.correlation.linked_correlation_id == story
    assert not captured.events


@pytest.mark.parametrize("store", ["memory", "none"])
def test_a_flow_about_nothing_is_no_flow_to_be_found(store: str) -> None:
    """It could not be told from others of its type; and where nobody keeps flows none is found."""
    with capture(flow_store=store):
        with ezlogs.flow("order", None if store == "memory" else 42):
            pass
        with ezlogs.resume_flow("order", None if store == "memory" else 42) as resumed:
            assert resumed.correlation.linked_correlation_id is None
        ezlogs.forget_flow("order", 42)


def test_a_coroutine_goes_on_with_a_flow(captured: Captured) -> None:
    """By either kind of block where the store is near."""
    with ezlogs.flow("order", 42) as order:
        pass

    async def webhook() -> None:
        with ezlogs.resume_flow("order", 42) as resumed:
            assert resumed.correlation.linked_correlation_id == order.correlation.correlation_id
        async with ezlogs.resume_flow("order", 42) as resumed:
            assert current() == resumed.correlation
            assert resumed.correlation.linked_correlation_id == order.correlation.correlation_id
        assert current() is None

    asyncio.run(webhook())


def test_a_coroutine_waits_only_where_it_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A plain block does not look in a store that may take a while, and says what to write instead."""

    async def webhook() -> tuple[str | None, str | None]:
        with ezlogs.resume_flow("order", 42) as plain:
            pass
        async with ezlogs.resume_flow("order", 42) as waited:
            assert current() == waited.correlation
        async with ezlogs.resume_flow("order", 43) as unknown:
            assert unknown.correlation.linked_correlation_id is None
        assert current() is None
        return plain.correlation.linked_correlation_id, waited.correlation.linked_correlation_id

    with capture(flow_store=f"sqlite:///{tmp_path / 'flows.db'}", flow_wait=10):
        runtime = current_runtime()
        with ezlogs.flow("order", 42) as order:
            pass
        assert asyncio.run(webhook()) == (None, order.correlation.correlation_id)
        assert "use `async with ezlogs.resume_flow(...)`" in caplog.text
        assert runtime.ledger.counts()["flow_store.not_asked"] == 1
        runtime.finish_flows(10, last=True)


def test_a_coroutine_that_is_cancelled_while_it_looks_has_entered_nothing(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would leave it."""

    async def never(_register: Register, _flow_id: str) -> str | None:
        await asyncio.sleep(60)
        return None

    async def webhook() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(entering(), 0.01)

    async def entering() -> None:
        try:
            async with ezlogs.resume_flow("order", 42):
                raise AssertionError
        finally:
            assert current() is None

    monkeypatch.setattr(Register, "is_near", False)
    monkeypatch.setattr(Register, "find_async", never)
    asyncio.run(webhook())


@pytest.mark.parametrize("name", ["find", "find_async", "began"])
def test_an_error_of_the_register_is_not_the_application_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported, and the block runs."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Register, name, fail)
    monkeypatch.setattr(Register, "is_near", False)

    async def webhook() -> bool:
        async with ezlogs.resume_flow("order", 42) as resumed:
            return resumed.correlation.flow_id == "order:42"

    with capture(strict=False):
        with ezlogs.flow("order", 42):
            pass
        with ezlogs.resume_flow("order", 42) as resumed:
            assert resumed.correlation.flow_id == "order:42"
        assert asyncio.run(webhook())
        counts = current_runtime().ledger.counts()
    assert counts["internal_errors"] >= 1


def test_a_flow_whose_runtime_has_ended_meanwhile_is_entered_all_the_same(tmp_path: Path) -> None:
    """There is nobody left to ask, nor to tell that nobody was asked."""

    async def webhook() -> None:
        with capture(flow_store=f"sqlite:///{tmp_path / 'flows.db'}"):
            plain, waiting = ezlogs.resume_flow("order", 42), ezlogs.resume_flow("order", 42)
        async with waiting as resumed:
            assert resumed.correlation.flow_id == "order:42"
        with plain as resumed:
            assert resumed.correlation.linked_correlation_id is None

    asyncio.run(webhook())


def test_a_program_without_asyncio_has_no_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And need not load it for this."""
    monkeypatch.delitem(sys.modules, "asyncio")
    with capture(flow_store=f"sqlite:///{tmp_path / 'flows.db'}", flow_wait=10):
        with ezlogs.resume_flow("order", 42) as resumed:
            assert resumed.correlation.linked_correlation_id is None
        current_runtime().finish_flows(10, last=True)
