"""uWSGI: its workers are forked by C code, which runs none of Python's hooks, but one of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

from ezlogs import forks
from ezlogs.otlp.loading import load_client, load_modules

_LOADED_LATER: Final = (
    "ezlogs.delivery.restored",
    "ezlogs.journal.dead",
    "ezlogs.journal.recovery",
    "ezlogs.otlp.connections",
)
"""What the threads of delivery load when they need it: in the middle of that no worker must be born."""


def heed_forks(call: Callable[[], object]) -> None:
    """Have something called in each worker of uWSGI's that is forked from this process; what others call there stays.

    Until then this process starts no thread of delivery's: what is flushed goes out from the caller's.

    Args:
        call: What; it must not raise.
    """
    uwsgi = sys.modules.get("uwsgi")  # which there is inside of uWSGI alone
    if uwsgi is None:
        return
    load_client()
    load_modules(*_LOADED_LATER)
    # A thread that waits for its turn when the others are forked keeps their only one waiting in them, for ever.
    forks.will_be_by_c = uwsgi.worker_id() == 0
    pid = os.getpid()
    before = None if sys.modules.get("uwsgidecorators") else getattr(uwsgi, "post_fork_hook", None)

    def forked() -> None:
        forks.will_be_by_c = False
        if os.getpid() != pid:
            forks.free_locks()
            call()
        if before is not None:
            before()

    try:
        # It takes the hook for itself when it is imported, be it later by the application: so it is asked now.
        postfork = import_module("uwsgidecorators").postfork
    except Exception:  # there is no master process
        uwsgi.post_fork_hook = forked  # type: ignore[attr-defined]  # as its documentation says
        return
    postfork(forked)
