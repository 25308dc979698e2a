"""Deciding: each event is kept, left out or waits, whatever happens around it; and everything adds up."""

from __future__ import annotations

import logging
import multiprocessing.util  # noqa: F401  # so that its exit is heeded
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

import ezlogs
from ezlogs.correlation import Correlation, placed
from ezlogs.facts import Sampled
from ezlogs.runtime import current_runtime, install
from ezlogs.sampling import deciding, root
from ezlogs.scope import Scope
from ezlogs.size import size_of
from ezlogs.testing import Captured, capture
from ezlogs.trackers.http import HttpTracker, PlainArrival
from ezlogs.trackers.job import Job, perform

LEFT_OUT, LET_THROUGH = "0" * 31 + "1", "f" * 32
"""A story that every rate below 1 leaves out, and one that every rate above 0 lets through."""


def in_story(correlation_id: str, **fields: Any) -> Scope:
    """Enter a story."""
    return Scope(placed(Correlation(correlation_id=correlation_id, **fields)))


def happen(*outcomes: str) -> None:
    """Tell an event for each outcome."""
    for number, outcome in enumerate(outcomes):
        ezlogs.event("order.action", f"step{number}", outcome=outcome)


def actions(captured: Captured) -> list[str]:
    """Return what was kept of `happen`, in the order in which it came out."""
    return [event.action for event in captured.of("order.action")]


def health() -> dict[str, Any]:
    """Return the health, with what it adds up to checked."""
    found: dict[str, Any] = ezlogs.health()
    became = found["captured"] + found["held"] + found["sampled_out"] + sum(found["lost"].values())
    assert found["emitted"] == became, found
    assert found["sampled_out"] == sum(found["sampled_out_by"].values())
    return found


def request(route: str = "/orders", status: int = 200, inside: Callable[[], object] = lambda: None) -> None:
    """Handle a request."""
    tracked = HttpTracker("example").begin(PlainArrival("GET", route, {}))
    assert tracked is not None
    try:
        inside()
    finally:
        tracked.finish(status, route=route)


def raising() -> None:
    """Tell an event, and raise."""
    happen("success")
    raise ValueError("no")


def job(inside: Callable[[], object], **more: Any) -> None:
    """Run a job in the story at hand."""
    with perform(Job("send", "j-1", system="own"), **more):
        inside()


@pytest.mark.parametrize(
    "around",
    [
        lambda: ezlogs.flow("checkout", 1),
        lambda: ezlogs.command("import", nested=True),
        lambda: ezlogs.tracked("invoice.action", "rendered"),
        ezlogs.CorrelationManager.start_request_context,
    ],
    ids=["flow", "command", "tracked", "request scope"],
)
def test_what_failed_is_kept_with_all_that_happened_around_it(around: Callable[[], Any]) -> None:
    """Before it and after it, marked as added; each scope that nothing else is around is such a whole."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        with around():
            happen("success", "failure", "success")
        with around():
            happen("success", "unknown", "success")
        assert health()["held"] == 0
    assert actions(captured) == ["step0", "step1", "step2", "step1"]
    told = [event.sampling for event in captured.of("order.action")]
    added, alone = Sampled(0.0, added=True, partial=True), Sampled(partial=True)
    assert told == [added, alone, added, alone]


def test_a_request_that_fails_is_kept_from_its_beginning() -> None:
    """The status decides; what happened outside it stays out."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        happen("success")
        request(status=500, inside=lambda: happen("success", "success"))
        request(status=404, inside=lambda: happen("success"))
        assert health()["sampled_out_by"] == {"rate": 3}
    assert actions(captured) == ["step0", "step1"]
    assert [event.outcome for event in captured.of("http.request")] == ["failure"]


def test_a_job_that_is_retried_is_kept() -> None:
    """An attempt that raised failed, however often it will be tried again."""

    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        with pytest.raises(ValueError, match="no"):
            job(raising)
        job(lambda: happen("success"))
        health()
    assert actions(captured) == ["step0"]


