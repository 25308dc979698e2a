"""Privacy: nothing sensitive leaves the process, and what cannot be checked does not leave either.

The package is pure: no I/O, no clock, no global state, no framework.
"""

from __future__ import annotations

from ezlogs.privacy.detectors import DEFAULT_RULES
from ezlogs.privacy.keys import KeyMatcher
from ezlogs.privacy.rule import REDACTED, Pattern, Rule
from ezlogs.privacy.scrubber import Scrubber
from ezlogs.privacy.span import scrub_span

__all__ = ["DEFAULT_RULES", "REDACTED", "KeyMatcher", "Pattern", "Rule", "Scrubber", "scrub_span"]
