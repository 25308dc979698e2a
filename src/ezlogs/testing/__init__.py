"""Testing: capture the events that code emits, without a provider, a collector or a network."""

from ezlogs.testing.absence import assert_absent, assert_no_pii
from ezlogs.testing.capture import Captured, capture

__all__ = ["Captured", "assert_absent", "assert_no_pii", "capture"]
