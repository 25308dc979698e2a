"""Transports: what brings encoded requests to a collector, over the protocol that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, TypedDict

from ezlogs.otlp import HttpTransport, Outcome
from ezlogs.settings import OtlpSignal, Settings, setting_of

GRPC: Final = "grpc"
JSON: Final = "http/json"


class Transport(Protocol):
    """Sends requests to one collector."""

    def send(self, body: bytes) -> Outcome:
        """Send one request and wait for the answer; never raises."""

    def close(self) -> None:
        """Close the connections. A later `send` opens new ones."""

    def forget(self) -> None:
        """In a forked child: let go of the parent's connections."""


class _Common(TypedDict):
    headers: Mapping[str, str]
    timeout: float
    certificate_file: str | None
    client_certificate_file: str | None
    client_key_file: str | None


def transport(settings: Settings, endpoint: str, signal: OtlpSignal, timeout: float | None = None) -> Transport:
    """Return the transport of one signal.

    Args:
        settings: Protocol, credentials and certificates, each as it is for the signal.
        endpoint: Where to; over gRPC its path means nothing.
        signal: What is sent.
        timeout: Seconds for one request; as the settings say if left out.

    Example:
        >>> from ezlogs.settings import Settings
        >>> type(transport(Settings(), "http://localhost:4318/v1/traces", "traces")).__name__
        'HttpTransport'
    """

    def said(name: str) -> Any:
        return getattr(settings, setting_of(signal, name))

    common: _Common = {
        "headers": said("headers"),
        "timeout": said("timeout") if timeout is None else timeout,
        "certificate_file": said("certificate"),
        "client_certificate_file": said("client_certificate"),
        "client_key_file": said("client_key"),
    }
    if said("protocol") != GRPC:
        as_json = signal if said("protocol") == JSON else None
        return HttpTransport(endpoint, compression=said("compression"), as_json=as_json, **common)
    from ezlogs.otlp.grpc import GrpcTransport  # grpcio is large, and few need it

    packed: Literal["none", "gzip"] = "none" if said("compression") == "none" else "gzip"  # all that grpcio has
    return GrpcTransport(endpoint, signal=signal, compression=packed, insecure=said("insecure"), **common)
