"""Headers from outside: what is well formed and within bounds is read, the rest costs little and says nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, TextMapPropagator, default_getter

from ezlogs.correlation import BAGGAGE_MEMBERS, Correlation, arrived, placed, valid_id
from ezlogs.propagation.inbound import MAX_LENGTH, MAX_LINES, MAX_MEMBERS, MAX_NAMES, Bounded, extract, members
from ezlogs.runtime import current_runtime
from ezlogs.testing import capture

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
HEADERS = st.sampled_from(["traceparent", "tracestate", "baggage", "ezlogs"])
NASTY = st.text(alphabet=st.sampled_from('ezlogs.actor=,;% \t\r\n"\\+%25é\ud800\x000aZ_'), max_size=400)


def read(*lines: str) -> dict[str, object]:
    """Return the baggage in a header's lines."""
    return dict(baggage.get_all(extract({"baggage": list(lines)}, Context())))


class Counting(list[str]):
    """Lines that count how many of them were looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        for line in super().__iter__():
            self.looked_at += 1
            yield line


class Lines(Getter[dict[str, Any]]):
    """Hands out the lines as they are."""

    def get(self, carrier: dict[str, Any], key: str) -> list[str] | None:
        """Return a header's lines."""
        return carrier.get(key)

    def keys(self, carrier: dict[str, Any]) -> list[str]:
        """Return the headers' names."""
        return list(carrier)


def test_the_applications_own_baggage_stays_as_it_came() -> None:
    """Values, properties and encoded characters are the application's business."""
    assert read("tenant=acme;region=eu;beta , note=a%20b%2Cc", "more=1") == {
        "tenant": "acme;region=eu;beta",
        "note": "a b,c",
        "more": "1",
    }


def test_members_of_ezlogs_are_ids_or_ignored() -> None:
    """Known names with safe ids are taken, once decoded and without properties; the last safe one counts."""
    assert read(
        "ezlogs.correlation_id = story-1 ;ttl=60,ezlogs.flow_id=checkout%3A42,ezlogs.session_id=a%2520b",
        "ezlogs.colour=blue,ezlogs%2Eparent_event_id=evt_1,ezlogs.parent_event_id=%0d%0aevil",
        "mine=a%2520b,ezlogs.correlation_id=story-2",
    ) == {
        "ezlogs.correlation_id": "story-2",
        "ezlogs.flow_id": "checkout:42",
        "ezlogs.parent_event_id": "evt_1",
        "mine": "a%20b",
    }


