"""Rate limits: how many events of a type pass a second. What is more is overload: lost, and counted as that."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from itertools import repeat
from time import monotonic

from ezlogs.sampling.lookup import most_specific
from ezlogs.settings.numbers import Limit

__all__ = ["Limit", "RateLimits"]

_MOST_TYPES = 4096


class RateLimits:
    """Lets through as many events of each type as its limit says. Each type of a pattern has a bucket of its own.

    No thread ever waits for another, and none passes without a token: taking one is one step, and only putting new
    ones in needs a lock, which whoever finds it taken leaves to the other.

    Args:
        limits: By pattern of event types, of which the most specific counts. Other types have no limit.
        clock: Returns seconds that only grow.

    Example:
        >>> limits = RateLimits({"data.*": Limit(per_second=0.5, burst=2)})
        >>> [limits.admits("data.change") for _ in range(3)], limits.admits("order.action")
        ([True, True, False], True)
    """

    def __init__(self, limits: Mapping[str, Limit], clock: Callable[[], float] = monotonic) -> None:
        self._limits = dict(limits)
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """In a forked child: begin with full buckets."""
        self._buckets: dict[str, _Bucket | None] = {}

    def admits(self, event_type: str) -> bool:
        """Return whether an event of a type passes now. Who asks counts those that do not."""
        try:
            bucket = self._buckets[event_type]
        except KeyError:
            bucket = self._bucket(event_type)
        return bucket is None or bucket.take(self._clock())

    def _bucket(self, event_type: str) -> _Bucket | None:
        if len(self._buckets) >= _MOST_TYPES:  # nobody has so many; what is wrong there must not fill the memory
            self._buckets.clear()
        limit = most_specific(self._limits, event_type)
        # Of two threads that make it at once the first one's stays.
        return self._buckets.setdefault(event_type, _Bucket(limit, self._clock()) if limit else None)


class _Bucket:
    __slots__ = ("_burst", "_filled_at", "_filling", "_per_second", "_pid", "_tokens")

    def __init__(self, limit: Limit, now: float) -> None:
        self._per_second = limit.per_second
        self._burst = limit.burst
        self._tokens = deque(repeat(None, limit.burst))
        self._filled_at = now
        self._filling = threading.Lock()
        self._pid = os.getpid()

    def take(self, now: float) -> bool:
        if (now - self._filled_at) * self._per_second >= 1:
            self._fill(now)
        try:
            self._tokens.pop()
        except IndexError:
            return False
        return True

    def _fill(self, now: float) -> None:
        if not self._filling.acquire(blocking=False):
            if self._pid != os.getpid():  # a thread of the parent filled it at the fork, and nobody does here
                self._filling, self._pid = threading.Lock(), os.getpid()
            return
        try:
            number = int((now - self._filled_at) * self._per_second)
            if number < 1:
                return
            room = self._burst - len(self._tokens)
            if number >= room:  # full, and time spent full brings nothing
                self._filled_at = now
                number = room
            else:
                self._filled_at += number / self._per_second
            self._tokens.extend(repeat(None, number))
        finally:
            self._filling.release()
