"""concurrent.futures: what is submitted to a pool of threads or processes happens in the context of its submitter.

So does ``loop.run_in_executor``. The pool's workers themselves are in no context between two calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import ModuleType
from typing import Any

from ezlogs.handover import Carried, nowhere, taken
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks
from ezlogs_instrumentors.threading import others_carry

Submit = Callable[..., Any]


class FuturesInstrumentor(HookingInstrumentor):
    """Carries the OpenTelemetry context through ``ThreadPoolExecutor`` and ``ProcessPoolExecutor``.

    Example:
        >>> instrumentor = FuturesInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return _ATTACH


def _attach_to_threads(hooks: Hooks, module: ModuleType) -> None:
    hooks.replace(module.ThreadPoolExecutor, "submit", partial(_carrying, hooks, _is_ours))


def _attach_to_processes(hooks: Hooks, module: ModuleType) -> None:
    hooks.replace(module.ProcessPoolExecutor, "submit", partial(_carrying, hooks, lambda _: True))


_ATTACH = {"concurrent.futures.thread": _attach_to_threads, "concurrent.futures.process": _attach_to_processes}


def _carrying(hooks: Hooks, ours: Callable[[Any], bool], submit: Submit) -> Submit:
    @wraps(submit)
    def submitted(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        ctx = taken() if hooks.active and args else None
        if ctx is None or not ours(self):
            return submit(self, *args, **kwargs)
        with nowhere():  # a worker that is started for this call is there for the next one too
            return submit(self, Carried(ctx, args[0]), *args[1:], **kwargs)

    return submitted


def _is_ours(executor: object) -> bool:
    """Return whether ezlogs is the one to carry: not into other interpreters, and not where OpenTelemetry does."""
    return not any(kind.__module__ == "concurrent.futures.interpreter" for kind in type(executor).__mro__) and (
        not others_carry()
    )
