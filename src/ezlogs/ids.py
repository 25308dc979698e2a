"""Identifiers: time-ordered event ids and W3C trace and span ids, safe under fork and under ``random.seed``."""

from __future__ import annotations

import os
import random
import struct
from itertools import count
from time import time_ns

EVENT_ID_PREFIX = "evt_"
OWN_ID_SIZE = len(EVENT_ID_PREFIX) + 32
"""Characters of an event id that ezlogs has made."""

_VERSION, _VARIANT = 7 << 12, 0b10 << 62
_pack = struct.Struct(">QQ").pack
_TAIL_BITS, _SEQUENCE_BITS = 62, 32
_LARGEST_TAIL, _LARGEST_SEQUENCE = (1 << _TAIL_BITS) - 1, (1 << _SEQUENCE_BITS) - 1


class _Generator:
    """A random generator of ezlogs' own, seeded from the operating system and seeded anew when the pid changes.

    The pid is compared at every use because forks made in C (uWSGI) run no at-fork hooks.
    """

    __slots__ = ("_getrandbits", "_pid")

    def __init__(self) -> None:
        self._pid = -1

    def seed(self, seed: int | None) -> None:
        """Make what follows depend on a number, in this process; on chance again for None."""
        if seed is None:
            self._pid = -1
        else:
            self._getrandbits, self._pid = random.Random(seed).getrandbits, os.getpid()

    def bits(self, number: int) -> int:
        """Return an integer of ``number`` random bits."""
        pid = os.getpid()
        if pid != self._pid:
            self._getrandbits = random.Random(os.urandom(32)).getrandbits
            self._pid = pid
        return self._getrandbits(number)


_generator = _Generator()
_bits = _generator.bits


def repeat(seed: int | None) -> None:
    """Make the ids of this process follow from a number, for tests that compare them; from chance again for None.

    Nothing is done to Python's ``random``. A forked child has ids of its own all the same.

    Example:
        >>> repeat(1)
        >>> first = new_span_id()
        >>> repeat(1)
        >>> new_span_id() == first
        True
        >>> repeat(None)
    """
    _generator.seed(seed)


def tails() -> count[int]:
    """Return a counter whose numbers make event ids unique beside their time: random bits, and below them 1, 2, 3 ...

    A number costs a tenth of an id, which `event_id` makes of it when somebody reads it. A forked process needs a
    counter of its own.

    Example:
        >>> counter = tails()
        >>> sequence_of(next(counter)), sequence_of(next(counter))
        (1, 2)
    """
    return count((_bits(_TAIL_BITS - _SEQUENCE_BITS) << _SEQUENCE_BITS) + 1)


def sequence_of(tail: int) -> int:
    """Return the position of a number in its counter, from 1."""
    return tail & _LARGEST_SEQUENCE


def event_id(timestamp: int, tail: int) -> str:
    """Return the event id of a time and a tail: ``evt_`` and the 32 hex digits of a UUIDv7.

    The twelve bits after the milliseconds are the fraction of the millisecond (RFC 9562, section 6.2, method 3), the
    rest is the tail.

    Args:
        timestamp: Unix time in nanoseconds that the id sorts by.
        tail: A number of `tails`.

    Example:
        >>> event_id(1_700_000_000_000_500_000, 7)
        'evt_018bcfe5680078008000000000000007'
    """
    return EVENT_ID_PREFIX + event_digits(timestamp, tail)


def event_digits(timestamp: int, tail: int) -> str:
    """Return the digits of an event id, without what is in front of them; otherwise as `event_id`."""
    milliseconds, rest = divmod(timestamp, 1_000_000)
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | _VERSION | (rest << 12) // 1_000_000
    return _pack(high, _VARIANT | tail & _LARGEST_TAIL).hex()


def is_own_id(text: str) -> bool:
    """Return whether a text has the length and the beginning of an event id that ezlogs has made.

    Example:
        >>> is_own_id(new_event_id()), is_own_id("evt_1")
        (True, False)
    """
    return len(text) == OWN_ID_SIZE and text.startswith(EVENT_ID_PREFIX)


def new_event_id(timestamp: int | None = None) -> str:
    """Return an event id: ``evt_`` and the 32 hex digits of a UUIDv7 (RFC 9562, section 5.7).

    Args:
        timestamp: Unix time in nanoseconds that the id sorts by; now when left out.

    Example:
        >>> new_event_id(1_700_000_000_000_000_000)[:16]
        'evt_018bcfe56800'
    """
    return event_id(time_ns() if timestamp is None else timestamp, _bits(_TAIL_BITS))


def new_trace_id() -> int:
    """Return a non-zero 128-bit trace id (W3C Trace Context)."""
    return _bits(128) or 1


def new_span_id() -> int:
    """Return a non-zero 64-bit span id (W3C Trace Context)."""
    return _bits(64) or 1
