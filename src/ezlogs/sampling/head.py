"""One rate: which stories are kept, decided alike in every service by the story's id alone."""

from __future__ import annotations

from collections.abc import Sequence

from ezlogs.patterns import matches
from ezlogs.sampling.threshold import BITS, threshold


class Sampler:
    """Keeps the events of a share of all stories; of the others those that did not succeed, and some types.

    Args:
        rate: The share of stories that are kept, 0 to 1.
        always: Patterns of the event types that are kept in every story.

    Example:
        >>> sampler = Sampler(0.25, always=("payment.*",))
        >>> story = "0af7651916cd43dd8448eb211c80319c"
        >>> [sampler.keeps(*event, story) for event in (("order.action", "success"), ("order.action", "failure"))]
        [False, True]
        >>> sampler.keeps("payment.action", "success", story)
        True

    Source: OpenTelemetry specification, "TraceState: Probability Sampling", for how the share is counted.
    """

    def __init__(self, rate: float, always: Sequence[str] = ()) -> None:
        self._rejected = threshold(rate)
        self._always = tuple(always)
        self._last: tuple[str | None, bool] = (None, True)
        """The last story and its fate: its events come one after the other, and share the text of its id."""

    def keeps(self, event_type: str, outcome: str, correlation_id: str) -> bool:
        """Return whether an event is kept; the same for all events of a story that succeed."""
        story, kept = self._last
        if story is not correlation_id:
            kept = randomness(correlation_id) >= self._rejected
            self._last = (correlation_id, kept)
        return kept or outcome != "success" or (bool(self._always) and matches(self._always, event_type))


def randomness(correlation_id: str) -> int:
    """Return 56 random bits that a story's id determines.

    Those of an id that is a trace id are its last seven bytes, as the samplers of spans count, so that spans and
    events which are sampled at one rate are kept together. Those of any other id come from its SHA-256.

    Example:
        >>> f"{randomness('0af7651916cd43dd8448eb211c80319c'):014x}"
        '48eb211c80319c'
    """
    trace_id = trace_id_of(correlation_id)
    if trace_id is not None:
        return trace_id & ((1 << BITS) - 1)
    from hashlib import sha256  # loads OpenSSL, which nobody needs who samples nothing

    return int.from_bytes(sha256(correlation_id.encode(errors="replace")).digest()[-7:], "big")


def trace_id_of(correlation_id: str) -> int | None:
    """Return the trace id that a story's id is, or None where it is another text.

    >>> trace_id_of("0af7651916cd43dd8448eb211c80319c") == 0x0AF7651916CD43DD8448EB211C80319C, trace_id_of("order-42")
    (True, None)
    """
    if len(correlation_id) == 32 and correlation_id.isalnum():
        try:
            return int(correlation_id, 16)
        except ValueError:
            pass
    return None
