"""Forks while ezlogs' worker is loading its HTTP client, and uses that client in the child; prints its exit status."""

from __future__ import annotations

import os
import sys
import threading
import time
from importlib.abc import MetaPathFinder
from typing import Any

import ezlogs

began = threading.Event()


class Slow(MetaPathFinder):
    """Makes loading last long enough to fork in the middle of it."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        """Find nothing, slowly."""
        if name == "urllib3.connection":
            began.set()
            time.sleep(0.5)


sys.meta_path.insert(0, Slow())
ezlogs.configure(endpoint=sys.argv[1], flush_interval=0.01, instrument="none")
ezlogs.event("order.action", "placed")
assert began.wait(30), "the worker has not begun to load its HTTP client"
child = os.fork()
if child == 0:
    import urllib3

    os._exit(0 if urllib3.PoolManager else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
