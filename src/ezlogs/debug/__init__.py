"""Debug mode: each story in the terminal as it happens, with what privacy, sampling and delivery made of it."""

from ezlogs.debug.mode import is_on, switch, watch

__all__ = ["is_on", "switch", "watch"]
