"""What goes over the wire comes back as the very same event, less what privacy keeps back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs import event
from ezlogs.correlation import Correlation
from ezlogs.delivery.event_encoder import EventEncoder
from ezlogs.event import OUTCOMES, SEVERITIES, Actor, Change, Failure, Subject, UniversalEvent
from ezlogs.facts import Sampled
from ezlogs.otlp import EVENT_HEADS
from ezlogs.privacy import Policy, Scrubber
from ezlogs.snapshot import freeze
from ezlogs.testing import capture
from ezlogs.wire import attributes, from_attributes, scrubbed_attributes, scrubbed_correlation

text = st.text(max_size=20)
some = st.none() | text
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)
sides = values.map(freeze) | st.just(msgspec.UNSET)
correlations = st.builds(
    Correlation,
    correlation_id=st.text("0123456789abcdef", min_size=32, max_size=32),
    **{name: some for name in Correlation.__struct_fields__ if name not in ("correlation_id", "attempt")},
    attempt=st.none() | st.integers(1, 99),
)
samplings = st.builds(Sampled, st.floats(0, 1), st.booleans(), st.booleans(), st.none() | st.just("rate"))
plain_events = st.builds(
    UniversalEvent.create,
    st.just("order.action"),
    st.just("placed"),
    actor=st.builds(Actor, st.just("user") | text.filter(bool), some, some, some),
    subject=st.none() | st.builds(Subject, text.filter(bool), some, some),
    metadata=st.dictionaries(text, values, max_size=5),
    outcome=st.sampled_from(OUTCOMES),
    severity=st.sampled_from(SEVERITIES),
    duration=st.none() | st.floats(0, 1e6),
    correlation=correlations,
    changes=st.lists(st.builds(Change, text, sides, sides), max_size=3, unique_by=lambda change: change.field).map(
        tuple
    ),
    error=st.none() | st.builds(Failure, text.filter(bool), some),
    sequence=st.integers(0, 2**31),
)
events = plain_events | st.builds(UniversalEvent.sampled, plain_events, samplings)


@given(events)
def test_event_to_attributes_to_event_is_the_identity(event: UniversalEvent) -> None:
    """Nothing is lost or changed on the way, whatever the metadata holds."""
    assert from_attributes(event.event_type, event.timestamp, attributes(event)) == event


@given(events)
def test_attributes_are_scalars_or_lists_of_one_scalar_type(event: UniversalEvent) -> None:
    """Every OpenTelemetry back end takes them."""
    for value in attributes(event).values():
        kinds = {type(item) for item in value} if isinstance(value, tuple) else {type(value)}
        assert len(kinds) == 1
        assert kinds <= {str, bool, int, float}


def make(**fields: object) -> UniversalEvent:
    """Return an event."""
    story = Correlation(correlation_id="a" * 32)
    return UniversalEvent.create("order.action", "placed", correlation=story, **fields)  # type: ignore[arg-type]  # fields vary


def test_keys_are_never_split() -> None:
    """``{"a": {"b": 1}}`` and ``{"a.b": 1}`` stay different."""
    nested, dotted = attributes(make(metadata={"a": {"b": 1}})), attributes(make(metadata={"a.b": 1}))
    assert nested["ezlogs.metadata.a"] == '{"b":1}'
    assert nested["ezlogs.json_keys"] == ("ezlogs.metadata.a",)
    assert dotted["ezlogs.metadata.a.b"] == 1


def test_other_span_events_are_not_taken_for_ours() -> None:
    """An exception event of OpenTelemetry's is no UniversalEvent."""
    assert from_attributes("exception", 1, {"exception.type": "ValueError"}) is None


def test_the_user_and_session_have_their_standard_names_too() -> None:
    """Back ends that know OpenTelemetry's conventions find them."""
    event = make(actor=("user", 7)).__class__.create(
        "a.b", "c", actor=("user", 7), correlation=Correlation(correlation_id="a" * 32, session_id="s1")
    )
    found = attributes(event)
    assert (found["user.id"], found["session.id"]) == ("7", "s1")


