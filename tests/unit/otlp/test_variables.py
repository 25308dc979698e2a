"""Each of OpenTelemetry's variables for OTLP exporters does at a real collector what it says, for its signal alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest

import ezlogs
from ezlogs.delivery.transport import transport
from ezlogs.otlp import Delivered, Outcome, Retry
from ezlogs.settings import Loaded, OtlpSignal, load, logs_address, traces_address

from .collectors import Collector, Request, TlsCollector
from .grpc_collectors import LOGS, TRACES, GrpcCollector

SIGNALS: tuple[OtlpSignal, ...] = ("traces", "logs")
OF: dict[str, tuple[OtlpSignal, ...]] = {"": SIGNALS, "TRACES_": ("traces",), "LOGS_": ("logs",)}
"""By the middle of a variable's name, the signals that it is about."""

every_form = pytest.mark.parametrize("middle", OF)


def name(middle: str, suffix: str) -> str:
    """Return the name of a variable."""
    return f"OTEL_EXPORTER_OTLP_{middle}{suffix}"


def loaded(environ: Mapping[str, str]) -> Loaded:
    """Return the settings for log records and spans as the environment has them, in which nothing is wrong."""
    found = load({"EZLOGS_CARRIER": "both", **environ})
    assert not found.problems
    return found


def send(environ: Mapping[str, str], signal: OtlpSignal) -> Outcome:
    """Send a request of a signal to where the environment says, as it says."""
    found = loaded(environ)
    address = traces_address(found) if signal == "traces" else logs_address(found)
    sender = transport(found.settings, address.endpoint, signal)
    try:
        return sender.send(b"x")
    finally:
        sender.close()


@every_form
def test_endpoint(collector: Collector, middle: str) -> None:
    """The one for all signals is a base address; the others are used as they are."""
    base = f"http://127.0.0.1:{collector.port}/in"
    for signal in OF[middle]:
        assert send({name(middle, "ENDPOINT"): base}, signal) == Delivered()
        expected = "/in" if middle else f"/in/v1/{signal}"
        assert collector.requests[-1].line == f"POST {expected} HTTP/1.1"


@every_form
def test_headers(collector: Collector, middle: str) -> None:
    """They go with their signal, and with no other."""
    environ = {"EZLOGS_ENDPOINT": collector.url, name(middle, "HEADERS"): "x-key=a%20token"}
    for signal in SIGNALS:
        assert send(environ, signal) == Delivered()
        expected = "a token" if signal in OF[middle] else None
        assert collector.requests[-1].headers.get("x-key") == expected


@every_form
def test_timeout(collector: Collector, middle: str) -> None:
    """In seconds, as in the rest of OpenTelemetry for Python."""

    def hang(request: Request) -> bytes | None:
        collector.ended.wait(10)
        return None

    collector.answer = hang
    environ = {"EZLOGS_ENDPOINT": collector.url, name(middle, "TIMEOUT"): "0.2"}
    for signal in OF[middle]:
        outcome = send(environ, signal)
        assert isinstance(outcome, Retry)
        assert "no answer within 0.2 s" in outcome.reason
    settings = loaded(environ).settings
    for signal, timeout in zip(SIGNALS, (settings.timeout, settings.logs_timeout), strict=True):
        assert timeout == (0.2 if signal in OF[middle] else 10)


@every_form
def test_compression(collector: Collector, middle: str) -> None:
    """A collector sees which requests are packed."""
    environ = {"EZLOGS_ENDPOINT": collector.url, name(middle, "COMPRESSION"): "gzip"}
    for signal in SIGNALS:
        assert send(environ, signal) == Delivered()
        packed = collector.requests[-1].headers.get("content-encoding") == "gzip"
        assert packed == (signal in OF[middle])


