"""Exceptions that leave a thread or the whole program: told before Python shows them, which it does as before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

from ezlogs.trackers.error import unhandled
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class ExceptionsInstrumentor(HookingInstrumentor):
    """Tells of exceptions that reach ``sys.excepthook`` and ``threading.excepthook``.

    Example:
        >>> instrumentor = ExceptionsInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"sys": _attach_to_program, "threading": _attach_to_threads}


def _attach_to_program(hooks: Hooks, module: ModuleType) -> None:
    def make(show: Callable[..., None]) -> Callable[..., None]:
        @wraps(show)
        def excepthook(kind: type[BaseException], error: BaseException, traceback: Any, /) -> None:
            if hooks.active and not hasattr(module, "ps1"):  # in a terminal's session mistakes are no errors
                unhandled(error, "program")
            show(kind, error, traceback)

        return excepthook

    hooks.replace(module, "excepthook", make)


def _attach_to_threads(hooks: Hooks, module: ModuleType) -> None:
    def make(show: Callable[..., None]) -> Callable[..., None]:
        @wraps(show)
        def excepthook(args: Any, /) -> None:
            if hooks.active:
                unhandled(args.exc_value, "thread")
            show(args)

        return excepthook

    hooks.replace(module, "excepthook", make)
