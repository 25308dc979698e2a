"""Where each signal goes, as all that was said about it amounts to."""

from __future__ import annotations

from typing import NamedTuple

from ezlogs.settings.loading import Loaded


class Address(NamedTuple):
    """An OTLP address, and whether anybody gave it."""

    endpoint: str
    given: bool


def traces_address(loaded: Loaded) -> Address:
    """Return where spans go: to this machine, at the protocol's port, where nobody says otherwise.

    Example:
        >>> from ezlogs.settings import load
        >>> traces_address(load({}, {"protocol": "grpc"}))
        Address(endpoint='http://localhost:4317/v1/traces', given=False)
    """
    return _address(loaded, "endpoint", loaded.settings.protocol)


def logs_address(loaded: Loaded) -> Address:
    """Return where log records go.

    ``logs_endpoint`` says so. Without it they go beside the spans, to the collector that ``endpoint`` names - as they
    do when the application names one for ezlogs and only OpenTelemetry's variables speak of logs. A
    collector that OTEL_EXPORTER_OTLP_TRACES_ENDPOINT names is one for spans only.

    Example:
        >>> from ezlogs.settings import load
        >>> logs_address(load({}, {"endpoint": "https://collector:4318"}))
        Address(endpoint='https://collector:4318/v1/logs', given=True)
    """
    return _address(loaded, "logs_endpoint", loaded.settings.logs_protocol)


def _address(loaded: Loaded, name: str, protocol: str) -> Address:
    endpoint: str = getattr(loaded.settings, name)
    if loaded.explicit(name):
        return Address(endpoint, True)
    return Address(endpoint.replace(":4318", ":4317") if protocol == "grpc" else endpoint, False)
