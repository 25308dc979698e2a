"""The propagator ``ezlogs``: the ids of a story in one header, for those who drop baggage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util._importlib_metadata import entry_points

from ezlogs.actor import actor
from ezlogs.correlation import BAGGAGE_MEMBERS, Correlation, arrived, current, placed
from ezlogs.propagation.clean import clean_id
from ezlogs.propagation.header import HEADER, read
from ezlogs.propagation.inbound import extract
from ezlogs.propagation.propagator import EzlogsPropagator
from ezlogs.scope import Scope
from ezlogs.testing import Captured
from ezlogs.trackers import job
from ezlogs.wire import given_ids

SAFE = st.from_regex(r"[A-Za-z0-9_.@-]{1,30}", fullmatch=True)
STORY = Correlation(correlation_id="story-1", flow_type="checkout", flow_id="checkout:42", parent_event_id="evt_1")

propagator = EzlogsPropagator()


@pytest.fixture
def chosen() -> Iterator[None]:
    """What ``OTEL_PROPAGATORS=tracecontext,ezlogs`` makes."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), propagator]))
    yield
    propagate.set_global_textmap(before)


def sent(ctx: Context) -> dict[str, str]:
    """Return the headers that leave with a context."""
    headers: dict[str, str] = {}
    propagator.inject(headers, ctx)
    return headers


def test_opentelemetry_finds_it_by_its_name() -> None:
    """``OTEL_PROPAGATORS`` names entry points."""
    (found,) = entry_points(group="opentelemetry_propagator", name="ezlogs")
    assert found.load() is EzlogsPropagator
    assert EzlogsPropagator().fields == {HEADER}


@given(
    st.builds(
        lambda story, event, session, entity: Correlation(
            correlation_id=story, parent_event_id=event, session_id=session, flow_type="f", flow_id=f"f:{entity}"
        ),
        SAFE,
        st.none() | SAFE,
        st.none() | SAFE,
        SAFE,
    )
)
def test_it_carries_what_baggage_carries(correlation: Correlation) -> None:
    """Both lead to the same correlation; ids in which privacy finds something are another matter."""
    assume(all(clean_id(value) == value for value in given_ids(correlation).values()))
    ctx, headers = placed(correlation), {}
    W3CBaggagePropagator().inject(headers, ctx)
    by_baggage = arrived(W3CBaggagePropagator().extract(headers, Context()))
    assert arrived(propagator.extract(sent(ctx))) == by_baggage == correlation


def test_neither_who_acts_nor_the_applications_baggage_travels() -> None:
    """Opaque ids, and nothing else."""
    with Scope(placed(STORY, baggage.set_baggage("tenant", "acme"))), actor("user", 7, "Ada"):
        headers: dict[str, str] = {}
        propagator.inject(headers)
    assert headers == {"ezlogs": '{"v":1,"correlation_id":"story-1","parent_event_id":"evt_1","flow_id":"checkout:42"}'}


def test_nothing_is_said_outside_any_story_and_of_unsafe_ones() -> None:
    """A header that nobody would accept could break the request."""
    assert sent(Context()) == {}
    assert sent(placed(Correlation(correlation_id="ünïcode\r\n"))) == {}


def test_what_arrives_replaces_what_baggage_said() -> None:
    """Both headers at once: one of them counts as a whole, and the application's own members stay."""
    ctx = baggage.set_baggage("tenant", "acme", placed(STORY))
    ctx = propagator.extract({"ezlogs": '{"v":1,"correlation_id":"story-2"}'}, ctx)
    assert dict(baggage.get_all(ctx)) == {"tenant": "acme", "ezlogs.correlation_id": "story-2"}


def test_a_scope_that_is_there_stays_what_it_is() -> None:
    """As with baggage: what arrives is not what is under way."""
    assert current(propagator.extract({"ezlogs": '{"v":1,"correlation_id":"story-2"}'}, placed(STORY))) == STORY


@pytest.mark.parametrize("header", ["", "{", '{"v":9,"correlation_id":"x"}', '{"v":1,"correlation_id":"a b"}'])
def test_an_unusable_header_changes_nothing(header: str) -> None:
    """The context stays what it was."""
    ctx = placed(STORY)
    assert propagator.extract({"ezlogs": header}, ctx) is ctx
    assert propagator.extract({}, ctx) is ctx


@pytest.mark.usefixtures("chosen")
def test_the_header_of_a_job_is_kept(captured: Captured) -> None:
    """A job's story goes on with the event that enqueued it, whoever else injects into its message."""
    with actor("user", 7):
        message = job.enqueued(job.Job("resize", "j-1"))
        kept = dict(message)
        propagate.inject(message)
    assert message == kept
    header = read(message[HEADER])
    assert header is not None
    assert header.acting is not None
    assert header.parent_event_id == captured.events[0].event_id


@pytest.mark.usefixtures("chosen")
def test_chosen_in_the_place_of_baggage_it_keeps_the_story() -> None:
    """The application's own baggage is dropped, as was asked; the story goes on."""
    headers: dict[str, str] = {}
    propagate.inject(headers, placed(STORY, baggage.set_baggage("tenant", "acme")))
    found = extract(headers, Context())
    assert arrived(found) == STORY
    assert baggage.get_all(found).keys() <= set(BAGGAGE_MEMBERS.values())
