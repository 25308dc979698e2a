"""Loading the HTTP client when it is first needed, in the worker's thread, and never while the process forks."""

from __future__ import annotations

from ezlogs.forks import lock_for_loading

_loading = lock_for_loading()


def load_client() -> None:
    """Load all that the first request needs: with it start-up would take a third longer."""
    with _loading:
        import urllib.request  # noqa: F401  # it knows the environment's proxies

        import urllib3  # noqa: F401  # whoever imports from it next finds it loaded

        "localhost".encode("idna")  # what resolving a host's name loads
