"""Egress: what of a story leaves with a request, by who it is sent to and what it has already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from ezlogs.actor import actor
from ezlogs.correlation import Correlation, placed
from ezlogs.emit import is_suppressed
from ezlogs.otel_compat import suppressing
from ezlogs.propagation.egress import departing
from ezlogs.scope import Scope
from ezlogs.testing import Captured, capture

STORY = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = SpanContext(int(STORY, 16), 0x00F067AA0BA902B7, is_remote=False, trace_flags=TraceFlags(1))
TRACEPARENT = f"00-{STORY}-00f067aa0ba902b7-01"
MEMBER = f"ezlogs.correlation_id={STORY}"
FAR = "api.example.com"


def story() -> Scope:
    """Begin a story inside a span, with baggage of the application's own."""
    ctx = baggage.set_baggage("tenant", "7", trace.set_span_in_context(NonRecordingSpan(SPAN), Context()))
    return Scope(placed(Correlation(correlation_id=STORY), ctx))


def members(header: str | bytes) -> list[str]:
    """Split a baggage header."""
    assert isinstance(header, str)
    return sorted(header.split(","))


@pytest.mark.parametrize("host", ["localhost:8000", "10.0.0.7", "orders.internal"])
def test_a_near_host_is_told_the_story(captured: Captured, host: str) -> None:
    """The global propagator puts it beside the request's own headers, in their order."""
    with story():
        found = departing([("Accept", "*/*")], host)

    assert found is not None
    assert found[0] == ("Accept", "*/*")
    assert dict(found)["traceparent"] == TRACEPARENT
    assert members(dict(found)["baggage"]) == [MEMBER, "tenant=7"]


def test_a_named_host_is_told_the_story() -> None:
    """As ``propagate_to`` says."""
    with capture(propagate_to="*.example.com"), story():
        found = departing([], FAR)
        assert departing([], "example.com") is None

    assert found is not None
    assert dict(found)["traceparent"] == TRACEPARENT


def test_another_host_is_told_nothing(captured: Captured) -> None:
    """Without instrumentation that says otherwise the application's baggage stays where it was, too."""
    with story():
        assert departing([("Accept", "*/*")], FAR) is None


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (f"{MEMBER}", None),
        (f"{MEMBER},ezlogs.flow_id=checkout:7", None),
        (f" {MEMBER} , ", None),
        (f"tenant=7,{MEMBER}", "tenant=7"),
        (f"{MEMBER}, tenant=7 ;p=1;q , b=%20x", "tenant=7 ;p=1;q , b=%20x"),
        (f"a=1, {MEMBER};p=2 ,b=2", "a=1,b=2"),
        (f"a=1,EZLOGS.correlation_id=1,a=2, ezlogs%2Eflow_id =2,{MEMBER}", "a=1,a=2"),
        ("a=1,ezlogs.anything", "a=1"),
        ("a=ezlogs.correlation_id,ezlogs=1,ezlogsx=2,b=1;ezlogs.x=1", "unchanged"),
        ("", "unchanged"),
        (",,", "unchanged"),
        ("a=1, ,=,;;", "unchanged"),
    ],
)
def test_only_our_members_are_taken_out_for_another_host(captured: Captured, sent: str, left: str | None) -> None:
    """Each other member keeps every character; the header goes when nothing is left of it."""
    with story():
        found = departing([("Accept", "*/*"), ("Baggage", sent), ("traceparent", TRACEPARENT)], FAR)

    if left == "unchanged":
        assert found is None
    else:
        kept = [] if left is None else [("Baggage", left)]
        assert found == [("Accept", "*/*"), *kept, ("traceparent", TRACEPARENT)]


_MEMBER = st.text(st.characters(codec="latin-1", exclude_characters=","), max_size=12)


@given(st.lists(_MEMBER.filter(lambda text: "zlogs" not in text.lower() and "%" not in text), min_size=1))
def test_the_applications_members_are_byte_identical(others: list[str]) -> None:
    """Whatever they are, and wherever ours stand between them."""
    ours = ["ezlogs.flow_id=7"]
    mixed = ",".join(ours + [member for other in others for member in (other, *ours)])
    found = departing([("baggage", mixed)], FAR)
    assert found is not None
    left = ",".join(others).strip(" \t")
    assert found == ([("baggage", left)] if any(other.strip() for other in others) else [])


