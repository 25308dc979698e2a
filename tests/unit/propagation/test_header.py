"""ezlogs' own header: what is written can be read, whatever the ids; what is read is safe, whatever arrives."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ezlogs.correlation import Correlation
from ezlogs.party import Actor
from ezlogs.propagation.clean import clean_id
from ezlogs.propagation.header import MAX_LENGTH, Header, read, written
from ezlogs.wire import given_ids

SAFE = st.from_regex(r"[A-Za-z0-9_.:@-]{1,64}", fullmatch=True)
PERHAPS = st.none() | SAFE
CORRELATIONS = st.builds(
    Correlation,
    correlation_id=SAFE,
    parent_event_id=PERHAPS,
    flow_type=PERHAPS,
    flow_id=PERHAPS,
    parent_flow_id=PERHAPS,
    session_id=PERHAPS,
    request_id=PERHAPS,
)


@given(CORRELATIONS, st.none() | st.integers(0, 2**63 - 1))
def test_what_is_written_is_read(correlation: Correlation, at: int | None) -> None:
    """The longest ids fit, and the text is plain ASCII; ids in which privacy finds something are another matter."""
    assume(all(clean_id(value) == value for value in given_ids(correlation).values()))
    text = written(correlation, acting=Actor("user", "7", "Ada", "user:8"), at=at)
    assert text is not None
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= MAX_LENGTH
    sent = read(text)
    assert sent is not None
    assert (sent.correlation, sent.at) == (correlation, at)
    assert sent.acting == Actor("user", "7", on_behalf_of="user:8")


@given(st.text() | st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_arrives_is_read_or_ignored(text: object) -> None:
    """Nothing raises."""
    assert read(text) is None or isinstance(read(text), Header)


@given(st.dictionaries(st.sampled_from(Header.__struct_fields__), st.none() | st.integers() | st.text() | SAFE))
def test_an_accepted_header_is_safe_to_repeat(fields: dict[str, object]) -> None:
    """One unsafe id makes the whole header unacceptable."""
    sent = read(json.dumps({"v": 1, "correlation_id": "story-1", **fields}))
    if sent is not None:
        texts = [value for name in Header.__struct_fields__ if isinstance(value := getattr(sent, name), str)]
        assert all(0 < len(text) <= 64 and text.isascii() and text.isprintable() for text in texts)


def test_unsafe_ids_stay_behind() -> None:
    """An unsafe flow is left out; a story that nobody would accept is not told at all."""
    assert written(Correlation(correlation_id="s", flow_id="a b", parent_event_id="evt_1")) == (
        '{"v":1,"correlation_id":"s","parent_event_id":"evt_1"}'
    )
    assert written(Correlation(correlation_id="ünïcode")) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"v":2,"correlation_id":"s"}',
        '{"v":1}',
        '{"v":1,"correlation_id":"s","flow_id":"<script>"}',
        '{"v":1,"correlation_id":"s"}' + " " * MAX_LENGTH,
        "[" * MAX_LENGTH,
        "\ud800",
    ],
)
def test_other_versions_and_damage_are_ignored(text: str) -> None:
    """A later version may mean something else."""
    assert read(text) is None


def test_members_of_a_later_minor_version_are_skipped() -> None:
    """What is known is read."""
    assert read('{"v":1,"correlation_id":"s","colour":["blue"]}') == (header := Header(1, "s"))
    assert header.acting is None
