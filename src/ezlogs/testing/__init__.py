"""Testing: capture the events that code emits, without a provider, a collector or a network."""

from ezlogs.testing.capture import Captured, capture

__all__ = ["Captured", "capture"]
