"""threading: a thread, and a timer, goes on in the context of the one who starts it.

Also where ``run`` is overridden. Threads of pools, queues and telemetry begin in no context: they serve everybody.
Where OpenTelemetry's own instrumentor carries the context, this one does not.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import ModuleType

from opentelemetry.context import Context

from ezlogs.emit import guarded
from ezlogs.handover import Carried, nowhere, serves_everybody, taken
from ezlogs.trackers.error import unhandled
from ezlogs_instrumentors.hooks import Attach, HookingInstrumentor, Hooks


class ThreadingInstrumentor(HookingInstrumentor):
    """Carries the OpenTelemetry context into `threading.Thread` and `threading.Timer`.

    Example:
        >>> instrumentor = ThreadingInstrumentor()
        >>> instrumentor.instrument()
        >>> instrumentor.uninstrument()
    """

    def attachments(self) -> Mapping[str, Attach]:
        """Return what puts hooks into which module."""
        return {"threading": _attach}


def _attach(hooks: Hooks, module: ModuleType) -> None:
    def make(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        @wraps(start)
        def started(thread: threading.Thread) -> None:
            ctx = taken() if hooks.active else None
            if ctx is None or not _is_new(thread):
                return start(thread)
            if serves_everybody(thread):
                with nowhere():
                    return start(thread)
            take_back = None if _is_carried(thread) else _hand(thread, ctx)
            try:
                return start(thread)
            except BaseException:
                if take_back is not None:
                    take_back()
                raise

        return started

    for kind in (threading.Thread, threading.Timer):
        if "start" in vars(kind):  # a timer has one of its own where OpenTelemetry wrapped it
            hooks.replace(kind, "start", make)


def others_carry() -> bool:
    """Return whether OpenTelemetry's instrumentor of threads and thread pools is at work."""
    module = sys.modules.get("opentelemetry.instrumentation.threading")
    return module is not None and module.ThreadingInstrumentor().is_instrumented_by_opentelemetry is True


def _is_new(thread: threading.Thread) -> bool:
    try:
        return thread.ident is None
    except AssertionError:  # its class forgot to call __init__: starting it says so
        return False


def _is_carried(thread: threading.Thread) -> bool:
    """Return whether somebody else decides what the thread runs in: its context was given, or is carried already."""
    if getattr(thread, "_context", None) is not None:  # since Python 3.14
        return True
    owner = next(kind for kind in type(thread).__mro__ if "run" in vars(kind))
    return owner in (threading.Thread, threading.Timer) and "run" not in vars(thread) and others_carry()


@guarded
def _hand(thread: threading.Thread, ctx: Context) -> Callable[[], None]:
    """Let a thread run in a context; return what takes that back. Nothing of it is left once the thread runs."""
    own = vars(thread)
    before = own.get("run")

    def take_back() -> None:
        if before is None:
            own.pop("run", None)
        else:
            own["run"] = before

    own["run"] = Carried(ctx, thread.run, take_back, partial(unhandled, left="thread"))
    return take_back
