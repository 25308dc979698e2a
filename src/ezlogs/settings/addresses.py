"""Where log records go, as all that was said about it amounts to."""

from __future__ import annotations

from typing import NamedTuple

from ezlogs.settings.layers import IN_CODE
from ezlogs.settings.loading import Loaded
from ezlogs.settings.otlp import LOGS_PATH, TRACES_PATH
from ezlogs.settings.table import Settings, variable


class Address(NamedTuple):
    """An OTLP/HTTP address, and whether anybody gave it."""

    endpoint: str
    given: bool


def traces_address(loaded: Loaded) -> Address:
    """Return where spans go: to this machine, at the protocol's port, where nobody says otherwise.

    Example:
        >>> from ezlogs.settings import load
        >>> traces_address(load({}, {"protocol": "grpc"}))
        Address(endpoint='http://localhost:4317/v1/traces', given=False)
    """
    if loaded.explicit("endpoint"):
        return Address(loaded.settings.endpoint, True)
    return Address(_usual(loaded.settings.endpoint, loaded.settings.protocol), False)


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
    given = loaded.settings.logs_endpoint
    if given is not None and not (_of_opentelemetry(loaded, "logs_endpoint") and _for_ezlogs(loaded, "endpoint")):
        return Address(given, True)
    if loaded.explicit("endpoint") and not _of_opentelemetry(loaded, "endpoint"):
        return Address(_beside(loaded.settings.endpoint), True)
    return Address(_beside(_usual(Settings().endpoint, loaded.settings.protocol)), False)


def _usual(endpoint: str, protocol: str) -> str:
    """Return the address that holds without another; over gRPC its path means nothing, and its port is another."""
    return endpoint.replace(":4318", ":4317") if protocol == "grpc" else endpoint


def _for_ezlogs(loaded: Loaded, name: str) -> bool:
    """Return whether the application itself gave a setting: in code, or by ezlogs' own variable."""
    source = loaded.sources[name]
    return source == IN_CODE.source((name,)) or source.startswith(variable(name))


def _of_opentelemetry(loaded: Loaded, name: str) -> bool:
    return loaded.sources[name].startswith("OTEL_")


def _beside(endpoint: str) -> str:
    """Return the address for logs at the collector of an address for traces, which ends with its path."""
    head, _, tail = endpoint.rpartition(TRACES_PATH)
    return f"{head}{LOGS_PATH}{tail}"
