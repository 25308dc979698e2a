"""Thresholds: the number that a story's random bits must reach, its rate, and its text in ``tracestate``."""

from __future__ import annotations

BITS = 56
"""Of randomness in a trace id: its last seven bytes, as W3C Trace Context level 2 says."""

_ALL = 1 << BITS
_DIGITS = BITS // 4


def threshold(rate: float) -> int:
    """Return how many of the 2**56 values of randomness a rate rejects: a story is kept if its own is not below it.

    Args:
        rate: The share that is kept, 0 to 1.

    Example:
        >>> threshold(1.0), threshold(0.0) == 2**56
        (0, True)

    Source: OpenTelemetry specification, "TraceState: Probability Sampling", rejection threshold.
    """
    return _ALL - round(rate * _ALL)


def rate_of(threshold: int) -> float:
    """Return the share that a threshold keeps: the probability of being kept.

    >>> rate_of(threshold(0.25))
    0.25
    """
    return (_ALL - threshold) / _ALL


def as_text(threshold: int) -> str:
    """Return a threshold as it travels in the ``th`` of ``tracestate``: hexadecimal, without the zeros at its end.

    Example:
        >>> as_text(threshold(0.25)), as_text(threshold(1.0))
        ('c', '0')

    Raises:
        ValueError: It keeps nothing, so there is nothing for it to travel with.
    """
    if not 0 <= threshold < _ALL:
        raise ValueError("a threshold that travels keeps something")
    return f"{threshold:0{_DIGITS}x}".rstrip("0") or "0"


def from_text(text: str) -> int | None:
    """Return the threshold that a text stands for, or None where it is none.

    >>> from_text("c") == threshold(0.25), from_text("C"), from_text("")
    (True, None, None)
    """
    if not 1 <= len(text) <= _DIGITS or not set(text) <= _HEXADECIMAL:
        return None
    return int(text.ljust(_DIGITS, "0"), 16)


_HEXADECIMAL = frozenset("0123456789abcdef")
