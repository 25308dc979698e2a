"""multiprocessing: processes, and what is given to pools, go on in the story of the one who starts or gives them.

However processes are started: a forked one has its parent's context by itself; to a spawned one, and to one of the fork
server, it is brought with the process object. There it needs no ezlogs that runs, only one that is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.handover import Carried, Enclosed, nowhere, serves_everybody, taken
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

_ENCLOSED = "_ezlogs_context"
_GIVING = ("apply_async", "imap", "imap_unordered", "map", "map_async", "starmap", "starmap_async")
"""The methods of a pool that take a function, first; the others call one of these."""


class MultiprocessingInstrumentor(HookingInstrumentor):
    """Carries the story into ``multiprocessing.Process`` and through ``Pool`` and ``ThreadPool``.

    Example:
        >>> instrumentor = MultiprocessingInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return _ATTACH


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