def test_an_exception_ends_a_scope_as_a_failure() -> None:
    """Of a scope that emits nothing itself, too; one that is closed by hand ended as it should."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        with pytest.raises(ValueError, match="no"), ezlogs.CorrelationManager.start_request_context():
            raising()
        scope = ezlogs.CorrelationManager.start_request_context()
        happen("success", "success")
        scope.close()
        scope.close()
        assert health()["sampled_out_by"] == {"rate": 2}
    assert actions(captured) == ["step0"]


def test_without_keep_errors_only_what_failed_is_kept() -> None:
    """Nothing waits."""
    with capture(sample_rate=0, keep_errors=False) as captured, in_story(LEFT_OUT), ezlogs.flow("checkout", 1):
        happen("success", "failure", "success")
        assert health()["held"] == 0
    assert actions(captured) == ["step1"]


def test_a_story_that_is_let_through_waits_for_nothing() -> None:
    """Its events carry the probability with which they came."""
    with capture(sample_rate=0.25) as captured, in_story(LET_THROUGH), ezlogs.flow("checkout", 1):
        happen("success", "failure", "success")
        assert health()["held"] == 0
        assert actions(captured) == ["step0", "step1", "step2"]
        assert [event.sampling for event in captured.of("order.action")] == [Sampled(0.25), None, Sampled(0.25)]


def test_what_is_slow_is_kept() -> None:
    """Whether it has ended or not, from then on at once; a route can have a limit of its own."""
    tables = {"keep_errors": False, "keep_slow": 3600, "keep_slow_routes": {"GET /quick": 0}}
    with capture(sample_rate=0, **tables) as captured, in_story(LEFT_OUT):
        request("/orders", inside=lambda: happen("success"))
        request("/quick", inside=lambda: happen("success", "success"))
        assert health()["sampled_out_by"] == {"rate": 2}
    assert actions(captured) == ["step0", "step1"]
    assert {event.sampling for event in captured.events} == {Sampled(0.0, added=True, partial=True)}
    with capture(sample_rate=0, keep_slow=0) as captured, in_story(LEFT_OUT), ezlogs.flow("checkout", 1):
        happen("success")
        assert actions(captured) == ["step0"]


def test_what_is_slow_comes_out_though_nothing_more_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody looks now and then, and settles also what has waited too long."""
    now = [1000.0]
    for module in (deciding, root):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    with capture(sample_rate=0, keep_slow=30, held_seconds=60) as captured, in_story(LEFT_OUT):
        sampler = _sampler(lambda: now[0])
        with ezlogs.flow("checkout", 1):
            happen("success")
            sampler.turn()
            assert actions(captured) == []
            now[0] += 40
            sampler.turn()
            assert actions(captured) == ["step0"]
            happen("success")
            assert actions(captured) == ["step0", "step0"]
    with capture(sample_rate=0, held_seconds=60) as captured, in_story(LEFT_OUT):
        with ezlogs.flow("checkout", 1):
            happen("success")
            _sampler(lambda: now[0]).turn()
            now[0] += 70
            happen("success")  # whoever comes looks, where nobody else does
            assert health()["sampled_out_by"] == {"too_old": 3}  # the flow's start, and the one that came, too
        assert health()["held"] == 0


def _sampler(clock: Callable[[], float]) -> deciding.Decisions:
    runtime = current_runtime()
    assert runtime is not None
    assert runtime.sampler is not None
    runtime.sampler._tail._clock = clock
    return runtime.sampler


@pytest.mark.parametrize(
    ("bound", "reason"), [({"held_events": 2}, "too_many"), ({"held_bytes": 4096}, "too_large")], ids=["count", "bytes"]
)
def test_what_waits_is_bounded(bound: dict[str, int], reason: str) -> None:
    """Beyond it what has waited longest is left out, and counted."""
    with capture(sample_rate=0, **bound) as captured, in_story(LEFT_OUT), ezlogs.command("import", nested=True):
        happen(*["success"] * 1000)
        found = health()
        assert found["held"] <= 3
        assert found["sampled_out_by"][reason] >= 996
        happen("failure")
        health()
    assert captured.events[-1].event_type == "cli.command"


def test_rates_by_type_and_route() -> None:
    """Of both the lower one counts; the request's own event is judged by its route too."""
    tables = {"sample_types": {"order.*": 0.5}, "sample_routes": {"GET /heartbeat": 0, "GET /orders": 0.25}}
    with capture(**tables) as captured, in_story(LET_THROUGH):
        for route in ("/orders", "/heartbeat", "/other"):
            request(route, inside=lambda: happen("success"))
        assert health()["sampled_out_by"] == {"route": 2}
    assert [(event.event_type, event.sampling) for event in captured.events] == [
        ("order.action", Sampled(0.25)),
        ("http.request", Sampled(0.25)),
        ("order.action", Sampled(0.5)),
        ("http.request", None),
    ]


