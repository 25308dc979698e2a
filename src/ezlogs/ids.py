"""Identifiers: time-ordered event ids and W3C trace and span ids, safe under fork and under ``random.seed``."""

from __future__ import annotations

import os
import random
from time import time_ns

EVENT_ID_PREFIX = "evt_"

_VERSION_AND_VARIANT = (7 << 76) | (0b10 << 62)
_RANDOM_A_AND_B = ((0xFFF << 64) | ((1 << 62) - 1)) & ((1 << 76) - 1)


class _Generator:
    """A random generator of ezlogs' own, seeded from the operating system and seeded anew when the pid changes.

    The pid is compared at every use because forks made in C (uWSGI) run no at-fork hooks.
    """

    __slots__ = ("_getrandbits", "_pid")

    def __init__(self) -> None:
        self._pid = -1

    def bits(self, count: int) -> int:
        """Return an integer of ``count`` random bits."""
        pid = os.getpid()
        if pid != self._pid:
            self._getrandbits = random.Random(os.urandom(32)).getrandbits
            self._pid = pid
        return self._getrandbits(count)


_bits = _Generator().bits


def new_event_id(timestamp: int | None = None) -> str:
    """Return an event id: ``evt_`` and the 32 hex digits of a UUIDv7 (RFC 9562, section 5.7).

    Args:
        timestamp: Unix time in nanoseconds that the id sorts by; now when left out.

    Example:
        >>> new_event_id(1_700_000_000_000_000_000)[:16]
        'evt_018bcfe56800'
    """
    milliseconds = (time_ns() if timestamp is None else timestamp) // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | _VERSION_AND_VARIANT | (_bits(76) & _RANDOM_A_AND_B)
    return f"{EVENT_ID_PREFIX}{value:032x}"


def new_trace_id() -> int:
    """Return a non-zero 128-bit trace id (W3C Trace Context)."""
    return _bits(128) or 1


def new_span_id() -> int:
    """Return a non-zero 64-bit span id (W3C Trace Context)."""
    return _bits(64) or 1
