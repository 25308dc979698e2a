"""Correlation lives in OpenTelemetry context and baggage; scopes restore what was before, whatever happens."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from tests.unit.test_loaded import Hostile

from ezlogs.actor import Actor, actor, current_actor, with_acting
from ezlogs.correlation import (
    Correlation,
    arrived,
    begun,
    carrying,
    current,
    from_mapping,
    in_baggage,
    placed,
    removed,
    valid_id,
)
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


def test_a_story_can_be_kept_out_of_the_baggage() -> None:
    """What is placed inside it stays out as well, until somebody sends it; the user's own baggage is untouched."""
    story = Correlation(correlation_id="story-1")
    apart = placed(story, baggage.set_baggage("tenant", "acme", Context()), in_baggage=False)
    inside = placed(story.replace(flow_id="checkout:42"), apart)

    assert baggage.get_all(apart) == baggage.get_all(inside) == {"tenant": "acme"}
    assert current(inside) == story.replace(flow_id="checkout:42")
    assert not in_baggage(inside)
    assert baggage.get_all(carrying(inside)) == {
        "tenant": "acme",
        "ezlogs.correlation_id": "story-1",
        "ezlogs.flow_id": "checkout:42",
    }
    assert in_baggage(placed(story, removed(inside))), "another story begins"
    for ctx in (Context(), placed(story, Context())):
        assert carrying(ctx) is ctx


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


@pytest.mark.parametrize("hostile", ["", "a" * 65, "a b", "a\r\nb", "ünïcode", "%0a", 7, None, "a b;c", ";a", "a,b"])
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


class Resisting(Mapping[str, Any]):
    """A mapping whose own code raises."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError

    __iter__ = __len__ = __getitem__  # type: ignore[assignment]  # resisting


@pytest.mark.parametrize(
    "hostile",
    [
        {},
        {"correlation_id": None},
        {"correlation_id": "x" * 65},
        {"correlation_id": "a\r\nb"},
        {"correlation_id": {"correlation_id": "story-1"}},
        {"_correlation_data": {}},
        {"_correlation_data": "story-1"},
        Resisting(),
        {"_correlation_data": Resisting()},
        "story-1",
        ["story-1"],
        5,
    ],
    ids=lambda hostile: str(type(hostile).__name__),
)
@pytest.mark.parametrize("method", ["inherit_context", "start_job_context"])
def test_a_hand_over_without_a_story_begins_one(hostile: Any, method: str) -> None:
    """Whatever it is, it is ignored and never raises; nothing of it is repeated."""
    give = getattr(manager, method)
    scope = give(hostile) if method == "inherit_context" else give("j-1", hostile)
    with scope:
        assert scope.correlation.replace(job_id=None) == Correlation(correlation_id=scope.correlation.correlation_id)
        assert len(scope.correlation.correlation_id) == 32


def test_an_object_that_resists_may_be_handed_over() -> None:
    """Not even its class is asked for."""
    with manager.inherit_context(Hostile()) as scope:  # type: ignore[arg-type]  # wrong
        assert scope.correlation is not None
    with manager.inherit_context({"correlation_id": "story-1", "flow_id": Hostile()}) as scope:
        assert scope.correlation == Correlation(correlation_id="story-1")


def test_the_ruby_agents_jobs_go_on_with_their_story() -> None:
    """Each hop has a ``correlation_id`` of its own there; the story's is the primary one. What is not ours is left."""
    sent = {
        "class": "ReceiptJob",
        "correlation_id": "corr_hop",
        "_correlation_data": {
            "correlation_id": "corr_hop",
            "primary_correlation_id": "corr_story",
            "flow_id": "flow_checkout_42",
            "parent_flow_id": None,
            "session_id": "s-1",
            "request_id": "req_1",
            "parent_event_id": None,
            "depth": 3,
            "chain": ["web", "database"],
            "metadata": {"user": "ada@example.com"},
            "started_at": "2025-06-27T10:00:00.000Z",
        },
    }
    with manager.inherit_context(sent) as scope:
        assert scope.correlation == Correlation(
            correlation_id="corr_story", flow_id="flow_checkout_42", session_id="s-1", request_id="req_1"
        )
        assert scope.correlation is not None
        assert scope.correlation.primary_correlation_id == "corr_story"