def test_a_request_waits_until_its_route_is_known() -> None:
    """Since one event of it would be judged by a rate, and the next one by another."""
    with capture(sample_routes={"GET /heartbeat": 0}) as captured, in_story(LET_THROUGH):
        tracked = HttpTracker("example").begin(PlainArrival("GET", "/orders/42", {}))
        assert tracked is not None
        happen("success")
        assert health()["held"] == 1
        tracked.matched("/orders/{id}")
        assert (health()["held"], actions(captured)) == (0, ["step0"])
        happen("success")
        assert actions(captured) == ["step0", "step0"]
        tracked.finish(200, route="/orders/{id}")
        happen("success")
    assert len(captured.events) == 4
    assert {event.sampling for event in captured.events} == {None}


def test_a_request_that_fails_before_its_route_is_known_is_kept() -> None:
    """And still counted by the rate of its route, once that is known."""
    with capture(sample_routes={"GET /orders": 0.5, "GET /heartbeat": 0}) as captured:
        for story in (LET_THROUGH, LEFT_OUT):
            with in_story(story):
                request("/orders", inside=lambda: happen("success", "failure"))
        assert health()["held"] == 0
    told = [(event.action, event.sampling) for event in captured.of("order.action")]
    assert told == [
        ("step1", None),
        ("step0", Sampled(0.5)),
        ("step1", None),  # without its route nothing says that it is one of few
        ("step0", Sampled(0.5, added=True, partial=True)),
    ]


def test_what_comes_after_the_end_has_its_fate() -> None:
    """A task that goes on when the request has been answered."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        for status in (200, 500):
            inside: list[Context] = []
            request(status=status, inside=lambda inside=inside: inside.append(trace.context_api.get_current()))
            with Scope(inside[0]):
                happen("success")
        health()
    assert actions(captured) == ["step0"]


def test_always_and_never() -> None:
    """In every story, and in none, whatever happened."""
    lists = {"always_events": "auth.*", "never_events": "debug.*"}
    with capture(sample_rate=0, **lists) as captured, in_story(LEFT_OUT), ezlogs.flow("checkout", 1):
        ezlogs.event("auth.login", "signed_in")
        ezlogs.event("debug.note", "seen", outcome="failure")
        happen("failure")
        ezlogs.event("debug.note", "seen")
        assert health()["sampled_out_by"] == {"never": 2}
    assert [event.event_type for event in captured.events].count("debug.note") == 0
    assert [event.sampling for event in captured.of("auth.login")] == [None]


def test_what_exceeds_its_limit_is_lost_and_counted() -> None:
    """Whether it is told at once or comes out later."""
    with capture(rate_limits={"order.*": "0.001:2"}) as captured:
        happen(*["success"] * 5)
        assert health()["lost"] == {"rate_limited": 3}
    assert len(captured.events) == 2
    with capture(sample_rate=0, rate_limits={"order.*": "0.001:2"}), in_story(LEFT_OUT), ezlogs.flow("a", 1):
        happen("success", "success", "success", "failure")
        assert health()["lost"] == {"rate_limited": 2}


def test_what_the_services_before_say_counts() -> None:
    """Their rate stands for this one's, unless this one keeps everything; what they keep is kept."""
    for text, story, expected in (
        ("none", LET_THROUGH, []),
        ("c", LET_THROUGH, [Sampled(0.25)]),
        ("c", LEFT_OUT, []),
        ("c:kept", LEFT_OUT, [Sampled(0.25, added=True, partial=True)]),
        (":kept", LEFT_OUT, [Sampled(0.5, added=True, partial=True)]),
        ("<script>", LET_THROUGH, [Sampled(0.5)]),
    ):
        with capture(sample_rate=0.5) as captured, in_story(story, sampling=text):
            happen("success")
            health()
        assert [event.sampling for event in captured.events] == expected, text
    with capture(never_events="debug.*") as captured, in_story(LET_THROUGH, sampling="none"):
        happen("success")
        ezlogs.event("debug.note", "seen")
    assert actions(captured) == ["step0"]