def test_nothing_secret_is_in_the_scrubbed_attributes() -> None:
    """Keys, values, labels, errors and changes are scrubbed, and what was done is said."""
    event = make(
        actor=("user", "ada@example.com", "ada@example.com"),
        metadata={
            "password": "hunter2",
            "nested": {"card": "4111 1111 1111 1111", "ok": [1, 2]},
            "note": "write to bob@example.com",
            "total": 99.5,
        },
        error=ValueError("Key (email)=(ada@example.com) already exists"),
        changes=(Change("password", "old-pass", "new-pass"), Change("status", "a", "b")),
    )
    found = scrubbed_attributes(event, Scrubber())
    seen = repr(found)
    for secret in ("hunter2", "4111", "ada@example.com", "bob@example.com", "old-pass", "new-pass"):
        assert secret not in seen
    assert found["ezlogs.metadata.total"] == 99.5
    assert found["ezlogs.change.status.to"] == "b"
    assert any(entry.startswith("metadata.password") for entry in found["ezlogs.redacted"])


@pytest.mark.parametrize("field", ["flow_id", "parent_flow_id", "session_id", "request_id", "transaction_id", "job_id"])
def test_an_id_that_the_application_chose_is_scrubbed_by_its_value(field: str) -> None:
    """Not by its name: a session's id is one. Either encoder sends the same."""
    story = Correlation(correlation_id="0" * 32, **{field: "ada@example.com"})
    with capture() as captured:
        for _ in range(2):
            event("order.action", "placed", correlation=story)
    for one in captured.events:
        found = scrubbed_attributes(one, Scrubber())
        assert "ada@example.com" not in repr(found)
        assert found["ezlogs.redacted"] == (f"correlation.{field}: email",)
        parts: list[bytes] = []
        assert EventEncoder(Scrubber(), EVENT_HEADS).append(parts, one) == ["email"]
        assert b"ada@example.com" not in b"".join(parts)
    kept = Correlation(correlation_id="0" * 32, **{field: "session-7"})
    assert scrubbed_correlation(kept, Scrubber(), []) is kept


def test_an_event_without_a_finding_is_unchanged() -> None:
    """Scrubbing an innocent event gives the same attributes and says nothing."""
    event = make(metadata={"total": 99.5, "items": [{"sku": "a"}], "none": None}, subject=("order", 42))
    assert scrubbed_attributes(event, Scrubber()) == attributes(event)


def test_what_was_cut_is_read_as_it_was_written() -> None:
    """A reader does not cut once more what carries the marker of a cut."""
    huge = {"text": "x" * 20_000, "items": list(range(1000)), "nested": {"items": ["y" * 9000] * 300}}
    story = Correlation(correlation_id="0" * 32)
    event = UniversalEvent.create("order.action", "placed", metadata=huge, correlation=story)
    assert from_attributes(event.event_type, event.timestamp, attributes(event)) == event


def test_json_that_somebody_has_cut_is_kept_as_text() -> None:
    """A back end that limits the length of attributes leaves half a document."""
    story = Correlation(correlation_id="0" * 32)
    event = UniversalEvent.create("order.action", "placed", metadata={"a": {"b": [1, 2, 3]}}, correlation=story)
    found = {**attributes(event), "ezlogs.metadata.a": '{"b":[1,2'}
    read = from_attributes(event.event_type, event.timestamp, found)
    assert read is not None
    assert read.metadata["a"] == '{"b":[1,2'


def test_what_was_repaired_is_told() -> None:
    """The problems of an event travel with it."""
    event = UniversalEvent.create("Order Placed", "placed", correlation=Correlation(correlation_id="story-1"))
    assert from_attributes(event.event_type, event.timestamp, attributes(event)) == event
    assert attributes(event)["ezlogs.invalid"] == event.invalid


def test_the_one_who_is_impersonated_is_scrubbed_too() -> None:
    """An id is often an e-mail address, and it is one wherever it stands."""
    story = Correlation(correlation_id="0" * 32)
    who = Actor("user", "7", on_behalf_of="user:ada@example.com")
    event = UniversalEvent.create("order.action", "placed", actor=who, correlation=story)
    assert "ada@example.com" not in str(scrubbed_attributes(event, Scrubber()))


def test_a_field_that_is_dropped_keeps_its_place() -> None:
    """An action or an actor's id cannot be left out of an event; metadata can."""
    story = Correlation(correlation_id="0" * 32, flow_id="ada@example.com")
    who = ("user", "ada@example.com")
    made = UniversalEvent.create("mail.delivery", who[1], actor=who, metadata={"to": who[1]}, correlation=story)
    found = scrubbed_attributes(made, Scrubber(policy=Policy({"*": "drop"})))
    assert found["ezlogs.action"] == found["ezlogs.actor.id"] == found["ezlogs.flow.id"] == "[redacted]"
    assert "ezlogs.metadata.to" not in found
