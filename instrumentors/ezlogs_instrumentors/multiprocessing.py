"""multiprocessing: processes, and what is given to pools, go on in the story of the one who starts or gives them.

However processes are started: a forked one has its parent's context by itself; to a spawned one, and to one of the fork
server, it is brought with the process object. There it needs no ezlogs that runs, only one that is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial, wraps
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file is exempt from typing

from ezlogs.emit import guarded
from ezlogs.handover import Carried, Enclosed, nowhere, serves_everybody, taken
from ezlogs_instrumentors.django.hooks import Hooks

_ENCLOSED = "_ezlogs_context"
_GIVING = ("apply_async", "imap", "imap_unordered", "map", "map_async", "starmap", "starmap_async")
"""The methods of a pool that take a function, first; the others call one of these."""


class MultiprocessingInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Carries the story into ``multiprocessing.Process`` and through ``Pool`` and ``ThreadPool``.

    Example:
        >>> instrumentor = MultiprocessingInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    _hooks: Hooks

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: multiprocessing is always there."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._hooks = hooks = Hooks()
        for module, attach in _ATTACH.items():
            wrapt.register_post_import_hook(partial(guarded(attach), hooks), module)

    def _uninstrument(self, **kwargs: Any) -> None:
        self._hooks.undo()


def _attach_to_processes(hooks: Hooks, module: ModuleType) -> None:
    def make(start: Callable[[Any], None]) -> Callable[[Any], None]:
        @wraps(start)
        def started(process: Any) -> None:
            ctx = taken() if hooks.active else None
            if ctx is None:
                return start(process)
            if serves_everybody(process):
                with nowhere():
                    return start(process)
            vars(process)[_ENCLOSED] = Enclosed(ctx)
            try:
                return start(process)
            finally:
                vars(process).pop(_ENCLOSED, None)

        return started

    hooks.replace(module.BaseProcess, "start", make)


def _attach_to_pools(hooks: Hooks, module: ModuleType) -> None:
    def make(give: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(give)
        def given(pool: Any, /, *args: Any, **kwargs: Any) -> Any:
            ctx = taken() if hooks.active else None
            if ctx is None:
                return give(pool, *args, **kwargs)
            if args:
                args = (Carried(ctx, args[0]), *args[1:])
            elif "func" in kwargs:
                kwargs["func"] = Carried(ctx, kwargs["func"])
            return give(pool, *args, **kwargs)

        return given

    for name in _GIVING:
        hooks.replace(module.Pool, name, make)


_ATTACH = {"multiprocessing.process": _attach_to_processes, "multiprocessing.pool": _attach_to_pools}
