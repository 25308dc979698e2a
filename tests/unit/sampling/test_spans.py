"""The samplers of spans: they agree with stories, with other services, and with OpenTelemetry's own."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from ezlogs.correlation import Correlation, placed
from ezlogs.sampling import spans
from ezlogs.sampling.probability import members, of_trace, randomness_in, with_sampling
from ezlogs.sampling.rates import Rates
from ezlogs.sampling.spans import StorySpans, parent_based, sampler
from ezlogs.sampling.threshold import as_text, threshold
from ezlogs.testing import capture

TRACE_IDS = st.integers(1, 2**128 - 1)
SHARES = st.floats(0, 1)
LOW, HIGH = 1, 2**128 - 1


def sampled(a_sampler: Sampler, trace_id: int, parent: Context | None = None) -> bool:
    """Return whether a span is sampled."""
    return a_sampler.should_sample(parent, trace_id, "span").decision.is_sampled()


def parent(trace_id: int, *, flags: int = 0, **state: str) -> Context:
    """Return a context with a remote span, which has members of OpenTelemetry's in its trace state."""
    text = ";".join(f"{key}:{value}" for key, value in state.items())
    states = [("ot", text), ("vendor", "x")] if text else [("vendor", "x")]
    span = SpanContext(trace_id, 1, True, TraceFlags(flags), TraceState(states))
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


@given(TRACE_IDS, SHARES)
def test_a_trace_is_sampled_when_its_story_is_kept(trace_id: int, rate: float) -> None:
    """The story that begins with it has its id."""
    story = f"{trace_id:032x}"
    assert sampled(StorySpans(rate), trace_id) is Rates(rate).judge("order.action", "success", story).kept


@given(TRACE_IDS, SHARES)
@example(trace_id=1, rate=1.0)  # whose random bits are those that the trace state tells too
def test_it_does_as_the_consistent_sampler_of_opentelemetry(trace_id: int, rate: float) -> None:
    """Verdict and trace state, which in a trace with a parent is the parent's."""
    experimental = pytest.importorskip(
        "opentelemetry.sdk.trace._sampling_experimental", reason="this SDK has no consistent sampler to compare with"
    )
    other = experimental.composite_sampler(experimental.composable_traceid_ratio_based(rate))
    for ctx in (None, parent(trace_id), parent(trace_id, th="8"), parent(trace_id, rv="00000000000001", th="8")):
        state = None if ctx is None else trace.get_current_span(ctx).get_span_context().trace_state
        ours = StorySpans(rate).should_sample(ctx, trace_id, "span")
        theirs = other.should_sample(ctx, trace_id, "span", trace_state=state)  # it does not look at the parent itself
        assert ours.decision is theirs.decision
        if ours.decision.is_sampled():  # else it leaves a share that does not hold
            assert members(ours.trace_state) == members(theirs.trace_state)


@given(st.text(min_size=1, max_size=40), TRACE_IDS, SHARES)
def test_traces_inside_a_story_share_its_fate(story: str, trace_id: int, rate: float) -> None:
    """A job's trace is another one, and its random bits are written down for other services."""
    ctx = placed(Correlation(correlation_id=story), Context())
    kept = Rates(rate).judge("order.action", "success", story).kept
    result = StorySpans(rate).should_sample(ctx, trace_id, "span")
    assert result.decision.is_sampled() is kept
    remote = NonRecordingSpan(SpanContext(trace_id, 1, True, trace_state=result.trace_state))
    assert sampled(StorySpans(rate), trace_id, trace.set_span_in_context(remote, Context())) is kept


def test_the_share_is_in_the_trace_state() -> None:
    """Beside what others wrote there; of a span that is not sampled it is taken out."""
    state = StorySpans(0.25).should_sample(parent(HIGH, flags=1, th="8", xy="1"), HIGH, "span").trace_state
    assert state is not None
    assert (state["ot"], state["vendor"]) == ("th:c;xy:1", "x")
    state = StorySpans(0.25).should_sample(parent(LOW, flags=1, th="8"), LOW, "span").trace_state
    assert state is not None
    assert dict(state) == {"vendor": "x"}
    assert of_trace(SpanContext(1, 1, False)) == 1