@pytest.mark.parametrize(("flags", "expected"), [(TraceFlags.SAMPLED, ["step0", "step1", "step2"]), (0, ["step1"])])
def test_events_may_follow_their_trace(flags: int, expected: list[str]) -> None:
    """Left out with a span that is not sampled; what failed and what is always kept does not ask it."""
    span = NonRecordingSpan(SpanContext(1, 1, False, TraceFlags(flags), TraceState([("ot", "th:c")])))
    with capture(sampling_events="follow_trace", always_events="auth.*") as captured:
        with in_story(LEFT_OUT), Scope(trace.set_span_in_context(span)):
            happen("success", "failure", "success")
            ezlogs.event("auth.login", "signed_in")
        found = health()
        assert actions(captured) == expected
        assert found["sampled_out_by"] == ({} if flags else {"trace": 2})
        happen("success")  # in no trace
        with Scope(trace.set_span_in_context(NonRecordingSpan(trace.INVALID_SPAN_CONTEXT))):
            happen("success")
        assert actions(captured) == [*expected, "step0", "step0"]
    probabilities = {event.sampling.probability for event in captured.events if event.sampling and flags}
    assert probabilities == ({0.25} if flags else set())


def test_a_request_in_an_unsampled_trace_is_kept_when_it_fails() -> None:
    """Following the trace is a rate like any other."""
    span = NonRecordingSpan(SpanContext(1, 1, False, TraceFlags(0)))
    with capture(sampling_events="follow_trace") as captured, Scope(trace.set_span_in_context(span)):
        with ezlogs.flow("checkout", 1):
            happen("success", "failure")
        health()
    assert actions(captured) == ["step0", "step1"]


def test_in_debug_mode_every_verdict_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """In the log, kept or not, and on the events that are kept."""
    options = {"never_events": "debug.*", "rate_limits": {"mail.*": "0.001:1"}, "debug": True}
    caplog.set_level(logging.DEBUG, "ezlogs")
    with capture(sample_rate=0, **options) as captured, in_story(LEFT_OUT):
        happen("success", "failure")
        ezlogs.event("debug.note", "seen")
        for _ in range(2):
            ezlogs.event("mail.sent", "sent", outcome="failure")
        with ezlogs.flow("checkout", 1):
            happen("failure")
    assert [event.sampling.reason for event in captured.events if event.sampling] == [
        *("outcome", "outcome", "error", "outcome", "error")
    ]
    said = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.DEBUG]
    assert said[:2] == [
        f"ezlogs: order.action of story {LEFT_OUT} is left out: rate (probability 0)",
        f"ezlogs: order.action of story {LEFT_OUT} is kept: outcome (probability 1)",
    ]
    assert f"ezlogs: debug.note of story {LEFT_OUT} is left out: never:debug.* (probability 0)" in said
    assert f"ezlogs: mail.sent of story {LEFT_OUT} is lost: limited (probability 1)" in said


def test_a_wrong_type_is_judged_by_the_repaired_one() -> None:
    """Whatever was given, the event is held to its type."""
    with capture(strict=False, sample_types={"order.placed": 0}) as captured:
        assert ezlogs.event("Order Placed", "placed") is None
        assert ezlogs.event("Order Paid", "paid") is not None
        health()
    assert [event.event_type for event in captured.events] == ["order.paid"]


def test_what_nobody_decided_is_kept_at_the_end() -> None:
    """At `flush` and `shutdown`, with all that happens after it in the same scope."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT), ezlogs.command("import", nested=True):
        happen("success")
        assert (health()["held"], actions(captured)) == (1, [])
        assert ezlogs.flush()
        assert actions(captured) == ["step0"]
        happen("success")
        assert (health()["held"], actions(captured)) == (0, ["step0", "step0"])


def test_a_carrier_that_fails_costs_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others come out, and the application notices nothing."""
    with capture(sample_rate=0, strict=False) as captured, in_story(LEFT_OUT):
        carry = captured.carry

        def failing(event: ezlogs.UniversalEvent, ctx: Context) -> None:
            if event.action == "step0":
                raise OSError("no")
            carry(event, ctx)

        monkeypatch.setattr(captured, "carry", failing)
        with ezlogs.command("import", nested=True):
            happen("success", "success", "failure")
        assert health()["lost"] == {"undeliverable": 1}
    assert actions(captured) == ["step1", "step2"]


