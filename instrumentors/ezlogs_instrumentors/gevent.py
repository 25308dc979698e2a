"""gevent: a greenlet, and a call in a pool of native threads, goes on in the context of the one who spawns it.

gevent begins each greenlet with no context variables at all. Only OpenTelemetry's context is given to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextvars import Context as Variables
from functools import wraps
from types import ModuleType
from typing import Any

from opentelemetry import context

from ezlogs.emit import guarded
from ezlogs.handover import Carried, taken
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class GeventInstrumentor(HookingInstrumentor):
    """Carries the OpenTelemetry context into greenlets: ``spawn``, ``spawn_later``, ``start``, pools and groups.

    Example:
        >>> instrumentor = GeventInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "gevent"
    versions = ("gevent >= 23.9",)

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"gevent": _attach, "gevent.threadpool": _attach_to_threads}

    def _uninstrument(self, **kwargs: Any) -> None:
        super()._uninstrument(**kwargs)
        if (module := sys.modules.get("gevent")) is not None:
            module.Greenlet.remove_spawn_callback(_spawned)


def _attach(hooks: Hooks, module: ModuleType) -> None:
    if hooks.active:
        module.Greenlet.add_spawn_callback(_spawned)


@guarded
def _spawned(greenlet: Any) -> None:
    ctx = taken()
    if ctx is not None and greenlet.gr_context is None:  # else somebody gave it one
        greenlet.gr_context = variables = Variables()
        variables.run(context.attach, ctx)


def _attach_to_threads(hooks: Hooks, module: ModuleType) -> None:
    def make(spawn: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(spawn)
        def spawned(pool: Any, /, *args: Any, **kwargs: Any) -> Any:
            ctx = taken() if hooks.active and args else None
            if ctx is None:
                return spawn(pool, *args, **kwargs)
            return spawn(pool, Carried(ctx, args[0]), *args[1:], **kwargs)

        return spawned

    hooks.replace(module.ThreadPool, "spawn", make)