def test_a_hand_over_is_the_whole_correlation() -> None:
    """Nothing of the present story is mixed into it; the type of a flow is in its id."""
    handed = {"correlation_id": "s", "flow_id": "a:1"}
    with manager.start_flow_context("here", 1), manager.with_context(handed) as there:
        assert there == current() == Correlation(correlation_id="s", flow_id="a:1", flow_type="a")
    with manager.with_context({**handed, "flow_type": "b"}) as there:
        assert there.flow_type == "b"


def test_without_a_hand_over_the_present_story_goes_on() -> None:
    """In a request that is its own, and outside any it begins one."""
    request = manager.start_request_context("req-1")
    with request, manager.inherit_context(None) as scope, manager.with_context(None) as there:
        assert scope.correlation == there == request.correlation
    with manager.with_context(None):
        assert manager.current_context() is not None
    assert manager.current_context() is None


def test_a_request_goes_on_with_what_arrived() -> None:
    """The session stays unless it is named; the user's own ids are texts, and bounded."""
    ctx = placed(Correlation(correlation_id="story-1", session_id="s-1"), context.Context())
    with Scope(ctx), manager.start_request_context(7) as scope:  # type: ignore[arg-type]  # as people do
        assert scope.correlation == Correlation(correlation_id="story-1", session_id="s-1", request_id="7")
    with manager.start_request_context("r" * 500, "s" * 500) as scope:
        assert scope.correlation is not None
        assert max(len(str(found)) for found in (scope.correlation.request_id, scope.correlation.session_id)) < 200
        assert len(str(baggage.get_all())) < 400


def test_a_job_never_runs_in_its_workers_story() -> None:
    """It has the one that it was handed, or a new one; and the worker's comes back."""
    with manager.start_request_context("worker") as worker, Scope(under_trace(5)):
        with manager.start_job_context(17, attempt=2) as scope:
            assert scope.correlation is not None
            assert worker.correlation is not None
            assert scope.correlation.correlation_id not in (worker.correlation.correlation_id, f"{5:032x}")
            assert (scope.correlation.job_id, scope.correlation.attempt) == ("17", 2)
            assert scope.correlation.request_id is None
            assert not trace.get_current_span().get_span_context().is_valid
        assert trace.get_current_span().get_span_context().trace_id == 5
    with manager.start_job_context("j-1", worker.correlation) as scope:
        assert scope.correlation == worker.correlation.replace(job_id="j-1")


def test_schedules_and_commands_begin_stories() -> None:
    """Outside whatever is under way, which comes back; the user's own baggage stays."""
    with Scope(baggage.set_baggage("tenant", "acme")), manager.start_request_context("req-1") as request:
        for start in (manager.start_schedule_context, manager.start_command_context):
            with start() as scope:
                assert scope.correlation is not None
                assert request.correlation is not None
                assert scope.correlation == Correlation(correlation_id=scope.correlation.correlation_id)
                assert scope.correlation.correlation_id != request.correlation.correlation_id
                assert baggage.get_baggage("tenant") == "acme"
            assert current() == request.correlation


def test_flows_are_about_anything() -> None:
    """Without an entity a flow is its type alone; what names nothing is told as such."""
    with manager.start_flow_context("cleanup", None) as scope:
        assert scope.correlation is not None
        assert (scope.correlation.flow_type, scope.correlation.flow_id) == ("cleanup", "cleanup")
    with manager.start_flow_context(None, Hostile()) as scope:  # type: ignore[arg-type]  # wrong
        assert scope.correlation is not None
        assert scope.correlation.flow_id == "flow:<tests.unit.test_loaded.Hostile>"
