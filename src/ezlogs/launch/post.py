"""The hook that runs at the end of every auto-instrumentation, whichever distribution was elected."""

from __future__ import annotations

from ezlogs.runtime import log


def post_instrument() -> None:
    """Start ezlogs if nothing has, and meet the tracer provider that the elected distribution built. Never raises."""
    try:
        from ezlogs.launch.instrument import withdraw
        from ezlogs.launch.start import launch, meet_provider

        runtime = launch()
        meet_provider(runtime)
        withdraw(runtime.settings.instrument)
    except Exception:
        log.exception("ezlogs: could not start; the application runs without it")
