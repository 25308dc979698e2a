"""Transports: what brings encoded requests to a collector, over the protocol that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol, TypedDict

from ezlogs.otlp import HttpTransport, Outcome
from ezlogs.settings import Settings

OtlpSignal = Literal["traces", "logs"]

GRPC: Final = "grpc"


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
        settings: Protocol, credentials and certificates.
        endpoint: Where to; over gRPC its path means nothing.
        signal: What is sent.
        timeout: Seconds for one request; as the settings say if left out.

    Example:
        >>> from ezlogs.settings import Settings
        >>> type(transport(Settings(), "http://localhost:4318/v1/traces", "traces")).__name__
        'HttpTransport'
    """
    common: _Common = {
        "headers": settings.headers,
        "timeout": settings.timeout if timeout is None else timeout,
        "certificate_file": settings.certificate,
        "client_certificate_file": settings.client_certificate,
        "client_key_file": settings.client_key,
    }
    if settings.protocol != GRPC:
        return HttpTransport(endpoint, compression=settings.compression, **common)
    from ezlogs.otlp.grpc import GrpcTransport  # grpcio is large, and few need it

    packed: Literal["none", "gzip"] = "none" if settings.compression == "none" else "gzip"  # all that grpcio has
    return GrpcTransport(endpoint, signal=signal, compression=packed, **common)
