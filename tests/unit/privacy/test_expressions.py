"""Expressions do what compiled ones do, and are compiled once, when first used."""

from __future__ import annotations

import os
import re

import pytest

from ezlogs.expressions import BeingCompiledError, expression, long_expression


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
    lazy = long_expression(lambda: calls.append(1) or "a+")  # type: ignore[func-returns-value]  # that is the trick
    assert not calls
    assert [lazy.search("baa"), lazy.search("b")] != [None, None]
    assert calls == [1]


def test_a_long_one_is_not_compiled_by_who_interrupts_that() -> None:
    """A handler would be interrupted in turn; it is told, and the one whom it interrupts goes on."""
    told: list[type[Exception]] = []

    def written() -> str:
        try:
            long.search("a")
        except BeingCompiledError as problem:
            told.append(type(problem))
        return "a+"

    long = long_expression(written)
    assert long.findall("baab") == ["aa"]
    assert told == [BeingCompiledError]


def test_a_long_one_that_could_not_be_compiled_is_tried_again() -> None:
    """A handler may raise, too."""
    patterns = ["a+", "("]
    long = long_expression(patterns.pop)
    with pytest.raises(re.error):
        long.search("a")
    assert long.findall("baab") == ["aa"]


def test_a_forked_child_compiles_what_its_parent_was_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that did is not there any more."""
    process = os.getpid()
    found: list[list[str]] = []

    def written() -> str:
        if os.getpid() == process:
            with monkeypatch.context() as patched:
                patched.setattr(os, "getpid", lambda: process + 1)
                found.append(long.findall("baab"))
        return "a+"

    long = long_expression(written)
    long.search("")
    assert found == [["aa"]]
