"""Correlation lives in OpenTelemetry context and baggage; scopes restore what was before, whatever happens."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from ezlogs.actor import Actor, actor, current_actor, with_acting
from ezlogs.correlation import Correlation, arrived, begun, current, from_mapping, placed, valid_id
from ezlogs.event import SYSTEM, UNKNOWN_ACTOR
from ezlogs.scope import CorrelationManager, Scope

manager = CorrelationManager


def under_trace(trace_id: int) -> context.Context:
    """Return the context of a span in another process."""
    return trace.set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 1, True, TraceFlags(1))))


def test_outside_everything_there_is_no_story() -> None:
    """Nothing is invented; a new story begins only when something happens."""
    assert manager.current_context() is None
    assert len(begun().correlation_id) == 32


def test_a_story_is_known_by_the_trace_it_begins_in() -> None:
    """So services that drop baggage stay joined while the trace lasts."""
    found = current(under_trace(0xABC))
    assert found is not None
    assert found.correlation_id == f"{0xABC:032x}"


def test_a_request_restores_what_was_before() -> None:
    """Leaving the scope leaves nothing behind."""
    with manager.start_request_context("req-1", "sess-1") as scope:
        assert current() == scope.correlation
        assert scope.correlation is not None
        assert (scope.correlation.request_id, scope.correlation.session_id) == ("req-1", "sess-1")
    assert current() is None


def test_flows_nest_and_never_change_the_story() -> None:
    """The inner flow knows the outer one."""
    with manager.start_request_context() as request, manager.start_flow_context("checkout", 42) as outer:
        with manager.start_flow_context("payment", "p-1") as inner:
            assert inner.correlation is not None
            assert inner.correlation.flow_id == "payment:p-1"
            assert inner.correlation.parent_flow_id == "checkout:42"
            assert request.correlation is not None
            assert inner.correlation.correlation_id == request.correlation.correlation_id
        assert current() == outer.correlation


def test_a_story_can_be_handed_over_as_a_mapping() -> None:
    """A job's header continues the story; unsafe ids and unknown keys are ignored."""
    with manager.inherit_context({"correlation_id": "story-1", "flow_id": "x\n", "more": object()}) as scope:
        assert scope.correlation == Correlation(correlation_id="story-1")
    with manager.inherit_context(None) as scope:
        assert scope.correlation is not None
    assert from_mapping({"correlation_id": 5}) is None


def test_a_context_can_be_cleared_and_comes_back() -> None:
    """Inside there is no story, afterwards the same one as before."""
    with manager.with_context(Correlation(correlation_id="story-1")) as story:
        with manager.clear_context():
            assert current() is None
            assert baggage.get_all() == {}
        assert current() == story


def test_ids_travel_in_standard_baggage_beside_the_users_own() -> None:
    """Any W3C-speaking service continues the story."""
    ctx = baggage.set_baggage("tenant", "acme")
    ctx = placed(Correlation(correlation_id="story-1", flow_type="f", flow_id="f:1", parent_event_id="evt_1"), ctx)
    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier, ctx)
    there = W3CBaggagePropagator().extract(carrier, context.Context())
    assert baggage.get_baggage("tenant", there) == "acme"
    assert arrived(there) == Correlation(
        correlation_id="story-1", flow_type="f", flow_id="f:1", parent_event_id="evt_1"
    )


def test_a_member_that_no_longer_holds_is_taken_out() -> None:
    """Leaving a flow takes its id out of the baggage."""
    ctx = placed(Correlation(correlation_id="story-1", flow_id="f:1"))
    ctx = placed(Correlation(correlation_id="story-1"), ctx)
    assert baggage.get_all(ctx) == {"ezlogs.correlation_id": "story-1"}


@pytest.mark.parametrize("hostile", ["", "a" * 65, "a b", "a\r\nb", "ünïcode", "%0a", 7, None, "a;b", "a,b"])
def test_hostile_ids_from_outside_are_ignored(hostile: object) -> None:
    """An id is repeated only when it is short and plain."""
    assert valid_id(hostile) is None
    if hostile is not None:
        assert arrived(baggage.set_baggage("ezlogs.correlation_id", hostile)) is None


@given(st.text())
def test_whatever_arrives_is_bounded(text: str) -> None:
    """An accepted id has at most 64 plain characters."""
    accepted = valid_id(text)
    assert accepted is None or (len(accepted) <= 64 and accepted.isascii() and accepted.isprintable())


def test_scopes_close_once_and_anywhere_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """Closing twice or in another context never raises, never logs, and leaves that context alone."""
    elsewhere = contextvars.copy_context()
    scope = elsewhere.run(lambda: Scope(placed(Correlation(correlation_id="story-1"))))
    scope.close()
    scope.close()
    assert current() is None
    assert not caplog.records


def test_a_generator_closed_in_another_context_leaks_nothing() -> None:
    """As the garbage collector does with an abandoned async generator."""

    def stream() -> Iterator[int]:
        with manager.start_request_context("req-1"):
            yield 1
            yield 2

    async def consume() -> Iterator[int]:
        running = stream()
        next(running)
        return running

    asyncio.run(consume()).close()  # type: ignore[attr-defined]  # a generator
    assert current() is None


def test_a_scope_restores_past_a_scope_that_somebody_forgot() -> None:
    """An inner scope that was never closed does not survive the outer one."""
    with manager.start_request_context("outer"):
        manager.start_request_context("forgotten")
    assert current() is None


def test_tasks_inherit_and_threads_begin_empty() -> None:
    """asyncio tasks carry the story on; a bare thread never sees another's."""
    seen: list[Correlation | None] = []

    async def child() -> None:
        seen.append(current())

    async def main() -> None:
        with manager.start_request_context("req-1"):
            await asyncio.gather(asyncio.create_task(child()), asyncio.to_thread(lambda: seen.append(current())))
            thread = threading.Thread(target=lambda: seen.append(current()))
            thread.start()
            thread.join()

    asyncio.run(main())
    assert [found.request_id if found else None for found in seen] == ["req-1", "req-1", None]


def test_the_actor_is_the_nearest_one_known() -> None:
    """A scope's actor wins over the application's user, that over an inherited one, that over the system."""
    inherited, user = Actor("user", "1"), Actor("user", "2")
    assert current_actor() == SYSTEM
    assert current_actor(with_acting(inherited=inherited)) == inherited
    assert current_actor(with_acting(peek=lambda: None)) == UNKNOWN_ACTOR
    assert current_actor(with_acting(peek=lambda: None, inherited=inherited)) == inherited
    assert current_actor(with_acting(peek=lambda: user, inherited=inherited)) == user
    with actor("user", 3, "Ada", on_behalf_of=user):
        assert current_actor(with_acting(peek=lambda: user)) == Actor("user", "3", "Ada", "user:2")
    assert current_actor() == SYSTEM
