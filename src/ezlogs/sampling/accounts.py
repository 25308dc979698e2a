"""Accounts: what is not kept is counted by its reason, and with the setting ``debug`` every verdict is told."""

from __future__ import annotations

from collections.abc import Callable

from ezlogs.runtime import Ledger, log
from ezlogs.sampling.verdict import Verdict


class Counters:
    """Counts events that are not kept, in a ledger; a new one is needed when that begins anew.

    Args:
        ledger: Where they are counted: as ``sampled_out_by`` the kind of the reason, or as lost.

    Example:
        >>> ledger = Ledger()
        >>> count = Counters(ledger)
        >>> for reason in ("rate", "type:data.*", "type:order.*", "limited"):
        ...     count(Verdict(False, 0.5, reason))
        >>> ledger.counts()
        {'emitted': 0, 'sampled_out_by.rate': 1, 'sampled_out_by.type': 2, 'lost.rate_limited': 1}
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._by_reason: dict[str, Callable[[], object]] = {}

    def __call__(self, verdict: Verdict) -> None:
        """Count an event."""
        reason = verdict.reason
        try:
            self._by_reason[reason]()
        except KeyError:  # of as many as there are lines in the settings
            what = "lost.rate_limited" if reason == "limited" else f"sampled_out_by.{reason.partition(':')[0]}"
            self._by_reason[reason] = self._ledger.ticker(what)
            self._by_reason[reason]()


def say(event_type: str, story: str, verdict: Verdict) -> None:
    """Log a verdict for whoever wants to know why an event is there, or is not."""
    fate = "kept" if verdict.kept else "lost" if verdict.reason == "limited" else "left out"
    log.debug(
        "ezlogs: %s of story %s is %s: %s (probability %g)",
        event_type,
        story,
        fate,
        verdict.reason,
        verdict.probability,
    )
