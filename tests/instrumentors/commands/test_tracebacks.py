"""Frames of some modules are taken out of a traceback, wherever in it they are."""

from __future__ import annotations

import traceback
from types import FunctionType

import pytest

from ezlogs_instrumentors.tracebacks import without_frames_of


def ring(steps: list[str]) -> None:
    """Call each step of a path in a module of that name; the last one raises."""
    if not steps:
        raise ValueError
    FunctionType(ring.__code__, {**globals(), "__name__": steps[0], "ring": ring})(steps[1:])


@pytest.mark.parametrize("path", ["", "a", "o", "oa", "ao", "aoo", "ooa", "aoaoa", "oaoao", "ooo", "aaa"])
def test_other_frames_stay_in_their_order(path):
    """Whether ours come first, last, in a row or in between; by the plain way of telling."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # it has no text
        ring(list(path))
    error = caught.value
    before = [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]
    without_frames_of(error, frozenset({"o"}))
    after = [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert after == [name for name in before if name != "o"]
    without_frames_of(error, frozenset({"o", "a", __name__}))
    assert error.__traceback__ is None


def test_what_is_innermost_goes_too():
    """As an error of ours would be, if one got out."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # it has no text
        exec(compile("def inner(): raise ValueError\ninner()", "inner", "exec"), {"__name__": "o"})
    without_frames_of(caught.value, frozenset({"o"}))
    assert [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(caught.value.__traceback__)] == [__name__]
