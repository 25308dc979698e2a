"""subprocess: a program that is started goes on in the story of the one who starts it, by its environment variables.

``asyncio.create_subprocess_exec`` and ``create_subprocess_shell`` come by here too. Ids alone travel.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from ezlogs.emit import guarded
from ezlogs.handover import for_program, taken
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks

_ENV = 10
"""The place of ``env`` among the positional arguments of ``Popen``."""


class SubprocessInstrumentor(HookingInstrumentor):
    """Gives ``TRACEPARENT``, ``TRACESTATE`` and ``BAGGAGE`` to the programs that `subprocess.Popen` starts.

    Example:
        >>> instrumentor = SubprocessInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"subprocess": _attach}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(begin: Callable[..., None]) -> Callable[..., None]:
        @wraps(begin)
        def begun(process: Any, /, *args: Any, **kwargs: Any) -> None:
            if hooks.active:
                args, kwargs = _with_variables(args, kwargs) or (args, kwargs)
            begin(process, *args, **kwargs)

        return begun

    hooks.replace(subprocess.Popen, "__init__", make)


@guarded
def _with_variables(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    ctx = taken()
    if ctx is None or not is_instrumentation_enabled():
        return None
    given = args[_ENV] if len(args) > _ENV else kwargs.get("env")
    if given is not None and not isinstance(given, Mapping):
        return None
    env = for_program(os.environ if given is None else given, ctx)
    if env is None:
        return None
    if len(args) > _ENV:
        return (*args[:_ENV], env, *args[_ENV + 1 :]), kwargs
    return args, {**kwargs, "env": env}
