"""Each kind of value: what it reads, what it refuses, and how it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezlogs.settings.kinds import (
    Boolean,
    Choice,
    Count,
    EventTypes,
    Kind,
    Location,
    Ratio,
    Seconds,
    SwitchedOff,
    Text,
    UnacceptableError,
    WordOrNames,
    Words,
    spelled,
)

SELECTION = WordOrNames("names", ("ezlogs", "all", "none"))


def refusal(kind: Kind, given: object) -> str:
    """The words in which a kind refuses a value."""
    with pytest.raises(UnacceptableError) as caught:
        kind.parse(given)
    return str(caught.value)


class Hostile:
    """An object that cannot even be printed."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        *((Boolean(), yes, True) for yes in ("1", "true", "YES", " on ", True, 1)),
        *((Boolean(), no, False) for no in ("0", "false", "No", "off", False, 0)),
        (SwitchedOff(), "true", False),
        (SwitchedOff(), "False", True),
        (Text("a name"), " shop ", "shop"),
        (Location("a file"), Path("/etc/ca.pem"), "/etc/ca.pem"),
        (Seconds(0, 600), "2.5", 2.5),
        (Seconds(0, 600), 600, 600.0),
        (Ratio(), "0.25", 0.25),
        (Ratio(), 1, 1.0),
        (EventTypes("event types"), "data.*, order.action,*", ("data.*", "order.action", "*")),
        (Count(1, 1000, "items"), "1000", 1000),
        (Count(1, 1000, "items"), 1, 1),
        (Choice(("none", "gzip")), " GZip", "gzip"),
        (Words("words"), "a, b ,,a", ("a", "b")),
        (Words("words"), ["a", " b"], ("a", "b")),
        (Words("words"), {"b", "a"}, ("a", "b")),
        (Words("words"), frozenset({"b", "a"}), ("a", "b")),
        (SELECTION, "All", "all"),
        (SELECTION, ["none"], "none"),
        (SELECTION, "django", ("django",)),
        (SELECTION, ("django", "celery"), ("django", "celery")),
    ],
)
def test_text_and_objects_become_the_same_value(kind: Kind, given: object, value: object) -> None:
    """A value is read from the text of a variable and from the object that code gives."""
    parsed = kind.parse(given)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Boolean(), "maybe"),
        (Boolean(), 2),
        (SwitchedOff(), "1"),
        (Text("a name"), "  "),
        (Text("a name"), 7),
        (Location("a file"), b"/etc/ca.pem"),
        (Seconds(0, 600), "soon"),
        (Ratio(), "110%"),
        (Ratio(), 1.01),
        (EventTypes("event types"), "order"),
        (EventTypes("event types"), "data.*.*"),
        (EventTypes("event types"), "Order.Placed"),
        (Seconds(0, 600), True),
        (Seconds(0, 600), "nan"),
        (Seconds(0, 600), "inf"),
        (Seconds(0, 600), -0.1),
        (Seconds(0, 600), 10**400),
        (Seconds(0, 600), "10000"),
        (Count(1, 1000, "items"), "1.5"),
        (Count(1, 1000, "items"), 1.0),
        (Count(1, 1000, "items"), True),
        (Count(1, 1000, "items"), 0),
        (Count(1, 1000, "items"), "1001"),
        (Choice(("none", "gzip")), "brotli"),
        (Words("words"), b"a,b"),
        (Words("words"), ["a", 1]),
        (Words("words"), 5),
        (SELECTION, "all, django"),
        *((kind, Hostile()) for kind in (Boolean(), SwitchedOff(), Text("a name"), Seconds(0, 1))),
        *((kind, Hostile()) for kind in (Count(0, 1, "items"), Choice(("a", "b")), Words("words"))),
    ],
)
def test_a_refusal_says_what_is_allowed(kind: Kind, given: object) -> None:
    """Whatever a kind does not allow is refused with what it does allow, and can be quoted."""
    assert f"use {kind.allowed}" in refusal(kind, given)
    assert kind.quoted(given)


def test_a_refused_word_comes_with_the_nearest_allowed_one() -> None:
    """A misspelled choice is answered with the word that was meant."""
    assert refusal(Choice(("safe", "full", "names")), "nmaes").endswith("did you mean 'names'?")


def test_a_selection_stands_alone() -> None:
    """A word for a selection next to names is a contradiction, and said to be one."""
    assert refusal(SELECTION, "django, ALL").startswith("'ALL' stands alone")


def test_what_is_quoted_is_short() -> None:
    """A message does not repeat a value of any length in full."""
    assert len(Text("a name").quoted("x" * 10_000)) < 200


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (False, "false"),
        (0.001, "0.001"),
        (5.0, "5"),
        (200_000, "200000"),
        ("gzip", "gzip"),
        ((), ""),
        (("a", "b"), "a,b"),
        ({"x": "****", "y": "****"}, "x=****,y=****"),
    ],
)
def test_values_are_spelled_as_in_the_environment(value: object, text: str) -> None:
    """A shown value is spelled the way a variable would be written."""
    assert spelled(value) == text


def test_a_kind_must_say_what_it_allows_and_reads() -> None:
    """The base of all kinds reads nothing by itself."""
    with pytest.raises(NotImplementedError):
        Kind().parse("x")
    with pytest.raises(NotImplementedError):
        _ = Kind().allowed
