"""Fixtures for transports: no proxy of the machine's, a collector, and a certificate."""

from __future__ import annotations

import logging
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import http2
from .collectors import Collector, Misbehaving
from .grpc_collectors import GrpcCollector, Transports


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "grpc_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _quiet_sdk() -> Iterator[None]:
    """Keep what the SDK says of odd attributes out of reports: a test that makes up many would be drowned in it."""
    loggers = [logging.getLogger(f"opentelemetry.{name}") for name in ("attributes", "trace.span")]
    for logger in loggers:
        logger.disabled = True
    yield
    for logger in loggers:
        logger.disabled = False


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that accepts everything until told otherwise."""
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def grpc_collector() -> Iterator[GrpcCollector]:
    """The same over gRPC."""
    collector = GrpcCollector()
    yield collector
    collector.close()


@pytest.fixture
def grpc_transport() -> Iterator[Transports]:
    """Makes transports over gRPC; those are closed at the end of the test."""
    transports = Transports()
    yield transports
    transports.close()


@pytest.fixture
def misbehaving() -> Iterator[Callable[..., Misbehaving]]:
    """Makes servers that begin with HTTP/2 and then misbehave; those are closed at the end of the test."""
    servers: list[Misbehaving] = []

    def make(behave: Callable[[socket.socket], None], greeting: bytes = http2.SETTINGS) -> Misbehaving:
        servers.append(Misbehaving(behave, until=b"Export", greeting=greeting))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that signed itself, and its key."""
    folder: Path = tmp_path_factory.mktemp("tls")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("needs the openssl command")
    return certificate, key
