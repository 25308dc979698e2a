"""The event encoder writes what the long way would: scrubbed attributes, then their encoding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import ezlogs
from ezlogs.correlation import Correlation
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.delivery.packing import packed, unpacked
from ezlogs.emit import record
from ezlogs.event import OUTCOMES, SEVERITIES, Actor, Subject, UniversalEvent
from ezlogs.facts import Change, Failure, Sampled
from ezlogs.otlp.values import append_attributes, heads
from ezlogs.privacy import Policy, Scrubber
from ezlogs.snapshot import Pairs
from ezlogs.testing import capture
from ezlogs.wire import rules_of, scrubbed_attributes

HEADS = heads(b"\x1a")

plain = st.from_regex(r"[a-z]{1,8}([ -][a-z0-9]{1,6})?", fullmatch=True)
odd = st.text(max_size=90) | st.sampled_from(
    ["", " ", "ada@example.com", "4111 1111 1111 1111", "Zürich", "w" * 2000, "w" * 9000, "w… (+2 characters)"]
)
numbers = st.integers() | st.floats() | st.sampled_from([4111111111111111, -(10**13), 10**13, 2**63, 0, 127, 128])
odd_keys = st.sampled_from(["password", "card", "ä", "a@b.example", 7, None]) | st.text(max_size=80)


def mostly(usual: st.SearchStrategy[Any], unusual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nine of ten of one, and one of ten of the other: most events are plain all over."""
    return st.integers(0, 9).flatmap(lambda number: usual if number else unusual)


texts = mostly(plain, odd)
ids = mostly(plain | st.integers(0), odd | st.integers() | st.none())
values = mostly(plain | st.integers(-1000, 10**6) | st.booleans() | st.floats(0, 100), odd | numbers | st.none())


field_names = mostly(
    st.sampled_from(["state", "total", "placed_at", "note", "vip"]) | plain,
    st.sampled_from(["password", "session", "key", "ada@example.com", "ä", "w" * 9000, ""]) | st.text(max_size=20),
)
moments = st.datetimes() | st.dates() | st.times() | st.decimals(allow_nan=False) | st.uuids()
sides = st.just(UNSET) | mostly(
    st.none() | values | moments,
    odd
    | st.lists(values, max_size=2)
    | st.dictionaries(texts, values, max_size=2)
    | st.just("aB3dE5gH7jK9mN2pQ4rS6tU8"),
)
changes = st.lists(st.builds(Change, field_names, sides, sides), max_size=4).map(tuple)
choices = st.lists(
    st.tuples(field_names, mostly(st.tuples(st.none() | texts, texts), st.tuples(values, values))), max_size=2
)


def a_party(kind: type) -> st.SearchStrategy[Any]:
    """An actor or a subject, in any form that needs no snapshot."""
    more = {"on_behalf_of": st.none() | texts} if kind is Actor else {}
    return mostly(st.tuples(texts, ids), st.builds(kind, texts, st.none() | texts, st.none() | texts, **more))


@st.composite
def told(draw: st.DrawFn) -> UniversalEvent:
    """An event as the application tells it."""
    with capture(strict=False):
        event = record(
            "order.action",
            draw(texts),
            actor=draw(a_party(Actor)),
            subject=draw(st.none() | a_party(Subject)),
            metadata=draw(
                st.none()
                | st.dictionaries(mostly(plain, odd_keys), values, max_size=5)
                | st.builds(lambda choices: {"table": "orders", "choices": Pairs(choices)}, choices)
            ),
            outcome=draw(st.sampled_from(OUTCOMES)),
            duration=draw(st.none() | st.floats(0, 1e6)),
            correlation=ezlogs.Correlation(correlation_id="0af7651916cd43dd8448eb211c80319c", flow_id=draw(texts)),
            changes=draw(st.just(()) | changes),
            error=draw(mostly(st.none(), st.just(Failure("ValueError", "ada@example.com")))),
            severity=draw(st.none() | st.sampled_from(SEVERITIES)),
            event_id=draw(mostly(st.none(), st.sampled_from(["evt_1", "évt", "evt\u4e00"]))),
        )
    assert event is not None
    sampling = draw(st.none() | st.builds(Sampled, st.floats(0, 1), st.booleans(), st.booleans()))
    return event if sampling is None else event.sampled(sampling)


