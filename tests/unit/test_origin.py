"""The environment brings the story that a process was started in, and takes it to the programs that it starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from ezlogs import origin
from ezlogs.correlation import Correlation, current, placed
from ezlogs.handover import for_program
from ezlogs.origin import started_in

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-00"
TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331


def in_story(**fields: Any) -> Context:
    """Return a context in a story, with baggage of the application's."""
    return placed(Correlation(correlation_id="story-1", **fields), baggage.set_baggage("tenant", "acme"))


def in_trace(ctx: Context, state: TraceState | None = None) -> Context:
    """Return a context in a span."""
    span = NonRecordingSpan(SpanContext(TRACE_ID, SPAN_ID, False, TraceFlags(1), state))
    return trace.set_span_in_context(span, ctx)


@pytest.fixture
def started_with(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that this process was started with."""
    variables: dict[str, str] = {}
    monkeypatch.setattr(origin, "_STARTED_WITH", variables)
    return variables


def test_a_process_is_in_the_trace_and_the_story_that_its_environment_brings() -> None:
    """As W3C headers would; the application's own members of the baggage come along."""
    ctx = started_in(
        Context(),
        {
            "TRACEPARENT": TRACEPARENT,
            "TRACESTATE": "vendor=x",
            "BAGGAGE": "tenant=acme;ttl=5, ezlogs.correlation_id=story-1 ,ezlogs.parent_event_id=evt_1",
        },
    )
    span = trace.get_current_span(ctx).get_span_context()
    assert (span.trace_id, span.span_id, span.is_remote) == (TRACE_ID, SPAN_ID, True)
    assert span.trace_state == TraceState([("vendor", "x")])
    assert current(ctx) == Correlation(correlation_id="story-1", parent_event_id="evt_1")
    assert baggage.get_baggage("tenant", ctx) == "acme;ttl=5"


def test_without_variables_a_process_is_nowhere() -> None:
    """And what it is in already stays."""
    assert started_in(Context(), {}) == {}
    assert current(started_in(in_story(), {})) == Correlation(correlation_id="story-1")


HOSTILE = st.text() | st.sampled_from(
    [
        "a" * 9000,
        "=," * 4000,
        "ezlogs.correlation_id=a%0Ab",
        "ezlogs.correlation_id=" + "x" * 65,
        'k="v\\"',
        "\x00=\x00",
    ]
)


@given(st.dictionaries(st.sampled_from(origin.VARIABLES), HOSTILE))
def test_hostile_variables_are_ignored_and_never_repeated(environ: Mapping[str, str]) -> None:
    """Nothing is raised or logged, and no id comes in that is not safe."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]  # one function is all it is
    logging.getLogger("opentelemetry").addHandler(handler)
    try:
        correlation = current(started_in(Context(), environ))
    finally:
        logging.getLogger("opentelemetry").removeHandler(handler)
    assert correlation is None or len(correlation.correlation_id) <= 64
    assert records == []


def test_a_program_gets_the_trace_and_ezlogs_ids_and_nothing_else(started_with: dict[str, str]) -> None:
    """Any program can see them: the application's baggage and ids that are not safe to repeat stay at home."""
    environ = {"PATH": "/bin"}
    ctx = in_trace(in_story(parent_event_id="evt_1", flow_id="näme: 1"), TraceState([("vendor", "x")]))
    assert for_program(environ, ctx) == {
        "PATH": "/bin",
        "TRACEPARENT": TRACEPARENT,
        "TRACESTATE": "vendor=x",
        "BAGGAGE": "ezlogs.correlation_id=story-1,ezlogs.parent_event_id=evt_1",
    }
    assert environ == {"PATH": "/bin"}


def test_what_a_program_gets_is_what_it_was_started_in(started_with: dict[str, str]) -> None:
    """What goes out comes in."""
    ctx = in_trace(in_story(parent_event_id="evt_1", session_id="s-1"))
    there = started_in(Context(), for_program({}, ctx) or {})
    assert current(there) == current(ctx)
    assert trace.get_current_span(there).get_span_context().span_id == SPAN_ID


def test_outside_everything_a_program_gets_nothing(started_with: dict[str, str]) -> None:
    """A context that holds neither a story nor a trace changes no environment."""
    assert for_program({"A": "b"}, Context({"mine": 1})) is None


@pytest.mark.parametrize("name", origin.VARIABLES)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_value_that_somebody_set_wins_as_a_whole(name: str, as_bytes: bool, started_with: dict[str, str]) -> None:
    """Half of one story and half of another would be neither."""
    environ: dict[Any, Any] = {os.fsencode(name): os.fsencode(OTHER)} if as_bytes else {name: OTHER}
    assert for_program(environ, in_trace(in_story())) is None


def test_what_the_process_was_started_with_is_nobodys_choice(started_with: dict[str, str]) -> None:
    """It is passed on by every copy of the environment; members of the baggage that are not ezlogs' stay."""
    started_with.update(TRACEPARENT=OTHER, TRACESTATE="old=1", BAGGAGE="tenant=acme,ezlogs.flow_id=old,b=2")
    environ: dict[Any, Any] = {**started_with, b"TRACEPARENT": OTHER.encode()}
    assert for_program(environ, in_trace(in_story())) == {
        "TRACEPARENT": TRACEPARENT,
        "BAGGAGE": "ezlogs.correlation_id=story-1,tenant=acme,b=2",
    }


def test_a_story_without_a_trace_leaves_the_trace_that_the_process_was_started_in(started_with: dict[str, str]) -> None:
    """The child would have had it anyhow."""
    started_with.update(TRACEPARENT=OTHER)
    assert for_program(started_with, in_story()) == {
        "TRACEPARENT": OTHER,
        "BAGGAGE": "ezlogs.correlation_id=story-1",
    }
