"""Broken pipes: where SIGPIPE ends the application, as it does tools in a pipeline, a collector that goes must not."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def survived() -> Iterator[None]:
    """Write to connections in a ``with`` block: one that is broken is an error there, whatever the signal does.

    Python ignores SIGPIPE unless told otherwise, and then nothing is done. The signal comes to the thread that wrote,
    and is taken back before it is let through again.

    Example:
        >>> with survived():
        ...     pass
    """
    deadly = getattr(signal, "SIGPIPE", None)
    if deadly is None or not hasattr(signal, "sigtimedwait") or signal.getsignal(deadly) is signal.SIG_IGN:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {deadly})
    try:
        yield
    finally:
        if deadly not in before:
            while signal.sigtimedwait({deadly}, 0) is not None:
                pass
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {deadly})
