"""The head: the random bits of a story, which are all that it takes to decide alike in every service."""

from __future__ import annotations

from ezlogs.sampling.threshold import BITS


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
