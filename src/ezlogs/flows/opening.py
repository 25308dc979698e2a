"""From the setting ``flow_store`` to what makes the store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from ezlogs.flows.store import StoreUnavailableError
from ezlogs.forks import lock_for_loading

if TYPE_CHECKING:
    from ezlogs.flows.store import FlowStore

SQLITE = "sqlite:///"

_loading = lock_for_loading()


def maker(setting: str) -> Callable[[], FlowStore] | None:
    """Return what makes the store that a setting names, in the thread that will use it; None for the memory."""
    if setting == "memory":
        return None
    return partial(_made, setting)


def _made(setting: str) -> FlowStore:
    with _loading:  # no child is born while a library is half loaded
        if setting.startswith(SQLITE):
            from ezlogs.flows.sqlite import SqliteStore

            return SqliteStore(setting[len(SQLITE) :])
        from ezlogs.flows.keyed import django_store, redis_store

        if "://" in setting:
            return redis_store(setting)
        name, colon, rest = setting.partition(":")
        if name == "django":
            return django_store(rest if colon else "default")
    return _by_name(name, rest)


def _by_name(module: str, name: str) -> FlowStore:
    from importlib import import_module

    try:
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError) as problem:
        raise StoreUnavailableError(f"{module}:{name} cannot be imported ({type(problem).__qualname__})") from problem
    return cast("FlowStore", make())
