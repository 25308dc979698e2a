"""``transaction.on_commit``: a callback runs in the story, the flow and as the actor of what has asked for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context
from wrapt import ObjectProxy

from ezlogs.correlation import current
from ezlogs.emit import guarded, tracking
from ezlogs.scope import Scope
from ezlogs_instrumentors.hooks import Hooks


class Scheduled(ObjectProxy):  # type: ignore[type-arg]  # giving one at run time needs wrapt 2
    """The application's callback in all but its identity, with the context that it was asked for in."""

    def __init__(self, callback: Callable[..., Any], ctx: Context) -> None:
        super().__init__(callback)
        self._self_context = ctx

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it there."""
        if context.get_current() == self._self_context:
            return self.__wrapped__(*args, **kwargs)
        scope = Scope(self._self_context)
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            scope.close()


def attach(hooks: Hooks, module: ModuleType) -> None:
    """Keep the context of each callback that waits for a commit; outside any story they are left alone."""

    def keeping(on_commit: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(on_commit)
        def call(connection: Any, /, func: Any, *args: Any, **kwargs: Any) -> Any:
            waits = hooks.active and callable(func) and connection.in_atomic_block
            return on_commit(connection, _kept(func) or func if waits else func, *args, **kwargs)

        return call

    hooks.replace(module.BaseDatabaseWrapper, "on_commit", keeping)


@guarded
def _kept(func: Callable[..., Any]) -> Callable[..., Any] | None:
    ctx = context.get_current()
    return Scheduled(func, ctx) if tracking() and current(ctx) is not None else None
