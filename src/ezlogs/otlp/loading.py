"""Loading late what is needed late, such as the HTTP client in the worker, and never while the process forks."""

from __future__ import annotations

import os
import threading

uninterrupted = threading.RLock()
"""Held while modules are loaded late. A module that forks while it is loaded may: it is the same thread."""

if hasattr(os, "register_at_fork"):
    # A module that is half loaded when its process forks stays locked in the child, where no one goes on loading it:
    # whoever imports it there, and be it the application, waits for ever. So a fork waits until it is loaded.
    os.register_at_fork(
        before=uninterrupted.acquire, after_in_parent=uninterrupted.release, after_in_child=uninterrupted.release
    )


def load_client() -> None:
    """Load all that the first request needs: with it start-up would take a third longer."""
    with uninterrupted:
        import urllib.request  # noqa: F401  # it knows the environment's proxies

        import urllib3  # noqa: F401  # whoever imports from it next finds it loaded

        "localhost".encode("idna")  # what resolving a host's name loads
