"""Fixtures: rows and links that Django loads from them are not told, unless the setting ``fixtures`` says so."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.runtime import current_runtime
from ezlogs.trackers import data
from ezlogs_instrumentors.django.transactions import open_transactions
from ezlogs_instrumentors.hooks import Hooks

loading: ContextVar[bool] = ContextVar("ezlogs_djangoloading", default=False)


def attach(hooks: Hooks, module: ModuleType) -> None:
    """See what is loaded, of which only the row itself says so: its links are set like any."""
    hooks.replace(module.DeserializedObject, "save", partial(_marking, hooks))


def watching() -> bool:
    """Return whether writes are told, and these are no fixture's that are not."""
    return data.watching() and (not loading.get() or are_told())


def are_told() -> bool:
    """Return whether fixtures are told."""
    runtime = current_runtime()
    return runtime is not None and runtime.settings.fixtures


def _marking(hooks: Hooks, original: Callable[..., None]) -> Callable[..., None]:
    forget = guarded(open_transactions.forget)

    @wraps(original)
    def save(loaded: Any, /, *args: Any, **kwargs: Any) -> None:
        token = loading.set(hooks.active)
        if hooks.active:
            forget()
        try:
            original(loaded, *args, **kwargs)
        finally:
            loading.reset(token)

    return save
