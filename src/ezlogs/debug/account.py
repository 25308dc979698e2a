"""The line below a story: what privacy kept back, what sampling decided, and where delivery is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ezlogs.launch.health import health_of
from ezlogs.runtime import Runtime
from ezlogs.story.tail import Heard
from ezlogs.story.wording import counted, printable


class Account:
    """Knows what was told of sampling and losses already.

    Args:
        runtime: Whose counts they are.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._left_out: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()

    def line(self, heard: Heard) -> str:
        """Return the line for a story."""
        told: dict[str, Any] = health_of(self._runtime)
        parts = [*self._sampling(heard, told), *self._delivery(told)]
        return printable(" · ".join(parts))

    def rest(self) -> str:
        """Return what was left out or lost since a story was shown; nothing where that is nothing."""
        told: dict[str, Any] = health_of(self._runtime)
        left_out, lost = _news(self._left_out, told.get("sampled_out_by", {})), _news(self._lost, told.get("lost", {}))
        parts = [f"left out by sampling: {left_out}"] if left_out else []
        return " · ".join([*parts, *([f"LOST: {lost}"] if lost else [])])

    def _sampling(self, heard: Heard, told: Mapping[str, Any]) -> list[str]:
        if self._runtime.sampler is None:
            return []
        reasons = Counter(
            f"{event.sampling.reason} {event.sampling.probability:g}"
            for event in heard.story.events
            if event.sampling is not None and event.sampling.reason
        )
        kept = ", ".join(reasons) or "all"
        left_out = _news(self._left_out, told.get("sampled_out_by", {}))
        without = f"; left out meanwhile, of any story: {left_out}" if left_out else ""
        return [f"sampling: kept ({kept}){without}"]

    def _delivery(self, told: Mapping[str, Any]) -> list[str]:
        state = f"delivery: {told.get('delivered', 0):,} sent, {told.get('pending', 0):,} waiting"
        if told.get("handed_over"):
            state += f", {told['handed_over']:,} handed to another pipeline"
        breaker = told.get("breaker", {}).get("state", "closed")
        if breaker != "closed":
            state += f"; paused (circuit {breaker})"
        if told.get("failures") and told.get("last_problem"):
            state += f"; {str(told['last_problem']).partition(';')[0]}"
        if lost := _news(self._lost, told.get("lost", {})):
            state += f"; LOST: {lost}"
        return [state]


def redactions(redacted: Mapping[str, tuple[str, ...]], heard: Heard) -> dict[str, str]:
    """Return what is said in each event's line of what privacy kept back: ``hidden: metadata.card (card_number)``."""
    found = {}
    for event in heard.story.events:
        if lines := redacted.get(event.event_id):
            places = [" ".join((path, f"({rule})")) for path, _, rule in (line.rpartition(": ") for line in lines[:3])]
            more = f" and {counted(len(lines) - 3, 'other')}" if len(lines) > 3 else ""
            found[event.event_id] = f"hidden: {', '.join(places)}{more}"
    return found


def _news(known: Counter[str], counts: Mapping[str, int]) -> str:
    """Return which counts have grown, and by how much; take note of them."""
    grown = {name: number - known[name] for name, number in counts.items() if number > known[name]}
    known.update(grown)
    return ", ".join(f"{number:,} ({name})" for name, number in grown.items())
