"""The tail: stories that turn out to matter are kept though their id says no - if something failed, or was slow.

Events that the rate leaves out wait here until their local root, the request or job that they are part of in this
process, has ended; or until it is certain before. What waits is bounded by count, by bytes and by age. Keeping can
only add: an event that the rate lets through never comes here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import takewhile
from time import monotonic
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

import msgspec

from ezlogs.sampling.lookup import Routes

Root = TypeVar("Root", bound=Hashable)
Item = TypeVar("Item")

_NO_ROUTES: Mapping[str, float] = MappingProxyType({})


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much may wait, and for how long."""

    most_items: int = 10_000
    """Events."""

    most_bytes: int = 8 << 20
    """Bytes, as whoever hands an event over counts them."""

    most_roots: int = 10_000
    """Local roots that have not ended, whether events of theirs wait or not."""

    longest: float = 60.0
    """Seconds; what waits longer is left out as its rate says."""


class Decision(NamedTuple):
    """What became of what waited for a root, as far as that is settled now."""

    kept: bool
    """Whether the root's events are kept from here on, and the hops after it should be told to keep theirs."""

    items: tuple[object, ...] = ()
    """What waited and is kept, in the order in which it came."""

    reason: str = ""
    """``error``, ``slow`` or ``undecided``; where nothing is kept ``rate``."""

    whole: bool = True
    """Whether every event of the root is among those kept; others were given up where too much waited."""


