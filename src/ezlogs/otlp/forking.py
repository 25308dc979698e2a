"""Forks and calls kept apart: gRPC does not survive a fork while a call of its own is under way.

The child of such a fork hangs, or dies, in versions old and new. So a fork waits for a moment until the calls that
ezlogs has under way have ended, and cancels those that take longer: what they carried is sent again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

_PATIENCE = 0.1
"""Seconds that a fork waits for calls to end by themselves, and again for those that it has cancelled."""

_STEP = 0.001


class ForkingError(Exception):
    """Raised where a call cannot begin because the process forks all the time."""


class CallGate:
    """Knows which calls are under way. Takes no lock: what is under way is written down first and checked then.

    Example:
        >>> gate = CallGate()
        >>> with gate.call(patience=1.0) as cancelled_by:
        ...     cancelled_by(lambda: print("cancelled"))
        ...     gate.before_fork()
        cancelled
        >>> gate.after_fork()
    """

    def __init__(self) -> None:
        self.first_user: int | None = None
        """The process that first used gRPC: this one, or one that it was forked from."""
        self._watching = False
        self._start_over()

    def _start_over(self) -> None:
        self._under_way: dict[int, Callable[[], object] | None] = {}
        self._numbers = count()
        self._forking = False

    def watch(self) -> None:
        """Have forks wait from now on. To be called when gRPC has set itself up: what comes last is asked first."""
        if not self._watching and hasattr(os, "register_at_fork"):
            self._watching = True
            os.register_at_fork(
                before=self.before_fork, after_in_parent=self.after_fork, after_in_child=self._start_over
            )

    @contextmanager
    def call(self, patience: float) -> Iterator[Callable[[Callable[[], object]], None]]:
        """Hold forks off while a call is under way; wait while the process forks.

        Args:
            patience: Seconds to wait at most.

        Yields:
            What is to be told how to cancel the call.

        Raises:
            ForkingError: The process did nothing but fork.
        """
        under_way, number = self._under_way, next(self._numbers)
        deadline = time.monotonic() + patience
        while True:
            under_way[number] = None
            if not self._forking:
                break
            del under_way[number]
            if time.monotonic() >= deadline:
                raise ForkingError
            time.sleep(_STEP)
        try:
            yield lambda cancel: under_way.update({number: cancel})
        finally:
            under_way.pop(number, None)

    def before_fork(self) -> None:
        """Wait until nothing is under way, not long; never raises."""
        self._forking = True
        self._wait()
        for cancel in tuple(self._under_way.values()):
            if cancel is not None:
                with suppress(Exception):
                    cancel()
        self._wait()

    def after_fork(self) -> None:
        """In the parent: let calls begin again."""
        self._forking = False

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while self._under_way and time.monotonic() < deadline:
            time.sleep(_STEP)
