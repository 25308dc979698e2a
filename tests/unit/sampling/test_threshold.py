"""Thresholds: what a rate rejects, as other implementations count and write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezlogs.sampling.threshold import as_text, from_text, rate_of, threshold


@given(st.floats(0, 1))
def test_a_rate_and_its_threshold_belong_together(rate: float) -> None:
    """As far as 56 bits can tell."""
    assert rate_of(threshold(rate)) == pytest.approx(rate, abs=2**-56)


@given(st.integers(0, 2**56 - 1))
def test_a_threshold_is_read_back(value: int) -> None:
    """From its text, however many zeros it ends with."""
    assert from_text(as_text(value)) == value
    assert from_text(as_text(value & 0xFF << 48)) == value & 0xFF << 48


@pytest.mark.parametrize("text", ["", "C", "g", "-1", "0x1", "1" * 15, "c ", "\u0661"])
def test_what_is_no_threshold_is_none(text: str) -> None:
    """It comes from other processes, so it may be anything."""
    assert from_text(text) is None


@pytest.mark.parametrize("value", [-1, 2**56])
def test_what_keeps_nothing_does_not_travel(value: int) -> None:
    """There is no event that it could travel with."""
    with pytest.raises(ValueError, match="keeps something"):
        as_text(value)
