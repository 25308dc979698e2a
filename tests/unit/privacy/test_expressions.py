"""Expressions do what compiled ones do, and are compiled once, when first used."""

from __future__ import annotations

import re

import pytest

from ezlogs.expressions import expression


def test_it_does_what_a_compiled_one_does() -> None:
    """Every method, with flags, the first time and the next."""
    lazy, compiled = expression("a+", re.IGNORECASE), re.compile("a+", re.IGNORECASE)
    for _ in range(2):
        assert [match.span() for match in lazy.finditer("Aab")] == [match.span() for match in compiled.finditer("Aab")]
        assert lazy.sub("x", "bAAb") == "bxb"
        assert lazy.split("bab") == ["b", "b"]
        assert (lazy.fullmatch("aA") is None, lazy.match("b") is None, lazy.search("b") is None) == (False, True, True)


def test_a_wrong_one_is_told_when_first_used() -> None:
    """As is what it does not have."""
    with pytest.raises(re.error):
        expression("(").search("")
    with pytest.raises(AttributeError, match="has no 'groups'"):
        expression("a").groups  # noqa: B018  # the access is the point


def test_what_takes_long_to_write_is_written_when_first_used() -> None:
    """A function that returns the expression is called once."""
    calls: list[int] = []
    lazy = expression(lambda: calls.append(1) or "a+")  # type: ignore[func-returns-value]  # that is the trick
    assert not calls
    assert [lazy.search("baa"), lazy.search("b")] != [None, None]
    assert calls == [1]
