"""The samplers of spans ``ezlogs`` and ``parentbased_ezlogs``: they keep the traces of the stories that are kept.

``OTEL_TRACES_SAMPLER=ezlogs`` asks for one, with the share in ``OTEL_TRACES_SAMPLER_ARG``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from ezlogs import otel_compat
from ezlogs.correlation import current
from ezlogs.runtime import current_runtime, log
from ezlogs.sampling.head import randomness
from ezlogs.sampling.probability import randomness_in, with_sampling
from ezlogs.sampling.threshold import BITS, rate_of, threshold

_OF_TRACE_ID = (1 << BITS) - 1


class StorySpans(Sampler):
    """Samples a share of all traces, by the function that `ezlogs.sampling.rates` has for stories.

    A trace that begins inside a story of another id - a job's, a retry's - has that story's fate, and says so to other
    samplers by the ``rv`` in its ``tracestate``. The share is in its ``th``.

    Args:
        ratio: The share, 0 to 1; the setting ``sample_rate`` if left out, as it is when a span starts.

    Raises:
        ValueError: The share is not from 0 to 1.

    Example:
        >>> StorySpans(0.25).should_sample(None, 0x0af7651916cd43dd8448eb211c80319c, "GET /").decision.is_sampled()
        False
        >>> StorySpans(0.25).get_description()
        'EzlogsSampler{0.25}'

    Source: OpenTelemetry specification, "TraceState: Probability Sampling" and "Trace SDK, ProbabilitySampler".
    """

    def __init__(self, ratio: float | None = None) -> None:
        if ratio is not None and not 0 <= ratio <= 1:
            raise ValueError(f"a share is from 0 to 1, not {ratio}")
        self._rejected = None if ratio is None else threshold(ratio)

    def should_sample(  # noqa: PLR0917  # as the SDK has it
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return whether a span is sampled; alike for all spans of a trace."""
        span = otel_compat.current_span(Context() if parent_context is None else parent_context)
        parent = INVALID_SPAN_CONTEXT if span is None else span.get_span_context()
        state = parent.trace_state if parent.is_valid else trace_state
        of_trace_id = trace_id & _OF_TRACE_ID
        said = bits = randomness_in(state)
        if bits is None:
            story = None if parent.is_valid else current(parent_context)
            bits = of_trace_id if story is None else randomness(story.correlation_id)
        rejected = _of_settings() if self._rejected is None else self._rejected
        sampled = bits >= rejected
        state = with_sampling(
            state,
            rejected=rejected if sampled else None,
            randomness=said if bits == of_trace_id else bits,
        )
        if sampled:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, state)
        return SamplingResult(Decision.DROP, None, state)

    def get_description(self) -> str:
        """Return the sampler's name and its share."""
        return f"EzlogsSampler{{{rate_of(_of_settings() if self._rejected is None else self._rejected):g}}}"


def sampler(ratio: object = None) -> Sampler:
    """Return the sampler that the entry points ``ezlogs`` make; never raises.

    Args:
        ratio: The share as a number or a text, such as that of ``OTEL_TRACES_SAMPLER_ARG``; what is none is said in the
            log, and the setting ``sample_rate`` counts, as where nothing is given.

    Example:
        >>> sampler("0.1").get_description(), sampler(None).get_description()
        ('EzlogsSampler{0.1}', 'EzlogsSampler{1}')
    """
    if ratio is None or (isinstance(ratio, str) and not ratio.strip()):
        return StorySpans()
    try:
        return StorySpans(float(ratio))  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        log.warning("ezlogs: %.80r is no share of traces (OTEL_TRACES_SAMPLER_ARG); use 0 to 1", ratio)
        return StorySpans()


def parent_based(ratio: object = None) -> Sampler:
    """Return a sampler that follows the parent of a span, and for a span without one is `sampler`.

    Example:
        >>> parent_based(0.5).get_description().partition(",")[0]
        'ParentBased{root:EzlogsSampler{0.5}'
    """
    return ParentBased(sampler(ratio))


def _of_settings() -> int:
    runtime = current_runtime()
    return threshold(_from_environment() if runtime is None else runtime.settings.sample_rate)


@cache
def _from_environment() -> float:
    """Return the share that is set outside the program, for spans that start before ezlogs does."""
    from ezlogs.settings import load
    from ezlogs.settings.files import find_files

    return load(os.environ, files=find_files(os.environ)).settings.sample_rate
