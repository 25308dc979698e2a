"""Starting and ending: settings become a runtime, a runtime meets the tracer provider, a process's end is heeded."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from opentelemetry import trace

from ezlogs.runtime import Ledger, Runtime, current_runtime, install, log
from ezlogs.settings import InvalidSettings, Loaded, load

_hooked = False
_overrides: dict[str, object] = {}


def configure(**settings: object) -> None:
    """Start ezlogs in this process, or change its settings when it runs already.

    Sets up an OpenTelemetry ``TracerProvider`` if the application has none, adds ezlogs' span processor to it, and
    instruments what is installed. A second call merges: settings not named keep their values, counters survive.

    Args:
        **settings: Any setting by its name, such as ``service_name="shop"`` or ``endpoint="http://collector:4318"``;
            ``ezlogs settings`` lists them.

    Raises:
        InvalidSettings: Naming each wrong setting, its value, what is allowed and the nearest name.

    Example:
        >>> import ezlogs
        >>> ezlogs.configure(service_name="shop", instrument="none")
        >>> ezlogs.shutdown()
    """
    merged = {**_overrides, **settings}
    loaded = load(os.environ, merged)
    if loaded.problems:
        raise InvalidSettings(loaded.problems)
    running = current_runtime()
    if running is not None and running.settings == loaded.settings:
        return
    _overrides.update(settings)
    runtime = start(loaded, ledger=running.ledger if running else None)
    meet_provider(runtime)
    from ezlogs.launch.instrument import instrument

    instrument(loaded.settings.instrument)


def launch(environ: Mapping[str, str] = os.environ) -> Runtime | None:
    """Start ezlogs under ``opentelemetry-instrument``: never raises; a wrong setting is said once, its default used."""
    running = current_runtime()
    if running is not None:
        return running
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    loaded = load(
        environ, {"pipeline": "attached"} if exporter == "none" and "EZLOGS_PIPELINE" not in environ else {}
    )
    for problem in loaded.problems:
        log.warning("ezlogs: %s", problem)
    return start(loaded)


def start(loaded: Loaded, ledger: Ledger | None = None) -> Runtime:
    """Make the runtime of some settings the process's own; what an earlier one had pending is delivered first."""
    global _hooked
    runtime = Runtime(loaded.settings)
    if ledger is not None:
        runtime.ledger = ledger
    if loaded.settings.enabled:
        from ezlogs.delivery.pipeline import Pipeline  # here, so that `import ezlogs` stays light

        runtime.carrier = Pipeline(
            loaded.settings, runtime.ledger, runtime.scrubber, endpoint_given=loaded.explicit("endpoint")
        )
    before = install(runtime)
    if before is not None and before.carrier is not None:
        before.carrier.shutdown(before.settings.shutdown_timeout)
    if not _hooked:
        _hooked = True
        atexit.register(shutdown)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    return runtime


def meet_provider(runtime: Runtime) -> None:
    """Put ezlogs' span processor on the application's tracer provider, or build one where there is none."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from ezlogs import otel_compat

    processor = runtime.carrier.processor if runtime.carrier else None
    if processor is None:
        return
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        name = runtime.settings.service_name
        provider = TracerProvider(resource=Resource.create({"service.name": name} if name else {}))
        trace.set_tracer_provider(provider)
    if isinstance(provider, TracerProvider):
        known = otel_compat.span_processors(provider)
        if known is None or processor not in known:
            provider.add_span_processor(processor)


def shutdown() -> None:
    """Deliver what is pending, within ``shutdown_timeout`` seconds, and stop. Events after it go nowhere."""
    runtime = current_runtime()
    if runtime is None or runtime.carrier is None:
        return
    end(runtime)
    install(None)
    _overrides.clear()


def end(runtime: Runtime) -> None:
    """Deliver what is pending, and leave the health report where ``health_dir`` says."""
    if runtime.carrier is None:
        return
    runtime.carrier.shutdown(runtime.settings.shutdown_timeout)
    if runtime.settings.health_dir:
        report = {"service": runtime.settings.service_name, "pid": os.getpid(), **health()}
        try:
            folder = Path(runtime.settings.health_dir)
            name = f"{runtime.settings.service_name or 'service'}-{os.getpid()}.json".replace("/", "_")
            (folder / name).write_bytes(msgspec.json.encode(report))
        except OSError as error:
            log.warning("ezlogs: no health report in %s: %s", runtime.settings.health_dir, error.strerror)


def flush(timeout: float = 5.0) -> bool:
    """Deliver what is pending now.

    Args:
        timeout: Seconds to wait at most.

    Returns:
        Whether everything that was handed over has gone out.
    """
    runtime = current_runtime()
    return runtime is None or runtime.carrier is None or runtime.carrier.flush(timeout)


def health() -> dict[str, object]:
    """Return what happened to events so far: emitted, delivered, pending, lost by reason; and the pipeline's state."""
    runtime = current_runtime()
    if runtime is None or runtime.carrier is None:
        return {"running": False}
    counts = runtime.ledger.counts()
    lost = {key[5:]: number for key, number in counts.items() if key.startswith("lost.")}
    rest = {key: number for key, number in counts.items() if not key.startswith("lost.")}
    return {"running": True, "delivered": 0, **rest, "lost": lost, **runtime.carrier.health()}


def _after_fork() -> None:
    """In a forked child: counters, queue, connections and open spans begin anew; the parent keeps its own."""
    runtime = current_runtime()
    if runtime is not None and runtime.carrier is not None:
        runtime.ledger.forget()
        runtime.carrier.forget()
