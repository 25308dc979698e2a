"""Sampling: a verdict that every service finds alike, and that the samplers of spans agree with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from ezlogs.sampling.head import randomness
from ezlogs.sampling.rates import Rates

TRACE_IDS = st.integers(1, 2**128 - 1).map("{:032x}".format)
STORIES = TRACE_IDS | st.from_regex(r"[A-Za-z0-9_.:@-]{1,64}", fullmatch=True)


def kept(rates: Rates, story: str) -> bool:
    """Return whether an event of a story is kept."""
    return rates.judge("order.action", "success", story).kept


@given(STORIES, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_rate_keeps_what_a_lower_one_keeps(story: str, one: float, other: float) -> None:
    """Services with different rates keep stories that are subsets of one another, not unrelated ones."""
    low, high = sorted((one, other))
    assert kept(Rates(high), story) >= kept(Rates(low), story)


@given(STORIES)
def test_all_or_nothing_is_meant_literally(story: str) -> None:
    """At 1 every story is kept, at 0 none."""
    assert kept(Rates(1), story)
    assert not kept(Rates(0), story)


@given(TRACE_IDS)
def test_a_trace_id_is_judged_as_samplers_of_spans_do(story: str) -> None:
    """Its last seven bytes are its randomness, as W3C Trace Context level 2 says."""
    assert randomness(story) == int(story, 16) & ((1 << 56) - 1)


def test_the_verdicts_of_some_stories_are_written_down() -> None:
    """Other implementations, and later versions, must find the same."""
    known = {
        "story-1": 0x8C2C2C27DF86C0,
        "zz3d1f6d8a7b4c5e9f0a1b2c3d4e5f60": 0x71FB96C571471A,
        "0af7651916cd43dd8448eb211c80319c": 0x48EB211C80319C,
    }
    assert {story: randomness(story) for story in known} == known


def test_about_the_share_is_kept() -> None:
    """Of many random stories as many are kept as the rate says."""
    new = RandomIdGenerator().generate_trace_id
    rates = Rates(0.1)
    number = sum(kept(rates, f"{new():032x}") for _ in range(20_000))
    assert 1_700 < number < 2_300
