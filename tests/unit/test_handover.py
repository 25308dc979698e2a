"""What crosses to another thread or process: the context itself, or a parcel of texts that any process can open."""

from __future__ import annotations

import functools
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from ezlogs.actor import actor, current_actor
from ezlogs.correlation import Correlation, current, placed
from ezlogs.event import SYSTEM, Actor
from ezlogs.handover import Carried, Enclosed, Parcel, packed, serves_everybody, taken, unpacked

IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)
CORRELATIONS = st.builds(
    Correlation,
    correlation_id=IDS,
    parent_event_id=st.none() | IDS,
    flow_type=st.none() | st.text(),
    flow_id=st.none() | st.text(),
    session_id=st.none() | IDS,
    attempt=st.none() | st.integers(1, 9),
)


def test_there_is_nothing_to_take_outside_everything() -> None:
    """Work handed over from nowhere goes as it is."""
    assert taken() is None
    token = context.attach(context.set_value("mine", 1))
    assert taken() == {"mine": 1}
    context.detach(token)


@given(CORRELATIONS, st.dictionaries(st.text(), st.text(), max_size=3))
def test_a_parcel_brings_what_was_packed(correlation: Correlation, members: dict[str, str]) -> None:
    """The whole correlation, whatever its ids look like, and the application's baggage."""
    ctx = Context()
    for name, value in members.items():
        ctx = baggage.set_baggage(name, value, ctx)
    ctx = placed(correlation, ctx)
    parcel = packed(ctx)
    assert parcel is not None
    there = unpacked(pickle.loads(pickle.dumps(parcel)))
    assert current(there) == correlation
    assert baggage.get_all(there) == baggage.get_all(ctx)


def test_a_parcel_brings_the_trace_and_who_acts_without_a_label() -> None:
    """As ids: the span is somebody else's there, and names of people stay where they are."""
    span = SpanContext(0xABC, 0xDEF, False, TraceFlags(1), TraceState([("vendor", "x")]))
    with actor("user", 7, "Ada"):
        parcel = packed(trace.set_span_in_context(NonRecordingSpan(span)))
    assert parcel is not None
    there = unpacked(parcel)
    found = trace.get_current_span(there).get_span_context()
    assert (found.trace_id, found.span_id, found.trace_flags, found.trace_state) == (0xABC, 0xDEF, 1, span.trace_state)
    assert found.is_remote
    assert current_actor(there) == Actor("user", "7")
    assert "Ada" not in repr(parcel)


def test_what_is_no_text_stays_behind() -> None:
    """A correlation that somebody filled with objects, and baggage that holds one, do not stop what is handed over."""
    ctx = placed(Correlation(correlation_id="story-1", request_id=object()), baggage.set_baggage("odd", object()))  # type: ignore[arg-type]  # that is the point
    assert packed(ctx) == Parcel({}, {"ezlogs.correlation_id": "story-1"}, {"correlation_id": "story-1"}, None)
    there = unpacked(Parcel({}, {}, {}, None))
    assert there == {}
    assert current_actor(there) == SYSTEM


def answer(number: int) -> tuple[int, Correlation | None]:
    """Return a number and the story."""
    return number, current()


def test_a_carried_call_can_be_pickled() -> None:
    """What comes out is called in what was packed."""
    call = pickle.loads(pickle.dumps(Carried(placed(Correlation(correlation_id="story-1")), answer)))
    assert call(7) == (7, Correlation(correlation_id="story-1"))
    assert current() is None


def test_what_cannot_be_packed_is_called_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is worth more than its story."""
    monkeypatch.setattr("ezlogs.handover.current", lambda ctx: 1 / 0)
    ctx = placed(Correlation(correlation_id="story-1"))
    assert pickle.loads(pickle.dumps(Carried(ctx, answer))) is answer
    assert pickle.loads(pickle.dumps(Enclosed(ctx))) is None


def test_what_is_enclosed_stays_shut_in_its_own_process() -> None:
    """Only another process is taken into it."""
    assert pickle.loads(pickle.dumps(Enclosed(placed(Correlation(correlation_id="story-1"))))) is None
    assert current() is None


def test_an_error_without_a_traceback_passes_as_it_is() -> None:
    """And the context is what it was."""

    class Odd(Exception):  # noqa: N818  # it is odd
        __traceback__ = None  # type: ignore[assignment]  # that is the point

    def fail() -> None:
        raise Odd

    with pytest.raises(Odd):
        Carried(placed(Correlation(correlation_id="story-1")), fail)()
    assert current() is None


def test_threads_of_the_application_are_told_from_those_that_serve() -> None:
    """By where their work comes from; what says nothing about it is the application's."""

    class Silent:
        """A target that has no module."""

        def __getattribute__(self, name: str) -> object:
            if name == "__module__":
                raise AttributeError(name)
            return super().__getattribute__(name)

        def __call__(self) -> None:
            """Do nothing."""

    assert not serves_everybody(threading.Thread(target=functools.partial(int)))
    assert not serves_everybody(threading.Thread(target=Silent()))
    assert not serves_everybody(threading.Timer(1, int))
    assert serves_everybody(threading.Thread(target=packed))
