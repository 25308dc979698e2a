"""Groups and chords: what one call enqueues outside any story is one story, the join with its header."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.correlation import begun, current, placed
from ezlogs.emit import guarded, tracking
from ezlogs.scope import Scope
from ezlogs_instrumentors.hooks import Hooks


def attach(hooks: Hooks, canvas: ModuleType) -> None:
    """Begin a story, where there is none, around what enqueues several tasks."""

    def together(apply_async: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(apply_async)
        def call(*args: Any, **kwargs: Any) -> Any:
            scope = _story() if hooks.active else None
            try:
                return apply_async(*args, **kwargs)
            finally:
                if scope is not None:
                    scope.close()

        return call

    for kind in (canvas.group, canvas.chord):
        hooks.replace(kind, "apply_async", together)


@guarded
def _story() -> Scope | None:
    return Scope(placed(begun())) if tracking() and current() is None else None
