"""Verdicts: whether an event is kept, why, and for how many like it the event stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


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
    """What decided: ``rate``, ``type:data.*``, ``route:GET /health``, ``inherited``, ``always:auth.*``,
    ``never:debug.*``, ``outcome``, ``error``, ``slow``, ``kept before`` or ``limited``."""

    added: bool = False
    """Whether it is kept though its story's id says no, because the story turned out to matter."""

    @property
    def adjusted_count(self) -> float:
        """How many events this one stands for. Summed over what arrived, it restores the count of what happened.

        That is one divided by the probability - and nothing for an event that was added: those like it that the id
        lets through stand for it already, and by counting both there would be too many.
        """
        return 1 / self.probability if self.kept and not self.added else 0.0

    def adding(self, reason: str) -> Verdict:
        """Return what a verdict of "no" becomes once its story is kept all the same.

        >>> Verdict(False, 0.1, "rate").adding("slow")
        Verdict(kept=True, probability=0.1, reason='slow', added=True)
        """
        return Verdict(True, self.probability, reason, added=True)

    def attributes(self) -> Mapping[str, float | bool]:
        """Return what tells a reader of the event how to count it; nothing where it stands for itself alone.

        >>> dict(Verdict(True, 0.1, "rate").attributes()), dict(Verdict(True, 1.0, "always:auth.*").attributes())
        ({'ezlogs.sampling.probability': 0.1}, {})
        """
        if self.added:
            return {"ezlogs.sampling.probability": self.probability, "ezlogs.sampling.added": True}
        return {} if self.probability == 1 else {"ezlogs.sampling.probability": self.probability}
