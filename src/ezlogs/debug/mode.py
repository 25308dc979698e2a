"""Switching debug mode on and off, in a process that runs already or is about to start."""

from __future__ import annotations

from typing import Any

from ezlogs import runtime as process
from ezlogs.debug.screen import Screen
from ezlogs.debug.watching import Watching
from ezlogs.runtime import Runtime


def is_on() -> bool:
    """Return whether stories are shown in this process, or will be once it starts ezlogs."""
    runtime = process.current_runtime()
    if runtime is None or runtime.carrier is None:
        return bool(process.debug_asked)
    return isinstance(runtime.carrier, Watching)


def switch(on: bool) -> None:
    """Show stories from now on, or no longer.

    What ``ezlogs.debug_mode = True`` does. It counts more than the setting ``debug``, also for a later
    ``ezlogs.configure()``. Events that were emitted before are not shown.
    """
    process.debug_asked = on
    runtime = process.current_runtime()
    if runtime is None or runtime.carrier is None or is_on() == on:
        return
    if on:
        watch(runtime)
    else:
        watching: Any = runtime.carrier
        watching.leave()
        runtime.carrier = watching.inner
        if runtime.sampler is not None:
            runtime.sampler.explain(runtime.settings.debug)


def watch(runtime: Runtime) -> None:
    """Have everything shown that a runtime's carrier takes, which it has."""
    carrier: Any = runtime.carrier
    runtime.carrier = Watching(carrier, Screen(runtime))
    if runtime.sampler is not None:
        runtime.sampler.explain(True)