def parsed(parts: list[bytes]) -> dict[str, KeyValue]:
    """Return what a reader finds, by key, each of which is there once."""
    attributes = Span.Event.FromString(b"".join(parts)).attributes
    found = {attribute.key: attribute for attribute in attributes}
    assert len(found) == len(attributes)
    return found


def long_way(event: UniversalEvent) -> tuple[dict[str, KeyValue], list[str]]:
    """Return the oracle's attributes and the rules of its redactions."""
    attributes = scrubbed_attributes(event, Scrubber())
    parts: list[bytes] = []
    append_attributes(parts, HEADS, attributes)
    return parsed(parts), rules_of(attributes)


SHARED = EventEncoder(Scrubber(), HEADS)


@settings(max_examples=400)
@given(told())
def test_the_encoding_is_that_of_the_long_way(event: UniversalEvent) -> None:
    """For any event, the first time its parts are seen and when they are known."""
    expected, redactions = long_way(event)
    for encoder in (SHARED, SHARED, EventEncoder(Scrubber(), HEADS)):
        parts: list[bytes] = []
        assert encoder.append(parts, event) == redactions
        assert parsed(parts) == expected


@settings(max_examples=400)
@given(told())
def test_plain_is_what_the_short_way_encodes(event: UniversalEvent) -> None:
    """And comes back from the journal as it was told."""
    plain = SHARED.is_plain(event)
    try:
        known = event.said_tail is not None and SHARED._known(event, event.said_tail) is not None
    except TypeError:
        known = False
    assert known or not plain
    if not plain and known:
        assert event.changes or any(value is None or type(value) is Pairs for value in event.said_metadata.values())
    data = packed(event) if plain else None
    if data is not None:
        again = unpacked(data)
        assert (again, again.timestamp, again.event_id) == (event, event.timestamp, event.event_id)
        assert long_way(again) == long_way(event)


def test_an_event_that_was_read_is_encoded_from_its_facts() -> None:
    """Such as one from a file, which nobody told in this process."""
    with capture() as captured:
        ezlogs.event("order.action", "placed", subject=("order", 42))
    event = UniversalEvent.from_json(captured.events[0].to_json())
    parts: list[bytes] = []
    assert SHARED.append(parts, event) == []
    assert parsed(parts) == long_way(event)[0]


def test_what_is_kept_is_bounded() -> None:
    """Values that never come again do not fill the memory."""
    encoder = EventEncoder(Scrubber(), HEADS)
    with capture(strict=False):
        for number in range(5000):
            parts: list[bytes] = []
            event: Any = record("order.action", f"a{number}", metadata={f"field{number}": f"value {number}"})
            for _ in range(2):  # the first time a text is searched, then it is known
                assert encoder.append(parts, event) == []
    kept = [value for value in vars(encoder).values() if isinstance(value, dict)]
    assert len(kept) >= 5
    assert max(map(len, kept)) <= 4096
    assert 0 < len(encoder._texts) <= 4096
    assert sum(each() is not None for each in encoder._texts._each) <= 600, "of keys that are forgotten"


@pytest.mark.parametrize(
    "said",
    [
        {"metadata": {"note": None}},
        {"metadata": {"vip": True}},
        {"subject": ("", 1)},
        {"subject": ("order", None)},
        {"duration": -1.0},
        {"outcome": "sucess"},
        {"event_id": "évt"},
    ],
)
def test_what_is_hardly_ever_said_is_encoded_alike(said: dict[str, Any]) -> None:
    """A value that is nothing, a subject of no type, a switch."""
    with capture(strict=False):
        event = record("order.action", "placed", **said)
    assert event is not None
    parts: list[bytes] = []
    SHARED.append(parts, event)
    assert parsed(parts) == long_way(event)[0]


def test_a_type_that_is_no_text_goes_the_long_way() -> None:
    """What cannot be looked up is repaired and encoded like any other."""
    with capture(strict=False):
        event = record("order.action", "placed", subject=(["order"], "42"))
    assert event is not None
    parts: list[bytes] = []
    SHARED.append(parts, event)
    assert parsed(parts) == long_way(event)[0]


MAIL = "ada@example.com"


