"""Loading the HTTP client when it is first needed, in the worker's thread, and never while the process forks."""

from __future__ import annotations

import os
import threading

_loading = threading.Lock()
if hasattr(os, "register_at_fork"):
    # A module that is half loaded when its process forks stays locked in the child, where no one goes on loading it:
    # whoever imports it there, and be it the application, waits for ever. So a fork waits until it is loaded.
    os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)


def load_client() -> None:
    """Load all that the first request needs: with it start-up would take a third longer."""
    with _loading:
        import urllib.request  # noqa: F401  # it knows the environment's proxies

        import urllib3  # noqa: F401  # whoever imports from it next finds it loaded

        "localhost".encode("idna")  # what resolving a host's name loads
