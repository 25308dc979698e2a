"""Loading what a transport needs when it is first needed, in the worker's thread, and never while the process forks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module

from ezlogs.forks import lock_for_loading
from ezlogs.otlp.proxies import are_named

_loading = lock_for_loading()


def held_off() -> AbstractContextManager[bool]:
    """Return a context in which the process does not fork, for what is short and must not be cut in two."""
    return _loading


def load_client() -> None:
    """Load all that the first request needs: with it start-up would take a third longer."""
    if are_named():
        load_modules("urllib.request")  # which knows the environment's proxies
    load_modules("urllib3", "ezlogs.otlp.connections")
    with _loading:
        "localhost".encode("idna")  # what resolving a host's name loads


def load_modules(*names: str) -> None:
    """Load modules by name: whoever imports them next finds them loaded.

    Raises:
        ImportError: One of them is not there.
    """
    with _loading:
        for name in names:
            import_module(name)
