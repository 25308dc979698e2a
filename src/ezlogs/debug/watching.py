"""A carrier that shows what another one takes. The application's thread only puts events into a queue."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context

from ezlogs.debug.screen import Screen
from ezlogs.event import UniversalEvent
from ezlogs.runtime import Carrier


class Watching:
    """A carrier in all respects: what is not here is the inner one's.

    Args:
        inner: What brings the events out.
        screen: What shows them.
    """

    def __init__(self, inner: Carrier, screen: Screen) -> None:
        self.inner = inner
        self._screen = screen

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def carry(self, event: UniversalEvent, ctx: Context) -> None:
        """Hand an event on, and show it."""
        self.inner.carry(event, ctx)
        self._screen.hear(event)

    def preparing(self) -> Any:
        """Return where a transaction's events go before it is committed; they are shown once it was."""
        preparation = self.inner.preparing()
        return preparation if preparation is None else _WatchedPreparation(preparation, self._screen)

    def flush(self, timeout: float) -> bool:
        """Deliver what was handed over, and show what was not shown yet."""
        delivered = self.inner.flush(timeout)
        self._screen.flush()
        return delivered

    def shutdown(self, timeout: float) -> None:
        """Deliver what can be delivered, show the rest, and end."""
        self.inner.shutdown(timeout)
        self.leave()

    def leave(self) -> None:
        """Show what was not shown yet, and nothing more."""
        self._screen.close()

    def forget(self) -> None:
        """In a forked child: what the parent has not shown is the parent's to show."""
        self._screen.forget()
        self.inner.forget()


class _WatchedPreparation:
    def __init__(self, inner: Any, screen: Screen) -> None:
        self._inner = inner
        self._screen = screen
        self._events: dict[int, UniversalEvent] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def take(self, event: UniversalEvent, ctx: Context) -> int:
        number: int = self._inner.take(event, ctx)
        self._events[number] = event
        return number

    def release(self, number: int) -> None:
        self._inner.release(number)
        self._screen.hear(self._events[number])
