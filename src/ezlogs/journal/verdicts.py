"""Verdicts: word of a transaction's end stays in the journal for as long as any of its events does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_MOST_MISSED: Final = 256
"""Transactions with events that wait yet, that are looked at in one turn."""


class Verdicts(Generic[T]):
    """Receipts of verdicts, each with those of the events that it is about.

    Example:
        >>> verdicts = Verdicts[int]()
        >>> verdicts.add(3, [1, 2])
        >>> verdicts.settled(lambda receipt: receipt == 1), verdicts.settled(lambda receipt: receipt in (1, 2))
        ([], [3])
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[T, list[T]]] = deque()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def add(self, verdict: T, events: Iterable[T]) -> None:
        """Take a verdict. For any thread.

        Args:
            verdict: Its receipt.
            events: Those of the events.
        """
        self._waiting.append((verdict, list(events)))

    def settled(self, is_done: Callable[[T], bool]) -> list[T]:
        """Return the verdicts that nobody needs any more, and forget them. For the worker.

        Args:
            is_done: Tells whether an event is done with.
        """
        found: list[T] = []
        missed = 0
        for _ in range(len(self._waiting)):
            verdict, events = self._waiting[0]
            while events and is_done(events[-1]):
                events.pop()
            self._waiting.popleft()
            if not events:
                found.append(verdict)
                continue
            self._waiting.append((verdict, events))  # who comes first next time is another one
            missed += 1
            if missed >= _MOST_MISSED:
                break
        return found