def test_attributes_are_kept_with_the_span() -> None:
    """And not without it."""
    for trace_id, expected in ((HIGH, {"a": 1}), (LOW, {})):
        result = StorySpans(0.5).should_sample(None, trace_id, "span", attributes={"a": 1})
        assert dict(result.attributes) == expected


def test_with_a_parent_the_parent_decides() -> None:
    """As OpenTelemetry's own samplers of that kind."""
    based = parent_based("0")
    assert sampled(based, HIGH, parent(HIGH, flags=1))
    assert not sampled(based, HIGH)
    assert not sampled(parent_based("1"), HIGH, parent(HIGH, flags=0))


def test_without_a_share_the_setting_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the running ezlogs, as it is at the moment; before there is one what the environment says."""
    ours = sampler(None)
    spans._from_environment.cache_clear()
    monkeypatch.setenv("EZLOGS_SAMPLE_RATE", "0.25")
    assert ours.get_description() == "EzlogsSampler{0.25}"
    assert (sampled(ours, LOW), sampled(ours, HIGH)) == (False, True)
    with capture(sample_rate=0):
        assert not sampled(ours, HIGH)
    with capture():
        assert sampled(ours, LOW)
    spans._from_environment.cache_clear()


@pytest.mark.parametrize("wrong", ["half", "-0.1", "50", [], "nan"])
def test_a_share_that_is_none_is_said(wrong: object, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is raised: the SDK would fall back on sampling everything."""
    with caplog.at_level(logging.WARNING, "ezlogs"), capture(sample_rate=0.5):
        assert sampler(wrong).get_description() == "EzlogsSampler{0.5}"
    assert "is no share of traces" in caplog.text
    with pytest.raises(ValueError, match="a share is from 0 to 1"):
        StorySpans(float("nan"))


@pytest.mark.parametrize("group", ["opentelemetry_traces_sampler", "opentelemetry_sampler"])
def test_both_groups_name_them(group: str) -> None:
    """The variable's, whose factory is given a text, and that of configuration files, which gives nothing."""
    found = {point.name: point.load() for point in entry_points(group=group) if point.name.endswith("ezlogs")}
    assert found == {"ezlogs": sampler, "parentbased_ezlogs": parent_based}
    for factory in found.values():
        assert isinstance(TracerProvider(sampler=factory()).sampler, Sampler)


@pytest.mark.parametrize("damaged", ["", "th", "th:", "rv:1", "rv:0000000000000g", ";;", "th:c;rv"])
def test_a_damaged_trace_state_says_nothing(damaged: str) -> None:
    """It came from outside."""
    state = TraceState([("ot", damaged)]) if damaged else None
    assert randomness_in(state) is None
    assert sampled(StorySpans(0.5), HIGH, parent(HIGH, rv="zz"))


def test_a_trace_state_has_its_bounds() -> None:
    """What others wrote goes before what is ours does."""
    state = TraceState([("ot", ";".join(f"k{number}:{'x' * 30}" for number in range(7)))])
    assert with_sampling(state, rejected=threshold(1 / 3), randomness=1)["ot"] == (
        f"th:{as_text(threshold(1 / 3))};rv:00000000000001"
    )
    assert with_sampling(None, rejected=None, randomness=None) == TraceState()


PROGRAM = """
import sys
from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator()._configure()
print(trace.get_tracer_provider().sampler.get_description())
"""


@pytest.mark.parametrize(
    ("name", "argument", "description"),
    [
        ("ezlogs", "0.1", "EzlogsSampler{0.1}"),
        ("parentbased_ezlogs", "0.1", "ParentBased{root:EzlogsSampler{0.1}"),
        ("ezlogs", None, "EzlogsSampler{0.75}"),
    ],
)
def test_the_variable_of_opentelemetry_chooses_it(name: str, argument: str | None, description: str) -> None:
    """In a program whose SDK is configured by the environment."""
    environ: dict[str, Any] = {
        "OTEL_TRACES_SAMPLER": name,
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "EZLOGS_SAMPLE_RATE": "0.75",
        **({"OTEL_TRACES_SAMPLER_ARG": argument} if argument else {}),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=False, env=environ, capture_output=True, text=True, timeout=50
    )
    assert done.stdout.startswith(description), done.stderr