@pytest.mark.parametrize(
    "said",
    [
        {"action": f"to {MAIL}"},
        {"actor": ("user", MAIL)},
        {"subject": ("user", MAIL)},
        {"metadata": {MAIL: 1}},
        {"metadata": {"to": MAIL}},
        {"correlation": Correlation(correlation_id="0" * 32, flow_id=MAIL)},
    ],
    ids=["action", "actor", "subject", "name", "value", "flow"],
)
@pytest.mark.parametrize("how", ["keep", "mask", "drop", lambda finding: finding.text])
def test_what_one_type_of_event_may_keep_another_does_not(how: Any, said: dict[str, Any]) -> None:
    """Nothing in which something is found is kept encoded, wherever it is: the event goes the long way."""
    scrubber = Scrubber(policy=Policy({"mail.delivery/*": "redact", "*": how}))
    encoder = EventEncoder(scrubber, HEADS)
    with capture(strict=False) as captured:
        for event_type in ("order.action", "mail.delivery", "order.action", "mail.delivery"):
            record(event_type, **{"action": "sent", **said})
    for event in captured.events:
        expected: list[bytes] = []
        append_attributes(expected, HEADS, scrubbed_attributes(event, scrubber))
        parts: list[bytes] = []
        encoder.append(parts, event)
        assert parsed(parts) == parsed(expected)
        assert event.event_type == "order.action" or MAIL.encode() not in b"".join(parts)


SECRET = "aB3dE5gH7jK9mN2pQ4rS6tU8"


@pytest.mark.parametrize(
    "said",
    [
        {"metadata": {"session": SECRET}},
        {"changes": (Change("session", None, SECRET),)},
        {"metadata": {"choices": Pairs([("session", (MAIL, SECRET))])}},
    ],
    ids=["metadata", "change", "nested"],
)
def test_a_text_that_is_harmless_elsewhere_is_none_under_a_name_that_says_so(said: dict[str, Any]) -> None:
    """What looks drawn at random is a secret under some names only, whatever was told before."""
    encoder = EventEncoder(Scrubber(), HEADS)
    with capture(strict=False) as captured:
        for _ in range(2):
            record("order.action", "placed", metadata={"note": SECRET})
            record("order.action", "placed", **said)
    for event in captured.events:
        parts: list[bytes] = []
        encoder.append(parts, event)
        assert parsed(parts) == long_way(event)[0]


ROW = {
    "metadata": {"table": "shop_order", "database": "default", "choices": Pairs([("state", ("New", "Paid"))])},
    "changes": (
        Change("state", "new", "paid"),
        Change("total", "9.90", "12.40"),
        Change("placed_at", UNSET, "2026-03-01T09:30:00+00:00"),
        Change("quantity", 1, 2),
        Change("is_gift", False, True),
        Change("paid_at", None, "2026-03-02"),
        Change("note"),
        Change("password"),
    ),
}


def test_a_usual_row_goes_the_short_way() -> None:
    """Dates, amounts, choices and null; and names without values, be it of a password."""
    with capture(strict=False) as captured:
        record("data.change", "order.update", subject=("order", "42"), **ROW)
    encoder = EventEncoder(Scrubber(), HEADS)
    (event,) = captured.events
    parts: list[bytes] = []
    encoder.append(parts, event)  # what the names hold is looked up the first time
    known = encoder.known(event)
    assert known is not None
    assert parsed([known]) == long_way(event)[0]
    assert len(encoder._texts) < 10, "times and amounts hardly come again"


def test_a_field_that_is_told_twice_goes_the_long_way() -> None:
    """The later one counts."""
    with capture(strict=False) as captured:
        record("data.change", "order.update", changes=(Change("total", 1, 2), Change("total", 2, 3)))
    parts: list[bytes] = []
    SHARED.append(parts, captured.events[0])
    assert parsed(parts) == long_way(captured.events[0])[0]


def test_nested_values_are_remembered_within_bounds() -> None:
    """What people call the states of a thing are few; what is not such is not kept."""
    encoder = EventEncoder(Scrubber(), HEADS)
    with capture(strict=False) as captured:
        for number in range(200):
            record("order.action", "placed", metadata={"choices": Pairs([("state", (f"s{number}", "Paid"))])})
            record("order.action", "placed", metadata={"choices": Pairs([("state", ("x" * 2000, "Paid"))])})
            record("order.action", "placed", metadata={"choices": Pairs([("state", ("Zürich", f"{number}"))])})
    for event in captured.events:
        parts: list[bytes] = []
        encoder.append(parts, event)
        assert parsed(parts) == long_way(event)[0]
    assert 0 < len(encoder._nested) <= 64
