"""Verdicts: whether an event is kept, why, and for how many like it the event stands."""

from __future__ import annotations

from typing import NamedTuple

from ezlogs.facts import Sampled


class Verdict(NamedTuple):
    """What became of one event.

    Example:
        >>> Verdict(True, 0.25, "rate").adjusted_count
        4.0
    """

    kept: bool

    probability: float
    """With which an event of this kind is kept by its story's id alone: 0 to 1."""

    reason: str
    """What decided: ``rate``, ``type:data.*``, ``route:GET /health``, ``inherited``, ``trace``, ``always:auth.*``,
    ``never:debug.*``, ``outcome``, ``error``, ``slow``, ``undecided``, ``kept before`` or ``limited``."""

    added: bool = False
    """Whether it is kept though its story's id says no, because the story turned out to matter."""

    partial: bool = False
    """Whether it is known to be part of a story of which the rest may be missing."""

    @property
    def adjusted_count(self) -> float:
        """How many events this one stands for. Summed over what arrived, it restores the count of what happened.

        That is one divided by the probability - and nothing for an event that was added: those like it that the id
        lets through stand for it already, and by counting both there would be too many.
        """
        return 1 / self.probability if self.kept and not self.added else 0.0

    @property
    def by_rate(self) -> bool:
        """Whether the story's id decided, rather than a list or the outcome."""
        return self.reason != "outcome" and not self.reason.startswith(("always:", "never:"))

    def adding(self, reason: str) -> Verdict:
        """Return what a verdict of "no" becomes once its story is kept all the same.

        >>> Verdict(False, 0.1, "rate").adding("slow")
        Verdict(kept=True, probability=0.1, reason='slow', added=True, partial=True)
        """
        return Verdict(True, self.probability, reason, added=True, partial=True)

    def sampled(self, *, reasoned: bool = False) -> Sampled | None:
        """Return what tells a reader of the event how to count it; None where it stands for itself alone.

        Args:
            reasoned: Whether the reason is told too.

        >>> Verdict(True, 0.1, "rate").sampled()
        Sampled(probability=0.1, added=False, partial=False, reason=None)
        >>> Verdict(True, 1.0, "always:auth.*").sampled()
        """
        if reasoned:
            return Sampled(self.probability, self.added, self.partial, self.reason)
        if self.added or self.partial or self.probability != 1:
            return Sampled(self.probability, self.added, self.partial)
        return None
