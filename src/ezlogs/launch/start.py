"""Starting and ending: settings become a runtime, a runtime meets the tracer provider, a process's end is heeded."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  # see below
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
from opentelemetry import trace

from ezlogs import runtime as process
from ezlogs.launch.children import AtTheEndOfChildren
from ezlogs.launch.health import health_of
from ezlogs.launch.interrupt import interrupt_kept
from ezlogs.launch.rules import installed_rules
from ezlogs.launch.trial import sends_nothing
from ezlogs.runtime import Runtime, current_runtime, install, log
from ezlogs.settings import (
    Core,
    Correlation,
    Data,
    Delivery,
    Emission,
    Exceptions,
    Instrumentation,
    InvalidSettings,
    Jobs,
    Loaded,
    Privacy,
    Sampling,
    Web,
    load,
)
from ezlogs.settings.files import find_files

if TYPE_CHECKING:
    from ezlogs.delivery.pipeline import Pipeline
    from ezlogs.testing.standin import StandIn

# The SDK's tracer provider runs a thread pool in a forked child. The lock of pools is taken around a fork and let go in
# the child by a hook that this import registers: were it registered after the provider's, the child would never go on.


def configure(
    *,
    core: Core | None = None,
    delivery: Delivery | None = None,
    emission: Emission | None = None,
    sampling: Sampling | None = None,
    correlation: Correlation | None = None,
    privacy: Privacy | None = None,
    web: Web | None = None,
    data: Data | None = None,
    jobs: Jobs | None = None,
    exceptions: Exceptions | None = None,
    instrumentation: Instrumentation | None = None,
    **settings: object,
) -> None:
    """Start ezlogs in this process, or change its settings when it runs already.

    Sets up an OpenTelemetry ``TracerProvider`` if the application has none, adds ezlogs' span processor to it, and
    instruments what is installed. A second call merges: settings not named keep their values, counters survive.

    Args:
        core: What ezlogs is in this process. This and the next ones are groups of settings, in `ezlogs.settings`.
        delivery: Where events are sent, and how.
        emission: Which events are made, and what brings them out.
        sampling: Which stories are kept.
        correlation: How far a story reaches.
        privacy: What is redacted beside what ezlogs redacts by itself.
        web: Which requests are told, and what of them.
        data: What events of changed rows tell.
        jobs: What jobs know.
        exceptions: What is told of exceptions.
        instrumentation: What tells of itself.
        **settings: Any setting by its name, such as ``service_name="shop"`` or ``endpoint="http://collector:4318"``;
            ``ezlogs doctor`` lists them.

    Raises:
        InvalidSettings: All that is wrong with the settings, here, in the environment and in files: each with where it
            was given, its value, what is allowed and the nearest name.

    Example:
        >>> import ezlogs
        >>> from ezlogs.settings import Delivery
        >>> ezlogs.configure(service_name="shop", delivery=Delivery(timeout=5), instrument="none")
        >>> ezlogs.shutdown()
    """
    groups = {
        "core": core,
        "delivery": delivery,
        "emission": emission,
        "sampling": sampling,
        "correlation": correlation,
        "privacy": privacy,
        "web": web,
        "data": data,
        "jobs": jobs,
        "exceptions": exceptions,
        "instrumentation": instrumentation,
    }
    running = current_runtime()
    earlier = running.given if running else {}
    loaded = load(os.environ, {**settings, **groups}, earlier=earlier, files=find_files(os.environ))
    if loaded.problems:
        raise InvalidSettings(loaded.problems)
    if running is not None and running.settings == loaded.settings:
        meet_provider(running)  # another may have taken the place of the one that was there
        return
    runtime = start(loaded, running)
    meet_provider(runtime)
    if running is not None and running.carrier is not None:
        _let_out(running)
        running.finish_flows(running.settings.shutdown_timeout, last=True)
        running.carrier.shutdown(running.settings.shutdown_timeout)
    if loaded.settings.instrument != "none":  # finding instrumentors is a tenth of starting
        from ezlogs.launch.instrument import instrument

        instrument(loaded.settings.instrument)


def launch(environ: Mapping[str, str] = os.environ) -> Runtime:
    """Start ezlogs under ``opentelemetry-instrument``: never raises; a wrong setting is said once, its default used."""
    running = current_runtime()
    if running is not None:
        return running
    loaded = load(environ, files=find_files(environ))
    for problem in loaded.problems:
        log.warning("ezlogs: %s", problem)
    return start(loaded)


def start(loaded: Loaded, running: Runtime | None = None) -> Runtime:
    """Make a runtime of some settings, and make it the process's own.

    Args:
        loaded: The settings.
        running: The runtime so far: its counts go on, and what it has logged is not said again.
    """
    runtime = Runtime(
        loaded.settings,
        given=loaded.asked,
        ledger=running.ledger if running else None,
        reported=running.reported if running else None,
        further_rules=installed_rules,
    )
    if running is not None:
        runtime.take_over_flows(running)
    if loaded.settings.enabled:
        runtime.carrier = carrier = _stand_in(runtime) or _pipeline(loaded, runtime)
        if runtime.sampler is not None:
            carrier.every_turn(runtime.sampler.turn)
        if not loaded.explicit("endpoint"):  # events may leave with another pipeline, scrubbed before the call returns
            runtime.scrubber.search()
        if loaded.settings.debug if process.debug_asked is None else process.debug_asked:
            from ezlogs.debug import watch

            watch(runtime)
        if loaded.settings.metrics:
            from ezlogs.metrics import register

            register()
    for warning in loaded.warnings:
        runtime.warn_once(str(warning))
    install(runtime)
    _heed_the_end_and_forks()
    return runtime


def _pipeline(loaded: Loaded, runtime: Runtime) -> Pipeline:
    from ezlogs.delivery.pipeline import pipeline  # here, so that `import ezlogs` stays light

    return pipeline(loaded, runtime.ledger, runtime.scrubber)


def _stand_in(runtime: Runtime) -> StandIn | None:
    """Return what takes events in place of a pipeline in a test run, and in processes that one starts."""
    if process.stand_in is None:
        folder = os.environ.get("_EZLOGS_CAPTURE")
        if folder is None:
            if not sends_nothing(os.environ):
                return None
            from ezlogs.testing.standin import StandIn

            return StandIn()
        from ezlogs.testing.elsewhere import Elsewhere

        process.stand_in = Elsewhere(folder)
    process.stand_in.serve(runtime)
    return process.stand_in


@cache
def _heed_the_end_and_forks() -> None:
    """Once a process: neither hook can be doubled, and both look at the runtime of their moment."""
    atexit.register(_at_exit)
    _children.heed()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)
    if "uwsgi" in sys.modules:
        from ezlogs.launch.uwsgi import heed_forks

        heed_forks(_after_fork)


def meet_provider(runtime: Runtime) -> None:
    """Put a span processor of ezlogs' on the application's tracer provider, or build one where there is none."""
    if runtime.carrier is None:
        return
    from opentelemetry.sdk.trace import TracerProvider

    from ezlogs.delivery.resource import resource_of

    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        provider = TracerProvider(resource=resource_of(runtime.settings.service_name))
        trace.set_tracer_provider(provider)
    if isinstance(provider, TracerProvider):
        runtime.carrier.meet(provider)


def shutdown() -> None:
    """Deliver what is pending, within ``shutdown_timeout`` seconds, and stop. Events after it go nowhere."""
    runtime = current_runtime()
    if runtime is None or runtime.carrier is None:
        return
    drain()
    install(None)  # first: what other threads emit from now on must not seem to have gone anywhere
    end(runtime, 0)


def _at_exit() -> None:
    with interrupt_kept():
        shutdown()


def drain() -> None:
    """Deliver what is pending, within ``shutdown_timeout`` seconds; for a process that is about to end."""
    runtime = current_runtime()
    if runtime is not None and runtime.carrier is not None and runtime.carrier.processor is not None:
        _let_out(runtime)
        runtime.finish_flows(runtime.settings.shutdown_timeout, last=True)
        runtime.carrier.processor.shutdown()
        if process.debug_shown is not None:
            process.debug_shown()


_children = AtTheEndOfChildren(shutdown, drain)


def end(runtime: Runtime, timeout: float | None = None) -> None:
    """Deliver what is pending, and leave the health report where ``health_dir`` says.

    Args:
        runtime: What ends.
        timeout: Seconds; ``shutdown_timeout`` if left out.
    """
    if runtime.carrier is None:
        return
    _let_out(runtime)
    allowed = runtime.settings.shutdown_timeout if timeout is None else timeout
    runtime.finish_flows(allowed, last=True)
    runtime.carrier.shutdown(allowed)
    if runtime.settings.health_dir:
        report = {"service": runtime.settings.service_name, "pid": os.getpid(), **health_of(runtime)}
        try:
            folder = Path(runtime.settings.health_dir)
            name = f"{runtime.settings.service_name or 'service'}-{os.getpid()}.json".replace("/", "_")
            (folder / name).write_bytes(msgspec.json.encode(report))
        except OSError as error:
            log.warning("ezlogs: no health report in %s: %s", runtime.settings.health_dir, error.strerror)


def flush(timeout: float = 5.0) -> bool:
    """Deliver what is pending now, and with it the events that wait for the end of what they happened in.

    Args:
        timeout: Seconds to wait at most.

    Returns:
        Whether everything that was handed over has gone out.
    """
    runtime = current_runtime()
    if runtime is None or runtime.carrier is None:
        return True
    _let_out(runtime)
    end = monotonic() + timeout
    written = runtime.finish_flows(timeout, last=False)
    return runtime.carrier.flush(max(0.0, end - monotonic())) and written


def _let_out(runtime: Runtime) -> None:
    if runtime.sampler is not None:
        runtime.sampler.release()


def _after_fork() -> None:
    """In a forked child: counters, queue, connections and open spans begin anew; the parent keeps its own."""
    runtime = current_runtime()
    if runtime is not None and runtime.carrier is not None:
        runtime.ledger.forget()
        runtime.carrier.forget()
        if runtime.sampler is not None:
            runtime.sampler.forget()
        _children.heed()
