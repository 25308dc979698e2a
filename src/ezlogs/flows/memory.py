"""Flows of one process, in its memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

MOST = 10_000
"""How many flows are kept; of more the earliest are forgotten."""


class _Kept(NamedTuple):
    story: str
    until: float
    is_open: bool


class MemoryStore:
    """A `FlowStore` of one process. Nothing in it waits, so that it is used by the application's own threads.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def remember(self, flow: str, story: str, seconds: float) -> None:
        """Keep where a flow began, unless it is open already."""
        now = self._clock()
        new = _Kept(story, now + seconds, True)
        kept = self._kept.setdefault(flow, new)  # which is atomic: of several threads one is the first
        if kept is new or (kept.is_open and kept.until > now):
            self._shrink()
            return
        self._kept.pop(flow, None)  # so that it is among the latest
        self._kept[flow] = new

    def find(self, flow: str) -> str | None:
        """Return the story that a flow began in, or None."""
        kept = self._kept.get(flow)
        return kept.story if kept is not None and kept.until > self._clock() else None

    def end(self, flow: str, story: str) -> None:
        """Take note that a flow has ended, if it is this story that it began in."""
        kept = self._kept.get(flow)
        if kept is not None and kept.story == story:
            self._kept[flow] = kept._replace(is_open=False)

    def forget(self, flow: str) -> None:
        """Keep nothing of a flow any longer."""
        self._kept.pop(flow, None)

    def _shrink(self) -> None:
        while len(self._kept) > MOST:
            with suppress(RuntimeError):  # another thread has changed it just now
                self._kept.pop(next(iter(self._kept), ""), None)
