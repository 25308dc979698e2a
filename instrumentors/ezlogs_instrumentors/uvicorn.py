"""uvicorn: a server that a signal asked to end delivers before it raises that signal again, past all exit handlers.

So does each of its processes with ``--workers`` and ``--reload``, and each worker of gunicorn's that runs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.emit import guarded
from ezlogs.launch.start import drain
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class UvicornInstrumentor(HookingInstrumentor):
    """Delivers when a server has been shut down by a signal.

    Example:
        >>> instrumentor = UvicornInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    package = "uvicorn"
    versions = ("uvicorn >= 0.29",)  # before that no signal was raised again

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"uvicorn.server": _attach}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(shutdown: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @wraps(shutdown)
        async def shut_down(server: Any, /, *args: Any, **kwargs: Any) -> None:
            await shutdown(server, *args, **kwargs)
            if hooks.active and getattr(server, "_captured_signals", None):  # else the process goes on
                await asyncio.to_thread(_deliver)

        return shut_down

    hooks.replace(module.Server, "shutdown", make)


@guarded
def _deliver() -> None:
    drain()
