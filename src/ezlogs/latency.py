"""Latencies: how long something took, again and again, counted so finely that shares of it can be told."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from itertools import repeat
from typing import Final, NamedTuple

_FOLD_AT: Final = 1024
_MOST_UNREPORTED: Final = 16_384
_PARTS: Final = 4
"""Parts that each doubling is cut into: what is told is wrong by a tenth at most."""


class Summary(NamedTuple):
    """What is known of some durations. All but the number are in seconds, and zero where there was none."""

    number: int
    total: float
    p50: float
    p95: float
    p99: float
    """This share of the durations was as long, or shorter; an estimate, by a tenth too much or too little."""
    longest: float


class Latency:
    """Durations of one thing. Taking one down is an append: any thread may, at any moment, and none waits.

    Example:
        >>> latency = Latency()
        >>> for milliseconds in range(1, 101):
        ...     latency.note(milliseconds * 1_000_000)
        >>> told = latency.summary()
        >>> told.number, round(told.total, 3), told.longest
        (100, 5.05, 0.1)
        >>> 0.045 < told.p50 < 0.055
        True
    """

    __slots__ = ("_counts", "_folding", "_longest", "_noted", "_reported", "_total")

    def __init__(self) -> None:
        self._noted: deque[int] = deque()
        self._counts: Counter[int] = Counter()
        self._total = 0
        self._longest = 0
        self._folding = threading.Lock()
        self._reported: deque[int] | None = None

    def note(self, nanoseconds: int) -> None:
        """Take down a duration; one that is negative, since a clock was set back, counts as nothing."""
        self._noted.append(nanoseconds)
        if len(self._noted) > _FOLD_AT:
            self._fold(wait=False)

    def summary(self) -> Summary:
        """Return what is known of all durations so far."""
        self._fold(wait=True)
        with self._folding:
            counts, total, longest = sorted(self._counts.items()), self._total, self._longest
        number = sum(times for _, times in counts)
        p50, p95, p99 = (min(_quantile(counts, number * share), longest) / 1e9 for share in (0.5, 0.95, 0.99))
        return Summary(number, total / 1e9, p50, p95, p99, longest / 1e9)

    def unreported(self) -> list[float]:
        """Return the durations since the last time that this was asked, in seconds: at first none, at most 16,384."""
        if self._reported is None:
            self._fold(wait=True)
            self._reported = deque(maxlen=_MOST_UNREPORTED)
            return []
        self._fold(wait=True)
        found = []
        while self._reported:
            found.append(self._reported.popleft() / 1e9)
        return found

    def _fold(self, *, wait: bool) -> None:
        if not self._folding.acquire(blocking=wait):
            return
        try:
            take = self._noted.popleft
            while number := len(self._noted):
                some = [take() for _ in range(number)]
                if min(some) < 0:
                    some = [max(0, nanoseconds) for nanoseconds in some]
                self._total += sum(some)
                self._longest = max(self._longest, *some)
                self._counts.update(map(int.bit_length, map(pow, some, repeat(_PARTS))))  # see `_middle_of`
                if self._reported is not None:
                    self._reported.extend(some)
        finally:
            self._folding.release()


def _middle_of(part: int) -> float:
    """Return the middle of a part, which is numbered by the bits that a power of its durations has.

    >>> part = (1000**_PARTS).bit_length()
    >>> 900 < _middle_of(part) < 1100, _middle_of(0)
    (True, 0.0)
    """
    return 2.0 ** ((part - 0.5) / _PARTS) if part else 0.0


def _quantile(counts: Iterable[tuple[int, int]], rank: float) -> float:
    """Return the middle of the part in which the duration of some rank is."""
    seen, part = 0, 0
    for part, times in counts:  # noqa: B007  # the last one holds
        seen += times
        if seen >= rank:
            break
    return _middle_of(part)