@every_form
def test_protocol(collector: Collector, grpc_collector: GrpcCollector, middle: str) -> None:
    """One signal may go over gRPC, and the other over HTTP."""
    environ = {name(middle, "PROTOCOL"): "grpc"}
    for signal in SIGNALS:
        over_grpc = signal in OF[middle]
        key = name(f"{signal.upper()}_", "ENDPOINT")
        assert send({**environ, key: grpc_collector.url if over_grpc else collector.url}, signal) == Delivered()
        if over_grpc:
            assert grpc_collector.calls.pop().method == {"traces": TRACES, "logs": LOGS}[signal]
        else:
            assert collector.requests.pop().body == b"x"
    assert not grpc_collector.calls
    assert not collector.requests


@every_form
@pytest.mark.parametrize("said", ["true", "TRUE"])
def test_insecure(grpc_collector: GrpcCollector, middle: str, said: str) -> None:
    """Over gRPC an address without a scheme has TLS, unless it is told otherwise; a scheme says so by itself."""
    environ = {name("", "PROTOCOL"): "grpc", name("", "ENDPOINT"): f"127.0.0.1:{grpc_collector.port}"}
    assert isinstance(send(environ, "traces"), Retry)
    environ[name(middle, "INSECURE")] = said
    for signal in SIGNALS:
        assert (send(environ, signal) == Delivered()) == (signal in OF[middle])
    environ[name("", "ENDPOINT")] = f"https://127.0.0.1:{grpc_collector.port}"
    assert isinstance(send(environ, OF[middle][0]), Retry)
    environ |= {name(middle, "INSECURE"): "false", name("", "ENDPOINT"): grpc_collector.url}
    assert send(environ, OF[middle][0]) == Delivered()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs sockets of Unix")
def test_insecure_counts_for_other_forms_of_grpcs() -> None:
    """Such as the path of a socket, which has no host and no scheme."""
    calls: list[bytes] = []
    handler = grpc.unary_unary_rpc_method_handler(lambda body, context: (calls.append(body), b"")[1])
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_registered_method_handlers("opentelemetry.proto.collector.trace.v1.TraceService", {"Export": handler})
    with TemporaryDirectory() as short:  # a path of a socket has a hundred characters at most
        address = f"unix:{short}/collector"
        server.add_insecure_port(address)
        server.start()
        environ = {name("", "PROTOCOL"): "grpc", name("TRACES_", "ENDPOINT"): address, name("", "TIMEOUT"): "2"}
        try:
            assert isinstance(send(environ, "traces"), Retry)
            assert send({**environ, name("", "INSECURE"): "true"}, "traces") == Delivered()
        finally:
            server.stop(0).wait(5)
    assert calls == [b"x"]


@pytest.fixture
def tls_collector(certificate: tuple[str, str]) -> Iterator[TlsCollector]:
    """A collector that demands a client certificate signed by its own authority."""
    collector = TlsCollector(certificate, demanding=True)
    yield collector
    collector.close()


@pytest.fixture
def tls_grpc_collector(certificate: tuple[str, str]) -> Iterator[GrpcCollector]:
    """The same over gRPC."""
    pem, key = (Path(path).read_bytes() for path in certificate)
    collector = GrpcCollector(
        grpc.ssl_server_credentials([(key, pem)], root_certificates=pem, require_client_auth=True)
    )
    yield collector
    collector.close()


Demanding = Mapping[str, int]
"""The ports of collectors that demand a client certificate, by protocol."""


@pytest.fixture
def demanding(tls_collector: TlsCollector, tls_grpc_collector: GrpcCollector) -> Demanding:
    """One of each."""
    return {"http/protobuf": tls_collector.port, "grpc": tls_grpc_collector.port}


