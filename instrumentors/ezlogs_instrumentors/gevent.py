"""gevent: a greenlet, and a call in a pool of native threads, goes on in the context of the one who spawns it.

gevent begins each greenlet with no context variables at all. Only OpenTelemetry's context is given to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from contextvars import Context as Variables
from functools import partial, wraps
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry import context
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing

from ezlogs.emit import guarded
from ezlogs.handover import Carried, taken
from ezlogs_instrumentors.django.hooks import Hooks


class GeventInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Carries the OpenTelemetry context into greenlets: ``spawn``, ``spawn_later``, ``start``, pools and groups.

    Example:
        >>> instrumentor = GeventInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    _hooks: Hooks
    _spawned: Callable[[Any], None]

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions of gevent that this works with."""
        return ("gevent >= 21.1",)

    def _instrument(self, **kwargs: Any) -> None:
        if find_spec("gevent") is None:
            raise ModuleNotFoundError("No module named 'gevent'", name="gevent")
        self._hooks = hooks = Hooks()

        @guarded
        def spawned(greenlet: Any) -> None:
            ctx = taken()
            if ctx is not None and greenlet.gr_context is None:  # else somebody gave it one
                greenlet.gr_context = variables = Variables()
                variables.run(context.attach, ctx)

        @guarded
        def attach(module: ModuleType) -> None:
            if hooks.active:
                module.Greenlet.add_spawn_callback(spawned)

        self._spawned = spawned
        wrapt.register_post_import_hook(attach, "gevent")
        wrapt.register_post_import_hook(partial(guarded(_attach_to_threads), hooks), "gevent.threadpool")

    def _uninstrument(self, **kwargs: Any) -> None:
        self._hooks.undo()
        if (module := sys.modules.get("gevent")) is not None:
            module.Greenlet.remove_spawn_callback(self._spawned)


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