def test_the_event_that_a_caller_got_is_the_one_that_is_sent() -> None:
    """But for what sampling says of it, read before or after."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT), ezlogs.command("import", nested=True):
        read = ezlogs.event("order.action", "read", subject=("order", 1))
        assert read is not None
        assert read.subject is not None
        unread = ezlogs.event("order.action", "unread", subject=("order", 2))
        happen("failure")
    for given_, sent in zip((read, unread), captured.events, strict=False):
        assert given_ is not None
        assert sent == given_.sampled(Sampled(0.0, added=True, partial=True))


def test_threads_of_a_request_share_its_fate() -> None:
    """However they hurry: nothing is lost, nothing is doubled, nobody waits."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        with ezlogs.command("import", nested=True):
            ctx = trace.context_api.get_current()

            def emit(number: int) -> None:
                with Scope(ctx):
                    happen(*["success"] * 500, "failure" if number == 3 else "success", *["success"] * 100)

            threads = [threading.Thread(target=emit, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert health()["held"] == 0
    assert len(captured.of("order.action")) == 6 * 601
    assert len({event.event_id for event in captured.events}) == 6 * 601 + 1


def test_nobody_waits_for_whoever_is_at_work() -> None:
    """What comes meanwhile is worked off by the one who is at it, or by the next one."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        runtime = current_runtime()
        assert runtime is not None
        sampler = runtime.sampler
        assert sampler is not None
        with sampler._turning:
            with ezlogs.command("import", nested=True):
                happen(*["success"] * 300, "failure")
            sampler.turn()
            sampler.release()  # waits a moment, and gives up
            assert actions(captured) == ["step300"]
        sampler.turn()
        assert len(actions(captured)) == 301
        health()


def test_a_carrier_that_emits_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is called on the way out may emit itself."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        carry = captured.carry

        def talking(event: ezlogs.UniversalEvent, ctx: Context) -> None:
            if event.action == "step0":
                ezlogs.event("order.action", "talked")
            carry(event, ctx)

        monkeypatch.setattr(captured, "carry", talking)
        with ezlogs.command("import", nested=True):
            happen("success", "failure")
        health()
    assert sorted(actions(captured)) == ["step0", "step1", "talked"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_what_waits_to_its_parent() -> None:
    """And judges its own events by their story's id alone, since the parent's request will not end there."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT), ezlogs.command("import", nested=True):
        happen("success")
        runtime = current_runtime()
        assert runtime is not None
        assert runtime.sampler is not None
        child = os.fork()
        if child == 0:
            try:
                runtime.ledger.forget()
                runtime.sampler.forget()
                happen("success", "failure")
                found: Any = ezlogs.health()
                right = found["held"] == 0 and found["sampled_out"] == 1 and actions(captured) == ["step1"]
                os._exit(0 if right else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert health()["held"] == 1


def test_a_thread_that_was_slow_to_tell_comes_after_the_end() -> None:
    """Its event was judged before the request ended, and arrives after that: it shares the request's fate."""
    story = Correlation(correlation_id=LEFT_OUT)
    for failing, expected in ((False, []), (True, ["told"])):
        with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
            sampler = _sampler(time.monotonic)
            sampler.turn()
            with ezlogs.CorrelationManager.start_request_context():
                ctx = trace.context_api.get_current()
                verdict = sampler.judge("order.action", "success", story, ctx)
                assert verdict is not None
                if failing:
                    ezlogs.event("auth.login", "refused", outcome="failure")
            sampler.take(ezlogs.UniversalEvent.create("order.action", "told", correlation=story), ctx, verdict)
            sampler.turn()
            assert ezlogs.health()["held"] == 0
        assert actions(captured) == expected


def test_what_ends_when_ezlogs_has_ended_is_no_trouble() -> None:
    """Nobody is there to be told."""
    with capture(sample_rate=0) as captured, in_story(LEFT_OUT):
        tracked = HttpTracker("example").begin(PlainArrival("GET", "/orders", {}))
        assert tracked is not None
        happen("success")
        running = install(None)
        tracked.finish(500, route="/orders")
        install(running)
    assert captured.events == []


def test_the_size_of_what_waits_is_about_what_it_holds() -> None:
    """Texts anywhere in it count."""
    story = Correlation(correlation_id=LEFT_OUT)

    def size(**fields: Any) -> int:
        return size_of(ezlogs.UniversalEvent.create("order.action", "placed", correlation=story, **fields))

    long = "x" * 5000
    for fields in (
        {"error": ValueError(long)},
        {"changes": (ezlogs.Change("note", long, None),)},
        {"metadata": {"a": {"b": [1, long]}}},
    ):
        assert 5000 < size(**fields) - size() < 5400


def test_another_start_lets_out_what_waits(captured: Captured) -> None:
    """A root that began under other settings is judged by its story's id from then on."""
    with capture(sample_rate=0) as first, in_story(LEFT_OUT), ezlogs.CorrelationManager.start_request_context():
        happen("success")
        with capture(sample_rate=0) as second:
            happen("success", "failure")
        assert (actions(first), actions(second)) == ([], ["step1"])
        ezlogs.flush()
        assert actions(first) == ["step0"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["order.action", "data.change", "auth.login", "debug.note"]),
        st.sampled_from(["success", "success", "success", "failure", "unknown"]),
    ),
    max_size=6,
)
REQUESTS = st.lists(
    st.tuples(STEPS, st.sampled_from([200, 500]), st.sampled_from(["/orders", "/heartbeat"]), st.booleans()), max_size=4
)


@settings(max_examples=150, deadline=None)
@given(
    story=st.integers(1, 2**128 - 1).map("{:032x}".format),
    rate=st.sampled_from([0.0, 0.3, 1.0]),
    types=st.dictionaries(st.sampled_from(["data.*", "*"]), st.sampled_from([0.0, 0.5])),
    routes=st.dictionaries(st.sampled_from(["GET /heartbeat", "/*"]), st.sampled_from([0.0, 0.2])),
    keep=st.booleans(),
    requests=REQUESTS,
)
def test_a_request_is_whole_or_as_its_rates_say(  # noqa: PLR0917  # hypothesis gives them by name
    story: str, rate: float, types: dict[str, float], routes: dict[str, float], keep: bool, requests: list[Any]
) -> None:
    """Against a plain model: judge each event by the finished request; and all that was emitted is accounted for."""
    from ezlogs.sampling.rates import Rates

    rates = Rates(rate, types=types, routes=routes, always=["auth.*"], never=["debug.*"])
    expected: list[str] = []
    tables = {"sample_types": types, "sample_routes": routes, "always_events": "auth.*", "never_events": "debug.*"}
    with capture(sample_rate=rate, keep_errors=keep, **tables) as captured, in_story(story):
        for steps, status, route, early in requests:
            tracked = HttpTracker("example").begin(PlainArrival("GET", route, {}))
            assert tracked is not None
            if early:
                tracked.matched(route)
            for event_type, outcome in steps:
                ezlogs.event(event_type, "happened", outcome=outcome)
            tracked.finish(status, route=route)
            whole = [*steps, ("http.request", "failure" if status == 500 else "success")]
            matters = keep and any(
                outcome == "failure" and rates.judge(event_type, outcome, story).kept for event_type, outcome in whole
            )
            expected += [
                f"{event_type} {outcome}"
                for event_type, outcome in whole
                if event_type != "debug.note"
                and (matters or rates.judge(event_type, outcome, story, route=f"GET {route}").kept)
            ]
        assert health()["held"] == 0
    assert sorted(f"{event.event_type} {event.outcome}" for event in captured.events) == sorted(expected)


@pytest.mark.parametrize("status", [200, 500])
def test_what_waits_outlives_the_process(status: int) -> None:
    """It is noted as one that is kept, for undecided means keep; and taken back when that is decided, either way."""
    notes: list[Any] = []
    with capture(sample_rate=0.0, keep_errors=True) as captured, in_story(LEFT_OUT):
        captured.notes_openings = True
        captured.opened = lambda note, ctx: notes.append(note)  # type: ignore[method-assign]  # a carrier that notes
        captured.closed = notes.append  # type: ignore[method-assign]
        request(status=status, inside=lambda: happen("success"))
        health()
    held = [note for note in notes if type(note) is not str and note.event_type == "order.action"]
    assert [(note.action, note.outcome, note.sampling) for note in held] == [
        ("step0", "success", Sampled(0.0, added=True, partial=True))
    ]
    assert notes.index(held[0].event_id) > notes.index(held[0])
    assert [event.event_id for event in captured.of("order.action")] == ([held[0].event_id] if status == 500 else [])


def test_a_journal_in_trouble_costs_nothing_that_waits() -> None:
    """It waits in memory all the same."""

    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    with capture(sample_rate=0.0, keep_errors=True, strict=False) as captured, in_story(LEFT_OUT):
        captured.notes_openings = True
        captured.opened = captured.closed = fail  # type: ignore[method-assign]  # a carrier that notes
        request(status=500, inside=lambda: happen("success", "success"))
        health()
    assert actions(captured) == ["step0", "step1"]
