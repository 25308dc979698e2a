"""Privacy: nothing sensitive leaves the process, and what cannot be checked does not leave either.

The package is pure: no I/O, no clock, no global state, no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.policy import Finding, Policy
from ezlogs.privacy.rule import REDACTED, Pattern, Rule
from ezlogs.privacy.scrubber import Scrubber
from ezlogs.privacy.span import scrub_span
from ezlogs.privacy.walk import DROPPED

if TYPE_CHECKING:
    from ezlogs.privacy.detectors import DEFAULT_RULES

__all__ = [
    "DEFAULT_RULES",
    "DROPPED",
    "REDACTED",
    "Finding",
    "KeyMatcher",
    "Pattern",
    "Policy",
    "Rule",
    "Scrubber",
    "scrub_span",
]


def __getattr__(name: str) -> Any:
    if name == "DEFAULT_RULES":  # made when something is first scrubbed
        from ezlogs.privacy.detectors import DEFAULT_RULES

        return DEFAULT_RULES
    raise AttributeError(f"module 'ezlogs.privacy' has no attribute {name!r}")
