"""Any value becomes an immutable, bounded snapshot, without an exception and without running its ``repr``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.snapshot import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TEXT,
    MAX_TOTAL_TEXT,
    OVERLAP,
    Pairs,
    as_sent,
    freeze,
    freeze_mapping,
    plain,
    sent,
    text,
    thaw,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    tags: list[str]


class Hostile:
    def __repr__(self) -> str:
        raise AssertionError("a snapshot must not call repr")

    __str__ = __repr__


class BrokenMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


class Word(str):
    """A text of somebody's own making."""

    def __str__(self) -> str:
        raise AssertionError("a snapshot must not call str")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (2**63, str(2**63)),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("text", "text"),
        (Word("word"), "word"),
        (b"bytes", "bytes"),
        (b"\xff\x00", "/wA="),
        (Decimal("9.90"), "9.90"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), "2026-01-02T03:04:05+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(seconds=90), 90.0),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (ValueError("no"), "ValueError: no"),
        (ValueError(), "ValueError"),
        ({"b", "a"}, ("a", "b")),
        (Point(1, ["x"]), (("x", 1), ("tags", ("x",)))),
        (Point, f"<{Point.__module__}.Point>"),
        ({1: "one"}, (("1", "one"),)),
    ],
)
def test_well_known_types_become_their_usual_text_or_number(value: object, expected: object) -> None:
    """Each kind of value has one sensible form."""
    frozen = freeze(value)
    assert frozen == expected
    assert type(frozen) is type(expected) or isinstance(frozen, Pairs)


def test_an_unknown_object_is_named_and_never_asked_for_its_repr() -> None:
    """``repr`` could recurse, raise or query a database."""
    frozen = freeze({"deep": [Hostile()]})
    assert "Hostile>" in str(frozen)


def test_a_value_whose_own_code_raises_is_named() -> None:
    """A broken mapping costs its value, not the event."""
    assert str(freeze(BrokenMapping())).endswith("BrokenMapping>")


def test_later_changes_of_the_original_do_not_reach_the_snapshot() -> None:
    """Everything is copied at once, nested collections too."""
    original = {"items": [1, {"two": 2}]}
    frozen = freeze(original)
    original["items"].append(3)
    assert plain(frozen) == {"items": [1, {"two": 2}]}


def test_depth_length_and_text_are_bounded_and_what_was_cut_is_said() -> None:
    """A huge or endless value is cut with a marker that says how much."""
    cycle: list[object] = []
    cycle.append(cycle)
    assert freeze(cycle) == ("… (+1 items, inside themselves)",)
    assert as_sent(str(freeze("x" * (MAX_TEXT + 5)))) == "x" * MAX_TEXT + "… (+5 characters)"
    assert as_sent(str(freeze(b"x" * (MAX_TEXT + 5)))) == "x" * MAX_TEXT + "… (+5 bytes)"
    assert freeze(list(range(MAX_ITEMS + 2)))[-1] == "… (+2 items)"
    assert freeze({str(n): n for n in range(MAX_ITEMS + 2)})[-1] == ("…", "+2 items")
    nested: object = {"end": 1}
    for _ in range(MAX_DEPTH):
        nested = {"in": nested}
    assert "nested deeper" in str(freeze(nested))


@given(json_values)
def test_a_snapshot_of_json_is_that_json(value: object) -> None:
    """Within the bounds nothing is lost: the plain form of a snapshot is the value."""
    assert plain(freeze(value)) == value


@given(st.dictionaries(st.text(max_size=10), json_values, max_size=5))
def test_views_are_read_only(value: dict[str, object]) -> None:
    """Nobody can change a snapshot through what it shows."""
    view = thaw(freeze_mapping(value))
    with pytest.raises(TypeError):
        view["new"] = 1


@given(st.integers(1, 3 * OVERLAP), st.sampled_from("xäж"))
def test_a_cut_keeps_a_little_more_for_privacy_and_what_is_sent_does_not(beyond: int, letter: str) -> None:
    """What is sent is as long, and says as much, as if it had been cut there at once."""
    cut = text(letter * (MAX_TEXT + beyond))
    assert as_sent(cut) == f"{letter * MAX_TEXT}… (+{beyond} characters)"
    assert cut.count(letter) == MAX_TEXT + min(beyond, OVERLAP)
    assert text(cut) == freeze(cut) == cut
    binary = freeze(b"x" * (MAX_TEXT + beyond))
    assert as_sent(str(binary)) == f"{'x' * MAX_TEXT}… (+{beyond} bytes)"


def test_characters_of_several_bytes_are_taken_away_whole() -> None:
    """Bytes are counted in bytes."""
    shown = as_sent(str(freeze(("ж" * MAX_TEXT).encode())))
    assert shown == f"{'ж' * (MAX_TEXT // 2)}… (+{MAX_TEXT} bytes)"


def test_bytes_that_are_no_text_are_cut_as_base64() -> None:
    """To as many characters as text."""
    shown = as_sent(str(freeze(b"\xff" * 100_000)))
    assert shown.startswith("////")
    assert len(shown.partition("…")[0]) == MAX_TEXT


def test_a_text_that_looks_cut_is_cut_again_where_it_is_too_long() -> None:
    """Anybody can write a marker."""
    assert as_sent(text("x" * 20_000 + "… (+7 characters)")).startswith("x" * MAX_TEXT + "… (+11825 ")
    assert as_sent("ab… (+7 characters)") == "… (+7 characters)"
    assert as_sent("ab… (+0 characters)") == "ab… (+0 characters)"


def test_nothing_is_kept_of_texts_for_which_there_is_no_room() -> None:
    """The bound of a whole snapshot holds, but for one overlap in each text that is cut."""
    kept: Any = freeze(["x" * (MAX_TEXT + 9)] * 100)
    assert sum(map(len, kept)) < MAX_TOTAL_TEXT + 33 * OVERLAP
    assert kept[-1] == f"… (+{MAX_TEXT + 9} characters)"
    binary: Any = freeze([b"x" * (MAX_TEXT + 9)] * 100)
    assert binary[-1] == f"… (+{MAX_TEXT} characters)"


def test_what_is_sent_is_the_same_object_where_nothing_was_cut() -> None:
    """However it is nested."""
    value = freeze({"a": ["b", 1], "c": None})
    assert sent(value) is value
    long = {"a": ["x" * 9000]}
    assert plain(sent(freeze(long))) == {"a": ["x" * MAX_TEXT + "… (+808 characters)"]}