class Tail(Generic[Root, Item]):
    """Holds events until their local roots end. One thread at a time may call it: the worker's, as a rule.

    Args:
        errors: Whether roots are kept in which something failed.
        slow: Seconds from which on a root is slow and kept; None where none is.
        slow_routes: The same by route, as `ezlogs.sampling.lookup.Routes` reads them, where it differs.
        bounds: How much may wait.
        left_out: Is given what waited and is left out after all, and why: ``rate`` as its rate says; ``too_many``,
            ``too_large`` and ``too_old`` where nobody could wait for the end of its root.
        clock: Returns seconds that only grow.

    Example:
        >>> tail = Tail(slow=2.0)
        >>> tail.hold("request-1", "event a", 100), tail.hold("request-2", "event b", 100)
        (Decision(kept=False, items=(), reason='', whole=True), Decision(kept=False, items=(), reason='', whole=True))
        >>> tail.end("request-1", failed=True, duration=0.1)
        Decision(kept=True, items=('event a',), reason='error', whole=True)
        >>> tail.end("request-2", failed=False, duration=0.1)
        Decision(kept=False, items=(), reason='rate', whole=True)
    """

    def __init__(
        self,
        *,
        errors: bool = True,
        slow: float | None = None,
        slow_routes: Mapping[str, float] = _NO_ROUTES,
        bounds: Bounds | None = None,
        left_out: Callable[[str, Sequence[Item]], object] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._errors = errors
        self._slow = slow
        self._slow_routes = Routes(slow_routes)
        self._bounds = bounds or Bounds()
        self._soonest = min([self._bounds.longest, *slow_routes.values(), *([] if slow is None else [slow])])
        self._give_up = left_out
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """In a forked child: what waits here is the parent's to decide."""
        self._roots: dict[Root, _Root[Root, Item]] = {}
        """By id, the oldest first."""
        self._waiting: dict[Root, _Root[Root, Item]] = {}
        """Those of which something waits, the one first that waits longest."""
        self._items = self._bytes = 0
        self._left_out: Counter[str] = Counter()

    def hold(self, root: Root, item: Item, size: int, *, route: str = "") -> Decision:
        """Take an event that the rate leaves out.

        Args:
            root: Its local root, or the id of that.
            item: The event.
            size: Its bytes.
            route: Of the root, which settles from when on it is slow.

        Returns:
            The event itself and what waited before it, where it is certain already that the root is kept.
        """
        entry = self._entry(root, route)
        entry.items.append(item)
        entry.bytes += size
        self._items += 1
        self._bytes += size
        self._waiting.setdefault(root, entry)
        if entry.kept:
            return self._keep(entry, entry.kept)
        if entry.is_slow(self._clock() - entry.began):
            return self._keep(entry, "slow")
        if size > self._bounds.most_bytes:  # it alone is too much: the others stay
            self._leave_out(entry, "too_large")
        self._make_room()
        return Decision(False)

    def fail(self, root: Root, *, route: str = "") -> Decision:
        """Something in a root failed: return what waited, which is kept now, as is what comes until the root ends."""
        if not self._errors:
            return Decision(False)
        entry = self._entry(root, route)
        return self._keep(entry, entry.kept or "error")

    def keep(self, root: Root, reason: str) -> Decision:
        """Return what waits for a root that is kept for whatever reason; what comes until it ends is kept too."""
        entry = self._roots.get(root)
        return Decision(True, reason=reason) if entry is None else self._keep(entry, entry.kept or reason)

    def take_back(self, root: Root) -> tuple[Item, ...]:
        """Return what waits for a root, for whoever wants to think again; it waits no more."""
        entry = self._roots.get(root)
        return () if entry is None else tuple(self._empty(entry))

    def is_slow(self, route: str, duration: float) -> bool:
        """Return whether a root of some route is slow that takes, or has taken so far, some seconds."""
        slow = self._slowness(route)
        return slow is not None and duration >= slow

    def end(self, root: Root, *, failed: bool, duration: float, route: str = "") -> Decision:
        """A root ended: return what waited for it, if it is kept.

        Args:
            root: Its id.
            failed: Whether it did not succeed.
            duration: Seconds that it took.
            route: What it was, where that was not known before.
        """
        entry = self._roots.pop(root, None)
        if entry is None:
            entry = _Root(root, self._clock(), self._slowness(route))
        elif route:  # which may not have been known before
            entry.slow = self._slowness(route)
        if entry.kept:
            return self._keep(entry, entry.kept)
        if failed and self._errors:
            return self._keep(entry, "error")
        if entry.is_slow(duration):
            return self._keep(entry, "slow")
        self._leave_out(entry, "rate")
        return Decision(False, reason="rate")

    def due(self) -> list[tuple[Root, Decision]]:
        """Settle what time has settled: roots that are slow by now are kept, what waited too long is given up.

        To be called now and then; it looks only at roots that are old enough for one of the two.

        Returns:
            The roots that are kept from now on, each with what waited for it.
        """
        now = self._clock()
        old = list(takewhile(lambda entry: now - entry.began >= self._soonest, self._roots.values()))
        slow = [entry for entry in old if not entry.kept and entry.is_slow(now - entry.began)]
        settled = [(entry.id, self._keep(entry, "slow")) for entry in slow]
        for entry in old:
            if now - entry.began >= self._bounds.longest:
                del self._roots[entry.id]
                self._leave_out(entry, "too_old")
        return settled

    def keep_all(self, reason: str) -> list[tuple[Root, Decision]]:
        """Keep all that waits, since nobody will be there to decide; return it as `due` does."""
        return [(entry.id, self._keep(entry, reason)) for entry in tuple(self._waiting.values())]

    def pending(self) -> int:
        """Return how many events wait."""
        return self._items

    def left_out(self) -> dict[str, int]:
        """Return how many events were left out, by reason.

        ``rate`` as their rate says; ``too_many``, ``too_large`` and ``too_old`` where nobody could wait for the end of
        their root.
        """
        return dict(self._left_out)

    def _entry(self, root: Root, route: str) -> _Root[Root, Item]:
        entry = self._roots.get(root)
        if entry is None:
            if len(self._roots) >= self._bounds.most_roots:
                self._leave_out(self._roots.pop(next(iter(self._roots))), "too_many")
            entry = self._roots[root] = _Root(root, self._clock(), self._slowness(route))
        return entry

    def _slowness(self, route: str) -> float | None:
        of_route = self._slow_routes.find(route)
        return self._slow if of_route is None else of_route

    def _keep(self, entry: _Root[Root, Item], reason: str) -> Decision:
        entry.kept = reason
        return Decision(True, tuple(self._empty(entry)), reason, entry.whole)

    def _make_room(self) -> None:
        """Give up what waits longest: all that waits of a root, since a part of it is no use."""
        bounds = self._bounds
        while self._items > bounds.most_items or self._bytes > bounds.most_bytes:
            reason = "too_many" if self._items > bounds.most_items else "too_large"
            self._leave_out(next(iter(self._waiting.values())), reason)

    def _leave_out(self, entry: _Root[Root, Item], reason: str) -> None:
        if entry.items:
            entry.whole = False
            items = self._empty(entry)
            self._left_out[reason] += len(items)
            if self._give_up is not None:
                self._give_up(reason, items)

    def _empty(self, entry: _Root[Root, Item]) -> list[Item]:
        self._waiting.pop(entry.id, None)
        items, entry.items = entry.items, []
        self._items -= len(items)
        self._bytes -= entry.bytes
        entry.bytes = 0
        return items


class _Root(Generic[Root, Item]):
    """What is known of one root that has not ended."""

    __slots__ = ("began", "bytes", "id", "items", "kept", "slow", "whole")

    def __init__(self, root: Root, began: float, slow: float | None) -> None:
        self.id = root
        self.began = began
        """When its first event came: the root is at least that old."""
        self.slow = slow
        self.items: list[Item] = []
        self.bytes = 0
        self.kept = ""
        """Why it is kept, once that is certain."""
        self.whole = True

    def is_slow(self, duration: float) -> bool:
        return self.slow is not None and duration >= self.slow
