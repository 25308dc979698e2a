"""Testing: capture the events that code emits, without a collector or a network, and expect things of them."""

from ezlogs.testing.absence import assert_absent, assert_no_pii
from ezlogs.testing.capture import capture, captured_events, forget_latest, test_mode
from ezlogs.testing.captured import Captured, ElsewhereError
from ezlogs.testing.cases import CaptureMixin
from ezlogs.testing.clock import Clock
from ezlogs.testing.comparing import comparison
from ezlogs.testing.copying import copy_as_test
from ezlogs.testing.functions import captured_trees, expect_correlation_chain, expect_event_flow, expect_no_event
from ezlogs.testing.matchers import any_of, at_least, at_most, event, same
from ezlogs.testing.matching import TooManyWaysError
from ezlogs.testing.snapshot import story

__all__ = [
    "CaptureMixin",
    "Captured",
    "Clock",
    "ElsewhereError",
    "TooManyWaysError",
    "any_of",
    "assert_absent",
    "assert_no_pii",
    "at_least",
    "at_most",
    "capture",
    "captured_events",
    "captured_trees",
    "comparison",
    "copy_as_test",
    "event",
    "expect_correlation_chain",
    "expect_event_flow",
    "expect_no_event",
    "forget_latest",
    "same",
    "story",
    "test_mode",
]
