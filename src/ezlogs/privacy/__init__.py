"""Privacy: nothing sensitive leaves the process, and what cannot be checked does not leave either.

The package is pure: no I/O, no clock, no global state, no framework.
"""

from __future__ import annotations

from ezlogs.privacy.detectors import DEFAULT_RULES
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.policy import Finding, Policy
from ezlogs.privacy.rule import REDACTED, Pattern, Rule
from ezlogs.privacy.scrubber import Scrubber
from ezlogs.privacy.span import scrub_span
from ezlogs.privacy.walk import DROPPED

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