@pytest.mark.parametrize(
    "member",
    [
        "",
        "=",
        "=x",
        "novalue",
        "a b=1",
        "x=a b",
        "x=a\x00b",
        "x=a\r\nb",
        "x=é",
        "é=x",
        "x=\ud800",
        'x="quoted"',
        "x=back\\slash",
        f"x={'y' * 4096}",
        "ezlogs.flow_id=",
        "ezlogs.flow_id=%00",
        "ezlogs.flow_id=%c3%28",
        "ezlogs.flow_id=%25%36%31",
        f"ezlogs.flow_id={'a' * 65}",
        "ezlogs.flow_id=a+b",
        "ezlogs.flow_id=\N{FULLWIDTH LATIN SMALL LETTER A}",
        "+ezlogs.actor=user:1",
        "%65zlogs.actor=user:1",
    ],
)
def test_a_damaged_member_is_ignored_without_a_word(member: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its neighbours are read, and nothing of it is in the log."""
    with caplog.at_level(logging.DEBUG):
        assert read(f"first=1,{member},last=2") == {"first": "1", "last": "2"}
    assert caplog.records == []


def test_damaged_properties_are_left_out_and_their_member_stays() -> None:
    """Other readers would give up the whole member, and log it."""
    assert read("x=1;;ok=2;not ok;fine") == {"x": "1;ok=2;fine"}


def test_oversized_baggage_is_read_as_far_as_it_fits(caplog: pytest.LogCaptureFixture) -> None:
    """OpenTelemetry alone would ignore all of it and log it in full."""
    secret = "hunter2"
    with caplog.at_level(logging.DEBUG):
        found = read(f"ezlogs.correlation_id=story-1,{','.join(f'k{n}={secret}{n:060}' for n in range(10_000))}")
    assert found["ezlogs.correlation_id"] == "story-1"
    assert 1 < len(found) <= MAX_MEMBERS
    assert caplog.records == []


def test_a_member_is_taken_whole_or_not_at_all() -> None:
    """What the bound cuts off is not half a value."""
    filling = "f=" + "x" * (MAX_LENGTH - 7)
    assert list(members([f"{filling},abc=1"])) == [filling]
    assert list(members([f"{filling},ab=1,c=2"])) == [filling, "ab=1"]
    assert list(members([f"{filling},ab=1"])) == [filling, "ab=1"]
    assert list(members([f"{filling},ab=", "late=1"])) == [filling, "ab="]


def test_work_is_bounded_by_members_and_by_lines() -> None:
    """Ten thousand of anything cost no more than the bound."""
    assert len(list(members([",".join(f"k{n}=1" for n in range(10_000))]))) == MAX_MEMBERS
    assert len(list(members([f"k{n}=1" for n in range(10_000)]))) == MAX_MEMBERS
    assert len(list(members([","] * 10_000))) == MAX_MEMBERS
    lines = Counting(["a=1"] * 10_000)
    assert Bounded(Lines()).get({"baggage": lines}, "baggage") == [",".join(["a=1"] * MAX_LINES)]
    assert lines.looked_at == MAX_LINES
    assert len(Bounded(default_getter).keys({f"h{n}": "x" for n in range(10_000)})) == MAX_NAMES


def test_the_trace_context_is_read_with_its_state() -> None:
    """A well-formed state comes along, from all its lines."""
    ctx = extract({"traceparent": TRACEPARENT, "tracestate": ["a=1 , b@c=2", ",d=x y"]}, Context())
    span = trace.get_current_span(ctx).get_span_context()
    assert (f"{span.trace_id:032x}", span.is_remote) == (TRACE, True)
    assert dict(span.trace_state) == {"a": "1", "b@c": "2", "d": "x y"}


@pytest.mark.parametrize(
    "state",
    [
        "a=1,a=2",
        "A=1",
        "a=é",
        "a=\x00",
        "a",
        ",".join(f"k{n}=1" for n in range(33)),
        "a=" + "x" * 300,
        "a=" + "x" * 9000,
        "",
    ],
)
def test_a_damaged_trace_state_is_dropped_and_the_trace_stays(state: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of it is in the log."""
    with caplog.at_level(logging.DEBUG):
        ctx = extract({"traceparent": TRACEPARENT, "tracestate": state}, Context())
    span = trace.get_current_span(ctx).get_span_context()
    assert span.is_valid
    assert not span.trace_state
    assert caplog.records == []


@pytest.mark.parametrize(
    "lines",
    [
        ["00-" + "0" * 32 + "-b7ad6b7169203331-01"],
        [TRACEPARENT.upper()],
        [TRACEPARENT + "-more"],
        [TRACEPARENT + "x" * 10_000],
        [TRACEPARENT, TRACEPARENT.replace("b7", "b8")],
        ["\N{ARABIC-INDIC DIGIT ZERO}" + TRACEPARENT[1:]],
        [],
        [7],
    ],
)
def test_an_ambiguous_or_damaged_trace_context_is_none(lines: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """The request begins a trace of its own."""
    with caplog.at_level(logging.DEBUG):
        ctx = extract({"traceparent": lines}, Context())
    assert not trace.get_current_span(ctx).get_span_context().is_valid
    assert caplog.records == []


def test_the_same_trace_context_twice_is_one() -> None:
    """Proxies repeat headers."""
    assert arrived(extract({"traceparent": [TRACEPARENT] * 2}, Context())) == Correlation(correlation_id=TRACE)


class Foreign(TextMapPropagator):
    """A propagator of the application's own."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """Put what arrived into the baggage."""
        if getter.get(carrier, "x-broken"):
            raise ValueError("broken")
        return baggage.set_baggage("own", (getter.keys(carrier), getter.get(carrier, "x-own")), context)

    def inject(self, *args: Any, **options: Any) -> None:
        """Nothing leaves."""

    fields: set[str] = set()  # type: ignore[assignment]  # noqa: RUF012  # a property in the base


@pytest.fixture
def foreign() -> Iterator[None]:
    """The global propagator is the application's own."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Foreign())
    yield
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("foreign")
def test_other_propagators_read_their_headers_within_bounds() -> None:
    """Lines that are too long, and what is no text, are not handed over."""
    carrier = {"x-own": ["fine", "é", "x" * (MAX_LENGTH + 1)]}
    assert baggage.get_baggage("own", extract(carrier, Context())) == (["x-own"], ["fine", "é"])
    assert baggage.get_baggage("own", extract({"x-own": 7}, Context())) == (["x-own"], None)


@pytest.mark.usefixtures("foreign")
def test_a_propagator_that_raises_hurts_nobody() -> None:
    """The context stays what it was; it is reported where somebody listens."""
    ctx = baggage.set_baggage("before", "1")
    assert extract({"x-broken": "1"}, ctx) == ctx
    with capture(strict=False):
        assert extract({"x-broken": "1"}, ctx) == ctx
        runtime = current_runtime()
        assert runtime is not None
        assert runtime.ledger.counts()["internal_errors"] == 1


@given(st.dictionaries(HEADERS, NASTY | st.lists(NASTY | st.integers(), max_size=5) | st.integers() | st.binary()))
def test_whatever_arrives_is_read_within_bounds_and_in_silence(carrier: dict[str, Any]) -> None:
    """Nothing raises, nothing is logged, and every id that is accepted is safe."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]  # the shortest handler there is
    logging.getLogger().addHandler(handler)
    try:
        ctx = extract(carrier, Context())
    finally:
        logging.getLogger().removeHandler(handler)
    assert records == []
    ours = {name: value for name, value in baggage.get_all(ctx).items() if name.startswith("ezlogs.")}
    assert ours.keys() <= set(BAGGAGE_MEMBERS.values())
    assert all(valid_id(value) for value in ours.values())


@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True), st.text(max_size=20), max_size=20),
    st.from_regex(r"[A-Za-z0-9_.:@-]{1,64}", fullmatch=True),
)
def test_what_another_service_encodes_is_read(own: dict[str, str], story: str) -> None:
    """Every text survives percent-encoding, beside the story."""
    own = {name: value.encode("utf-8", "replace").decode() for name, value in own.items()}
    line = ",".join(f"{name}={quote(value, safe='')}" for name, value in own.items())
    found = read(line, f"ezlogs.correlation_id={quote(story, safe='')}")
    assert found == {**{name: value.strip() for name, value in own.items()}, "ezlogs.correlation_id": story}


def test_baggage_with_an_unsafe_story_is_not_believed_in_anything_else() -> None:
    """The trace's story stands in; also where somebody else read the headers."""
    ctx = trace.set_span_in_context(trace.NonRecordingSpan(trace.SpanContext(0xABC, 1, True)))
    ctx = baggage.set_baggage("ezlogs.correlation_id", "<script>", ctx)
    ctx = baggage.set_baggage("ezlogs.parent_event_id", "evt_1", ctx)
    assert arrived(ctx) == Correlation(correlation_id=f"{0xABC:032x}")


def test_members_with_properties_are_understood_whoever_read_them() -> None:
    """OpenTelemetry leaves the properties in the value."""
    ctx = baggage.set_baggage("ezlogs.correlation_id", "story-1 ;ttl=60", placed(Correlation(correlation_id="x")))
    assert arrived(ctx) == Correlation(correlation_id="story-1")