def test_our_own_header_is_taken_out_for_another_host(captured: Captured) -> None:
    """Those who drop baggage carry the story in it."""
    assert departing([("Ezlogs", "v=1"), ("a", "b")], FAR) == [("a", "b")]
    assert departing([("Ezlogs", "v=1")], "localhost") is None


def test_each_of_several_headers_is_changed_by_itself(captured: Captured) -> None:
    """Baggage may come in more than one line."""
    sent = [("baggage", f"a=1,{MEMBER}"), ("baggage", "b=2"), ("baggage", MEMBER)]
    assert departing(sent, FAR) == [("baggage", "a=1"), ("baggage", "b=2")]


def test_bytes_stay_bytes(captured: Captured) -> None:
    """As httpx and its kin hold headers; what is neither text nor bytes is left for the client."""
    sent = [(b"Baggage", f"caf\xe9=1,{MEMBER}".encode("latin-1")), (b"X", b"1")]
    assert departing(sent, FAR) == [(b"Baggage", b"caf\xe9=1"), (b"X", b"1")]
    assert departing([("X", 1), *sent], FAR) == [("X", 1), (b"Baggage", b"caf\xe9=1"), (b"X", b"1")]  # type: ignore[list-item]  # as a careless application would


def test_what_arrived_stays_while_ezlogs_does_not_run() -> None:
    """A service may have switched ezlogs off and still hand on what it got; nothing is put in."""
    with story():
        assert departing([("baggage", f"a=1,{MEMBER}")], FAR) == [("baggage", "a=1")]
        assert departing([("baggage", f"a=1,{MEMBER}")], "localhost") is None
        assert departing([], "localhost") is None


def test_a_given_trace_context_is_kept(captured: Captured) -> None:
    """Ours is not mixed into it; the story goes along in the baggage."""
    given = ("Traceparent", f"00-{'1' * 32}-{'2' * 16}-00")
    with story():
        found = departing([given], "localhost")

    assert found is not None
    assert [name for name, _ in found] == ["Traceparent", "baggage"]
    assert found[0] == given


def test_given_baggage_is_kept(captured: Captured) -> None:
    """So nothing is there twice where OpenTelemetry's instrumentor has injected already."""
    with story():
        found = departing([("Baggage", "mine=1")], "localhost")
        assert departing([("Baggage", "mine=1"), ("traceparent", TRACEPARENT)], "localhost") is None

    assert found == [("Baggage", "mine=1"), ("traceparent", TRACEPARENT)]


def apart() -> Scope:
    """Begin a story that its ids are kept out of the baggage of, as in a job, beside baggage of the application's."""
    ctx = baggage.set_baggage("tenant", "7", trace.set_span_in_context(NonRecordingSpan(SPAN), Context()))
    return Scope(placed(Correlation(correlation_id=STORY), ctx, in_baggage=False))


def test_a_story_that_is_kept_out_of_the_baggage_goes_along(captured: Captured) -> None:
    """Whether or not somebody has injected already; not to a host that must not know it."""
    given = [("traceparent", TRACEPARENT), ("baggage", "tenant=8")]
    with apart():
        put_in = departing([], "localhost")
        beside = departing(given, "localhost")
        with_it = [("traceparent", TRACEPARENT), ("baggage", f"tenant=8,{MEMBER}")]
        assert departing(with_it, "localhost") is None
        assert departing(given, FAR) is None
        assert departing(given, "localhost", injecting=False) is None

    assert put_in is not None
    assert members(dict(put_in)["baggage"]) == [MEMBER, "tenant=7"]
    assert beside == [("traceparent", TRACEPARENT), ("baggage", f"tenant=8,{MEMBER}")]


def test_the_actor_goes_with_a_story_that_was_kept_out_of_the_baggage() -> None:
    """To a named host, whoever has written the header."""
    with capture(propagate_actor_to="localhost"), apart(), actor("user", 7):
        found = departing([("traceparent", TRACEPARENT), ("baggage", "tenant=8")], "localhost")

    assert found is not None
    assert members(dict(found)["baggage"]) == ["ezlogs.actor=user%3A7", MEMBER, "tenant=8"]


