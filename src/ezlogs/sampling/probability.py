"""The ``tracestate`` of OpenTelemetry's consistent sampling: how probable it was that a trace is sampled."""

from __future__ import annotations

import re
from typing import Final

from opentelemetry.trace import SpanContext, TraceState

from ezlogs.sampling.threshold import as_text, from_text, rate_of

KEY: Final = "ot"
_VALUE: Final = re.compile(r"[0-9a-f]{14}")
_LONGEST: Final = 256


def members(state: TraceState | None) -> dict[str, str]:
    """Return the members of OpenTelemetry's entry in a trace state, by key; none where it is damaged.

    >>> members(TraceState([("ot", "th:c;rv:00000000000001")]))
    {'th': 'c', 'rv': '00000000000001'}
    """
    text = "" if state is None else state.get(KEY, "")
    pairs = [member.partition(":") for member in text.split(";")] if text else []
    return {key: value for key, colon, value in pairs if colon}


def of_trace(span: SpanContext) -> float:
    """Return the probability with which a sampled span's trace is sampled; 1 where nobody wrote it down.

    >>> of_trace(SpanContext(1, 1, True, trace_state=TraceState([("ot", "th:c")])))
    0.25
    """
    rejected = from_text(members(span.trace_state).get("th", ""))
    return 1.0 if rejected is None else rate_of(rejected)


def randomness_in(state: TraceState | None) -> int | None:
    """Return the random bits that a trace state has for its trace, where the trace id is not to be used.

    >>> randomness_in(TraceState([("ot", "rv:00000000000001")])), randomness_in(None)
    (1, None)
    """
    text = members(state).get("rv", "")
    return int(text, 16) if _VALUE.fullmatch(text) else None


def with_sampling(state: TraceState | None, *, rejected: int | None, randomness: int | None) -> TraceState:
    """Return a trace state that says how its trace is sampled; members of others stay.

    Args:
        state: What there was.
        rejected: The threshold by which it is sampled; None where it is not.
        randomness: The random bits, where they are not those of the trace id.

    >>> with_sampling(None, rejected=3 << 54, randomness=None)["ot"]
    'th:c'
    """
    found = {key: value for key, value in members(state).items() if key not in ("th", "rv")}
    ours = {} if rejected is None else {"th": as_text(rejected)}
    if randomness is not None:
        ours["rv"] = f"{randomness:014x}"
    text = ";".join(f"{key}:{value}" for key, value in {**ours, **found}.items())
    state = TraceState() if state is None else state
    if not text:
        return state.delete(KEY) if KEY in state else state
    if len(text) > _LONGEST:
        text = ";".join(f"{key}:{value}" for key, value in ours.items())
    return state.update(KEY, text) if KEY in state else state.add(KEY, text)
