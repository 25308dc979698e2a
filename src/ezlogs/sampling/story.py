"""All of sampling in one question: whether an event is kept, by rates and then by limits, with the reason."""

from __future__ import annotations

from ezlogs.sampling.limits import RateLimits
from ezlogs.sampling.rates import Rates
from ezlogs.sampling.verdict import Verdict


class StorySampler:
    """Judges events as `Rates` does, and then holds those that come too often to their limits.

    A limit is no sampling: what it refuses is lost, and to be counted as lost. Types that ``always`` names have none.

    Args:
        rates: Which share of stories is kept.
        limits: How many events of a type pass a second, if there is a limit to any.

    Example:
        >>> from ezlogs.sampling.limits import Limit
        >>> sampler = StorySampler(Rates(always=["auth.*"]), RateLimits({"*": Limit(per_second=0.001, burst=1)}))
        >>> [sampler.judge("data.change", "success", "story").reason for _ in range(2)]
        ['rate', 'limited']
        >>> {sampler.judge("auth.login", "success", "story").reason for _ in range(9)}
        {'always:auth.*'}
    """

    def __init__(self, rates: Rates, limits: RateLimits | None = None) -> None:
        self._rates = rates
        self._limits = limits

    def judge(
        self,
        event_type: str,
        outcome: str,
        story: str,
        *,
        route: str = "",
        inherited: float | None = None,
        kept: bool = False,
    ) -> Verdict:
        """Return whether an event is kept, and why; the arguments are those of `Rates.judge`."""
        verdict = self._rates.judge(event_type, outcome, story, route=route, inherited=inherited, kept=kept)
        return self.limit(verdict, event_type) if verdict.kept else verdict

    def limit(self, verdict: Verdict, event_type: str) -> Verdict:
        """Return what a verdict of "yes" becomes by the limits: for an event that the tail keeps, to be asked then."""
        if self._limits is None or verdict.reason.startswith("always:") or self._limits.admits(event_type):
            return verdict
        return verdict._replace(kept=False, reason="limited")

    def forget(self) -> None:
        """In a forked child: begin anew."""
        if self._limits is not None:
            self._limits.forget()