def test_nothing_is_injected_where_nothing_is_to_tell(captured: Captured) -> None:
    """Outside any story and span, or when told not to."""
    assert departing([("a", "b")], "localhost") is None
    with story():
        assert departing([("a", "b")], "localhost", injecting=False) is None


def test_suppressed_instrumentation_is_left_alone(captured: Captured) -> None:
    """What telemetry itself sends is nobody's story."""
    with story(), Scope(suppressing()):
        assert is_suppressed(context.get_current())
        assert departing([("baggage", MEMBER)], FAR) is None
        assert departing([], "localhost") is None


@pytest.mark.parametrize("named", [FAR, "api.example.com:443", "10.0.0.8@example.com", "", b"api.example.com"])
def test_a_host_header_that_names_another_host_counts_too(captured: Captured, named: str | bytes) -> None:
    """A proxy on this machine would hand the request on to it."""
    with story():
        assert departing([("HOST", named), ("baggage", MEMBER)], "127.0.0.1") == [("HOST", named)]
        assert departing([("Host", "localhost:80"), ("baggage", MEMBER)], FAR) == [("Host", "localhost:80")]


def test_the_actor_is_told_to_named_hosts_only() -> None:
    """As type and id, behind the story; the label stays here. A host that is named learns the story as well."""
    with capture(propagate_actor_to="api.example.com"), story(), actor("user", 7, "Ada"):
        told, near = departing([], FAR), departing([], "localhost")

    assert told is not None
    assert near is not None
    assert members(dict(told)["baggage"]) == ["ezlogs.actor=user%3A7", MEMBER, "tenant=7"]
    assert members(dict(near)["baggage"]) == [MEMBER, "tenant=7"]


def test_the_actor_goes_with_a_story_that_somebody_else_injected() -> None:
    """It is there once, however often the request is looked at."""
    told = f"tenant=7,{MEMBER},ezlogs.actor=user%3A7"
    with capture(propagate_actor_to=FAR), story(), actor("user", 7):
        found = departing([("baggage", f"tenant=7,{MEMBER}"), ("traceparent", TRACEPARENT)], FAR)
        assert found == [("baggage", told), ("traceparent", TRACEPARENT)]
        assert departing(found, FAR) is None


@pytest.mark.parametrize("header", ["tenant=7", "tenant=7,ezlogs.flow_id=1"])
def test_the_actor_does_not_go_without_a_story(header: str) -> None:
    """Nobody could tell what it belongs to."""
    with capture(propagate_actor_to=FAR), story(), actor("user", 7):
        assert departing([("baggage", header), ("traceparent", TRACEPARENT)], FAR) is None


@pytest.mark.parametrize("who", [("user", None), ("user", "Ada Lovelace"), ("user", "é"), ("user", "7" * 64)])
def test_an_actor_without_an_opaque_id_is_not_told(who: tuple[str, str | None]) -> None:
    """A name is not an id."""
    with capture(propagate_actor_to=FAR), story(), actor(who):
        found = departing([], FAR)
    assert found is not None
    assert members(dict(found)["baggage"]) == [MEMBER, "tenant=7"]


def test_an_actor_that_arrived_goes_no_further(captured: Captured) -> None:
    """Not to a near host either: whoever acts here is what this service may tell."""
    with story():
        found = departing([("traceparent", TRACEPARENT), ("baggage", f"{MEMBER},ezlogs.actor=user%3A8")], "localhost")
        assert found == [("traceparent", TRACEPARENT), ("baggage", MEMBER)]
        assert departing([("baggage", "ezlogs.actor=user%3A8")], "localhost", injecting=False) == []


def test_the_global_propagator_decides(captured: Captured) -> None:
    """With baggage alone there is no trace context to keep."""
    before = get_global_textmap()
    set_global_textmap(W3CBaggagePropagator())
    try:
        with story():
            found = departing([("traceparent", "mine")], "localhost")
    finally:
        set_global_textmap(before)
    assert found is not None
    assert [name for name, _ in found] == ["traceparent", "baggage"]
