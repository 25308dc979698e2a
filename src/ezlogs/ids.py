"""Identifiers: time-ordered event ids and W3C trace and span ids, safe under fork and under ``random.seed``."""

from __future__ import annotations

import os
import random
from itertools import count
from time import time_ns

EVENT_ID_PREFIX = "evt_"

_VERSION_AND_VARIANT = (7 << 76) | (0b10 << 62)
_TAIL_BITS = (1 << 62) - 1
_COUNTER_BITS = 32


class _Generator:
    """A random generator of ezlogs' own, seeded from the operating system, and a counter that begins at random.

    Both begin anew in a forked child. The pid is compared at every use but that of `take_tail`, because forks made
    in C (uWSGI) run no at-fork hooks.
    """

    __slots__ = ("_getrandbits", "_pid", "take_tail")

    def __init__(self) -> None:
        self.seed()

    def seed(self) -> None:
        """Begin anew: in a new process."""
        self._pid = os.getpid()
        self._getrandbits = random.Random(os.urandom(32)).getrandbits
        nonce = self._getrandbits(62 - _COUNTER_BITS)
        self.take_tail = count(nonce << _COUNTER_BITS).__next__

    def check(self) -> None:
        """Begin anew if this is a process that was forked since."""
        if os.getpid() != self._pid:
            self.seed()

    def bits(self, number: int) -> int:
        """Return an integer of ``number`` random bits."""
        self.check()
        return self._getrandbits(number)


_generator = _Generator()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_generator.seed)


def take_tail() -> int:
    """Return what makes an event id unique beside its time: a random number of the process's, and a counter.

    It costs a tenth of an id, which `event_id` makes of it when somebody reads it.
    """
    return _generator.take_tail()


def event_id(timestamp: int, tail: int) -> str:
    """Return the event id of a time and a tail: ``evt_`` and the 32 hex digits of a UUIDv7.

    The twelve bits after the milliseconds are the fraction of the millisecond (RFC 9562, section 6.2, method 3), the
    rest is the tail.

    Args:
        timestamp: Unix time in nanoseconds that the id sorts by.
        tail: What `take_tail` returned.

    Example:
        >>> event_id(1_700_000_000_000_500_000, 7)
        'evt_018bcfe5680078008000000000000007'
    """
    milliseconds, nanoseconds = divmod(timestamp, 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | _VERSION_AND_VARIANT | fraction << 64 | tail & _TAIL_BITS
    return f"{EVENT_ID_PREFIX}{value:032x}"


def new_event_id(timestamp: int | None = None) -> str:
    """Return an event id: ``evt_`` and the 32 hex digits of a UUIDv7 (RFC 9562, section 5.7).

    Args:
        timestamp: Unix time in nanoseconds that the id sorts by; now when left out.

    Example:
        >>> new_event_id(1_700_000_000_000_000_000)[:16]
        'evt_018bcfe56800'
    """
    _generator.check()
    return event_id(time_ns() if timestamp is None else timestamp, take_tail())


def new_trace_id() -> int:
    """Return a non-zero 128-bit trace id (W3C Trace Context)."""
    return _generator.bits(128) or 1


def new_span_id() -> int:
    """Return a non-zero 64-bit span id (W3C Trace Context)."""
    return _generator.bits(64) or 1
