"""Numbers, durations and names in words."""

from __future__ import annotations

import pytest

from ezlogs.story import wording
from ezlogs.story.language import ENGLISH


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "under 1 ms"), (0.00099, "under 1 ms"), (0.001, "1 ms"), (0.084, "84 ms"), (0.9994, "999 ms"),
        (0.9996, "1 s"), (1.2, "1.2 s"), (9.94, "9.9 s"), (9.96, "10 s"), (31, "31 s"), (59.6, "1 min"),
        (125, "2 min 5 s"), (3599.7, "1 h"), (3720, "1 h 2 min"), (7200000, "2,000 h"),
    ],
)  # fmt: skip
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    """Each duration has one short form, and rounding never shows 1000 ms or 60 s."""
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("noun", "several"),
    [
        ("order", "orders"), ("category", "categories"), ("day", "days"), ("box", "boxes"), ("branch", "branches"),
        ("sales person", "sales people"), ("child", "children"),
    ],
)  # fmt: skip
def test_nouns_have_plurals(noun: str, several: str) -> None:
    """The last word of a noun takes the plural."""
    assert wording.plural(noun) == several


def test_counts_have_separators_and_the_right_noun() -> None:
    """One is singular, none is said as such, thousands are separated."""
    assert [wording.counted(n, "row") for n in (0, 1, 2, 1204)] == ["no rows", "1 row", "2 rows", "1,204 rows"]


def test_times_are_words_where_there_are_any() -> None:
    """Once, twice, then numbers."""
    assert [ENGLISH.times(n) for n in (1, 2, 3)] == ["once", "twice", "3 times"]


def test_lists_end_with_and() -> None:
    """A list in a sentence has its last item after an and."""
    assert [wording.listed("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_identifiers_become_words() -> None:
    """Underscores, humps and dotted paths are no part of a sentence."""
    assert [wording.words(name) for name in ("shop.OrderItem", "order_item", "_", "x.")] == [
        "order item",
        "order item",
        "_",
        "x.",
    ]


def test_long_texts_are_cut_visibly() -> None:
    """What is cut ends with an ellipsis."""
    assert wording.shortened("x" * 61) == "x" * 59 + "…"
    assert wording.shortened("x" * 60) == "x" * 60