@every_form
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("lacking", ["", "CERTIFICATE", "CLIENT_CERTIFICATE"])
def test_certificate_client_certificate_and_client_key(
    demanding: Demanding, certificate: tuple[str, str], middle: str, protocol: str, lacking: str
) -> None:
    """With all three the collector is reached, and without any of them it is not."""
    environ = {name("", "ENDPOINT"): f"https://127.0.0.1:{demanding[protocol]}", name("", "PROTOCOL"): protocol}
    pem, key = certificate
    given = {"CERTIFICATE": pem, "CLIENT_CERTIFICATE": pem, "CLIENT_KEY": key}
    if lacking:
        del given[lacking]
    if lacking == "CLIENT_CERTIFICATE":
        del given["CLIENT_KEY"]  # alone it is refused
    environ |= {name(middle, suffix): path for suffix, path in given.items()}
    for signal in SIGNALS:
        outcome = send(environ, signal)
        assert (outcome == Delivered()) == (signal in OF[middle] and not lacking), outcome


def test_the_key_may_be_in_the_certificates_file(
    tls_collector: TlsCollector, certificate: tuple[str, str], tmp_path: Path
) -> None:
    """OTEL_EXPORTER_OTLP_CLIENT_KEY is for those who keep it in a file of its own."""
    both = tmp_path / "both.pem"
    both.write_text("".join(Path(path).read_text() for path in certificate))
    environ = {name("", "ENDPOINT"): f"https://127.0.0.1:{tls_collector.port}", name("", "CERTIFICATE"): certificate[0]}
    assert send({**environ, name("", "CLIENT_CERTIFICATE"): str(both)}, "traces") == Delivered()
    alone = {**environ, name("", "CLIENT_CERTIFICATE"): certificate[0]}
    assert isinstance(send(alone, "traces"), Retry)
    assert send({**alone, name("", "CLIENT_KEY"): certificate[1]}, "traces") == Delivered()


@pytest.mark.parametrize("suffix", ["HEADERS", "TIMEOUT", "COMPRESSION", "PROTOCOL", "INSECURE", "ENDPOINT"])
def test_the_variable_of_a_signal_is_stronger_than_the_one_for_all(suffix: str) -> None:
    """For either signal."""
    first, second = {
        "HEADERS": ("x-key=1", "x-key=2"),
        "TIMEOUT": ("1", "2"),
        "COMPRESSION": ("gzip", "none"),
        "PROTOCOL": ("grpc", "http/protobuf"),
        "INSECURE": ("true", "false"),
        "ENDPOINT": ("http://localhost:1/in", "http://localhost:2/in"),
    }[suffix]
    for signal in SIGNALS:
        setting = suffix.lower() if signal == "traces" else f"logs_{suffix.lower()}"
        own = name(f"{signal.upper()}_", suffix)
        both = loaded({name("", suffix): second, own: first}).settings
        assert getattr(both, setting) == getattr(loaded({own: first}).settings, setting)
        assert getattr(both, setting) != getattr(loaded({name("", suffix): second}).settings, setting)


@pytest.fixture
def other_collector() -> Iterator[Collector]:
    """Another collector, for log records."""
    collector = Collector()
    yield collector
    collector.close()


def test_no_header_of_one_signal_reaches_the_collector_of_the_other(
    collector: Collector, other_collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, from an event to two collectors with a token each."""
    settings: dict[str, Any] = {
        "TRACES_ENDPOINT": collector.url,
        "TRACES_HEADERS": "authorization=Bearer%20of-traces",
        "LOGS_ENDPOINT": other_collector.url,
        "LOGS_HEADERS": "authorization=Bearer%20of-logs",
        "HEADERS": "authorization=Bearer%20of-neither",
    }
    for suffix, text in settings.items():
        monkeypatch.setenv(name("", suffix), text)
    ezlogs.configure(carrier="both", pipeline="owned", instrument="none", flush_interval=0.05)
    ezlogs.event("order.action", "placed", subject=("order", 42))
    assert ezlogs.flush(10)
    ezlogs.shutdown()
    assert {request.headers["authorization"] for request in collector.requests} == {"Bearer of-traces"}
    assert {request.headers["authorization"] for request in other_collector.requests} == {"Bearer of-logs"}
