"""Files of events: each format is recognised by what is in it, and what is written is read again as it was."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.compat.test_ruby import JOB, events

from ezlogs import Change, Correlation, UniversalEvent
from ezlogs.exchange import FORMATS, Unreadable, read, write
from ezlogs.exchange.writing import COLUMNS, REQUEST, _scrubbed, requests
from ezlogs.privacy import Scrubber
from ezlogs.story.tree import Told


def placed(number: object = 1, **fields: Any) -> Told:
    """Return an event of an order."""
    event = UniversalEvent.create(
        "order.action", "placed", subject=("order", number), correlation=Correlation(correlation_id="ab" * 16), **fields
    )
    return Told(event, "shop")


def written(found: list[Told], kind: str) -> bytes:
    """Return what is written of events."""
    return "".join(write(found, kind)).encode()


@settings(max_examples=40)
@given(st.lists(events, max_size=4, unique_by=lambda event: event.event_id), st.sampled_from(["jsonl", "otlp", "ruby"]))
def test_what_is_written_is_read_again(found: list[UniversalEvent], kind: str) -> None:
    """Each event as privacy leaves it: with all of its fields, from the service that told of it."""
    clean = list(_scrubbed((Told(event, "shop") for event in found), Scrubber()))
    again = read(written(clean, kind))
    assert sorted(again, key=lambda told: told.event.event_id) == sorted(clean, key=lambda told: told.event.event_id)


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_that_privacy_keeps_back_is_written(kind: str) -> None:
    """Whichever format it is; files of others were never scrubbed."""
    text = written([placed(metadata={"password": "hunter2", "note": "to ada@example.com"})], kind)
    assert b"hunter2" not in text
    assert b"ada@example.com" not in text


def test_a_table_has_a_column_for_each_fact_and_no_formulas() -> None:
    """What a spreadsheet would run is text."""
    told = placed(7, actor=("user", "=1+1"), metadata={"total": 9}, changes=(Change("status", "a", "b"),))
    head, row = csv.reader(io.StringIO(written([told], "csv").decode()))
    cells = dict(zip(head, row, strict=True))
    assert tuple(head) == COLUMNS
    assert (cells["subject_id"], cells["actor_id"], cells["service"]) == ("7", "'=1+1", "shop")
    assert json.loads(cells["metadata"]) == {"total": 9}
    assert json.loads(cells["changes"]) == [{"field": "status", "from": "a", "to": "b"}]


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_does_nothing_to_a_terminal(kind: str) -> None:
    """What steers one, or turns text around, is written by its number, or as a space in a table; the rest as it was."""
    name = "Zo\u00eb\x1b[31m\x9b2J\u202e\u2066\u2028\x7f\x00\n\u200d"
    told = placed(name, actor=("user", "7", name), metadata={"note": name})
    text = "".join(write([told], kind))
    assert not set(text) & set("\x1b\x9b\u202e\u2066\u2028\x7f\x00")
    assert "Zo\u00eb" in text
    assert "\u200d" in text, "which emojis and some scripts are written with"
    if kind != "csv":
        [back] = read(text.encode())
        assert back.event.subject == told.event.subject


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_a_formula(first: str) -> None:
    """Whatever a spreadsheet takes for the beginning of one."""
    text = "".join(write([placed(f"{first}1+1")], "csv"))
    _, row = csv.reader(io.StringIO(text))
    assert row[COLUMNS.index("subject_id")].startswith("'")


def test_many_events_are_several_requests_each_of_one_service() -> None:
    """None is too long for a collector."""
    found = [placed(number) for number in range(REQUEST + 1)]
    found.append(Told(placed().event, "worker"))
    assert [batch.events for batch in requests(found, Scrubber())] == [REQUEST, 1, 1]


@pytest.mark.parametrize("form", ["{}", "[{}]", "{}\n\n{}\n"])
def test_documents_are_read_alone_in_an_array_and_line_by_line(form: str) -> None:
    """Also where a file has more than one kind of them."""
    text = json.dumps(JOB)
    [told, *_] = read(form.replace("{}", text).encode())
    assert told.event.event_id == JOB["event_id"]
    mixed = text.encode() + b"\n" + written([placed()], "jsonl") + written([placed()], "otlp")
    assert [told.event.event_type for told in read(mixed)] == ["sidekiq.job", "order.action", "order.action"]


def test_a_binary_request_and_an_empty_file_are_read() -> None:
    """What a collector was sent; nothing holds nothing."""
    [batch] = requests([placed()], Scrubber())
    assert [told.event.action for told in read(batch.body)] == ["placed"]
    assert read(b"") == read(b"[]") == read(b"{}") == read(b'{"resourceSpans": []}') == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x00\xff", "neither JSON nor an export request"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"\n[", "nested too deeply"),
        (b'{"event_type": "a.b"}\n{nonsense', "line 2: no JSON"),
        (b'{"a": 1}', "neither an export request nor an event"),
        (b'[{"event_type": "a.b"}, 7]', "item 2: neither"),
        (b'{"schema_version": "9.0"}', "no event of schema version 1.x"),
        (b'{"resourceSpans": 7}', "no JSON export request"),
    ],
)
def test_what_is_none_of_these_is_said_with_its_place(content: bytes, why: str) -> None:
    """So that somebody can mend it."""
    with pytest.raises(Unreadable, match=why):
        read(content)
