"""The circuit breaker: after enough failures nothing is sent for a while, and then one request finds out.

*Closed*: everything is sent. *Open*: nothing is, until a time that grows with each failed attempt. *Half-open*: one
request, the probe, is on its way, and nothing else. A collector that asks for a pause gets it in any of the states, and
it is no failure.

Nothing here waits for a lock: whoever finds another thread at work is refused for the moment, and what it has to tell
is told by that thread.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import SystemRandom
from time import monotonic
from typing import Final, Literal, NamedTuple

import msgspec

_uniform: Final = SystemRandom().uniform  # which no seed of the application's makes alike in all its processes
_LONG_AGO: Final = float("-inf")
_MOST_DOUBLINGS: Final = 60

State = Literal["closed", "open", "half-open"]


class Change(NamedTuple):
    """A change of state, told once."""

    before: State
    after: State
    reason: str
    """What the failure said that opened it, or what else happened."""
    wait: float
    """Seconds until the next request, where it opens."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens, and for how long."""

    failures: int = 5
    """As many failures one after the other open it."""

    failure_rate: float = 0.5
    """This share of failures among the latest outcomes opens it, however many successes are between them."""

    window: float = 60.0
    """Seconds for which an outcome counts among the latest."""

    most_outcomes: int = 100
    """As many outcomes count among the latest, at most."""

    least_outcomes: int = 20
    """Of fewer no share is taken."""

    first_wait: float = 1.0
    """Seconds it is open at most, the first time; twice as many each time that a probe fails."""

    longest_wait: float = 60.0
    """Seconds it is open at most, however often probes have failed."""

    shortest_wait: float = 0.05
    """Seconds it is open at least."""

    shortest_pause: float = 0.5
    """Seconds of a pause at least: a collector that says "at once" each time must not be asked without end."""

    longest_pause: float = 600.0
    """Seconds that a collector may ask to be left alone."""

    longest_probe: float = 120.0
    """Seconds after which a probe that nobody has heard of is given up for another; longer than any request takes."""


class Permit:
    """Leave to send one request. Whoever has it tells once what became of the request; a second word is not heard."""

    __slots__ = ("_breaker", "number", "probe")

    def __init__(self, breaker: CircuitBreaker | None, number: int, probe: bool) -> None:
        self._breaker = breaker
        self.number = number
        self.probe = probe
        """Whether all depends on this request."""

    def succeeded(self) -> None:
        """The collector answered, be it that it refused the request: it is there."""
        self._tell("success", 0.0, "")

    def failed(self, reason: str) -> None:
        """Nobody answered, or only somebody who cannot take requests.

        Args:
            reason: What went wrong, as a person should read it; it is in the `Change` if this opens the breaker.
        """
        self._tell("failure", 0.0, reason)

    def paused(self, seconds: float, reason: str) -> None:
        """The collector asked to be left alone.

        Args:
            seconds: For how long, as ``Retry-After`` says; `Limits.longest_pause` at most.
            reason: What it said.
        """
        self._tell("pause", seconds, reason)

    def given_back(self) -> None:
        """The request was not sent after all: nothing is known, and another may go in its place."""
        self._tell("nothing", 0.0, "")

    def _tell(self, outcome: _Kind, seconds: float, reason: str) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._take(_Outcome(self, outcome, seconds, reason))


_Kind = Literal["success", "failure", "pause", "nothing", "hurry"]


class _Outcome(NamedTuple):
    permit: Permit
    kind: _Kind
    seconds: float
    reason: str


class _Now(NamedTuple):
    """All that is known, replaced as a whole: whoever reads it finds nothing half done."""

    state: State = "closed"
    number: int = 0
    """Of the present state, counted; outcomes of requests that an earlier state admitted say nothing about this one."""
    failures: int = 0
    """One after the other, up to now."""
    waits: int = 0
    """How often it opened since it was closed."""
    open_until: float = _LONG_AGO
    pause_until: float = _LONG_AGO
    probed_at: float | None = None
    opened: int = 0
    """How often it opened, ever."""
    reason: str | None = None
    """Of the latest failure or pause, until a success."""


