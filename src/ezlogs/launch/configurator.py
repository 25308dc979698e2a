"""The configurator that ``opentelemetry-instrument`` elects: builds the SDK with ezlogs' processor on it."""

from __future__ import annotations

import os
from typing import Any

from ezlogs import otel_compat
from ezlogs.launch.distro import foreign
from ezlogs.launch.start import launch
from ezlogs.runtime import log


class EzlogsConfigurator:
    """Builds the SDK from ``OTEL_*``; with a configuration file, or another vendor's configurator, lets that do it."""

    def configure(self, **kwargs: Any) -> None:
        """Build the SDK. Called once, by the auto-instrumentation loader."""
        point = foreign("opentelemetry_configurator", "OTEL_PYTHON_CONFIGURATOR")
        if point is not None:
            try:
                point.load()().configure(**kwargs)
            except Exception:
                log.exception("ezlogs: the configurator %s failed", point.value)
            return
        if os.environ.get("OTEL_CONFIG_FILE"):
            otel_compat.configure_sdk(None, **kwargs)
            return
        try:
            runtime = launch()
        except Exception:  # raising would cost the application the SDK and all other instrumentation
            log.exception("ezlogs: could not start; the application runs without it")
            runtime = None
        if runtime is not None and (name := runtime.settings.service_name):
            kwargs["resource_attributes"] = {"service.name": name, **(kwargs.get("resource_attributes") or {})}
        otel_compat.configure_sdk(runtime.carrier.processor if runtime and runtime.carrier else None, **kwargs)
