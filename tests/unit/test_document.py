"""An event's JSON document keeps every field, follows its schema, and is read across minor versions."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given

from ezlogs import InvalidEvent, UniversalEvent

from .test_wire import events, make

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "event.schema.json"


@given(events)
def test_event_to_json_to_event_is_the_identity(event: UniversalEvent) -> None:
    """Nothing is lost or changed on the way."""
    assert UniversalEvent.from_json(event.to_json()) == event


@given(events)
def test_every_document_follows_the_schema(event: UniversalEvent) -> None:
    """Whoever validates by the published schema accepts what is written."""
    jsonschema.Draft202012Validator(UniversalEvent.json_schema()).validate(json.loads(event.to_json()))


def test_the_published_schema_is_that_of_the_code() -> None:
    """A change of the document is a change of the file, seen in review."""
    assert SCHEMA.read_text() == json.dumps(UniversalEvent.json_schema(), indent=2) + "\n", (
        "write UniversalEvent.json_schema() to docs/reference/event.schema.json"
    )


def test_a_document_reads_well() -> None:
    """Times are RFC 3339, what is not known is left out, changes say from and to."""
    event = make(
        event_id="evt_1", timestamp=1_700_000_000_000_000_001, actor=("user", 7), metadata={"lines": [{"sku": "a"}]}
    )
    assert json.loads(event.to_json()) == {
        "schema_version": "1.0",
        "event_id": "evt_1",
        "timestamp": "2023-11-14T22:13:20.000000001Z",
        "event_type": "order.action",
        "action": "placed",
        "actor": {"type": "user", "id": "7"},
        "correlation": {"correlation_id": "a" * 32},
        "metadata": {"lines": [{"sku": "a"}]},
    }


def document(**changes: object) -> str:
    """Return a document with some fields changed."""
    return json.dumps({**json.loads(make(event_id="evt_1").to_json()), **changes})


def test_a_later_minor_version_is_read() -> None:
    """Fields, outcomes and severities that this version does not know cost nothing else."""
    later = document(schema_version="1.7", mood="good", outcome="postponed", severity="notice")
    event = UniversalEvent.from_json(later)
    assert (event.event_id, event.outcome, event.severity) == ("evt_1", "unknown", "info")


def test_an_earlier_minor_version_is_read() -> None:
    """What it did not have yet takes its default."""
    needed = {"schema_version", "event_id", "timestamp", "event_type", "action", "actor", "correlation"}
    earlier = {name: value for name, value in json.loads(document()).items() if name in needed}
    assert UniversalEvent.from_json(json.dumps(earlier)).sequence == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{", "no event of schema version 1.x"),
        ("[]", "Expected `object`"),
        (document(schema_version="2.0"), "$.schema_version"),
        (document(event_type="Order Placed"), "$.event_type"),
        (document(timestamp="yesterday"), "yesterday"),
        (document(timestamp="2026-01-31T12:00:00"), "has no offset"),
        (document(actor=None), "$.actor"),
        (document(duration=-1), "$.duration"),
    ],
)
def test_what_is_no_event_says_why(wrong: str, said: str) -> None:
    """The error names the place."""
    with pytest.raises(InvalidEvent) as caught:
        UniversalEvent.from_json(wrong)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2023-11-14T22:13:20Z", 0),
        ("2023-11-14T22:13:20.5Z", 500_000_000),
        ("2023-11-15T00:13:20.000000001+02:00", 1),
        ("2023-11-14T22:13:20.1234567891Z", 123_456_789),
    ],
)
def test_times_of_other_writers_are_read(text: str, nanoseconds: int) -> None:
    """Any precision, any offset."""
    event = UniversalEvent.from_json(document(timestamp=text))
    assert event.timestamp == 1_700_000_000_000_000_000 + nanoseconds


def test_what_was_cut_is_read_as_it_was_written() -> None:
    """A reader does not cut once more what carries the marker of a cut."""
    huge = {"text": "x" * 20_000, "items": list(range(1000)), "deep": [[[[[[[[[[1]]]]]]]]]]}
    event = make(metadata=huge)
    assert UniversalEvent.from_json(event.to_json()) == event


def test_a_document_without_end_is_read_or_refused() -> None:
    """Nesting that no event has is left out, and what cannot even be parsed is no event."""
    deep = document(metadata={"a": json.loads("[" * 500 + "]" * 500)})
    read = UniversalEvent.from_json(deep)
    assert str(read.metadata["a"]).count("(") < 100
    endless = document().replace("}", ', "metadata": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}", 1)
    with pytest.raises(InvalidEvent):
        UniversalEvent.from_json(endless)
