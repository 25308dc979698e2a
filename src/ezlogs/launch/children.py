"""Children of multiprocessing: where they are forked they end with ``os._exit``, past what is to be done at exit."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Final

_LAST: Final = -100
"""After all other finalizers, and after the children of the child have ended."""


class AtTheEndOfChildren:
    """Has something done when a child of multiprocessing ends.

    Args:
        end: What is done where nothing can follow.
        drain: What is done where threads go on, which ``os._exit`` waits for.

    Example:
        >>> at_the_end = AtTheEndOfChildren(end=lambda: None, drain=lambda: None)
        >>> at_the_end.heed()
    """

    def __init__(self, end: Callable[[], object], drain: Callable[[], object]) -> None:
        self._end = end
        self._drain = drain

    def heed(self) -> None:
        """Heed the end of this process, if it is such a child or becomes one. To be called at start and after a fork.

        A child forgets all finalizers before its own work begins, also those of what it had to load for that.
        """
        if (util := sys.modules.get("multiprocessing.util")) is None:
            return
        util.register_after_fork(self, AtTheEndOfChildren._in_child)
        if (process := sys.modules.get("multiprocessing.process")) is not None and process.parent_process() is not None:
            self._in_child()

    def _in_child(self) -> None:
        from multiprocessing.util import Finalize

        Finalize(None, self._finish, exitpriority=_LAST)

    def _finish(self) -> None:
        others = [thread for thread in threading.enumerate() if not thread.daemon]
        if others in ([], [threading.current_thread()]):
            self._end()
        else:
            self._drain()