class CircuitBreaker:
    """Decides whether a request may be sent; see the module.

    Args:
        limits: When it opens, and for how long.
        on_change: Is told each change of state once, in their order, from a thread that sends. What it raises is
            passed over: it has its own ways to report.
        clock: Returns seconds that only grow.
        uniform: Returns a random number between two.

    Example:
        >>> breaker = CircuitBreaker(Limits(failures=2), on_change=lambda change: print(change.after, change.reason))
        >>> for _ in range(2):
        ...     breaker.admit().failed("no collector")
        open no collector
        >>> breaker.admit() is None
        True

    Source: M. Nygard, "Release It!", for the states; M. Brooker, "Exponential Backoff And Jitter", for full jitter.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        on_change: Callable[[Change], None] | None = None,
        clock: Callable[[], float] = monotonic,
        uniform: Callable[[float, float], float] = _uniform,
    ) -> None:
        self._limits = limits or Limits()
        self._on_change = on_change
        self._clock = clock
        self._uniform = uniform
        self._number = 0
        self.forget()

    def forget(self) -> None:
        """In a forked child: begin anew, closed. What the parent's requests bring is not heard here."""
        self._number += 1
        self._first = self._number
        self._now = _Now(number=self._number)
        self._outcomes: deque[_Outcome] = deque()
        self._changes: deque[Change] = deque()
        self._latest: deque[tuple[float, bool]] = deque(maxlen=self._limits.most_outcomes)
        """When each of the latest outcomes was told, and whether it was a failure."""
        self._working = threading.Lock()
        self._telling = threading.Lock()
        self._pid = os.getpid()

    def admit(self) -> Permit | None:
        """Return leave to send one request now, or None; in the latter case try again later. Never waits."""
        if self._pid != os.getpid():  # a fork in C, which tells nobody
            self.forget()
        permit = None
        if self._working.acquire(blocking=False):
            try:
                self._hear()
                permit = self._decide(self._clock())
            finally:
                self._working.release()
        self._finish()
        return permit

    def hurry(self) -> None:
        """Let the next request go at once, where it would wait only for the breaker, not for the collector's wish."""
        self._take(_Outcome(Permit(None, self._now.number, probe=False), "hurry", 0.0, ""))

    def is_failing(self) -> bool:
        """Return whether the latest request failed, or the collector asked for a pause. Reads only."""
        now = self._now
        return now.failures > 0 or now.state != "closed" or now.pause_until > self._clock()

    def wait(self) -> float:
        """Return the seconds until `admit` may say yes; 0 if it may now, or if only a probe is awaited."""
        now = self._now
        return max(0.0, now.open_until - (at := self._clock()), now.pause_until - at)

    def snapshot(self) -> dict[str, object]:
        """Return how it stands, as ``health()`` shows it. May be called by any thread; reads only."""
        now, wait = self._now, self.wait()
        return {
            "state": now.state,
            "failures": now.failures,
            "failure_rate": _rate(self._recent(self._latest.copy())),
            "opened": now.opened,
            "paused": now.pause_until > self._clock(),
            "wait": round(wait, 3),
            "reason": now.reason,
        }

    def _decide(self, at: float) -> Permit | None:
        now = self._now
        if at < now.pause_until or at < now.open_until:
            return None
        if now.state == "closed":
            return Permit(self, now.number, probe=False)
        if now.state == "half-open" and now.probed_at is not None and at - now.probed_at < self._limits.longest_probe:
            return None
        self._enter("half-open", now.reason or "", probed_at=at)
        return Permit(self, self._now.number, probe=True)

    def _take(self, outcome: _Outcome) -> None:
        self._outcomes.append(outcome)
        self._finish()

    def _finish(self) -> None:
        """Hear what is to be heard and tell what is to be told, unless another thread is at it: then it does."""
        while self._outcomes and self._working.acquire(blocking=False):
            try:
                self._hear()
            finally:
                self._working.release()
        while self._changes and self._telling.acquire(blocking=False):
            try:
                self._tell_changes()
            finally:
                self._telling.release()

    def _hear(self) -> None:
        while self._outcomes:
            outcome = self._outcomes.popleft()
            number = outcome.permit.number
            if number == self._now.number or (outcome.kind in ("pause", "hurry") and number >= self._first):
                _HEARD[outcome.kind](self, outcome)

    def _succeed(self, outcome: _Outcome) -> None:
        self._now = self._now._replace(failures=0, reason=None)
        if outcome.permit.probe:
            self._latest.clear()
            self._enter("closed", "the collector answers", waits=0)
        else:
            self._latest.append((self._clock(), False))

    def _fail(self, outcome: _Outcome) -> None:
        limits = self._limits
        self._now = self._now._replace(failures=self._now.failures + 1, reason=outcome.reason)
        self._latest.append((self._clock(), True))
        recent = self._recent(self._latest.copy())
        often = len(recent) >= limits.least_outcomes and (_rate(recent) or 0.0) >= limits.failure_rate
        if outcome.permit.probe or often or self._now.failures >= limits.failures:
            self._open(outcome.reason)

    def _open(self, reason: str) -> None:
        limits, waits = self._limits, self._now.waits
        bound = min(limits.longest_wait, limits.first_wait * 2.0 ** min(waits, _MOST_DOUBLINGS))
        wait = max(limits.shortest_wait, self._uniform(0.0, bound))
        until = self._clock() + wait
        self._enter("open", reason, wait=wait, waits=waits + 1, open_until=until, opened=self._now.opened + 1)

    def _pause(self, outcome: _Outcome) -> None:
        """Leave the collector alone, whichever state admitted the request: it speaks of the time to come."""
        now, limits = self._now, self._limits
        # Not all processes that were told the same come back in the same instant.
        seconds = max(outcome.seconds, limits.shortest_pause) * self._uniform(1.0, 1.1)
        until = max(now.pause_until, self._clock() + min(seconds, limits.longest_pause))
        self._now = now._replace(pause_until=until, reason=outcome.reason)
        if outcome.permit.number == now.number:
            self._give_back(outcome)

    def _give_back(self, outcome: _Outcome) -> None:
        if outcome.permit.probe:
            self._now = self._now._replace(probed_at=None)

    def _hurry(self, outcome: _Outcome) -> None:
        self._now = self._now._replace(open_until=_LONG_AGO)

    def _enter(self, state: State, reason: str, *, wait: float = 0.0, **known: float | None) -> None:
        before = self._now.state
        self._number += 1
        beginning: dict[str, object] = {"open_until": _LONG_AGO, "probed_at": None, **known}
        self._now = self._now._replace(state=state, number=self._number, **beginning)  # type: ignore[arg-type]  # by their names
        if state != before:
            self._changes.append(Change(before, state, reason, wait))

    def _tell_changes(self) -> None:
        while self._changes:
            change = self._changes.popleft()
            if self._on_change is not None:
                with suppress(Exception):  # whoever listens must not end the worker
                    self._on_change(change)

    def _recent(self, latest: Iterable[tuple[float, bool]]) -> list[bool]:
        since = self._clock() - self._limits.window
        return [failed for at, failed in latest if at >= since]


_HEARD: Final[dict[str, Callable[[CircuitBreaker, _Outcome], None]]] = {
    "success": CircuitBreaker._succeed,
    "failure": CircuitBreaker._fail,
    "pause": CircuitBreaker._pause,
    "nothing": CircuitBreaker._give_back,
    "hurry": CircuitBreaker._hurry,
}


def _rate(failed: list[bool]) -> float | None:
    """Return the share of failures, or None of nothing."""
    return sum(failed) / len(failed) if failed else None
