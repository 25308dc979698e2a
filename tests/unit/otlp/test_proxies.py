"""Proxies of the environment are used for both protocols, and not for the hosts that are excepted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ezlogs.otlp import Delivered, HttpTransport, Retry, loading

from .collectors import Collector, TlsCollector, unused_port
from .grpc_collectors import GrpcCollector, Transports
from .proxies import Proxy

CREDENTIALS = "proxy-authorization: basic ywrhonb3"


@pytest.fixture
def tls_collector(certificate: tuple[str, str]) -> Iterator[TlsCollector]:
    """A collector that speaks TLS, and asks nobody who connects."""
    collector = TlsCollector(certificate)
    yield collector
    collector.close()


def post(url: str, certificate_file: str | None = None) -> object:
    """Send a request over HTTP."""
    transport = HttpTransport(
        url, headers={"x-key": "secret"}, timeout=5.0, compression="none", certificate_file=certificate_file
    )
    try:
        return transport.send(b"x")
    finally:
        transport.close()


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_what_is_encrypted_goes_through_a_tunnel(
    tls_collector: TlsCollector, certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The proxy learns the host and its own credentials, and nothing of the request."""
    proxy = Proxy(tls_collector.port)
    monkeypatch.setenv(variable, proxy.url)
    try:
        assert post("https://127.0.0.1:9/v1/traces", certificate[0]) == Delivered()
    finally:
        proxy.close()
    (head,) = proxy.asked
    assert head[0].startswith("CONNECT 127.0.0.1:9 HTTP/1.")
    lower = [line.lower() for line in head]
    assert CREDENTIALS in lower
    assert not any("x-key" in line for line in lower)
    assert [request.headers["x-key"] for request in tls_collector.requests] == ["secret"]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_counts_for_its_own_scheme(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """One for what is encrypted is not used for what is not."""
    nobody = f"http://127.0.0.1:{unused_port()}"
    monkeypatch.setenv("https_proxy", nobody)
    assert post(collector.url) == Delivered()
    monkeypatch.setenv(variable, nobody)
    assert isinstance(post(collector.url), Retry)


@pytest.mark.parametrize("excepted", ["127.0.0.1", "example.com, 127.0.0.1", "*"])
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_excepted_hosts_are_reached_directly(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, variable: str, excepted: str
) -> None:
    """Alone, in a list, and all of them."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    assert isinstance(post(collector.url), Retry)
    monkeypatch.setenv(variable, excepted)
    assert post(collector.url) == Delivered()


@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY", "all_proxy"])
def test_grpc_goes_through_a_tunnel(
    grpc_collector: GrpcCollector, grpc_transport: Transports, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """With the proxy's credentials, to the host that the endpoint names; in capitals, too, which gRPC does not read."""
    proxy = Proxy(grpc_collector.port)
    monkeypatch.setenv(variable, proxy.url)
    try:
        sender = grpc_transport("http://127.0.0.1:9", headers={"x-key": "secret"})
        assert sender.send(b"through") == Delivered()
        sender.close()
    finally:
        proxy.close()
    assert proxy.asked[0][0] == "CONNECT 127.0.0.1:9 HTTP/1.1"
    lower = [line.lower() for line in proxy.asked[0]]
    assert CREDENTIALS in lower
    assert not any("x-key" in line for line in lower)
    (call,) = grpc_collector.calls
    assert (call.body, call.metadata["x-key"]) == (b"through", "secret")


@pytest.mark.parametrize("excepted", ["127.0.0.1", "example.com, 127.0.0.1", "*"])
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_excepted_hosts_are_reached_directly_over_grpc(
    grpc_collector: GrpcCollector,
    grpc_transport: Transports,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    excepted: str,
) -> None:
    """As over HTTP."""
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{unused_port()}")
    assert isinstance(grpc_transport(grpc_collector.url, timeout=1.0).send(b"x"), Retry)
    monkeypatch.setenv(variable, excepted)
    assert grpc_transport(grpc_collector.url).send(b"x") == Delivered()


def test_grpc_with_tls_goes_through_a_tunnel(
    certificate: tuple[str, str], grpc_transport: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is that of the collector, not of the proxy."""
    pem, key = (Path(path).read_bytes() for path in certificate)
    collector = GrpcCollector(grpc.ssl_server_credentials([(key, pem)]))
    proxy = Proxy(collector.port)
    monkeypatch.setenv("https_proxy", proxy.url)
    try:
        sender = grpc_transport("https://127.0.0.1:9", certificate_file=certificate[0])
        assert sender.send(b"x") == Delivered()
        sender.close()
    finally:
        proxy.close()
        collector.close()


@pytest.mark.parametrize("variable", ["NO_PROXY", "https_proxy"])
def test_who_has_proxies_loads_what_knows_them(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """By the worker, before the first request; who has none needs nothing of it."""
    loaded: list[str] = []
    monkeypatch.setattr(loading, "load_modules", lambda *names: loaded.extend(names))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    loading.load_client()
    assert "urllib.request" not in loaded
    monkeypatch.setenv(variable, "proxy.example")
    loading.load_client()
    assert "urllib.request" in loaded
