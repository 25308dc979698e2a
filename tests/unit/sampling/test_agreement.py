"""A story that is a trace is kept or left out together with its spans, by either of OpenTelemetry's samplers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import TraceState

from ezlogs.ids import new_trace_id
from ezlogs.sampling.rates import Rates
from ezlogs.sampling.threshold import as_text, from_text, threshold

experimental = pytest.importorskip(
    "opentelemetry.sdk.trace._sampling_experimental", reason="this SDK has no consistent sampler to compare with"
)

TRACE_IDS = st.integers(1, 2**128 - 1)
SHARES = st.floats(0, 1)

HARD_CASES = (
    [example(trace_id=trace_id, rate=rate) for trace_id in (1, 2**56, 2**64) for rate in (0.0, 1.0)]
    + [example(trace_id=round(rate * 2**64) + step, rate=rate) for rate in (0.1, 0.3) for step in (-1, 0, 1)]
    + [example(trace_id=2**56 - round(rate * 2**56) + step, rate=rate) for rate in (0.1, 0.3) for step in (-1, 0, 1)]
)


def at_the_bounds(test: Any) -> Any:
    """Run a test with the ids at which verdicts change."""
    for case in HARD_CASES:
        test = case(test)
    return test


def kept(rates: Rates, story: str) -> bool:
    """Return whether an event of a story is kept."""
    return rates.judge("order.action", "success", story).kept


@at_the_bounds
@given(trace_id=TRACE_IDS, rate=SHARES)
def test_a_story_that_is_a_trace_is_kept_with_its_spans(trace_id: int, rate: float) -> None:
    """By OpenTelemetry's consistent probability sampling at the same rate."""
    composite = experimental.composite_sampler(experimental.composable_traceid_ratio_based(rate))
    spans = composite.should_sample(None, trace_id, "span").decision.is_sampled()
    story = f"{trace_id:032x}"
    assert kept(Rates(rate), story) is spans


@at_the_bounds
@given(trace_id=TRACE_IDS, rate=SHARES)
def test_or_with_the_spans_of_the_older_sampler(trace_id: int, rate: float) -> None:
    """Where OTEL_TRACES_SAMPLER is ``traceidratio``, which counts from the other end."""
    spans = TraceIdRatioBased(rate).should_sample(None, trace_id, "span").decision.is_sampled()
    assert kept(Rates(rate, agreement="ratio"), f"{trace_id:032x}") is spans


def test_the_two_samplers_of_spans_do_not_agree() -> None:
    """Of a tenth of all traces each they have a tenth in common, as of any two: that is why there is a choice."""
    stories = [f"{new_trace_id():032x}" for _ in range(40_000)]
    by_one = {story for story in stories if kept(Rates(0.1), story)}
    by_other = {story for story in stories if kept(Rates(0.1, agreement="ratio"), story)}
    assert 250 < len(by_one & by_other) < 600
    assert min(len(by_one), len(by_other)) > 3_400


@given(st.integers(0, 2**56 - 1) | st.integers(0, 0xFF).map(lambda first: first << 48))
def test_a_threshold_travels(value: int) -> None:
    """Its text is read back, and is what OpenTelemetry's own reader and writer make of it."""
    from opentelemetry.sdk.trace._sampling_experimental._trace_state import OtelTraceState

    text = as_text(value)
    assert from_text(text) == value
    of_opentelemetry = OtelTraceState.parse(TraceState([("ot", f"th:{text}")]))
    assert of_opentelemetry.threshold == value
    assert of_opentelemetry.serialize() == f"th:{text}"


@given(SHARES.filter(lambda rate: threshold(rate) < 2**56))
def test_the_threshold_of_a_rate_is_what_the_sampler_writes(rate: float) -> None:
    """So that other services read the rate from ``tracestate``."""
    composite = experimental.composite_sampler(experimental.composable_traceid_ratio_based(rate))
    state = composite.should_sample(None, 2**56 - 1, "span").trace_state
    assert state is not None
    assert state["ot"] == f"th:{as_text(threshold(rate))}"
